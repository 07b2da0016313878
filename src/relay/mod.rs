//! One writer, many readers.
//!
//! [`Relay::submit`] is the only way to change anything, [`Relay::world`] and [`Relay::subscribe`] the only ways to see
//! it, and what they show is durable. Rooms translate between this door and their clients.
//!
//! This floor may not know any protocol, nor who may do what: that was settled above.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::{Semaphore, broadcast, oneshot, watch},
    task,
};

use crate::{
    domain::{
        Actor, Command, DedupeKey, Epoch, Outcome, OwnerId, Position, Record, Refusal, Sequence, SessionId, Stream,
        Timestamp, World, event::Fingerprint, limits,
    },
    journal::{Journal, StreamTail},
};

mod backup;
mod committer;
mod connections;
mod expiry;
mod hand;
mod handover;
mod hub;
mod leases;
mod links;
mod pulse;
pub mod replay;
mod retention;
mod subscription;
#[cfg(test)]
mod tests;
mod writer;

pub use backup::{Backup, BackupError, Disk};
pub use committer::CommitReport;
pub use connections::Connection;
pub use expiry::InUse;
pub use leases::{Held, Lease, Terms};
pub use links::{Heard, Link, NoAnswer, Question, Viewing};
pub use pulse::{CommitTimes, Copied};
pub use retention::Retention;
pub use subscription::Subscription;

/// What callers of this floor must name although it comes from below: how much to read, and why reading failed.
pub use crate::journal::{Bounds, JournalError, JournalReader, Verdict};

/// Why a submission had no outcome.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The domain said no; nothing happened.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The writer is behind: try again in a moment.
    #[error("the server is busy: {waiting} commands wait for the writer; try again in a second")]
    Busy { waiting: usize },
    /// The server is going down: try again when it is back.
    #[error("the server is shutting down; try again when it is back")]
    Closing,
    /// The offset asked for cannot be continued from.
    #[error("{stream} cannot be resumed after {asked}: it holds {earliest} to {latest}")]
    Gap { stream: Stream, asked: Sequence, earliest: Sequence, latest: Sequence },
    /// Reading failed.
    #[error(transparent)]
    Journal(JournalError),
}

impl From<JournalError> for RelayError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Gap { stream, asked, earliest, latest } => Self::Gap { stream, asked, earliest, latest },
            other => Self::Journal(other),
        }
    }
}

/// A client's promise that it means the same command whenever it shows the same key.
#[derive(Debug, Clone, Copy)]
pub struct Idempotency {
    /// Keys of different owners never meet.
    pub owner: OwnerId,
    /// Digest of the key.
    pub key: DedupeKey,
    /// Digest of the request, to tell a repetition from another request under the same key.
    pub fingerprint: Fingerprint,
}

/// Where the relay gets the moment from.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Told after each commit: for metrics.
pub type Observer = Arc<dyn Fn(&CommitReport) + Send + Sync>;

/// What a relay is started with.
#[derive(Clone)]
pub struct Options {
    pub clock: Clock,
    pub observer: Observer,
    pub leases: Terms,
    pub retention: Retention,
    /// How long a commit may hold up the thread that asked for it, as the one before it did; zero: never.
    pub lead_max: Duration,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").finish_non_exhaustive()
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            clock: Arc::new(system_time),
            observer: Arc::new(|_| {}),
            leases: Terms::default(),
            retention: Retention::default(),
            lead_max: Duration::from_micros(limits::LEAD_COMMIT_MICROS_MAX),
        }
    }
}

/// The wall clock, in milliseconds since the Unix epoch.
pub fn system_time() -> Timestamp {
    let elapsed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Timestamp(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
}

/// Does what holds up its thread, while others take over what else that had to do: where little happens, it is the one
/// that waits for all sockets and timers, and a disk that stalls would stop them all.
fn blocking<T>(act: impl FnOnce() -> T) -> T {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => task::block_in_place(act),
        // Of a test, or of a program that serves nobody.
        _ => act(),
    }
}

/// A handle to the relay; cheap to clone.
#[derive(Clone)]
pub struct Relay {
    shared: Arc<Shared>,
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("tail", &self.shared.reader.tail()).finish_non_exhaustive()
    }
}

