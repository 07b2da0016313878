//! The log beside the file: what it is for, and what is said when it is not what it should be.

use std::fs;

use super::{
    tests::{OnDisk, gone, lived},
    *,
};
use crate::journal::{
    conformance::Subject,
    scribe::{Scribe, stream},
};

/// What a kill would leave of a journal that is open, in another directory.
fn killed(subject: &OnDisk) -> OnDisk {
    let left = OnDisk::empty(1_000);
    for end in ["", "-log"] {
        let [from, to] = [subject.path(), left.path()].map(|path| format!("{}{end}", path.display()));
        fs::copy(from, to).expect("is there");
    }
    left
}

fn log_of(subject: &OnDisk) -> PathBuf {
    format!("{}-log", subject.path().display()).into()
}

/// A journal whose last batches only the log holds, and what was written.
fn ahead() -> (OnDisk, Scribe) {
    let (mut subject, mut scribe) = lived(1_000);
    for _ in 0..5 {
        subject.write(&scribe.talk(stream(2), 3));
    }
    (subject, scribe)
}

#[test]
fn what_only_the_log_held_is_there_after_a_kill() {
    let (subject, mut scribe) = ahead();
    let mut left = killed(&subject);
    left.reopen();
    left.check(&scribe, 3, gone);
    left.write(&scribe.talk(stream(3), 4));
    let mut again = killed(&left);
    again.reopen();
    again.check(&scribe, 3, gone);
}

#[test]
fn without_its_log_a_killed_journal_is_refused_and_not_taken_for_the_whole() {
    let (subject, scribe) = ahead();
    let mut left = killed(&subject);
    let kept = left.path().with_extension("kept");
    fs::rename(log_of(&left), &kept).expect("renames");
    let copy = left.path().with_extension("copy");
    let refusals = [
        RedbJournal::open(left.path()).map(drop),
        RedbJournal::open_checked(left.path()).map(drop),
        maintenance::compact(left.path()).map(drop),
        restore(left.path(), copy, Epoch(1), &mut |_| ()).map(drop),
    ];
    for refused in refusals {
        let error = refused.expect_err("is refused").to_string();
        assert!(error.contains("journal.redb-log") && error.contains("put it back"), "{error}");
    }
    // Nor does another journal's do.
    let (other, _) = ahead();
    fs::copy(log_of(&other), log_of(&left)).expect("copies");
    assert!(RedbJournal::open(left.path()).is_err());
    fs::rename(kept, log_of(&left)).expect("renames");
    left.reopen();
    left.check(&scribe, 3, gone);
}

#[test]
fn no_journal_is_made_where_the_log_of_another_lies() {
    let (subject, scribe) = ahead();
    let mut left = killed(&subject);
    let moved = left.path().with_extension("moved");
    fs::rename(left.path(), &moved).expect("renames");
    let backup = left.path().with_extension("backup");
    backup_of(&subject, &backup);
    let refusals = [
        RedbJournal::open_or_create(left.path()).map(drop),
        restore(&backup, left.path(), Epoch(2), &mut |_| ()).map(drop),
    ];
    for refused in refusals {
        let error = refused.expect_err("is refused").to_string();
        assert!(error.contains("journal.redb-log"), "{error}");
    }
    fs::rename(moved, left.path()).expect("renames");
    left.reopen();
    left.check(&scribe, 3, gone);
}

fn backup_of(subject: &OnDisk, dest: &Path) {
    backup(&subject.journal.as_ref().expect("is open").redb_reader(), dest, &mut |_| ()).expect("copies");
}

#[test]
fn an_orderly_end_leaves_one_file_that_older_releases_read() {
    let (mut subject, scribe) = ahead();
    let format = |subject: &OnDisk| {
        let db = Database::open(subject.path()).expect("opens");
        let txn = db.begin_read().expect("begins");
        let meta = txn.open_table(tables::META).expect("opens");
        rows::value(meta.get(tables::names::FORMAT).expect("reads").expect("is there").value())
    };
    let mut left = killed(&subject);
    left.reopen();
    left.close();
    assert_eq!(format(&left), Some(tables::FORMAT_WITH_LOG));
    subject.journal().checkpoint().expect("ends");
    subject.close();
    assert!(!log_of(&subject).exists());
    assert_eq!(format(&subject), Some(tables::FORMAT));
    subject.reopen();
    subject.check(&scribe, 3, gone);
}

#[test]
fn a_frame_that_was_cut_off_ends_the_log() {
    let (mut subject, mut scribe) = (OnDisk::new(1_000), Scribe::default());
    for _ in 0..5 {
        subject.write(&scribe.talk(stream(2), 3));
    }
    let whole = fs::read(log_of(&subject)).expect("reads");
    let last = whole.iter().rposition(|byte| *byte != 0).expect("is no zeros");
    let mut left = killed(&subject);
    let mut cut = whole;
    cut[last] ^= 1;
    fs::write(log_of(&left), cut).expect("writes");
    left.reopen();
    scribe = scribe.without_last(3);
    left.check(&scribe, 2, |_| 0);
}

