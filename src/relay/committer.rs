//! The second half of the one writer: commit, show, reply.
//!
//! Nothing of a batch is seen by anybody before all of it is durable: not the records, not the outcomes, and not the
//! refusals, which may rest on a record of the same batch or of the one before. Batches pass in order, so replies do.
//!
//! A failed commit ends the process: what is on disk is the truth, and the next start reads it.

use std::{
    sync::{Arc, PoisonError},
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
    pub commands: usize,
    pub records: usize,
    /// From the first decision to the end of the sync.
    pub took: Duration,
    /// The sync and what the journal does around it.
    pub append_took: Duration,
}

/// Owns the journal.
pub(super) struct Committer {
    journal: Box<dyn Journal>,
    shared: Arc<Shared>,
    observer: Observer,
}

impl Committer {
    pub(super) fn new(journal: Box<dyn Journal>, shared: Arc<Shared>, observer: Observer) -> Self {
        Self { journal, shared, observer }
    }

    /// Runs until the writer is closed and its hand empty. Nothing is swallowed: a journal that fails ends the process.
    pub(super) fn run(mut self) {
        while let Some(batch) = self.shared.writer.take() {
            let Batch { records, replies, trims, started } = batch;
            if !records.is_empty() {
                self.commit(&records, replies.len(), started);
            }
            for (reply, result) in replies {
                // Whoever asked may have hung up; what was done stays done.
                let _unheard = reply.send(result);
            }
            for Trim { stream, through, reply } in trims {
                let _unheard = reply.send(self.trim(stream, through));
            }
        }
        if let Err(error) = self.journal.checkpoint() {
            fail(&error);
        }
    }

    /// Makes the records durable, then visible.
    fn commit(&mut self, batch: &journal::Batch, commands: usize, started: Option<Instant>) {
        let append_started = Instant::now();
        if let Err(error) = self.journal.commit(batch) {
            fail(&error);
        }
        let append_took = append_started.elapsed();
        let records = batch.records();
        {
            let mut world = self.shared.world.write().unwrap_or_else(PoisonError::into_inner);
            for record in records {
                apply(&mut world, record);
            }
            self.shared.leases.start(records, &world);
        }
        self.shared.expiry.note(records);
        self.shared.hubs.publish(records);
        let changed = records.iter().rev().find(|record| matches!(record.stream, Stream::Subscription(_)));
        if let Some(record) = changed {
            self.shared.subscriptions.send_replace(record.position);
        }
        if let Some(record) = records.iter().rev().find(|record| notify::concerns(&record.event)) {
            self.shared.notable.send_replace(record.position);
        }
        for ended in records.iter().filter_map(|record| notify::turn_ended(&record.event)) {
            // Whether anybody listens is their business.
            let _heard = self.shared.turns_ended.send(ended);
        }
        if let Some(record) = records.last() {
            self.shared.committed.send_replace(record.position);
        }
        let took = started.unwrap_or(append_started).elapsed();
        self.shared.pulse.commit(append_took);
        (self.observer)(&CommitReport { commands, records: records.len(), took, append_took });
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
pub(super) fn fail(error: &JournalError) -> ! {
    tracing::error!(%error, "the journal failed; stopping so that the next start reads what is durable");
    std::process::abort()
}
