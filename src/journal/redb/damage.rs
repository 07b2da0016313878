//! What becomes of a journal whose bytes were changed behind its back: it is noticed, and it is said where.

use std::{fs, path::Path};

use super::{
    tables::{EVENTS, FACTS, META},
    tests::{OnDisk, gone, lived},
    *,
};
use crate::{
    domain::Position,
    journal::{
        Verdict,
        conformance::{Subject, facts},
        scribe::{ALL, Scribe, stream},
    },
};

fn verify(path: &Path) -> Verdict {
    let journal = RedbJournal::open(path).expect("opens");
    journal.reader().verify(&mut |_| ()).expect("walks")
}

/// Changes the file of a closed journal.
fn tamper(path: &Path, change: impl FnOnce(&WriteTransaction)) {
    let db = Database::open(path).expect("opens");
    let changed = transact(&db, |txn| {
        change(txn);
        Ok(())
    });
    changed.expect("commits");
}

fn event(txn: &WriteTransaction, position: u64) -> Vec<u8> {
    let events = txn.open_table(EVENTS).expect("opens");
    events.get(position).expect("reads").expect("is there").value().to_vec()
}

fn put(txn: &WriteTransaction, position: u64, row: &[u8]) {
    txn.open_table(EVENTS).expect("opens").insert(position, row).expect("writes");
}

fn closed() -> (OnDisk, Scribe) {
    let (mut subject, scribe) = lived(16);
    // Everything is in the index, so that opening reads no record and `verify` alone has to notice.
    subject.journal().checkpoint().expect("checkpoints");
    subject.close();
    (subject, scribe)
}

#[test]
fn a_flipped_byte_in_any_record_is_found_where_it_is() {
    let (subject, _) = closed();
    for position in 1..=90 {
        let mut before = Vec::new();
        tamper(&subject.path(), |txn| {
            before = event(txn, position);
            let mut row = before.clone();
            let place = usize::try_from(position * 7_919).expect("small") % row.len();
            row[place] ^= 1 << (position % 8);
            put(txn, position, &row);
        });
        let fault = verify(&subject.path()).fault.expect("is noticed");
        // Three records a commit: the record itself when it cannot be read, else its commit.
        let commit = (position - 1) / 3 * 3 + 1;
        assert!((commit..=position).contains(&fault.position.0), "{position}: {fault:?}");
        tamper(&subject.path(), |txn| put(txn, position, &before));
    }
    assert_eq!(verify(&subject.path()).fault, None);
}

#[test]
fn a_flipped_byte_in_any_commit_is_found_where_it_is() {
    let (subject, _) = closed();
    for last in (3..=90).step_by(3) {
        let place = usize::try_from(last * 31).expect("small") % rows::COMMIT_BYTES;
        let flip = |txn: &WriteTransaction| {
            let mut commits = txn.open_table(COMMITS).expect("opens");
            let mut row = *commits.get(last).expect("reads").expect("is there").value();
            row[place] ^= 0x10;
            commits.insert(last, &row).expect("writes");
        };
        tamper(&subject.path(), flip);
        let fault = verify(&subject.path()).fault.expect("is noticed");
        assert_eq!(fault.position.0, last - 2, "{fault:?}");
        tamper(&subject.path(), flip);
    }
    assert_eq!(verify(&subject.path()).fault, None);
}

#[test]
fn missing_and_reordered_records_and_commits_are_found() {
    type Change = fn(&WriteTransaction);
    let cases: [(&str, u64, Change); 5] = [
        ("a missing record", 50, |txn| {
            txn.open_table(EVENTS).expect("opens").remove(50).expect("removes");
        }),
        ("two records that changed places", 49, |txn| {
            let (one, other) = (event(txn, 50), event(txn, 51));
            put(txn, 50, &other);
            put(txn, 51, &one);
        }),
        ("a record twice", 49, |txn| put(txn, 51, &event(txn, 50))),
        ("a missing commit", 49, |txn| {
            txn.open_table(COMMITS).expect("opens").remove(51).expect("removes");
        }),
        ("a commit under another number", 49, |txn| {
            let mut commits = txn.open_table(COMMITS).expect("opens");
            let row = *commits.remove(51).expect("removes").expect("was there").value();
            commits.insert(50, &row).expect("writes");
        }),
    ];
    for (name, position, change) in cases {
        let (subject, _) = closed();
        tamper(&subject.path(), change);
        let verdict = verify(&subject.path());
        let fault = verdict.fault.expect(name);
        assert_eq!(fault.position, Position(position), "{name}: {}", fault.reason);
        assert!(verdict.commits <= 16, "{name}: what follows hangs on a broken chain");
    }
}