#[test]
fn a_log_that_is_damaged_before_its_last_frame_is_refused_wherever_it_is() {
    let (mut subject, mut scribe) = (OnDisk::new(1_000), Scribe::default());
    let mut ends = Vec::new();
    for _ in 0..4 {
        subject.write(&scribe.talk(stream(2), 3));
        let log = fs::read(log_of(&subject)).expect("reads");
        ends.push(log.iter().rposition(|byte| *byte != 0).expect("is no zeros") + 1);
    }
    let whole = fs::read(log_of(&subject)).expect("reads");
    // The first batch was durable in the tables, so the log begins with the second.
    for at in (4_096..ends[2]).step_by(5) {
        let left = killed(&subject);
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << (at % 8);
        fs::write(log_of(&left), damaged).expect("writes");
        let error = RedbJournal::open(left.path()).expect_err(&format!("byte {at} was noticed")).to_string();
        assert!(error.contains("is damaged behind position"), "{error}");
    }
}

/// A journal whose log is in use in both halves, none of it in the tables, with one frame in the second, and where each
/// frame ends in the log.
fn in_both_halves() -> (OnDisk, Scribe, Vec<usize>) {
    let (mut subject, mut scribe) = (OnDisk::empty(1_000), Scribe::default());
    subject.bounds.log_bytes = 4_096 + 2 * 1_024;
    subject.bounds.whose = Whose::Writer;
    subject.reopen();
    let mut ends = vec![4_096];
    subject.write(&scribe.talk(stream(2), 3));
    while ends.last().is_some_and(|end| *end <= 4_096 + 1_024) {
        subject.write(&scribe.talk(stream(2), 3));
        let wal = subject.journal.as_ref().and_then(|journal| journal.wal.as_ref()).expect("is in use");
        ends.push(usize::try_from(wal.end()).expect("is short"));
    }
    (subject, scribe, ends)
}

#[test]
fn both_halves_of_the_log_are_taken_in_after_a_kill_whichever_is_the_older() {
    let (mut subject, mut scribe, _) = in_both_halves();
    for _ in 0..12 {
        let mut left = killed(&subject);
        left.reopen();
        left.check(&scribe, 2, |_| 0);
        subject.write(&scribe.talk(stream(2), 3));
    }
}

#[test]
fn damage_at_the_end_of_a_half_is_refused_when_commits_went_on_in_the_other() {
    let (mut subject, mut scribe, ends) = in_both_halves();
    let [.., before, last, _] = ends[..] else { panic!("too few frames: {ends:?}") };
    assert!(last <= 4_096 + 1_024 && before < last, "{ends:?}");
    for frames_behind in [1, 2] {
        let whole = fs::read(log_of(&subject)).expect("reads");
        for at in (before..last).step_by(3) {
            let left = killed(&subject);
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << (at % 8);
            fs::write(log_of(&left), damaged).expect("writes");
            let noticed = format!("byte {at} was noticed by {frames_behind} frames behind it");
            let error = RedbJournal::open(left.path()).expect_err(&noticed).to_string();
            assert!(error.contains("is damaged behind position"), "{error}");
        }
        subject.write(&scribe.talk(stream(2), 3));
    }
}

#[test]
fn what_does_not_fit_in_the_log_is_durable_in_the_tables() {
    let (mut subject, mut scribe) = ahead();
    let large = vec![b'x'; 700 * 1024];
    for _ in 0..7 {
        let batch = [scribe.next(stream(2), crate::journal::scribe::said(), &large, None)];
        subject.write(&batch);
        let mut left = killed(&subject);
        left.reopen();
        left.check(&scribe, 3, gone);
    }
    assert_eq!(fs::metadata(log_of(&subject)).expect("is there").len(), limits::JOURNAL_LOG_BYTES);
}

#[test]
fn every_offline_verb_sees_what_the_log_holds() {
    let (subject, scribe) = ahead();
    let left = killed(&subject);
    let copy = left.path().with_extension("copy");
    let copied = restore(left.path(), &copy, Epoch(9), &mut |_| ()).expect("restores");
    assert_eq!(copied.tail.0, scribe.written.len() as u64);
    for verb in [|path| maintenance::compact(path).map(drop), |path| maintenance::reindex(path)] {
        let mut left = killed(&subject);
        verb(left.path()).expect("is done");
        left.reopen();
        left.check(&scribe, 3, gone);
    }
    let left = killed(&subject);
    let verdict = RedbJournal::open_checked(left.path()).expect("opens").reader().verify(&mut |_| ()).expect("walks");
    assert_eq!((verdict.records, verdict.fault), (scribe.written.len() as u64, None));
}
