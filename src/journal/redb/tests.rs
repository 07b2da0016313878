//! The journal in a file: what every journal promises, and what only a file can do.

use tempfile::TempDir;

use super::*;
use crate::{
    domain::{Position, Record},
    journal::{
        conformance::{self, Subject},
        scribe::{ALL, Scribe, fact, key, said, stream},
    },
};

/// A journal in a directory of its own.
pub(super) struct OnDisk {
    dir: TempDir,
    pub(super) bounds: CheckpointBounds,
    pub(super) journal: Option<RedbJournal>,
}

impl OnDisk {
    pub(super) fn new(records_max: usize) -> Self {
        let mut subject = Self::empty(records_max);
        subject.reopen();
        subject
    }

    /// A directory without a journal.
    pub(super) fn empty(records_max: usize) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let bounds = CheckpointBounds { records_max, ..CheckpointBounds::default() };
        Self { dir, bounds, journal: None }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.dir.path().join("journal.redb")
    }

    pub(super) fn close(&mut self) {
        self.journal = None;
    }
}

impl Subject for OnDisk {
    fn journal(&mut self) -> &mut dyn Journal {
        self.journal.as_mut().expect("is open")
    }

    fn reopen(&mut self) {
        self.close();
        let mut journal = RedbJournal::open_or_create(self.path()).expect("opens");
        journal.bounds = self.bounds;
        self.journal = Some(journal);
    }
}

mod with_few_checkpoints {
    use super::*;
    conformance::suite!(OnDisk::new(limits::CHECKPOINT_RECORDS_MAX));
}

mod with_many_checkpoints {
    use super::*;
    conformance::suite!(OnDisk::new(4));
}

mod with_a_short_log {
    use super::*;

    /// Most batches fill half of it, so that nearly everything is read while it is on its way into the tables.
    fn short() -> OnDisk {
        let mut subject = OnDisk::empty(4);
        subject.bounds.log_bytes = 8 * 1024;
        subject.reopen();
        subject
    }

    conformance::suite!(short());
}

/// Some history: three streams, facts, keys, a trim, and records on both sides of the last checkpoint.
pub(super) fn lived(records_max: usize) -> (OnDisk, Scribe) {
    let (mut subject, mut scribe) = (OnDisk::new(records_max), Scribe::default());
    for round in 0..30_u64 {
        let mut batch = scribe.talk(stream(1 + u128::from(round % 3)), 2);
        batch.push(scribe.next(stream(1), fact(u128::from(round)), b"payload", Some(key(round / 4, round))));
        subject.write(&batch);
        if round == 20 {
            subject.forget(1, 10);
        }
    }
    (subject, scribe)
}

pub(super) const fn gone(number: u128) -> u64 {
    if number == 1 { 10 } else { 0 }
}

#[test]
fn a_file_has_one_owner() {
    let subject = OnDisk::new(9);
    for second in [RedbJournal::open(subject.path()), RedbJournal::open_or_create(subject.path())] {
        let error = second.expect_err("is taken");
        assert!(matches!(&error, JournalError::InUse { path } if *path == subject.path()), "{error}");
        assert!(error.to_string().contains("journal.redb"));
    }
    let taken = restore(subject.path(), subject.path().with_extension("copy"), Epoch(1), &mut |_| ());
    assert!(matches!(taken, Err(JournalError::InUse { .. })), "{taken:?}");
    assert!(matches!(maintenance::compact(subject.path()), Err(JournalError::InUse { .. })));
}

#[test]
fn another_process_is_told_the_same() {
    const FILE: &str = "RCS_TEST_FILE_IN_USE";
    if let Ok(path) = std::env::var(FILE) {
        let error = RedbJournal::open(path).expect_err("is taken");
        assert!(matches!(error, JournalError::InUse { .. }), "{error}");
        return;
    }
    let mut subject = OnDisk::new(9);
    let name = std::thread::current().name().expect("tests have names").to_owned();
    let other = |path: PathBuf| {
        let this = std::env::current_exe().expect("is known");
        std::process::Command::new(this).args(["--exact", &name]).env(FILE, path).output().expect("runs").status
    };
    assert!(other(subject.path()).success());
    subject.close();
    assert!(!other(subject.path()).success(), "now it can be opened");
}

