//! What may be forgotten, and when.
//!
//! By default nothing is. What is forgotten are words: streams keep their numbers and their place in the chain, and a
//! reader below the horizon is told where the stream now begins. What decisions rest on stays, and so do the words that
//! somebody still waits for: a prompt that the worker has not confirmed, a question that nobody has answered. The
//! transcript that a worker resumes from is kept until its session is archived.

use std::time::Duration;

use super::{Relay, RelayError};
use crate::{
    domain::{Sequence, SessionId, Stream, Timestamp, limits},
    journal::{Bounds, JournalError, JournalReader, StreamTail},
};

/// How long words are kept. `None` keeps them for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Quiet time after which all words of an archived session are forgotten.
    pub archived_after: Option<Duration>,
    /// Age at which words of any session, and files, are forgotten.
    pub age: Option<Duration>,
    /// Events that are kept of a session's stream; older ones are forgotten.
    pub events: Option<u64>,
    /// Age at which what was appended to streams of users is forgotten, whether its followers have read it or not: they
    /// would keep it for ever by not coming back.
    pub streams: Option<Duration>,
}

impl Retention {
    /// Whether anything is ever forgotten.
    pub fn is_needed(self) -> bool {
        self != Self::default()
    }
}

/// One record, to see when it was made.
const ONE: Bounds = Bounds { records_max: 1, bytes_max: 1 };

impl Relay {
    /// Applies the policy now and then, until the relay closes.
    pub async fn run_retention(&self) {
        let policy = self.shared.retention;
        if !policy.is_needed() {
            return;
        }
        let mut closing = self.closing();
        let mut ticks = tokio::time::interval(Duration::from_millis(limits::RETENTION_INTERVAL_MS));
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = closing.wait_for(|closing| *closing) => return,
            }
            match self.forget(policy).await {
                Ok(0) | Err(RelayError::Closing) => {}
                Ok(records) => tracing::info!(records, "words were forgotten, as the retention policy says"),
                // Tried again at the next tick; nothing depends on it.
                Err(error) => tracing::warn!(%error, "the retention policy could not be applied"),
            }
        }
    }

    /// The policy that it was started with.
    pub fn retention(&self) -> Retention {
        self.shared.retention
    }

    /// Applies the policy once. Returns how many records were forgotten.
    pub async fn forget(&self, policy: Retention) -> Result<usize, RelayError> {
        let relay = self.clone();
        let looking = tokio::task::spawn_blocking(move || relay.due(policy));
        let due = looking.await.unwrap_or(Err(RelayError::Closing))?;
        let mut forgotten = 0;
        for (stream, through) in due {
            // Each step is bounded, so that commits get their turn.
            loop {
                let step = self.trim(stream, through).await?;
                if step == 0 {
                    break;
                }
                forgotten += step;
            }
        }
        Ok(forgotten)
    }

    /// What the policy lets go, by stream.
    fn due(&self, policy: Retention) -> Result<Vec<(Stream, Sequence)>, RelayError> {
        let now = self.now();
        let before =
            |age: Duration| Timestamp(now.0.saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX)));
        let (archived, aged) = (policy.archived_after.map(before), policy.age.map(before));
        let appended = policy.streams.map(before);
        let reader = self.shared.reader.as_ref();
        let mut due = Vec::new();
        for (stream, tail) in reader.stream_tails()? {
            if tail.earliest > tail.latest {
                continue;
            }
            let through = match stream {
                Stream::Session(id) | Stream::Transcript(id) => {
                    let Some(state) = self.state_of(id) else { continue };
                    if state.is_archived && archived.is_some_and(|before| state.active_at <= before) {
                        tail.latest
                    } else if matches!(stream, Stream::Transcript(_)) && !state.is_archived {
                        continue;
                    } else {
                        let old = aged.map(|before| last_until(reader, stream, tail, before)).transpose()?;
                        let many = policy.events.filter(|_| matches!(stream, Stream::Session(_)));
                        let many = many.map(|events| Sequence(tail.latest.0.saturating_sub(events)));
                        old.max(many).unwrap_or_default().min(state.unneeded)
                    }
                }
                Stream::User(_) => {
                    appended.map(|before| last_until(reader, stream, tail, before)).transpose()?.unwrap_or_default()
                }
                Stream::File(_) if aged.is_some_and(|before| tail.at <= before) => tail.latest,
                _ => continue,
            };
            if through >= tail.earliest {
                due.push((stream, through));
            }
        }
        Ok(due)
    }

    fn state_of(&self, id: SessionId) -> Option<State> {
        let world = self.world();
        let session = world.session(id)?;
        let is_archived = session.archived_at.is_some();
        // An archived session's worker is sent nothing any more.
        let unneeded = if is_archived { Sequence(u64::MAX) } else { session.unneeded_until() };
        Some(State { is_archived, active_at: session.active_at, unneeded })
    }
}

