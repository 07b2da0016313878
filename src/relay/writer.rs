//! The one writer: drain, decide, commit, publish, reply.
//!
//! It batches what is waiting and never waits to batch. Nothing of a batch is seen by anybody before all of it is
//! durable: not the records, not the outcomes, and not the refusals, which may rest on a record of the same batch.
//!
//! A failed commit ends the process: what is on disk is the truth, and the next start reads it.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, oneshot};

use super::{Idempotency, Observer, RelayError, Shared};
use crate::{
    domain::{
        Actor, Command, Context, DedupeKey, Draft, Event, Outcome, Position, Record, Refusal, Sequence, Stream,
        Timestamp, World, apply, decide, limits,
    },
    journal::{Bounds, Journal, JournalError},
};

type Reply = oneshot::Sender<Result<Outcome, RelayError>>;

/// Something for the writer to do.
pub(super) enum Job {
    Submit(Box<Submission>),
    Trim {
        stream: Stream,
        through: Sequence,
        reply: oneshot::Sender<Result<usize, RelayError>>,
    },
    /// Finish what was taken, checkpoint, end.
    Close,
}

/// A command on its way.
pub(super) struct Submission {
    pub(super) actor: Actor,
    pub(super) command: Command,
    pub(super) idempotency: Option<Idempotency>,
    pub(super) reply: Reply,
}

/// What one commit was like.
#[derive(Debug, Clone, Copy)]
pub struct CommitReport {
    pub commands: usize,
    pub records: usize,
    /// From the first decision to the end of the sync.
    pub took: Duration,
    /// The sync and what the journal does around it.
    pub append_took: Duration,
}

/// The writer's own state, ahead of what is durable by the batch in hand.
pub(super) struct Writer {
    journal: Box<dyn Journal>,
    shared: Arc<Shared>,
    observer: Observer,
    /// The world after the records in hand.
    ahead: World,
    position: Position,
    /// The last sequence of every stream written since the start.
    tails: HashMap<Stream, Sequence>,
    batch: Batch,
}

/// The records in hand.
#[derive(Default)]
struct Batch {
    records: Vec<Arc<Record>>,
    keys: HashMap<(Stream, DedupeKey), Sequence>,
    replies: Vec<(Reply, Result<Outcome, RelayError>)>,
    bytes: usize,
}

impl Writer {
    pub(super) fn new(journal: Box<dyn Journal>, ahead: World, shared: Arc<Shared>, observer: Observer) -> Self {
        let position = shared.reader.tail();
        Self { journal, shared, observer, ahead, position, tails: HashMap::new(), batch: Batch::default() }
    }