#[test]
fn only_its_owner_may_read_a_new_file() {
    let subject = OnDisk::new(9);
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(subject.path()).expect("is there").permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);
    }
    assert_eq!(std::fs::read_dir(subject.dir.path()).expect("lists").count(), 1, "no draft is left");
}

#[test]
fn what_is_no_journal_is_refused_by_name() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("something");
    for bytes in [Vec::new(), b"short".to_vec(), vec![0; 4_096], vec![7; 1 << 20]] {
        std::fs::write(&path, &bytes).expect("writes");
        let error = RedbJournal::open_or_create(&path).expect_err("is refused");
        assert!(matches!(&error, JournalError::Unreadable { path: told, .. } if *told == path), "{error}");
        assert_eq!(std::fs::read(&path).expect("reads"), bytes, "it was left alone");
    }
    std::fs::remove_file(&path).expect("removes");
    drop(Database::create(&path).expect("creates"));
    for refused in [RedbJournal::open(&path).map(drop), maintenance::compact(&path).map(drop)] {
        assert!(matches!(refused, Err(JournalError::Unreadable { .. })), "{refused:?}");
    }
    let nowhere = RedbJournal::open(dir.path().join("nowhere")).expect_err("is not there");
    assert!(nowhere.to_string().contains("nowhere"), "{nowhere}");
}

#[test]
fn a_later_format_is_refused_with_its_number() {
    let (mut subject, _) = lived(9);
    subject.close();
    let db = Database::open(subject.path()).expect("opens");
    let set = |txn: &WriteTransaction, name: &str, number: u64| {
        let mut meta = txn.open_table(tables::META).expect("opens");
        meta.insert(name, number.to_be_bytes().as_slice()).expect("writes");
        Ok(())
    };
    for (format, told) in [(4, "format 4"), (tables::FORMAT_WITH_OLD_LOG, "start and stop that one")] {
        transact(&db, |txn| set(txn, tables::names::FORMAT, format)).expect("commits");
        let error = open::Meta::read(&db.begin_read().expect("begins"), &subject.path()).expect_err("is refused");
        assert!(error.to_string().contains(told), "{error}");
    }
}

#[test]
fn the_index_says_nothing_that_the_records_do_not_say() {
    for damage in ["segments", "streams", "facts", "version"] {
        for records_max in [3, 16, 1_000] {
            let (mut subject, scribe) = lived(records_max);
            subject.close();
            let db = Database::open(subject.path()).expect("opens");
            transact(&db, |txn| {
                let done = match damage {
                    "segments" => txn.delete_table(SEGMENTS),
                    "streams" => txn.delete_table(STREAMS),
                    "facts" => txn.delete_table(tables::FACTS),
                    _ => {
                        let mut meta = txn.open_table(tables::META).expect("opens");
                        meta.insert(tables::names::INDEX, 99_u64.to_be_bytes().as_slice()).expect("writes");
                        Ok(true)
                    }
                };
                done.map(drop).map_err(failed("damage"))
            })
            .expect("commits");
            drop(db);
            subject.reopen();
            subject.check(&scribe, 3, gone);
        }
    }
}

#[test]
fn an_index_can_be_made_anew() {
    let (mut subject, scribe) = lived(5);
    subject.close();
    maintenance::reindex(subject.path()).expect("reindexes");
    subject.reopen();
    subject.check(&scribe, 3, gone);
}

#[test]
fn after_a_failed_write_nothing_more_is_written() {
    let (mut subject, mut scribe) = lived(9);
    let journal = subject.journal.as_mut().expect("is open");
    let refused = journal.write(|_| Err::<(), _>(JournalError::Storage { doing: "x", source: "no space".into() }));
    assert!(refused.is_err());
    let before = scribe.clone();
    let next = scribe.talk(stream(1), 1);
    let told = [
        journal.append(&next).map(drop),
        journal.append(&[]).map(drop),
        journal.trim(stream(1), Sequence(20)).map(drop),
        journal.checkpoint(),
    ];
    for error in told.map(|outcome| outcome.expect_err("refuses")) {
        assert!(error.to_string().contains("start again"), "{error}");
    }
    subject.reopen();
    subject.check(&before, 3, gone);
    subject.write(&next);
    subject.check(&scribe, 3, gone);
}