/// What retention must know of a session.
struct State {
    is_archived: bool,
    active_at: Timestamp,
    /// Nobody waits for the words up to here.
    unneeded: Sequence,
}

/// The last record that was made at `before` or earlier. Times rise with sequences.
fn last_until(
    reader: &dyn JournalReader,
    stream: Stream,
    tail: StreamTail,
    before: Timestamp,
) -> Result<Sequence, JournalError> {
    if tail.at <= before {
        return Ok(tail.latest);
    }
    // `old` was made in time or is forgotten, `young` was not.
    let (mut old, mut young) = (tail.earliest.0.saturating_sub(1), tail.latest.0);
    let mut next = tail.earliest.0;
    while old + 1 < young {
        let read = reader.read_stream(stream, Sequence(next), ONE)?;
        match read.first() {
            Some(record) if record.at <= before => old = next,
            _ => young = next,
        }
        next = old.midpoint(young);
    }
    Ok(Sequence(old))
}

#[cfg(test)]
mod tests {
    use std::{
        path::Path,
        sync::{
            Arc,
            atomic::{AtomicU64, Ordering},
        },
    };

    use bytes::Bytes;
    use uuid::Uuid;

    use super::*;
    use crate::{
        domain::{
            Actor, Command, DedupeKey, FileId, MessageId, WorkId,
            command::{Prompt, TranscriptEntry, WorkerReport},
            event::{Fingerprint, ProducerStamp},
            id::UserStreamId,
            user_stream::{NewUserStream, UserAppend},
        },
        journal::RedbJournal,
        relay::{
            Options,
            tests::{OWNER, SESSION, create, say},
        },
    };

    const DAY: Duration = Duration::from_hours(24);

    /// A relay over a file, by a clock that the test moves.
    struct Bench {
        relay: Relay,
        moment: Arc<AtomicU64>,
    }

    impl Bench {
        async fn open(directory: &Path) -> Self {
            let bench = Self::reopen(directory);
            bench.submit(create()).await;
            bench
        }

        fn reopen(directory: &Path) -> Self {
            let moment = Arc::new(AtomicU64::new(1_000));
            let now = Arc::clone(&moment);
            let clock = Arc::new(move || Timestamp(now.load(Ordering::SeqCst)));
            let journal = RedbJournal::open_or_create(directory.join("journal.redb")).expect("a journal");
            let (relay, _writer) =
                Relay::start(Box::new(journal), Options { clock, ..Options::default() }).expect("starts");
            Self { relay, moment }
        }

        async fn submit(&self, command: Command) {
            self.relay.submit(Actor::System, command).await.expect("done");
        }

        async fn say(&self, numbers: std::ops::RangeInclusive<u128>) {
            for number in numbers {
                self.submit(say(number)).await;
            }
        }

        fn pass(&self, time: Duration) {
            self.moment.fetch_add(u64::try_from(time.as_millis()).expect("small"), Ordering::SeqCst);
        }

        async fn forget(&self, policy: Retention) -> usize {
            self.relay.forget(policy).await.expect("applied")
        }

        fn earliest(&self, stream: Stream) -> u64 {
            self.relay.stream_tail(stream).expect("read").expect("there").earliest.0
        }
    }

    const STREAM: Stream = Stream::Session(SESSION);

    fn archived(days: u32) -> Retention {
        Retention { archived_after: Some(DAY * days), ..Retention::default() }
    }

