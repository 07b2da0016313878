//! What every journal promises, one test per promise. An implementation runs them all with one line each:
//! `conformance::suite!(expression that makes an empty journal)`.

use std::{sync::Arc, thread};

use super::{
    Batch, Bounds, Journal, JournalError, JournalReader,
    scribe::{ALL, Scribe, fact, key, said, session, stream},
};
use crate::domain::{Event, Position, Record, Sequence};

/// A journal under test.
pub(super) trait Subject {
    fn journal(&mut self) -> &mut dyn Journal;

    /// Closes and opens again, where that means anything. All readers are gone by then.
    fn reopen(&mut self);

    fn look(&mut self) -> Arc<dyn JournalReader> {
        self.journal().reader()
    }

    fn write(&mut self, records: &[Arc<Record>]) {
        self.journal().append(records).expect("appends");
    }

    /// Trims until there is nothing left to forget.
    fn forget(&mut self, number: u128, through: u64) -> usize {
        let mut forgotten = 0;
        loop {
            match self.journal().trim(stream(number), Sequence(through)).expect("trims") {
                0 => return forgotten,
                some => forgotten += some,
            }
        }
    }

    /// Everything that can be asked, compared with what was written. Streams are 1 to `streams`, trimmed up to `gone`.
    fn check(&mut self, scribe: &Scribe, streams: u128, gone: impl Fn(u128) -> u64) {
        let reader = self.look();
        assert_eq!(reader.tail(), Position(scribe.written.len() as u64));
        let mut tails = Vec::new();
        for number in 1..=streams {
            let expected = scribe.of(stream(number), gone(number) + 1);
            assert_eq!(reader.read_stream(stream(number), Sequence(gone(number) + 1), ALL).expect("reads"), expected);
            let Some(last) = scribe.of(stream(number), 1).pop() else { continue };
            let tail = reader.stream_tail(stream(number)).expect("looks up").expect("is there");
            assert_eq!((tail.earliest.0, tail.latest, tail.at), (gone(number) + 1, last.sequence, last.at));
            tails.push((stream(number), tail));
        }
        assert_eq!(reader.stream_tails().expect("lists"), tails);
        let kept = |r: &&Arc<Record>| !(1..=streams).any(|n| stream(n) == r.stream && r.sequence.0 <= gone(n));
        let expected: Vec<_> = scribe.written.iter().filter(kept).cloned().collect();
        assert_eq!(reader.read_all(Position(1), ALL).expect("reads"), expected);
        assert_eq!(facts(&*reader), scribe.facts());
        for record in &scribe.written {
            if let Some(key) = record.key {
                assert_eq!(reader.find(record.stream, key).expect("finds"), Some(record.sequence));
            }
        }
        let verdict = reader.verify(&mut |_| ()).expect("verifies");
        assert_eq!((verdict.fault, verdict.records), (None, scribe.written.len() as u64));
        assert_eq!(verdict.trimmed, scribe.written.len() as u64 - expected.len() as u64);
    }
}

pub(super) fn facts(reader: &dyn JournalReader) -> Vec<Record> {
    let mut facts = Vec::new();
    reader.read_facts(&mut |fact| facts.push(fact)).expect("reads facts");
    facts
}

