//! The first half of the one writer: decide and seal, in one order.
//!
//! ```text
//!  submit --> decide, seal --> batch in hand --> committer: sync, publish, reply
//!             (one at a time)  (gathers while the one before is on its way to the disk)
//! ```
//!
//! Commands are decided where they arrive, one at a time under one lock: a thread of its own would have to be woken for
//! each, which costs more than deciding does. The [committer](super::committer) takes what is in hand as soon as the
//! disk is free, and never waits for more. It takes between two commands, so half of one is never in a batch.
//!
//! A command that comes alone is committed where it was decided: to wake the committer's thread and to be woken by it
//! takes as long as a quick disk does. Alone is one that finds nothing in flight, and came after others like it. Where
//! the last sync took longer than a thread that serves others may be held up, there is much to write, or one thread
//! serves all, the committer's thread does it.
//!
//! Decisions rest on a world that is ahead of what is durable by the two batches under way. Nobody else sees it.

use std::{
    collections::HashMap,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;

use super::{
    Idempotency, RelayError,
    committer::fail,
    hand::{Batch, Hand, Reply, Trim},
};
use crate::{
    domain::{
        Actor, Command, Context, DedupeKey, Draft, Event, Outcome, Position, Record, Refusal, Sequence, Stream,
        Timestamp, World, apply, decide, limits,
    },
    journal::{Bounds, JournalError, JournalReader},
};

/// A command on its way.
pub(super) struct Submission {
    pub(super) actor: Actor,
    pub(super) command: Command,
    pub(super) idempotency: Option<Idempotency>,
    pub(super) reply: Reply,
}

/// Where commands are put in order.
pub(super) struct Writer {
    state: Mutex<State>,
    /// There is something to take, or there will be nothing more.
    offered: Condvar,
}

struct State {
    hand: Hand,
    /// The world after the records in hand.
    ahead: World,
    position: Position,
    /// The last sequence of every stream written since the start, or since there were too many.
    tails: HashMap<Stream, Sequence>,
    flight: Flight,
    /// How many batches in a row were one command, on a quick disk.
    alone: u32,
    closed: bool,
}

/// Who has the batch before the one in hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flight {
    /// Nobody: it is durable.
    Nobody,
    /// The committer's thread has it, or was called for the next one.
    Committer,
    /// The thread that decided it.
    Leader,
}

impl Writer {
    /// A writer that goes on after `position`.
    pub(super) fn new(ahead: World, position: Position) -> Self {
        let hand = Hand::default();
        let tails = HashMap::new();
        let state = State { hand, ahead, position, tails, flight: Flight::Nobody, alone: 0, closed: false };
        Self { state: Mutex::new(state), offered: Condvar::new() }
    }

    /// Decides a command. Its reply comes when what it did, or what its refusal rests on, is durable. A batch that is
    /// answered is the caller's to carry out, at once.
    pub(super) fn submit(
        &self,
        reader: &dyn JournalReader,
        now: Timestamp,
        submission: Submission,
    ) -> Result<Option<Batch>, RelayError> {
        let mut state = self.room()?;
        let Submission { actor, command, idempotency, reply } = submission;
        let result = state.carry_out(reader, now, actor, command, idempotency);
        state.hand.batch.replies.push((reply, result));
        if state.flight == Flight::Nobody && state.is_alone() && state.hand.batch.is_small() {
            return Ok(Some(state.let_go(Flight::Leader)));
        }
        self.offer(state);
        Ok(None)
    }

    /// Has a stream's beginning forgotten, after what is in hand.
    pub(super) fn trim(&self, trim: Trim) -> Result<(), RelayError> {
        let mut state = self.room()?;
        state.hand.batch.trims.push(trim);
        self.offer(state);
        Ok(())
    }

    /// There will be no more commands; what is in hand is still done.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        self.offer(state);
    }

    /// Commands in hand.
    pub(super) fn depth(&self) -> usize {
        self.lock().hand.batch.len()
    }

    /// The next batch to commit, as soon as there is one and nothing is in flight; `None` after the last.
    pub(super) fn take(&self) -> Option<Batch> {
        let idle = |state: &State| state.hand.batch.is_empty() && !state.closed;
        let waiting = |state: &mut State| state.flight == Flight::Leader || idle(state);
        let state = self.offered.wait_while(self.lock(), waiting);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if state.hand.batch.is_empty() { None } else { Some(state.let_go(Flight::Committer)) }
    }

    /// What was taken is durable. `alone`: it was one command, and the disk is quick.
    pub(super) fn landed(&self, alone: bool) {
        let mut state = self.lock();
        state.alone = if alone { state.alone.saturating_add(1) } else { 0 };
        let led = std::mem::replace(&mut state.flight, Flight::Nobody) == Flight::Leader;
        if led && (state.closed || !state.hand.batch.is_empty()) {
            self.call(state);
        }
    }

    // A panic under this lock ends the process; a test that injects one fails.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, when it takes one more command.
    fn room(&self) -> Result<MutexGuard<'_, State>, RelayError> {
        let state = self.lock();
        if state.closed {
            return Err(RelayError::Closing);
        }
        if state.hand.batch.is_full() {
            return Err(RelayError::Busy { waiting: state.hand.batch.len() });
        }
        Ok(state)
    }

    fn offer(&self, state: MutexGuard<'_, State>) {
        if state.flight == Flight::Nobody {
            self.call(state);
        }
    }

    fn call(&self, mut state: MutexGuard<'_, State>) {
        state.flight = Flight::Committer;
        drop(state);
        self.offered.notify_one();
    }
}