#[test]
fn a_refusal_is_no_failure() {
    let (mut subject, mut scribe) = lived(9);
    let mut wrong = Record::clone(&scribe.clone().talk(stream(1), 1)[0]);
    wrong.payload = vec![0; limits::RECORD_BYTES_MAX].into();
    let error = subject.journal().append(&[Arc::new(wrong)]).expect_err("is too large");
    assert!(matches!(error, JournalError::TooLarge { position: Position(91), .. }), "{error}");
    subject.write(&scribe.talk(stream(1), 1));
    subject.check(&scribe, 3, gone);
}

#[test]
fn a_trim_is_bounded_and_goes_on_where_it_stopped() {
    let (mut subject, mut scribe) = (OnDisk::new(1_000), Scribe::default());
    let records = limits::TRIM_RECORDS_MAX + 100;
    subject.write(&scribe.talk(stream(1), records));
    let trim = |subject: &mut OnDisk| subject.journal().trim(stream(1), Sequence(records as u64 - 1)).expect("trims");
    assert_eq!(trim(&mut subject), limits::TRIM_RECORDS_MAX);
    subject.reopen();
    assert_eq!(trim(&mut subject), 99);
    assert_eq!(trim(&mut subject), 0);
    subject.check(&scribe, 1, |_| records as u64 - 1);
}

#[test]
fn what_gathers_in_memory_is_bounded() {
    let (mut subject, mut scribe) = (OnDisk::new(10), Scribe::default());
    for records in [4, 4, 4, 25, 1, 10, 1] {
        subject.write(&scribe.talk(stream(1), records));
        let live = subject.journal.as_ref().expect("is open").shared.live().len();
        assert!(live <= 10.max(records), "{live} after {records}");
    }
    let journal = subject.journal.as_mut().expect("is open");
    journal.bounds.bytes_max = 10_000;
    for _ in 0..8 {
        let batch = [scribe.next(stream(2), said(), &[b'x'; 4_000], None)];
        journal.append(&batch).expect("appends");
        assert!(journal.shared.live().len() <= 3);
    }
    subject.check(&scribe, 2, |_| 0);
}

#[test]
fn a_backup_is_the_journal_of_one_moment() {
    let (mut subject, mut scribe) = lived(16);
    let copy = subject.path().with_extension("backup");
    let reader = subject.journal.as_ref().expect("is open").redb_reader();
    let mut passed = Vec::new();
    let copied = backup(&reader, &copy, &mut |position| passed.push(position)).expect("copies");
    assert_eq!(copied, Copied { tail: Position(90), epoch: reader.epoch() });
    assert_eq!(passed.last(), Some(&Position(90)));
    assert!(backup(&reader, &copy, &mut |_| ()).is_err(), "it overwrites nothing");
    drop(reader);
    let head = subject.look().verify(&mut |_| ()).expect("verifies").head;
    let before = scribe.clone();
    subject.write(&scribe.talk(stream(1), 3));

    let (epoch, restored) = (subject.look().epoch(), subject.path().with_extension("restored"));
    let again = restore(&copy, &restored, Epoch(77), &mut |_| ()).expect("restores");
    assert_eq!(again, Copied { tail: Position(90), epoch: Epoch(77) });
    for (path, name) in [(copy, epoch), (restored, Epoch(77))] {
        let mut other =
            OnDisk { dir: tempfile::tempdir().expect("a directory"), bounds: subject.bounds, journal: None };
        other.journal = Some(RedbJournal::open(path).expect("opens"));
        other.check(&before, 3, gone);
        assert_eq!(other.look().epoch(), name);
        assert_eq!(other.look().verify(&mut |_| ()).expect("verifies").head, head);
        let mut scribe = before.clone();
        other.write(&scribe.talk(stream(2), 3));
        other.check(&scribe, 3, gone);
    }
    subject.check(&scribe, 3, gone);
}