macro_rules! promises {
    // `$d` is a dollar sign, for the macro that this one makes.
    (($d:tt) $($(#[$doc:meta])* fn $name:ident($subject:ident) $body:block)*) => {
        $($(#[$doc])* pub(super) fn $name($subject: &mut impl Subject) $body)*

        macro_rules! suite {
            ($d made:expr) => { $(
                #[test]
                fn $name() {
                    $crate::journal::conformance::$name(&mut $d made);
                }
            )* };
        }
        pub(super) use suite;
    };
}

promises! { ($)
    /// An empty journal has no records, no streams and no commits, and is sound.
    fn empty_is_empty(subject) {
        subject.check(&Scribe::default(), 3, |_| 0);
        let reader = subject.look();
        assert!(reader.commits(Position(1), 9).expect("reads").is_empty());
        assert_eq!(reader.stream_tail(stream(1)).expect("looks up"), None);
        assert_eq!(reader.find(stream(1), key(1, 1)).expect("finds"), None);
    }

    /// What is appended is read back as it was, by position and by stream, in order.
    fn everything_reads_back(subject) {
        let mut scribe = Scribe::default();
        for round in 0..7_u64 {
            let mut batch = scribe.talk(stream(1), 2);
            batch.extend(scribe.talk(stream(2 + u128::from(round % 3)), 1));
            batch.push(scribe.next(stream(2), fact(5), b"payload", Some(key(round, 0))));
            subject.write(&batch);
        }
        subject.check(&scribe, 5, |_| 0);
    }

    /// A batch that is durable is seen when it is shown, and nothing of it before.
    fn nothing_is_seen_before_it_is_shown(subject) {
        let mut scribe = Scribe::default();
        for round in 0..6_u64 {
            let before = scribe.clone();
            let mut records = scribe.talk(stream(1 + u128::from(round % 2)), 2);
            records.push(scribe.next(stream(3), fact(5), b"payload", Some(key(round, 0))));
            let batch = Batch::of(&records).expect("can be stored");
            let durable = subject.journal().store(&batch).expect("stores");
            let reader = subject.look();
            assert_eq!(reader.find(stream(3), key(round, 0)).expect("finds"), None, "round {round}");
            assert!(reader.commits(batch.records()[0].position, 9).expect("reads").is_empty(), "round {round}");
            drop(reader);
            subject.check(&before, 3, |_| 0);
            let commit = subject.journal().show(durable);
            assert_eq!(subject.look().commits(commit.first, 9).expect("reads"), [commit]);
            subject.check(&scribe, 3, |_| 0);
        }
    }

    /// An empty batch writes nothing and answers the last commit.
    fn an_empty_batch_changes_nothing(subject) {
        let nothing = subject.journal().append(&[]).expect("is fine");
        assert_eq!((nothing.first, nothing.last), (Position::ZERO, Position::ZERO));
        let mut scribe = Scribe::default();
        let commit = subject.journal().append(&scribe.talk(stream(1), 2)).expect("appends");
        assert_eq!(subject.journal().append(&[]).expect("is fine"), commit);
        subject.reopen();
        assert_eq!(subject.journal().append(&[]).expect("is fine"), commit);
        subject.check(&scribe, 1, |_| 0);
    }

    /// A batch that does not begin behind the tail is refused, and nothing is written.
    fn a_conflict_writes_nothing(subject) {
        let mut scribe = Scribe::default();
        let first = scribe.talk(stream(1), 3);
        subject.write(&first);
        let next = scribe.clone().talk(stream(1), 2);
        for (wrong, given) in [(&first[..], 1), (&first[2..], 3), (&next[1..], 5)] {
            let error = subject.journal().append(wrong).expect_err("is refused");
            let JournalError::Conflict { given: told, tail } = error else { panic!("{error}") };
            assert_eq!((told, tail), (Position(given), Position(3)));
        }
        subject.check(&scribe, 2, |_| 0);
    }

    /// A hole inside a batch is refused, and nothing is written.
    fn a_hole_writes_nothing(subject) {
        let mut scribe = Scribe::default();
        subject.write(&scribe.talk(stream(1), 1));
        let mut batch = scribe.clone().talk(stream(1), 3);
        batch.remove(1);
        let error = subject.journal().append(&batch).expect_err("is refused");
        assert!(matches!(error, JournalError::Conflict { given: Position(4), tail: Position(2) }), "{error}");
        subject.check(&scribe, 2, |_| 0);
    }

    /// A sequence that does not follow its stream is refused with what was expected, and nothing is written.
    fn a_wrong_sequence_writes_nothing(subject) {
        let mut scribe = Scribe::default();
        subject.write(&scribe.talk(stream(1), 2));
        subject.write(&scribe.talk(stream(2), 1));
        for (number, expected, given) in [(1, 3, 2), (1, 3, 4), (2, 2, 1), (3, 1, 2), (3, 1, 0)] {
            let mut batch = scribe.clone().talk(stream(4), 1);
            let mut wrong = Record::clone(&scribe.clone().talk(stream(number), 1)[0]);
            wrong.position = batch[0].position.next();
            wrong.sequence = Sequence(given);
            batch.push(Arc::new(wrong));
            let error = subject.journal().append(&batch).expect_err("is refused");
            let JournalError::Order { stream: told, given: got, expected: wanted } = error else { panic!("{error}") };
            assert_eq!((told, got, wanted), (stream(number), Sequence(given), Sequence(expected)));
        }
        subject.check(&scribe, 4, |_| 0);
        subject.write(&scribe.talk(stream(4), 1));
        subject.check(&scribe, 4, |_| 0);
    }

    /// A read gives no more records and bytes than asked for, but one record at least.
    fn reads_are_bounded(subject) {
        let mut scribe = Scribe::default();
        for _ in 0..10 {
            let record = scribe.next(stream(1), said(), &[b'x'; 1_000], None);
            subject.write(&[record]);
        }
        let reader = subject.look();
        let both = |bounds| {
            let by_stream = reader.read_stream(stream(1), Sequence(3), bounds).expect("reads");
            assert_eq!(reader.read_all(Position(3), bounds).expect("reads"), by_stream);
            assert_eq!(by_stream, scribe.of(stream(1), 3)[..by_stream.len()]);
            by_stream.len()
        };
        assert_eq!(both(Bounds { records_max: 4, bytes_max: usize::MAX }), 4);
        assert_eq!(both(Bounds { records_max: usize::MAX, bytes_max: 3_500 }), 3);
        assert_eq!(both(Bounds { records_max: usize::MAX, bytes_max: 1 }), 1);
        assert_eq!(both(Bounds { records_max: 0, bytes_max: 0 }), 1);
        assert_eq!(both(ALL), 8);
    }

    /// At the tail, and beyond, there is nothing; it is not an error.
    fn the_tail_is_empty(subject) {
        let mut scribe = Scribe::default();
        subject.write(&scribe.talk(stream(1), 3));
        let reader = subject.look();
        for beyond in [4, 5, u64::MAX] {
            assert!(reader.read_stream(stream(1), Sequence(beyond), ALL).expect("reads").is_empty());
            assert!(reader.read_all(Position(beyond), ALL).expect("reads").is_empty());
            assert!(reader.commits(Position(beyond), 9).expect("reads").is_empty());
        }
        assert!(reader.read_stream(stream(9), Sequence(1), ALL).expect("reads").is_empty());
        assert_eq!(reader.read_stream(stream(1), Sequence(0), ALL).expect("reads").len(), 3);
        assert_eq!(reader.read_all(Position(0), ALL).expect("reads").len(), 3);
    }

    /// A read below the horizon is a gap that names the earliest sequence; nothing else changes.
    fn trimmed_is_a_gap(subject) {
        let mut scribe = Scribe::default();
        for _ in 0..6 {
            let mut batch = scribe.talk(stream(1), 1);
            batch.extend(scribe.talk(stream(2), 1));
            subject.write(&batch);
        }
        assert_eq!(subject.forget(1, 4), 4);
        subject.check(&scribe, 2, |number| if number == 1 { 4 } else { 0 });
        for asked in 0..=4 {
            let error = subject.look().read_stream(stream(1), Sequence(asked), ALL).expect_err("is gone");
            let JournalError::Gap { earliest, latest, asked: told, .. } = error else { panic!("{error}") };
            assert_eq!((earliest, latest, told.0), (Sequence(5), Sequence(6), asked.max(1)));
        }
        subject.write(&scribe.talk(stream(1), 2));
        subject.check(&scribe, 2, |number| if number == 1 { 4 } else { 0 });
    }

    /// All of a stream can be trimmed; it goes on with the next sequence.
    fn a_stream_can_be_trimmed_to_its_tail(subject) {
        let mut scribe = Scribe::default();
        subject.write(&scribe.talk(stream(1), 5));
        assert_eq!(subject.forget(1, 99), 5);
        assert_eq!(subject.forget(1, 99), 0);
        assert_eq!(subject.forget(9, 99), 0);
        subject.check(&scribe, 1, |_| 5);
        assert!(subject.look().read_stream(stream(1), Sequence(6), ALL).expect("reads").is_empty());
        subject.write(&scribe.talk(stream(1), 2));
        subject.check(&scribe, 1, |_| 5);
        subject.reopen();
        subject.check(&scribe, 1, |_| 5);
    }

    /// Facts of trimmed records are still told, and their metadata too.
    fn facts_outlive_a_trim(subject) {
        let mut scribe = Scribe::default();
        let mut batch = scribe.talk(stream(1), 2);
        batch.push(scribe.next(stream(1), fact(1), b"forgotten", None));
        batch.push(scribe.next(stream(1), Event::MetadataPatched { session: session(1) }, b"{\"a\":1}", None));
        batch.extend(scribe.talk(stream(1), 2));
        batch.push(scribe.next(stream(1), fact(2), b"kept", None));
        subject.write(&batch);
        assert_eq!(facts(&*subject.look()), scribe.facts());
        subject.forget(1, 5);
        subject.check(&scribe, 1, |_| 5);
        subject.reopen();
        subject.check(&scribe, 1, |_| 5);
    }

    /// A key is found in its stream, trimmed or not, and nowhere else.
    fn keys_are_found(subject) {
        let mut scribe = Scribe::default();
        for round in 0..20_u64 {
            let stream = stream(1 + u128::from(round % 2));
            // All share the first half in threes, so that a hit must be verified.
            let record = scribe.next(stream, said(), b"x", Some(key(round / 3, round)));
            let batch = [record, scribe.next(stream, said(), b"x", None)];
            subject.write(&batch);
        }
        subject.check(&scribe, 2, |_| 0);
        subject.forget(1, 7);
        subject.check(&scribe, 2, |number| if number == 1 { 7 } else { 0 });
        let reader = subject.look();
        for wrong in [key(0, 99), key(0, 1), key(99, 0), key(0, 0xFFFF_FFFF)] {
            assert_eq!(reader.find(stream(1), wrong).expect("finds"), None);
        }
        assert_eq!(reader.find(stream(3), key(0, 0)).expect("finds"), None);
    }

    /// A key of zeros is a key.
    fn a_key_of_zeros_is_found(subject) {
        let mut scribe = Scribe::default();
        let batch = [scribe.next(stream(1), said(), b"x", None), scribe.next(stream(1), said(), b"x", Some(key(0, 0)))];
        subject.write(&batch);
        subject.journal().checkpoint().expect("checkpoints");
        subject.check(&scribe, 1, |_| 0);
    }

    /// A checkpoint changes nothing that can be seen, however often.
    fn a_checkpoint_is_invisible(subject) {
        let mut scribe = Scribe::default();
        for round in 0..5_u128 {
            let mut batch = scribe.talk(stream(1 + round % 2), 3);
            let unique = key(7, 7 + u64::try_from(round).expect("small"));
            batch.push(scribe.next(stream(1), fact(round), b"", Some(unique)));
            subject.write(&batch);
            subject.check(&scribe, 2, |_| 0);
            subject.journal().checkpoint().expect("checkpoints");
            subject.journal().checkpoint().expect("checkpoints");
            subject.check(&scribe, 2, |_| 0);
        }
    }

    /// What was there is there after opening again, and appending goes on.
    fn reopening_changes_nothing(subject) {
        let mut scribe = Scribe::default();
        let epoch = subject.look().epoch();
        for round in 0..6_u128 {
            subject.write(&scribe.talk(stream(1 + round % 3), 3));
            let record = scribe.next(stream(1), fact(round), b"x", Some(key(1, u64::try_from(round).expect("small"))));
            subject.write(&[record]);
            if round == 3 {
                subject.forget(1, 2);
            }
            let gone = |number| if number == 1 && round >= 3 { 2 } else { 0 };
            let before = subject.look().commits(Position(1), 99).expect("reads");
            subject.reopen();
            subject.check(&scribe, 3, gone);
            assert_eq!(subject.look().commits(Position(1), 99).expect("reads"), before);
            assert_eq!(subject.look().epoch(), epoch);
        }
    }

    /// Each batch is one commit, and commits are found by any position they hold.
    fn commits_are_batches(subject) {
        let mut scribe = Scribe::default();
        let mut made = Vec::new();
        for records in [3, 1, 4, 1, 5] {
            made.push(subject.journal().append(&scribe.talk(stream(1), records)).expect("appends"));
        }
        let reader = subject.look();
        assert_eq!(reader.commits(Position(0), 99).expect("reads"), made);
        for (skip, commit) in made.iter().enumerate() {
            for position in commit.first.0..=commit.last.0 {
                let expected: Vec<_> = made[skip..].iter().take(2).copied().collect();
                assert_eq!(reader.commits(Position(position), 2).expect("reads"), expected);
            }
            assert_eq!(commit.at, scribe.written[usize::try_from(commit.last.0).expect("small") - 1].at);
        }
    }

    /// The chain depends on every record and on how they were batched, and on nothing else.
    fn the_chain_closes_over_what_was_written(subject) {
        let mut scribe = Scribe::default();
        let first = subject.journal().append(&scribe.talk(stream(1), 2)).expect("appends");
        let second = subject.journal().append(&scribe.talk(stream(1), 2)).expect("appends");
        assert_ne!(first.link, second.link);
        let mut passed = Vec::new();
        let verdict = subject.look().verify(&mut |position| passed.push(position)).expect("verifies");
        assert_eq!((verdict.records, verdict.commits, verdict.trimmed, verdict.head), (4, 2, 0, second.link));
        assert_eq!(passed, [Position(2), Position(4)]);
        subject.forget(1, 3);
        let after = subject.look().verify(&mut |_| ()).expect("verifies");
        assert_eq!((after.trimmed, after.head, after.fault), (3, second.link, None));
    }

    /// Readers on other threads see a growing prefix, never a part of a batch of one stream, never a wrong record.
    fn readers_see_whole_prefixes(subject) {
        let mut scribe = Scribe::default();
        let batches: Vec<_> = (0..60_u128).map(|round| {
            let mut batch = scribe.talk(stream(1), 3);
            batch.extend(scribe.talk(stream(2 + round % 2), 1));
            batch.push(scribe.next(stream(1), fact(round), b"x", Some(key(3, u64::try_from(round).expect("small")))));
            batch
        }).collect();
        let (reader, whole) = (subject.look(), &scribe);
        thread::scope(|scope| {
            let watcher = scope.spawn(move || watch(&*reader, whole));
            for (round, batch) in batches.iter().enumerate() {
                subject.write(batch);
                if round % 20 == 19 {
                    subject.journal().checkpoint().expect("checkpoints");
                }
            }
            watcher.join().expect("saw nothing wrong");
        });
        subject.check(whole, 3, |_| 0);
    }
}

/// Reads everything over and over until the whole is there.
fn watch(reader: &dyn JournalReader, whole: &Scribe) {
    let mut before = 0;
    while before < whole.written.len() {
        let tail = usize::try_from(reader.tail().0).expect("small");
        assert!(tail >= before && tail % 5 == 0);
        before = tail;
        let all = reader.read_all(Position(1), ALL).expect("reads");
        assert!(all.len() >= tail && all.len().is_multiple_of(5));
        assert_eq!(all, whole.written[..all.len()]);
        let talk = reader.read_stream(stream(1), Sequence(1), ALL).expect("reads");
        assert!(talk.len() >= tail / 5 * 4);
        assert_eq!(talk, whole.of(stream(1), 1)[..talk.len()]);
        let told = facts(reader);
        assert!(told.len() >= tail / 5);
        assert_eq!(told, whole.facts()[..told.len()]);
        if let Some(last) = told.last() {
            assert_eq!(reader.find(last.stream, last.key.expect("has one")).expect("finds"), Some(last.sequence));
        }
        let tails = reader.stream_tails().expect("lists");
        let counted: u64 = tails.iter().map(|(_, tail)| tail.latest.0).sum();
        assert!(counted >= tail as u64 && counted.is_multiple_of(5));
    }
}
