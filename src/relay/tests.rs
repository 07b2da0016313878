//! The relay on a memory journal whose commits can be held back.

use std::sync::{Arc, Condvar, Mutex};

use bytes::Bytes;
use uuid::Uuid;

use super::*;
use crate::{
    domain::{
        MessageId, OwnerId, SessionId, WorkId,
        command::{Incoming, Meaning, Said},
        event::{MessageKind, SessionCreated},
    },
    journal::{self, Commit, Durable, memory::MemoryJournal},
};

/// Lets commits pass, or holds them.
#[derive(Debug, Default)]
pub(super) struct Gate {
    held: Mutex<bool>,
    moved: Condvar,
    waiting: std::sync::atomic::AtomicBool,
    /// Who made the last commit.
    last: Mutex<Option<thread::ThreadId>>,
    /// How many commits are durable.
    durable: std::sync::atomic::AtomicUsize,
}

impl Gate {
    pub(super) fn set(&self, held: bool) {
        *self.held.lock().unwrap() = held;
        self.moved.notify_all();
    }

    fn pass(&self) {
        let mut held = self.held.lock().unwrap();
        while *held {
            self.waiting.store(true, std::sync::atomic::Ordering::SeqCst);
            held = self.moved.wait(held).unwrap();
        }
        self.waiting.store(false, std::sync::atomic::Ordering::SeqCst);
    }

    /// Whether a commit waits here.
    pub(super) fn is_reached(&self) -> bool {
        self.waiting.load(std::sync::atomic::Ordering::SeqCst)
    }
}

#[derive(Debug)]
struct Gated {
    inner: MemoryJournal,
    gate: Arc<Gate>,
}

impl Journal for Gated {
    fn store<'a>(&mut self, batch: &'a journal::Batch) -> Result<Durable<'a>, JournalError> {
        self.gate.pass();
        *self.gate.last.lock().unwrap() = Some(thread::current().id());
        let durable = self.inner.store(batch);
        self.gate.durable.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        durable
    }

    fn show(&mut self, durable: Durable<'_>) -> Commit {
        self.inner.show(durable)
    }

    fn trim(&mut self, stream: Stream, through: Sequence) -> Result<usize, JournalError> {
        self.inner.trim(stream, through)
    }

    fn checkpoint(&mut self) -> Result<(), JournalError> {
        self.inner.checkpoint()
    }

    fn reader(&self) -> Arc<dyn JournalReader> {
        self.inner.reader()
    }
}

pub(super) fn relay() -> (Relay, Arc<Gate>) {
    // Who waits at the gate must not be the test.
    relay_that_leads(Duration::ZERO)
}

fn relay_that_leads(lead_max: Duration) -> (Relay, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let journal = Gated { inner: MemoryJournal::new(Epoch(1)), gate: Arc::clone(&gate) };
    let options = Options { lead_max, ..Options::default() };
    let (relay, _writer) = Relay::start(Box::new(journal), options).expect("starts");
    (relay, gate)
}

pub(super) const SESSION: SessionId = SessionId::from_uuid(Uuid::from_u128(1));
pub(super) const OWNER: OwnerId = OwnerId::from_uuid(Uuid::from_u128(2));

pub(super) fn create() -> Command {
    let particulars = SessionCreated {
        session: SESSION,
        owner: OWNER,
        environment: None,
        title: None,
        source: "test".into(),
        mode: None,
        model: None,
        directory: None,
    };
    Command::CreateSession { particulars, work: WorkId::from_uuid(Uuid::nil()), course: Vec::new(), prompt: None }
}

pub(super) fn say(number: u128) -> Command {
    let said = Said {
        message: Some(MessageId::from_uuid(Uuid::from_u128(number))),
        kind: MessageKind::Assistant,
        ephemeral: false,
        status: None,
        mode: None,
        model: None,
        tool_results: Vec::new(),
    };
    let key = Some(DedupeKey(number.to_be_bytes()));
    let message = Incoming { key, payload: Bytes::from(number.to_string()), meaning: Meaning::Said(said) };
    Command::Receive { session: SESSION, epoch: None, messages: vec![message] }
}

fn once(key: u8, fingerprint: u8) -> Idempotency {
    Idempotency { owner: OWNER, key: DedupeKey([key; 16]), fingerprint: Fingerprint([fingerprint; 16]) }
}

async fn sequences(subscription: &mut Subscription, until: u64) -> Vec<u64> {
    let mut seen = Vec::new();
    while seen.last() != Some(&until) {
        seen.push(subscription.next().await.expect("a record").sequence.0);
    }
    seen
}