#[test]
fn a_reader_misses_nothing_while_the_log_goes_into_the_tables() {
    let mut subject = OnDisk::empty(200);
    subject.bounds.log_bytes = 16 * 1024;
    subject.reopen();
    let (mut scribe, reader) = (Scribe::default(), subject.look());
    let done = std::sync::atomic::AtomicBool::new(false);
    let written = std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let mut rounds = 0;
            while !done.load(std::sync::atomic::Ordering::SeqCst) || rounds == 0 {
                let tail = reader.tail();
                let all = reader.read_all(Position(1), ALL).expect("reads");
                assert!(all.len() as u64 >= tail.0 && all.iter().zip(1..).all(|(record, at)| record.position.0 == at));
                let some = reader.read_stream(stream(2), Sequence(1), ALL).expect("reads");
                assert!(some.iter().zip(1..).all(|(record, at)| record.sequence.0 == at));
                let last = reader.stream_tail(stream(2)).expect("looks up").map_or(0, |tail| tail.latest.0);
                assert!(some.len() as u64 <= last, "{} of {last}", some.len());
                assert_eq!(reader.verify(&mut |_| ()).expect("walks").fault, None);
                rounds += 1;
            }
        });
        for round in 0..600_u64 {
            let mut batch = scribe.talk(stream(2), 1);
            batch.push(scribe.next(stream(3), fact(u128::from(round)), b"payload", Some(key(round / 4, round))));
            subject.write(&batch);
            let found = reader.find(stream(3), key(round / 8, round / 2)).expect("looks up");
            assert_eq!(found, Some(Sequence(round / 2 + 1)), "a key of earlier");
        }
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        reading.join().expect("no panic");
        scribe
    });
    subject.check(&written, 3, |_| 0);
}

#[test]
fn a_backup_can_be_taken_while_the_journal_grows() {
    let (mut subject, mut scribe) = lived(7);
    let copy = subject.path().with_extension("backup");
    let reader = subject.journal.as_ref().expect("is open").redb_reader();
    let copied = std::thread::scope(|scope| {
        let copying = scope.spawn(|| backup(&reader, &copy, &mut |_| ()).expect("copies"));
        for _ in 0..40 {
            subject.write(&scribe.talk(stream(1), 5));
        }
        copying.join().expect("no panic")
    });
    let whole = RedbJournal::open(&copy).expect("opens").redb_reader();
    assert_eq!(whole.tail(), copied.tail);
    assert!(copied.tail.0.is_multiple_of(5) && copied.tail >= Position(90));
    assert_eq!(whole.verify(&mut |_| ()).expect("verifies").fault, None);
}

#[test]
fn an_unfinished_copy_is_no_journal() {
    let (subject, _) = lived(9);
    let draft = subject.path().with_extension("draft");
    let db = Database::create(&draft).expect("creates");
    transact(&db, |txn| txn.open_table(EVENTS).map(drop).map_err(failed("copy"))).expect("commits");
    drop(db);
    let error = RedbJournal::open(&draft).expect_err("is refused");
    assert!(matches!(error, JournalError::Unreadable { .. }), "{error}");
}

#[test]
fn sizes_are_told_and_free_pages_given_back() {
    let (mut subject, mut scribe) = lived(16);
    for _ in 0..20 {
        let batch: Vec<_> = (0..50).map(|_| scribe.next(stream(2), said(), &[b'x'; 2_000], None)).collect();
        subject.write(&batch);
    }
    let trimmed = scribe.of(stream(2), 1).len() as u64;
    subject.forget(2, trimmed);
    let stats = maintenance::stats(&subject.journal.as_ref().expect("is open").redb_reader()).expect("measures");
    let names: Vec<_> = stats.tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(names, ["commits", "events", "facts", "meta", "segments", "streams"]);
    assert_eq!(stats.tables[1].rows, scribe.written.len() as u64);
    assert_eq!(stats.tables[0].rows, 50);
    assert!(stats.free_bytes() > 0 && stats.free_bytes() < stats.file_bytes);
    subject.close();
    let (before, after) = maintenance::compact(subject.path()).expect("compacts");
    assert!(after < before / 2, "{before} to {after}");
    subject.reopen();
    subject.check(&scribe, 3, |number| if number == 2 { trimmed } else { gone(number) });
}
