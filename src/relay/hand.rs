//! The batch in hand: the writer puts decisions in, the committer takes them out whole.
//!
//! ```text
//!  queue --> writer: decide, seal --> batch in hand --> committer: sync, publish, reply
//!                                     (gathers while the one before is on its way to the disk)
//! ```
//!
//! There is one batch in hand and at most one in flight. What the writer must know of both because the journal does not
//! have it yet, the keys, lies here too, under the same lock: a batch leaves between two commands, never within one.

use std::{
    collections::HashMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::sync::oneshot;

use super::{RelayError, writer::Reply};
use crate::{
    domain::{DedupeKey, Outcome, Record, Sequence, Stream, limits},
    journal,
};

/// Where the writer and the committer meet.
#[derive(Default)]
pub(super) struct Hand {
    state: Mutex<State>,
    /// Something was put in, taken out or finished.
    moved: Condvar,
}

#[derive(Default)]
struct State {
    batch: Batch,
    keys: Keys,
    /// The keys of the batch in flight; of the last one, when none is.
    flying: Keys,
    in_flight: bool,
    closed: bool,
}

/// Records by their dedupe keys.
type Keys = HashMap<(Stream, DedupeKey), Arc<Record>>;

/// Decisions that become durable together, and who waits for them.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) records: journal::Batch,
    pub(super) replies: Vec<(Reply, Result<Outcome, RelayError>)>,
    pub(super) trims: Vec<Trim>,
    /// When the first decision was made.
    pub(super) started: Option<Instant>,
}

/// Forgetting that was asked for; done after the commit.
pub(super) struct Trim {
    pub(super) stream: Stream,
    pub(super) through: Sequence,
    pub(super) reply: oneshot::Sender<Result<usize, RelayError>>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.replies.is_empty() && self.trims.is_empty()
    }

    fn is_full(&self) -> bool {
        self.replies.len() + self.trims.len() >= limits::BATCH_COMMANDS_MAX
            || self.records.stored_bytes() >= limits::BATCH_BYTES_MAX
    }
}

impl Hand {
    /// The batch in hand, when it has room for another command.
    pub(super) fn open(&self) -> Open<'_> {
        let state = self.lock();
        if !state.batch.is_full() {
            return Open { state };
        }
        drop(state);
        self.offer();
        Open { state: self.wait_while(|state| state.batch.is_full()) }
    }

    /// Tells the committer that there is something, or nothing more to wait for.
    pub(super) fn offer(&self) {
        self.moved.notify_all();
    }

    /// Returns when everything that was put in is durable.
    pub(super) fn settled(&self) {
        self.offer();
        drop(self.wait_while(|state| state.in_flight || !state.batch.is_empty()));
    }

    /// There will be no more commands.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.moved.notify_all();
    }

    /// The next batch to commit, as soon as there is one; `None` after the last. The one taken before is done.
    pub(super) fn take(&self) -> Option<Batch> {
        self.lock().in_flight = false;
        self.moved.notify_all();
        let mut state = self.wait_while(|state| state.batch.is_empty() && !state.closed);
        if state.batch.is_empty() {
            return None;
        }
        state.in_flight = true;
        state.flying = std::mem::take(&mut state.keys);
        let batch = std::mem::take(&mut state.batch);
        drop(state);
        // The writer may have waited for room.
        self.moved.notify_all();
        Some(batch)
    }

    // A panic under this lock ends the process; a test that injects one fails.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while(&self, unready: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        self.moved.wait_while(self.lock(), |state| unready(state)).unwrap_or_else(PoisonError::into_inner)
    }
}

/// The batch in hand, held for one command.
pub(super) struct Open<'a> {
    state: MutexGuard<'a, State>,
}

impl Open<'_> {
    pub(super) fn batch(&mut self) -> &mut Batch {
        self.state.batch.started.get_or_insert_with(Instant::now);
        &mut self.state.batch
    }

    /// The record with this key, if it is in hand or in flight.
    pub(super) fn find(&self, stream: Stream, key: DedupeKey) -> Option<&Arc<Record>> {
        let State { keys, flying, .. } = &*self.state;
        keys.get(&(stream, key)).or_else(|| flying.get(&(stream, key)))
    }

    /// Remembers a record by its key until the journal has it.
    pub(super) fn remember(&mut self, key: DedupeKey, record: &Arc<Record>) {
        self.state.keys.insert((record.stream, key), Arc::clone(record));
    }
}