/// What the handles, the writer and the timers share.
struct Shared {
    reader: Arc<dyn JournalReader>,
    /// The committed view.
    world: RwLock<World>,
    hubs: hub::Hubs,
    leases: leases::Leases,
    connections: connections::Connections,
    links: links::Links,
    expiry: expiry::Expiry,
    clock: Clock,
    writer: writer::Writer,
    committer: Mutex<committer::Committer>,
    /// One backup at a time.
    backups: Arc<Semaphore>,
    pulse: pulse::Pulse,
    retention: Retention,
    /// Commands that found no room in hand.
    refused: AtomicU64,
    closing: watch::Sender<bool>,
    /// Changes with each commit that changes a subscription.
    subscriptions: watch::Sender<Position>,
    committed: watch::Sender<Position>,
    /// Changes with each commit that somebody may have to be told of.
    notable: watch::Sender<Position>,
    /// Sessions whose turn just ended.
    turns_ended: broadcast::Sender<SessionId>,
}

impl Shared {
    fn committer(&self) -> MutexGuard<'_, committer::Committer> {
        self.committer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for the writer to end.
#[derive(Debug)]
pub struct WriterHandle {
    thread: thread::JoinHandle<()>,
}

impl WriterHandle {
    /// Blocks until the writer has committed what it had taken and brought all of it into the one file.
    pub fn join(self) {
        // A panic of the writer has already ended the process, or the test that injected it.
        let _ended = self.thread.join();
    }
}

impl Relay {
    /// Rebuilds the world from the journal and starts the writer. Timers start with [`Relay::run_timers`].
    pub fn start(journal: Box<dyn Journal>, options: Options) -> Result<(Self, WriterHandle), RelayError> {
        let reader = journal.reader();
        let world = replay::rebuild(reader.as_ref())?;
        let leases = leases::Leases::of(&world, options.leases);
        let expiry = expiry::Expiry::of(&world, (options.clock)());
        let shared = Arc::new(Shared {
            world: RwLock::new(world.clone()),
            hubs: hub::Hubs::new(Arc::clone(&reader)),
            leases,
            connections: connections::Connections::default(),
            links: links::Links::default(),
            expiry,
            clock: options.clock,
            writer: writer::Writer::new(world, reader.tail()),
            committer: Mutex::new(committer::Committer::new(journal, options.observer, options.lead_max)),
            backups: Arc::new(Semaphore::new(1)),
            pulse: pulse::Pulse::default(),
            retention: options.retention,
            refused: AtomicU64::new(0),
            closing: watch::Sender::new(false),
            subscriptions: watch::Sender::new(Position::ZERO),
            committed: watch::Sender::new(Position::ZERO),
            notable: watch::Sender::new(Position::ZERO),
            turns_ended: broadcast::Sender::new(limits::TURNS_ENDED_MAX),
            reader,
        });
        let own = Arc::clone(&shared);
        let thread = thread::Builder::new().name("rcs-committer".into()).spawn(move || committer::run(&own));
        let thread =
            thread.map_err(|error| JournalError::Storage { doing: "start its writer", source: error.into() })?;
        Ok((Self { shared }, WriterHandle { thread }))
    }

    /// A relay over a journal that is gone with it: what tests of the floors above stand on.
    #[cfg(test)]
    pub(crate) fn in_memory() -> Self {
        Self::in_memory_with(Options::default())
    }

    /// The same by a clock of the test's own.
    #[cfg(test)]
    pub(crate) fn in_memory_with(options: Options) -> Self {
        let journal = crate::journal::memory::MemoryJournal::new(Epoch(1));
        let (relay, _writer) = Self::start(Box::new(journal), options).expect("an empty journal starts");
        relay
    }

    /// Carries a command out. Returns when what it did, or what its refusal rests on, is durable.
    pub async fn submit(&self, actor: Actor, command: Command) -> Result<Outcome, RelayError> {
        self.enqueue(actor, command, None).await
    }

    /// As [`submit`](Self::submit), at most once for this key: a repetition gets the first outcome.
    pub async fn submit_once(
        &self,
        actor: Actor,
        command: Command,
        idempotency: Idempotency,
    ) -> Result<Outcome, RelayError> {
        self.enqueue(actor, command, Some(idempotency)).await
    }