    /// Runs until told to close. Nothing is swallowed: a journal that fails ends the process.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut open = true;
        while open {
            let Some(first) = jobs.blocking_recv() else { break };
            let started = Instant::now();
            let now = (self.shared.clock)();
            let mut next = Some(first);
            let mut trims = Vec::new();
            while let Some(job) = next.take() {
                match job {
                    Job::Submit(submission) => self.consider(now, *submission),
                    Job::Trim { stream, through, reply } => trims.push((stream, through, reply)),
                    Job::Close => {
                        open = false;
                        jobs.close();
                    }
                }
                let full = self.batch.replies.len() >= limits::BATCH_COMMANDS_MAX;
                if !full && self.batch.bytes < limits::BATCH_BYTES_MAX {
                    next = jobs.try_recv().ok();
                }
            }
            self.commit(started);
            for (stream, through, reply) in trims {
                // Whoever asked may have hung up; the trim is done all the same.
                let _unheard = reply.send(self.trim(stream, through));
            }
        }
        while let Some(job) = jobs.blocking_recv() {
            if let Job::Submit(submission) = job {
                let _unheard = submission.reply.send(Err(RelayError::Closing));
            }
        }
        if let Err(error) = self.journal.checkpoint() {
            fail(&error);
        }
    }

    fn consider(&mut self, now: Timestamp, submission: Submission) {
        let Submission { actor, command, idempotency, reply } = submission;
        let result = self.carry_out(now, actor, command, idempotency);
        self.batch.replies.push((reply, result));
    }

    fn carry_out(
        &mut self,
        now: Timestamp,
        actor: Actor,
        command: Command,
        idempotency: Option<Idempotency>,
    ) -> Result<Outcome, RelayError> {
        if let Some(once) = idempotency
            && let Some(outcome) = self.repeated(once)?
        {
            return Ok(outcome);
        }
        let mut known = HashMap::new();
        for (stream, key) in command.keys() {
            if let Some(sequence) = self.find(stream, key)? {
                known.insert((stream, key), sequence);
            }
        }
        let context = Context { now, actor, known: &known };
        let decided = decide(&self.ahead, &context, command)?;
        let mut first = Sequence::ZERO;
        for (index, draft) in decided.drafts.into_iter().enumerate() {
            let sequence = self.take(now, actor, draft);
            if index == 0 {
                first = sequence;
            }
        }
        let outcome = decided.outcome.placed(first);
        if let Some(Idempotency { owner, key, fingerprint }) = idempotency {
            let event = Event::CommandDone { fingerprint, outcome: outcome.clone() };
            self.take(now, actor, Draft::new(Stream::Ledger(owner), event).with_key(Some(key)));
        }
        Ok(outcome)
    }

    /// The outcome that the ledger has for this key.
    fn repeated(&self, once: Idempotency) -> Result<Option<Outcome>, RelayError> {
        let stream = Stream::Ledger(once.owner);
        let Some(sequence) = self.find(stream, once.key)? else { return Ok(None) };
        let in_hand = self.batch.records.iter().find(|held| held.stream == stream && held.sequence == sequence);
        let done = if let Some(held) = in_hand {
            Some(Arc::clone(held))
        } else {
            let one = Bounds { records_max: 1, bytes_max: 1 };
            self.shared.reader.read_stream(stream, sequence, one)?.into_iter().next()
        };
        match done.as_deref().map(|done| &done.event) {
            Some(Event::CommandDone { fingerprint, outcome }) if *fingerprint == once.fingerprint => {
                Ok(Some(outcome.clone()))
            }
            _ => Err(Refusal::KeyReused { what: "this idempotency key".into() }.into()),
        }
    }

    fn find(&self, stream: Stream, key: DedupeKey) -> Result<Option<Sequence>, JournalError> {
        if let Some(sequence) = self.batch.keys.get(&(stream, key)) {
            return Ok(Some(*sequence));
        }
        self.shared.reader.find(stream, key)
    }

    /// Numbers a draft and applies it to the world ahead. Cannot fail: half of a command must not be in the batch, so a
    /// journal that does not tell its tails ends the process like one that does not commit.
    fn take(&mut self, at: Timestamp, actor: Actor, draft: Draft) -> Sequence {
        let Draft { stream, key, event, payload } = draft;
        let before = match self.tails.get(&stream) {
            Some(tail) => *tail,
            None => match self.shared.reader.stream_tail(stream) {
                Ok(tail) => tail.map_or(Sequence::ZERO, |tail| tail.latest),
                Err(error) => fail(&error),
            },
        };
        let sequence = before.next();
        self.tails.insert(stream, sequence);
        self.position = self.position.next();
        self.batch.bytes = self.batch.bytes.saturating_add(payload.len());
        if let Some(key) = key {
            self.batch.keys.insert((stream, key), sequence);
        }
        let record = Record { position: self.position, stream, sequence, at, actor, key, event, payload };
        apply(&mut self.ahead, &record);
        self.batch.records.push(Arc::new(record));
        sequence
    }

    fn commit(&mut self, started: Instant) {
        let Batch { records, replies, .. } = std::mem::take(&mut self.batch);
        if !records.is_empty() {
            let append_started = Instant::now();
            if let Err(error) = self.journal.append(&records) {
                fail(&error);
            }
            let append_took = append_started.elapsed();
            {
                let mut world = self.shared.world.write().unwrap_or_else(PoisonError::into_inner);
                for record in &records {
                    apply(&mut world, record);
                }
                self.shared.leases.start(&records, &world);
            }
            self.shared.hubs.publish(&records);
            let changed = records.iter().rev().find(|record| matches!(record.stream, Stream::Subscription(_)));
            if let Some(record) = changed {
                self.shared.subscriptions.send_replace(record.position);
            }
            let took = started.elapsed();
            (self.observer)(&CommitReport { commands: replies.len(), records: records.len(), took, append_took });
        }
        for (reply, result) in replies {
            // Whoever asked may have hung up; what was done stays done.
            let _unheard = reply.send(result);
        }
        // Streams come and go; the journal knows every tail, so this map only saves look-ups.
        if self.tails.len() > limits::STREAMS_OPEN_MAX {
            self.tails.clear();
        }
    }

    fn trim(&mut self, stream: Stream, through: Sequence) -> Result<usize, RelayError> {
        let mut forgotten = 0;
        loop {
            match self.journal.trim(stream, through) {
                Ok(0) => return Ok(forgotten),
                Ok(count) => forgotten += count,
                Err(JournalError::Storage { doing, source }) => fail(&JournalError::Storage { doing, source }),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The journal refused: nothing in memory may be believed any more.
fn fail(error: &JournalError) -> ! {
    tracing::error!(%error, "the journal failed; stopping so that the next start reads what is durable");
    std::process::abort()
}
