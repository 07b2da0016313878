//! What every journal promises of a read: where it may begin, and how much it gives.

use std::sync::Arc;

use super::{Bounds, JournalError, StreamTail};
use crate::domain::{Record, Sequence, Stream};

/// The first sequence that a read of a stream from `from` on gives; `None` at the tail.
pub(super) fn readable(stream: Stream, tail: StreamTail, from: Sequence) -> Result<Option<Sequence>, JournalError> {
    let from = from.max(Sequence::ZERO.next());
    let StreamTail { earliest, latest, .. } = tail;
    if from > latest {
        return Ok(None);
    }
    if from < earliest {
        return Err(JournalError::Gap { stream, asked: from, earliest, latest });
    }
    Ok(Some(from))
}

/// What one read gathers: within its bounds, but one record at least.
#[derive(Debug)]
pub(super) struct Page {
    pub records: Vec<Arc<Record>>,
    bounds: Bounds,
    bytes: usize,
}

impl Page {
    pub(super) const fn new(bounds: Bounds) -> Self {
        Self { records: Vec::new(), bounds, bytes: 0 }
    }

    /// Adds a record of so many stored bytes. `false`: there is no room for it, and the page is done.
    pub(super) fn push(&mut self, record: Arc<Record>, bytes: usize) -> bool {
        let has_room = self.has_room(bytes);
        if has_room {
            self.records.push(record);
            self.bytes = self.bytes.saturating_add(bytes);
        }
        has_room
    }

    /// As [`push`](Self::push), of a record that is only made when there is room.
    pub(super) fn push_with<E>(
        &mut self,
        bytes: usize,
        make: impl FnOnce() -> Result<Arc<Record>, E>,
    ) -> Result<bool, E> {
        Ok(self.has_room(bytes) && self.push(make()?, bytes))
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.records.is_empty()
            || (self.records.len() < self.bounds.records_max
                && self.bytes.saturating_add(bytes) <= self.bounds.bytes_max)
    }
}