    async fn enqueue(
        &self,
        actor: Actor,
        command: Command,
        idempotency: Option<Idempotency>,
    ) -> Result<Outcome, RelayError> {
        if *self.shared.closing.borrow() {
            return Err(RelayError::Closing);
        }
        let (reply, outcome) = oneshot::channel();
        let submission = writer::Submission { actor, command, idempotency, reply };
        let submitted = self.shared.writer.submit(self.shared.reader.as_ref(), self.now(), submission);
        let alone = submitted.inspect_err(|error| {
            if matches!(error, RelayError::Busy { .. }) {
                self.shared.refused.fetch_add(1, Ordering::Relaxed);
            }
        })?;
        if let Some(batch) = alone {
            blocking(|| self.shared.committer().carry_out(&self.shared, batch));
        }
        outcome.await.unwrap_or(Err(RelayError::Closing))
    }

    /// Forgets the bodies of a stream up to and including `through`, at most so many at once: call again until it
    /// answers 0. Readers below get a gap from then on.
    pub async fn trim(&self, stream: Stream, through: Sequence) -> Result<usize, RelayError> {
        let (reply, done) = oneshot::channel();
        self.shared.writer.trim(hand::Trim { stream, through, reply })?;
        done.await.unwrap_or(Err(RelayError::Closing))
    }

    /// The committed view. Hold it for a look, never across an await.
    pub fn world(&self) -> RwLockReadGuard<'_, World> {
        self.shared.world.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The moment, by the relay's clock.
    pub fn now(&self) -> Timestamp {
        (self.shared.clock)()
    }

    /// The numbering's identity.
    pub fn epoch(&self) -> Epoch {
        self.shared.reader.epoch()
    }

    /// The journal, for reading.
    pub fn journal(&self) -> &Arc<dyn JournalReader> {
        &self.shared.reader
    }

    /// The ends of a stream.
    pub fn stream_tail(&self, stream: Stream) -> Result<Option<StreamTail>, RelayError> {
        Ok(self.shared.reader.stream_tail(stream)?)
    }

    /// A bounded slice of a stream from `from` on (inclusive).
    pub fn read(&self, stream: Stream, from: Sequence, bounds: Bounds) -> Result<Vec<Arc<Record>>, RelayError> {
        Ok(self.shared.reader.read_stream(stream, from, bounds)?)
    }

    /// Follows a stream: everything after `after`, what is there and what comes, without a hole or a repetition. An
    /// offset that was trimmed away or never existed is a [`RelayError::Gap`].
    pub fn subscribe(&self, stream: Stream, after: Sequence) -> Result<Subscription, RelayError> {
        Subscription::open(self.shared.hubs.hub(stream)?, Arc::clone(&self.shared.reader), stream, after)
    }

    /// Commands that are decided and wait for their commit.
    pub fn queue_depth(&self) -> usize {
        self.shared.writer.depth()
    }

    /// Commands that were turned away because too many waited already, since the start.
    pub fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::Relaxed)
    }

    /// Streams that somebody follows.
    pub fn streams_followed(&self) -> usize {
        self.shared.hubs.len()
    }

    /// Becomes true when the server goes down: streams end, polls return.
    pub fn closing(&self) -> watch::Receiver<bool> {
        self.shared.closing.subscribe()
    }

    /// Changes when a commit changed a subscription: then something may be due.
    pub fn subscriptions_changed(&self) -> watch::Receiver<Position> {
        self.shared.subscriptions.subscribe()
    }

    /// Changes with every commit: for views of many streams, which look at the world again.
    pub fn committed(&self) -> watch::Receiver<Position> {
        self.shared.committed.subscribe()
    }

    /// Changes when a commit held something that somebody may have to be told of.
    pub fn notable(&self) -> watch::Receiver<Position> {
        self.shared.notable.subscribe()
    }

    /// Sessions whose turn ends from now on. A signal: who is slow misses some.
    pub fn turns_ended(&self) -> broadcast::Receiver<SessionId> {
        self.shared.turns_ended.subscribe()
    }

    /// Returns when everybody who watched for the end has let go: all streams, sockets and polls are closed.
    pub async fn drained(&self) {
        self.shared.closing.closed().await;
    }

    /// Refuses new submissions, tells all streams, and lets the writer finish what it has taken.
    pub fn close(&self) {
        self.shared.closing.send_replace(true);
        self.shared.writer.close();
    }
}

/// One read at the house bounds.
pub const fn page_bounds() -> Bounds {
    Bounds { records_max: limits::READ_RECORDS_MAX, bytes_max: limits::READ_BYTES_MAX }
}