impl State {
    /// Whether the command in hand is taken to be alone, as those before it were.
    const fn is_alone(&self) -> bool {
        self.alone >= limits::LEAD_AFTER_COMMITS
    }

    /// Lets go of the batch in hand. The one before it is durable.
    fn let_go(&mut self, to: Flight) -> Batch {
        self.flight = to;
        // Streams come and go; the journal knows the tails of those that are neither in hand nor in flight.
        if self.tails.len() > limits::STREAMS_OPEN_MAX {
            let in_hand = self.hand.batch.records.records().iter().map(|record| (record.stream, record.sequence));
            self.tails = in_hand.collect();
        }
        self.hand.let_go()
    }

    fn carry_out(
        &mut self,
        reader: &dyn JournalReader,
        now: Timestamp,
        actor: Actor,
        command: Command,
        idempotency: Option<Idempotency>,
    ) -> Result<Outcome, RelayError> {
        if let Some(once) = idempotency
            && let Some(outcome) = self.repeated(reader, once)?
        {
            return Ok(outcome);
        }
        let mut known = HashMap::new();
        for (stream, key) in command.keys() {
            if let Some(sequence) = self.find(reader, stream, key)? {
                known.insert((stream, key), sequence);
            }
        }
        let context = Context { now, actor, known: &known };
        let decided = decide(&self.ahead, &context, command)?;
        let mut first = Sequence::ZERO;
        for (index, draft) in decided.drafts.into_iter().enumerate() {
            let sequence = self.put(reader, now, actor, draft);
            if index == 0 {
                first = sequence;
            }
        }
        let outcome = decided.outcome.placed(first);
        if let Some(Idempotency { owner, key, fingerprint }) = idempotency {
            let event = Event::CommandDone { fingerprint, outcome: outcome.clone() };
            self.put(reader, now, actor, Draft::new(Stream::Ledger(owner), event).with_key(Some(key)));
        }
        Ok(outcome)
    }

    /// The outcome that the ledger has for this key.
    fn repeated(&self, reader: &dyn JournalReader, once: Idempotency) -> Result<Option<Outcome>, RelayError> {
        let Idempotency { owner, key, fingerprint: asked } = once;
        let stream = Stream::Ledger(owner);
        let stored;
        let done = if let Some(held) = self.hand.find(stream, key) {
            Some(held)
        } else {
            let Some(sequence) = reader.find(stream, key)? else { return Ok(None) };
            stored = reader.read_stream(stream, sequence, Bounds { records_max: 1, bytes_max: 1 })?;
            stored.first()
        };
        match done.map(|done| &done.event) {
            Some(Event::CommandDone { fingerprint, outcome }) if *fingerprint == asked => Ok(Some(outcome.clone())),
            _ => Err(Refusal::KeyReused { what: "this idempotency key".into() }.into()),
        }
    }

    fn find(
        &self,
        reader: &dyn JournalReader,
        stream: Stream,
        key: DedupeKey,
    ) -> Result<Option<Sequence>, JournalError> {
        match self.hand.find(stream, key) {
            Some(held) => Ok(Some(held.sequence)),
            None => reader.find(stream, key),
        }
    }

    /// Numbers a draft, applies it to the world ahead and takes it in hand. Cannot fail: half of a command must not be
    /// in the batch, so a journal that cannot tell its tails or store a record ends the process like one that does not
    /// commit.
    fn put(&mut self, reader: &dyn JournalReader, at: Timestamp, actor: Actor, draft: Draft) -> Sequence {
        let Draft { stream, key, event, mut payload } = draft;
        // A small part of what a connection read keeps all of that in memory, for as long as the record is.
        if payload.len() <= limits::PAYLOAD_COPIED_BYTES_MAX {
            payload = Bytes::copy_from_slice(&payload);
        }
        let before = match self.tails.get(&stream) {
            Some(tail) => *tail,
            None => match reader.stream_tail(stream) {
                Ok(tail) => tail.map_or(Sequence::ZERO, |tail| tail.latest),
                Err(error) => fail(&error),
            },
        };
        let sequence = before.next();
        self.tails.insert(stream, sequence);
        self.position = self.position.next();
        let record = Record { position: self.position, stream, sequence, at, actor, key, event, payload };
        apply(&mut self.ahead, &record);
        if let Err(error) = self.hand.put(record) {
            fail(&error);
        }
        sequence
    }
}