#[test]
fn a_journal_that_lost_its_end_on_one_side_does_not_open() {
    type Change = fn(&WriteTransaction);
    let cases: [Change; 3] = [
        |txn| drop(txn.open_table(EVENTS).expect("opens").remove(90).expect("removes")),
        |txn| drop(txn.open_table(COMMITS).expect("opens").remove(90).expect("removes")),
        |txn| {
            let mut meta = txn.open_table(META).expect("opens");
            meta.insert(tables::names::CHECKPOINT, 91_u64.to_be_bytes().as_slice()).expect("writes");
        },
    ];
    for change in cases {
        let (subject, _) = closed();
        tamper(&subject.path(), change);
        let error = RedbJournal::open(subject.path()).expect_err("is refused");
        assert!(matches!(error, JournalError::Damaged { .. }), "{error}");
    }
}

#[test]
fn a_damaged_record_is_an_error_and_not_a_wrong_answer() {
    let (mut subject, scribe) = closed();
    tamper(&subject.path(), |txn| put(txn, 50, &event(txn, 50)[..30]));
    tamper(&subject.path(), |txn| put(txn, 60, &event(txn, 58)));
    subject.reopen();
    let reader = subject.look();
    let error = reader.read_all(Position(1), ALL).expect_err("is noticed");
    assert!(matches!(error, JournalError::Damaged { position: Position(50), .. }), "{error}");
    let misplaced = scribe.written[59].stream;
    let error = reader.read_stream(misplaced, scribe.written[59].sequence, ALL).expect_err("is noticed");
    assert!(matches!(error, JournalError::Damaged { position: Position(60), .. }), "{error}");
}

#[test]
fn a_record_that_cannot_be_forgotten_stops_nothing_else() {
    let (mut subject, mut scribe) = closed();
    tamper(&subject.path(), |txn| put(txn, 50, &event(txn, 50)[..3]));
    subject.reopen();
    let damaged = scribe.written[49].stream;
    let error = subject.journal().trim(damaged, scribe.written[49].sequence).expect_err("is noticed");
    assert!(matches!(error, JournalError::Damaged { position: Position(50), .. }), "{error}");
    let next = scribe.talk(stream(1), 1);
    subject.write(&next);
    assert_eq!(subject.look().read_all(next[0].position, ALL).expect("reads"), next);
}

#[test]
fn damaged_facts_are_an_error() {
    let (mut subject, scribe) = closed();
    tamper(&subject.path(), |txn| {
        let mut facts = txn.open_table(FACTS).expect("opens");
        let (first, mut row) = {
            let (first, row) = facts.first().expect("reads").expect("is there");
            (first.value(), row.value().to_vec())
        };
        let last = row.len() - 1;
        row[last] ^= 1;
        facts.insert(first, row.as_slice()).expect("writes");
    });
    subject.reopen();
    let error = subject.look().read_facts(&mut |_| ()).expect_err("is noticed");
    assert!(matches!(error, JournalError::Damaged { .. }), "{error}");
    subject.close();
    maintenance::reindex(subject.path()).expect("reindexes");
    subject.reopen();
    assert_eq!(facts(&*subject.look()), scribe.facts());
}

#[test]
fn a_flipped_byte_anywhere_in_the_file_is_found_or_harmless() {
    let (mut subject, scribe) = closed();
    maintenance::compact(subject.path()).expect("compacts");
    let whole = fs::read(subject.path()).expect("reads");
    let path = subject.path().with_extension("flipped");
    let mut found = 0;
    for step in 0..300_usize {
        // The file's own header first, then anywhere.
        let place = if step < 64 { step * 5 } else { step.wrapping_mul(2_654_435_761) % whole.len() };
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << (step % 8);
        fs::write(&path, &bytes).expect("writes");
        let Ok(journal) = RedbJournal::open_checked(&path) else {
            found += 1;
            continue;
        };
        subject.journal = Some(journal);
        if subject.look().verify(&mut |_| ()).map_or(true, |verdict| verdict.fault.is_some()) {
            found += 1;
        } else {
            subject.check(&scribe, 3, gone);
        }
        subject.close();
    }
    assert!(found > 100, "only {found} were in use");
}