    fn aged(days: u32) -> Retention {
        Retention { age: Some(DAY * days), ..Retention::default() }
    }

    fn newest(events: u64) -> Retention {
        Retention { events: Some(events), ..Retention::default() }
    }

    fn transcript() -> Command {
        let entry = |number: u8| TranscriptEntry {
            key: Some(DedupeKey([number; 16])),
            message: None,
            compaction: false,
            agent: None,
            payload: Bytes::from_static(b"{}"),
        };
        Command::AppendTranscript { session: SESSION, epoch: None, entries: vec![entry(1), entry(2)] }
    }

    #[tokio::test]
    async fn an_archived_session_is_forgotten_when_it_was_quiet_for_long_and_not_before() {
        let directory = tempfile::tempdir().expect("a directory");
        let bench = Bench::open(directory.path()).await;
        bench.say(1..=1).await;
        bench.submit(transcript()).await;
        bench.pass(3 * DAY);
        assert_eq!(bench.forget(archived(1)).await, 0, "nothing is archived");
        bench.submit(Command::ArchiveSession { session: SESSION }).await;
        assert_eq!(bench.forget(archived(1)).await, 0, "not quiet for long");
        assert_eq!(bench.forget(Retention::default()).await, 0, "by default everything is kept");
        bench.pass(DAY);
        assert_eq!(bench.forget(archived(1)).await, 5, "its stream and its transcript");
        assert_eq!(bench.forget(archived(1)).await, 0, "forgotten before");
        let gap = bench.relay.subscribe(STREAM, Sequence::ZERO).unwrap_err();
        assert!(matches!(gap, RelayError::Gap { earliest: Sequence(4), latest: Sequence(3), .. }), "{gap}");
        assert!(bench.relay.world().session(SESSION).is_some(), "what decisions rest on stays");
    }

    #[tokio::test]
    async fn words_grow_old_one_by_one_and_a_transcript_that_may_be_resumed_does_not() {
        let directory = tempfile::tempdir().expect("a directory");
        let bench = Bench::open(directory.path()).await;
        bench.submit(transcript()).await;
        for day in 1..=9 {
            bench.pass(DAY);
            bench.say(day..=day).await;
        }
        // The session was made nine days ago, its n-th message 9 - n.
        assert_eq!(bench.forget(aged(10)).await, 0);
        assert_eq!(bench.forget(aged(9)).await, 1);
        assert_eq!(bench.forget(aged(4)).await, 5);
        assert_eq!((bench.earliest(STREAM), bench.earliest(Stream::Transcript(SESSION))), (7, 1));
        bench.submit(Command::ArchiveSession { session: SESSION }).await;
        assert_eq!(bench.forget(aged(4)).await, 2, "nobody resumes it any more");
        bench.pass(4 * DAY);
        assert_eq!(bench.forget(aged(4)).await, 5, "all that was left");
    }

    #[tokio::test]
    async fn a_long_session_keeps_its_newest_events_however_many_are_too_many() {
        let directory = tempfile::tempdir().expect("a directory");
        let bench = Bench::open(directory.path()).await;
        let total = limits::TRIM_RECORDS_MAX as u64 * 2 + 300;
        bench.say(2..=u128::from(total)).await;
        assert_eq!(bench.forget(newest(total)).await, 0);
        assert_eq!(bench.forget(newest(100)).await as u64, total - 100, "more than one step of the journal's");
        assert_eq!(bench.earliest(STREAM), total - 99);
        let before = bench.relay.world().clone();
        assert_eq!(bench.relay.journal().verify(&mut |_| ()).expect("walks").fault, None);
        let Bench { relay, .. } = bench;
        relay.close();
        drop(relay);
        let bench = loop {
            // The writer lets go of the file when it has ended.
            match RedbJournal::open(directory.path().join("journal.redb")) {
                Ok(journal) => {
                    drop(journal);
                    break Bench::reopen(directory.path());
                }
                Err(_) => tokio::task::yield_now().await,
            }
        };
        assert_eq!(*bench.relay.world(), before, "the world is the same without the words");
        bench.say(1..=1).await;
        assert_eq!(bench.earliest(STREAM), total - 99);
    }