#[tokio::test]
async fn nothing_is_shown_or_refused_before_it_is_durable() {
    let (relay, gate) = relay();
    gate.set(true);
    let created = tokio::spawn({
        let relay = relay.clone();
        async move { relay.submit(Actor::System, create()).await }
    });
    // The same session again: refused, but the refusal rests on a record that is not durable yet.
    let refused = tokio::spawn({
        let relay = relay.clone();
        async move { relay.submit(Actor::System, create()).await }
    });
    let mut subscription = relay.subscribe(Stream::Session(SESSION), Sequence::ZERO).expect("subscribed");
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert!(!created.is_finished() && !refused.is_finished());
    assert!(relay.world().session(SESSION).is_none());
    assert!(subscription.ready().expect("readable").is_none());
    gate.set(false);
    assert_eq!(created.await.expect("ran").expect("created"), Outcome::Session { session: SESSION });
    assert!(matches!(refused.await.expect("ran"), Err(RelayError::Refused(Refusal::KeyReused { .. }))));
    assert!(relay.world().session(SESSION).is_some());
    assert_eq!(subscription.next().await.expect("the record").sequence, Sequence(1));
}

// A stream's reader was told of an offset and came back with it before the world knew that the stream was that long.
#[tokio::test]
async fn whoever_has_read_a_record_finds_it_in_the_world() {
    let (relay, gate) = relay();
    gate.set(true);
    let created = tokio::spawn({
        let relay = relay.clone();
        async move { relay.submit(Actor::System, create()).await }
    });
    while !gate.is_reached() {
        tokio::task::yield_now().await;
    }
    {
        // While somebody looks at the world, it stays as it is: and so does what can be read.
        let world = relay.world();
        gate.set(false);
        while gate.durable.load(std::sync::atomic::Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
        let mut subscription = relay.subscribe(Stream::Session(SESSION), Sequence::ZERO).expect("subscribed");
        assert!(subscription.ready().expect("readable").is_none());
        assert_eq!(relay.stream_tail(Stream::Session(SESSION)).expect("readable"), None);
        assert!(world.session(SESSION).is_none());
    }
    created.await.expect("ran").expect("created");
    assert!(relay.stream_tail(Stream::Session(SESSION)).expect("readable").is_some());
    assert!(relay.world().session(SESSION).is_some());
}

#[tokio::test]
async fn what_is_in_hand_or_in_flight_is_known_like_what_is_durable() {
    let (relay, gate) = relay();
    relay.submit(Actor::System, create()).await.expect("created");
    gate.set(true);
    let send = |number| {
        let relay = relay.clone();
        tokio::spawn(async move { relay.submit(Actor::System, say(number)).await })
    };
    // The first one is taken and held at the gate; what follows gathers in hand.
    let flying = send(1);
    while relay.queue_depth() > 0 || !gate.is_reached() {
        tokio::task::yield_now().await;
    }
    let rest = [send(1), send(2), send(2), send(3)];
    while relay.queue_depth() < rest.len() {
        tokio::task::yield_now().await;
    }
    gate.set(false);
    let mut fresh = vec![flying.await.expect("ran").expect("received")];
    for one in rest {
        fresh.push(one.await.expect("ran").expect("received"));
    }
    let fresh: Vec<_> = fresh
        .iter()
        .map(|outcome| match outcome {
            Outcome::Received { fresh, known } => (*fresh, *known),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(fresh, [(1, 0), (0, 1), (1, 0), (0, 1), (1, 0)]);
    let records = relay.read(Stream::Session(SESSION), Sequence(1), page_bounds()).expect("read");
    let said: Vec<_> = records.iter().skip(1).map(|record| (record.sequence.0, &*record.payload)).collect();
    assert_eq!(said, [(2, &b"1"[..]), (3, b"2"), (4, b"3")]);
}

/// Makes the session, with as many commands as it takes for the next to be taken for alone.
async fn alone(relay: &Relay) {
    relay.submit(Actor::System, create()).await.expect("created");
    for number in 1..limits::LEAD_AFTER_COMMITS {
        relay.submit(Actor::System, say(1_000 + u128::from(number))).await.expect("received");
    }
}

#[tokio::test]
async fn a_command_that_comes_alone_is_committed_where_it_was_decided_and_no_other_is() {
    let (relay, gate) = relay_that_leads(Duration::MAX);
    let here = || gate.last.lock().unwrap().take() == Some(thread::current().id());
    relay.submit(Actor::System, create()).await.expect("created");
    assert!(!here(), "nobody knew yet that they come alone");
    for number in 2..10 {
        relay.submit(Actor::System, say(number)).await.expect("received");
        assert_eq!(here(), number > u128::from(limits::LEAD_AFTER_COMMITS));
    }
    // While one is at it, others gather for the committer.
    gate.set(true);
    let leader = thread::spawn({
        let relay = relay.clone();
        move || tokio::runtime::Runtime::new().unwrap().block_on(relay.submit(Actor::System, say(10)))
    });
    while !gate.is_reached() {
        tokio::task::yield_now().await;
    }
    let gathered = [say(11), say(12), say(13)].map(|command| {
        let relay = relay.clone();
        tokio::spawn(async move { relay.submit(Actor::System, command).await })
    });
    while relay.queue_depth() < 3 {
        tokio::task::yield_now().await;
    }
    gate.set(false);
    leader.join().expect("no panic").expect("received");
    for one in gathered {
        one.await.expect("ran").expect("received");
    }
    assert!(!here());
    relay.submit(Actor::System, say(14)).await.expect("received");
    assert!(!here(), "the batch before was of three");
    let records = relay.read(Stream::Session(SESSION), Sequence(1), page_bounds()).expect("read");
    let said: Vec<_> = records.iter().skip(1).map(|record| (record.sequence.0, record.payload.to_vec())).collect();
    assert_eq!(said, (2..=14_u64).map(|n| (n, n.to_string().into_bytes())).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_large_command_is_never_committed_where_it_was_decided() {
    let (relay, gate) = relay_that_leads(Duration::MAX);
    let here = || gate.last.lock().unwrap().take() == Some(thread::current().id());
    alone(&relay).await;
    relay.submit(Actor::System, say(2)).await.expect("received");
    assert!(here());
    let mut large = say(3);
    let Command::Receive { messages, .. } = &mut large else { panic!("it says something") };
    messages[0].payload = Bytes::from(vec![b'x'; limits::LEAD_COMMIT_BYTES_MAX]);
    relay.submit(Actor::System, large).await.expect("received");
    assert!(!here());
}

#[tokio::test]
async fn a_command_alone_is_not_committed_where_it_was_decided_when_the_disk_is_slow() {
    let (relay, gate) = relay();
    alone(&relay).await;
    relay.submit(Actor::System, say(2)).await.expect("received");
    assert_ne!(gate.last.lock().unwrap().take(), Some(thread::current().id()));
}

#[tokio::test]
async fn a_command_repeated_a_hundred_times_at_once_happens_once() {
    let (relay, _gate) = relay();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let relay = relay.clone();
        tasks.spawn(async move { relay.submit_once(Actor::System, create(), once(1, 1)).await });
    }
    while let Some(outcome) = tasks.join_next().await {
        assert_eq!(outcome.expect("ran").expect("same outcome"), Outcome::Session { session: SESSION });
    }
    let records = relay.read(Stream::Session(SESSION), Sequence(1), page_bounds()).expect("read");
    assert_eq!(records.len(), 1);
    let other = relay.submit_once(Actor::System, say(1), once(1, 2)).await;
    assert!(matches!(other, Err(RelayError::Refused(Refusal::KeyReused { .. }))));
}

#[tokio::test]
async fn a_reader_far_behind_the_ring_misses_nothing() {
    let (relay, _gate) = relay();
    relay.submit(Actor::System, create()).await.expect("created");
    let stream = Stream::Session(SESSION);
    let mut slow = relay.subscribe(stream, Sequence::ZERO).expect("subscribed");
    let total = limits::RING_RECORDS_MAX as u64 * 3;
    for number in 2..=total {
        relay.submit(Actor::System, say(u128::from(number))).await.expect("received");
    }
    let mut late = relay.subscribe(stream, Sequence(total - 5)).expect("subscribed");
    assert_eq!(sequences(&mut slow, total).await, (1..=total).collect::<Vec<_>>());
    assert_eq!(sequences(&mut late, total).await, (total - 4..=total).collect::<Vec<_>>());
    assert_eq!(slow.lag(), 0);
}

#[tokio::test]
async fn an_offset_that_cannot_be_continued_from_is_a_gap_and_never_silently_live() {
    let (relay, _gate) = relay();
    relay.submit(Actor::System, create()).await.expect("created");
    for number in 2..=9 {
        relay.submit(Actor::System, say(number)).await.expect("received");
    }
    let stream = Stream::Session(SESSION);
    let ahead = relay.subscribe(stream, Sequence(10)).unwrap_err();
    assert!(matches!(ahead, RelayError::Gap { latest: Sequence(9), .. }), "{ahead}");
    let mut reading = relay.subscribe(stream, Sequence(2)).expect("still there");
    relay.trim(stream, Sequence(4)).await.expect("trimmed");
    let behind = relay.subscribe(stream, Sequence(2)).unwrap_err();
    assert!(matches!(behind, RelayError::Gap { earliest: Sequence(5), latest: Sequence(9), .. }), "{behind}");
    assert!(matches!(reading.next().await, Err(RelayError::Gap { .. })), "a reader that was overtaken is told");
    let mut kept = relay.subscribe(stream, Sequence(4)).expect("at the horizon");
    assert_eq!(sequences(&mut kept, 9).await, [5, 6, 7, 8, 9]);
}

#[tokio::test]
async fn a_full_queue_says_busy_instead_of_growing() {
    let (relay, gate) = relay();
    relay.submit(Actor::System, create()).await.expect("created");
    gate.set(true);
    let mut waiting = tokio::task::JoinSet::new();
    let mut number = 10;
    let busy = loop {
        let attempt = relay.clone();
        number += 1;
        waiting.spawn(async move { attempt.submit(Actor::System, say(number)).await });
        tokio::task::yield_now().await;
        if relay.queue_depth() == limits::BATCH_COMMANDS_MAX {
            break relay.submit(Actor::System, say(1)).await;
        }
    };
    assert!(matches!(busy, Err(RelayError::Busy { .. })));
    assert_eq!(relay.refused(), 1);
    gate.set(false);
    while let Some(outcome) = waiting.join_next().await {
        outcome.expect("ran").expect("what was taken is done");
    }
}

#[tokio::test]
async fn a_closed_relay_finishes_what_it_took_and_refuses_the_rest() {
    let (relay, gate) = relay();
    gate.set(true);
    let taken = tokio::spawn({
        let relay = relay.clone();
        async move { relay.submit(Actor::System, create()).await }
    });
    while !gate.is_reached() {
        tokio::task::yield_now().await;
    }
    relay.close();
    assert!(matches!(relay.submit(Actor::System, say(1)).await, Err(RelayError::Closing)));
    gate.set(false);
    assert_eq!(taken.await.expect("ran").expect("was taken"), Outcome::Session { session: SESSION });
    assert!(relay.world().session(SESSION).is_some());
}

#[tokio::test]
async fn a_trim_is_one_bite_and_commits_get_their_turn() {
    let (relay, _gate) = relay();
    relay.submit(Actor::System, create()).await.expect("created");
    for number in 0..limits::TRIM_RECORDS_MAX as u128 + 9 {
        relay.submit(Actor::System, say(number)).await.expect("said");
    }
    let stream = Stream::Session(SESSION);
    let all = relay.stream_tail(stream).expect("readable").expect("there").latest;
    assert_eq!(relay.trim(stream, all).await.expect("trimmed"), limits::TRIM_RECORDS_MAX);
    assert_eq!(relay.trim(stream, all).await.expect("trimmed"), 10);
    assert_eq!(relay.trim(stream, all).await.expect("trimmed"), 0);
}

// Where little happens, the thread that wakes for a request is the one that waits for all sockets.
#[cfg(unix)]
#[test]
fn other_sockets_are_served_while_a_command_is_committed_where_it_was_decided() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("starts");
    let (relay, gate) = runtime.block_on(async { relay_that_leads(Duration::MAX) });
    runtime.block_on(alone(&relay));
    gate.set(true);
    let [asks, other] = [(); 2].map(|()| std::os::unix::net::UnixStream::pair().expect("a socket"));
    let readable = |socket: &std::os::unix::net::UnixStream| {
        let socket = socket.try_clone().expect("a handle");
        socket.set_nonblocking(true).expect("is set");
        async move { tokio::net::UnixStream::from_std(socket).expect("a socket").readable().await }
    };
    let served = Arc::new(Mutex::new(false));
    let asking = runtime.spawn({
        let (relay, readable) = (relay.clone(), readable(&asks.0));
        async move {
            readable.await.expect("is readable");
            relay.submit(Actor::System, say(1)).await
        }
    });
    runtime.spawn({
        let (served, readable) = (Arc::clone(&served), readable(&other.0));
        async move {
            readable.await.expect("is readable");
            *served.lock().unwrap() = true;
        }
    });
    let metrics = runtime.metrics();
    let parked = || {
        let counts = || [0, 1].map(|worker| metrics.worker_park_unpark_count(worker));
        let before = counts();
        // One that was called may not have come yet. Where this is too short, the test proves less.
        thread::sleep(Duration::from_millis(50));
        before == counts() && before.iter().all(|count| count % 2 == 1)
    };
    let until = |what: &dyn Fn() -> bool| {
        let end = std::time::Instant::now() + Duration::from_secs(20);
        while !what() && std::time::Instant::now() < end {
            thread::yield_now();
        }
        what()
    };
    assert!(until(&parked));
    std::io::Write::write_all(&mut (&asks.1), b"x").expect("writes");
    assert!(until(&|| gate.is_reached()));
    std::io::Write::write_all(&mut (&other.1), b"x").expect("writes");
    let was_served = until(&|| *served.lock().unwrap());
    gate.set(false);
    runtime.block_on(asking).expect("ran").expect("said");
    assert!(was_served);
}
