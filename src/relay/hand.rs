//! The batch in hand: decisions that are to become durable together, and who waits for them.
//!
//! There is one batch in hand and at most one in flight. The journal does not have either yet, so their keys lie here.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::oneshot;

use super::RelayError;
use crate::{
    domain::{DedupeKey, Outcome, Record, Sequence, Stream, limits},
    journal,
};

/// Where an outcome goes.
pub(super) type Reply = oneshot::Sender<Result<Outcome, RelayError>>;

/// What one commit takes.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) records: journal::Batch,
    pub(super) replies: Vec<(Reply, Result<Outcome, RelayError>)>,
    pub(super) trims: Vec<Trim>,
}

/// Forgetting that was asked for; done after the commit.
pub(super) struct Trim {
    pub(super) stream: Stream,
    pub(super) through: Sequence,
    pub(super) reply: oneshot::Sender<Result<usize, RelayError>>,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.replies.is_empty() && self.trims.is_empty()
    }

    /// Commands in it.
    pub(super) fn len(&self) -> usize {
        self.replies.len() + self.trims.len()
    }

    /// Whether it is one command, and little to write.
    pub(super) fn is_small(&self) -> bool {
        self.len() == 1 && self.records.stored_bytes() <= limits::LEAD_COMMIT_BYTES_MAX
    }

    /// Whether the next command has to come back later.
    pub(super) fn is_full(&self) -> bool {
        self.len() >= limits::BATCH_COMMANDS_MAX || self.records.stored_bytes() >= limits::BATCH_BYTES_MAX
    }
}

/// What gathers while the disk is busy.
#[derive(Default)]
pub(super) struct Hand {
    pub(super) batch: Batch,
    keys: Keys,
    /// The keys of the batch in flight; of the last one, when none is.
    flying: Keys,
}

/// Records by their dedupe keys.
type Keys = HashMap<(Stream, DedupeKey), Arc<Record>>;

impl Hand {
    /// Adds a record. One that cannot be stored is refused.
    pub(super) fn put(&mut self, record: Record) -> Result<(), journal::JournalError> {
        let record = Arc::new(record);
        if let Some(key) = record.key {
            self.keys.insert((record.stream, key), Arc::clone(&record));
        }
        self.batch.records.push(record)
    }

    /// The record with this key, if it is in hand or in flight.
    pub(super) fn find(&self, stream: Stream, key: DedupeKey) -> Option<&Arc<Record>> {
        self.keys.get(&(stream, key)).or_else(|| self.flying.get(&(stream, key)))
    }

    /// Lets go of the batch. The one before it is durable.
    pub(super) fn let_go(&mut self) -> Batch {
        self.flying = std::mem::take(&mut self.keys);
        let next = Batch { records: journal::Batch::like(&self.batch.records), ..Batch::default() };
        std::mem::replace(&mut self.batch, next)
    }
}