    #[tokio::test]
    async fn what_somebody_waits_for_is_kept_however_old() {
        let directory = tempfile::tempdir().expect("a directory");
        let bench = Bench::open(directory.path()).await;
        bench.say(2..=3).await;
        let message = MessageId::from_uuid(Uuid::from_u128(99));
        let prompt = Prompt {
            message,
            key: DedupeKey([9; 16]),
            fingerprint: Fingerprint([9; 16]),
            payload: Bytes::from_static(b"{}"),
        };
        let work = WorkId::from_uuid(Uuid::nil());
        bench.submit(Command::PostMessage { session: SESSION, prompt, work }).await;
        bench.say(5..=9).await;
        bench.pass(30 * DAY);
        assert_eq!(bench.forget(aged(1)).await, 3, "up to the prompt that the worker has not confirmed");
        assert_eq!(bench.earliest(STREAM), 4);
        bench.submit(Command::CancelMessage { session: SESSION, message }).await;
        assert_eq!(bench.forget(aged(1)).await, 6, "its cancellation is new");
    }

    #[tokio::test]
    async fn what_was_appended_to_a_stream_grows_old_and_its_producers_are_still_known() {
        let directory = tempfile::tempdir().expect("a directory");
        let bench = Bench::open(directory.path()).await;
        let stream = UserStreamId::from_uuid(Uuid::from_u128(7));
        let new = NewUserStream {
            stream,
            owner: OWNER,
            name: "log".into(),
            content_type: Some("text/plain".into()),
            lifetime: None,
            closed: false,
            fork: None,
            content: Bytes::from_static(b"first"),
        };
        bench.submit(Command::CreateUserStream(new)).await;
        for (day, number) in [(1, 0), (2, 1), (3, 2)] {
            bench.pass(DAY);
            let append = UserAppend {
                stream,
                payload: Bytes::from(format!("day {day}")),
                type_matches: true,
                producer: Some(ProducerStamp { id: "p".into(), epoch: 0, seq: number }),
                stream_seq: None,
                closes: false,
            };
            bench.submit(Command::AppendUserStream(append)).await;
        }
        let streams = |days| Retention { streams: Some(DAY * days), ..Retention::default() };
        assert_eq!(bench.forget(aged(1)).await, 1, "the session's words have a term of their own");
        assert_eq!(bench.forget(streams(4)).await, 0);
        assert_eq!(bench.forget(streams(1)).await, 4, "that it was made, what it began with, and two days");
        assert_eq!(bench.earliest(Stream::User(stream)), 5);
        let world = crate::relay::replay::rebuild(bench.relay.journal().as_ref()).expect("rebuilt");
        assert_eq!(world, *bench.relay.world(), "a repeated append is known without its words");
    }

    #[tokio::test]
    async fn files_grow_old_and_what_a_worker_reported_of_itself_does_not() {
        let directory = tempfile::tempdir().expect("a directory");
        let bench = Bench::open(directory.path()).await;
        let file = FileId::from_uuid(Uuid::from_u128(5));
        let chunks = vec![Bytes::from_static(b"words")];
        bench
            .submit(Command::StoreFile {
                file,
                owner: OWNER,
                session: None,
                name: "notes".into(),
                media_type: None,
                chunks,
            })
            .await;
        let patch = serde_json::from_str(r#"{"task":"x"}"#).expect("JSON");
        let metadata = Some((Bytes::from_static(br#"{"task":"x"}"#), patch));
        let report = WorkerReport { metadata, ..WorkerReport::default() };
        bench.submit(Command::ReportWorker { session: SESSION, epoch: None, report }).await;
        bench.pass(2 * DAY);
        assert_eq!(bench.forget(aged(3)).await, 0);
        assert!(bench.forget(aged(1)).await >= 4);
        assert_eq!(bench.earliest(Stream::File(file)), 3);
        let world = crate::relay::replay::rebuild(bench.relay.journal().as_ref()).expect("rebuilt");
        assert_eq!(world, *bench.relay.world());
        assert_eq!(world.session(SESSION).expect("there").metadata["task"], "x");
    }
}
