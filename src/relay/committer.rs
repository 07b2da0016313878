//! The second half of the one writer: commit, show, reply.
//!
//! Nothing of a batch is seen by anybody before all of it is durable: not the records, not the outcomes, and not the
//! refusals, which may rest on a record of the same batch or of the one before. Batches pass in order, so replies do.
//!
//! There is one committer, and its own thread runs it, or one that has just decided a command that is alone (see
//! [`writer`](super::writer)).
//!
//! A failed commit ends the process: what is on disk is the truth, and the next start reads it.

use std::{
    sync::PoisonError,
    time::{Duration, Instant},
};

use super::{
    Observer, RelayError, Shared,
    hand::{Batch, Trim},
};
use crate::{
    domain::{Sequence, Stream, apply, notify},
    journal::{self, Journal, JournalError},
};

/// What one commit was like.
#[derive(Debug, Clone, Copy)]
pub struct CommitReport {
    pub records: usize,
    /// The sync and what the journal does around it.
    pub took: Duration,
}

/// Owns the journal.
pub(super) struct Committer {
    journal: Box<dyn Journal>,
    observer: Observer,
    /// How long a sync may take for the next command to be committed by the thread that decided it.
    lead_max: Duration,
}

/// Runs until the writer is closed and its hand empty. Nothing is swallowed: a journal that fails ends the process.
pub(super) fn run(shared: &Shared) {
    while let Some(batch) = shared.writer.take() {
        shared.committer().carry_out(shared, batch);
    }
    if let Err(error) = shared.committer().journal.checkpoint() {
        fail(&error);
    }
}

impl Committer {
    pub(super) fn new(mut journal: Box<dyn Journal>, observer: Observer, lead_max: Duration) -> Self {
        journal.on_failure_aside(|error| fail(error));
        Self { journal, observer, lead_max }
    }

    /// Commits a batch and answers those who wait for it.
    pub(super) fn carry_out(&mut self, shared: &Shared, batch: Batch) {
        let commands = batch.len();
        let Batch { records, replies, trims } = batch;
        let took = if records.is_empty() { Duration::MAX } else { self.commit(shared, &records) };
        // Whoever is answered may come back at once, and be alone.
        shared.writer.landed(commands == 1 && took < self.lead_max);
        for (reply, result) in replies {
            // Whoever asked may have hung up; what was done stays done.
            let _unheard = reply.send(result);
        }
        for Trim { stream, through, reply } in trims {
            let _unheard = reply.send(self.trim(stream, through));
        }
    }

    /// Makes the records durable, then visible. Answers how long the first of it took.
    fn commit(&mut self, shared: &Shared, batch: &journal::Batch) -> Duration {
        let started = Instant::now();
        let durable = self.journal.store(batch).unwrap_or_else(|error| fail(&error));
        let took = started.elapsed();
        let records = batch.records();
        {
            // Both views move under one lock: whoever has read a record finds it in the world.
            let mut world = shared.world.write().unwrap_or_else(PoisonError::into_inner);
            self.journal.show(durable);
            for record in records {
                apply(&mut world, record);
            }
            shared.leases.start(records, &world);
        }
        shared.expiry.note(records);
        shared.hubs.publish(records);
        let changed = records.iter().rev().find(|record| matches!(record.stream, Stream::Subscription(_)));
        if let Some(record) = changed {
            shared.subscriptions.send_replace(record.position);
        }
        if let Some(record) = records.iter().rev().find(|record| notify::concerns(&record.event)) {
            shared.notable.send_replace(record.position);
        }
        for ended in records.iter().filter_map(|record| notify::turn_ended(&record.event)) {
            // Whether anybody listens is their business.
            let _heard = shared.turns_ended.send(ended);
        }
        if let Some(record) = records.last() {
            shared.committed.send_replace(record.position);
        }
        shared.pulse.commit(took);
        (self.observer)(&CommitReport { records: records.len(), took });
        took
    }

    /// One bite, so that commits get their turn.
    fn trim(&mut self, stream: Stream, through: Sequence) -> Result<usize, RelayError> {
        self.journal.trim(stream, through).map_err(|error| match error {
            JournalError::Storage { .. } => fail(&error),
            error => error.into(),
        })
    }
}

/// The journal refused: nothing in memory may be believed any more.
pub(super) fn fail(error: &JournalError) -> ! {
    tracing::error!(%error, "the journal failed; stopping so that the next start reads what is durable");
    std::process::abort()
}
