//! What every journal checks of a batch before it writes: that it continues the whole and each of its streams.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use super::{Commit, JournalError, StreamTail};
use crate::domain::{Position, Record, Sequence, Stream, Timestamp};

/// What a batch does to a stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Base {
    /// Its ends before the batch.
    pub(super) tail: StreamTail,
    /// Its last sequence after it.
    latest: Sequence,
}

/// The streams that a batch touches.
pub(super) type Bases = HashMap<Stream, Base>;

/// The ends of a stream that nothing was appended to yet.
pub(super) const NEW_STREAM: StreamTail =
    StreamTail { earliest: Sequence(1), latest: Sequence::ZERO, at: Timestamp(0) };

/// Checks positions against `tail` and sequences against `tail_of` each stream. Answers those tails.
pub(super) fn check(
    records: &[Arc<Record>],
    tail: Position,
    mut tail_of: impl FnMut(Stream) -> Result<Option<StreamTail>, JournalError>,
) -> Result<Bases, JournalError> {
    let mut bases = Bases::new();
    let mut before = tail;
    for record in records {
        if record.position != before.next() {
            return Err(JournalError::Conflict { given: record.position, tail: before });
        }
        before = record.position;
        let base = match bases.entry(record.stream) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let tail = tail_of(record.stream)?.unwrap_or(NEW_STREAM);
                entry.insert(Base { tail, latest: tail.latest })
            }
        };
        let expected = base.latest.next();
        if record.sequence != expected {
            return Err(JournalError::Order { stream: record.stream, given: record.sequence, expected });
        }
        base.latest = expected;
    }
    Ok(bases)
}

/// The commit that an empty journal ends with.
pub(super) const fn nothing_yet(anchor: [u8; 32]) -> Commit {
    Commit { first: Position::ZERO, last: Position::ZERO, at: Timestamp(0), link: anchor }
}
