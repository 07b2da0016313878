//! The first half of the one writer: drain, decide, seal.
//!
//! It batches what is waiting and never waits to batch: while the [committer](super::committer) brings one batch to the
//! disk, the next one gathers, and leaves as soon as the disk is free.
//!
//! It decides on a world that is ahead of what is durable by the two batches under way. Nobody else sees that world.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::{mpsc, oneshot};

use super::{
    Idempotency, RelayError, Shared,
    committer::fail,
    hand::{Hand, Open, Trim},
};
use crate::{
    domain::{
        Actor, Command, Context, DedupeKey, Draft, Event, Outcome, Position, Record, Refusal, Sequence, Stream,
        Timestamp, World, apply, decide, limits,
    },
    journal::{Bounds, JournalError},
};

/// Where an outcome goes.
pub(super) type Reply = oneshot::Sender<Result<Outcome, RelayError>>;

/// Something for the writer to do.
pub(super) enum Job {
    Submit(Box<Submission>),
    Trim(Trim),
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

/// The writer's own state.
pub(super) struct Writer {
    shared: Arc<Shared>,
    hand: Arc<Hand>,
    /// The world after the records in hand.
    ahead: World,
    position: Position,
    /// The last sequence of every stream written since the start.
    tails: HashMap<Stream, Sequence>,
}

impl Writer {
    pub(super) fn new(ahead: World, shared: Arc<Shared>, hand: Arc<Hand>) -> Self {
        let position = shared.reader.tail();
        Self { shared, hand, ahead, position, tails: HashMap::new() }
    }

    /// Runs until told to close.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut open = true;
        while open {
            let Some(first) = jobs.blocking_recv() else { break };
            let now = (self.shared.clock)();
            let mut next = Some(first);
            while let Some(job) = next.take() {
                match job {
                    Job::Submit(submission) => self.consider(now, *submission),
                    Job::Trim(trim) => self.hand.open().batch().trims.push(trim),
                    Job::Close => {
                        open = false;
                        jobs.close();
                    }
                }
                next = jobs.try_recv().ok();
            }
            self.hand.offer();
            // Streams come and go; the journal knows every tail that is durable, so this map only saves look-ups.
            if self.tails.len() > limits::STREAMS_OPEN_MAX {
                self.hand.settled();
                self.tails.clear();
            }
        }
        // Who is still in the queue learns from the closed reply that nothing was done.
        self.hand.close();
    }

    fn consider(&mut self, now: Timestamp, submission: Submission) {
        let Submission { actor, command, idempotency, reply } = submission;
        let hand = Arc::clone(&self.hand);
        let mut open = hand.open();
        let result = self.carry_out(&mut open, now, actor, command, idempotency);
        open.batch().replies.push((reply, result));
    }

    fn carry_out(
        &mut self,
        open: &mut Open<'_>,
        now: Timestamp,
        actor: Actor,
        command: Command,
        idempotency: Option<Idempotency>,
    ) -> Result<Outcome, RelayError> {
        if let Some(once) = idempotency
            && let Some(outcome) = self.repeated(open, once)?
        {
            return Ok(outcome);
        }
        let mut known = HashMap::new();
        for (stream, key) in command.keys() {
            if let Some(sequence) = self.find(open, stream, key)? {
                known.insert((stream, key), sequence);
            }
        }
        let context = Context { now, actor, known: &known };
        let decided = decide(&self.ahead, &context, command)?;
        let mut first = Sequence::ZERO;
        for (index, draft) in decided.drafts.into_iter().enumerate() {
            let sequence = self.take(open, now, actor, draft);
            if index == 0 {
                first = sequence;
            }
        }
        let outcome = decided.outcome.placed(first);
        if let Some(Idempotency { owner, key, fingerprint }) = idempotency {
            let event = Event::CommandDone { fingerprint, outcome: outcome.clone() };
            self.take(open, now, actor, Draft::new(Stream::Ledger(owner), event).with_key(Some(key)));
        }
        Ok(outcome)
    }

    /// The outcome that the ledger has for this key.
    fn repeated(&self, open: &Open<'_>, once: Idempotency) -> Result<Option<Outcome>, RelayError> {
        let stream = Stream::Ledger(once.owner);
        let done = if let Some(held) = open.find(stream, once.key) {
            Some(Arc::clone(held))
        } else {
            let Some(sequence) = self.shared.reader.find(stream, once.key)? else { return Ok(None) };
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

    fn find(&self, open: &Open<'_>, stream: Stream, key: DedupeKey) -> Result<Option<Sequence>, JournalError> {
        match open.find(stream, key) {
            Some(held) => Ok(Some(held.sequence)),
            None => self.shared.reader.find(stream, key),
        }
    }

    /// Numbers a draft and applies it to the world ahead. Cannot fail: half of a command must not be in the batch, so a
    /// journal that cannot tell its tails or store a record ends the process like one that does not commit.
    fn take(&mut self, open: &mut Open<'_>, at: Timestamp, actor: Actor, draft: Draft) -> Sequence {
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
        let record = Arc::new(Record { position: self.position, stream, sequence, at, actor, key, event, payload });
        apply(&mut self.ahead, &record);
        if let Some(key) = key {
            open.remember(key, &record);
        }
        if let Err(error) = open.batch().records.push(record) {
            fail(&error);
        }
        sequence
    }
}
