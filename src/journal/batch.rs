//! What every journal checks of a batch before it writes: that it continues the whole and each of its streams.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use super::{Commit, JournalError, StreamTail};
use crate::domain::{Position, Record, Sequence, Stream, Timestamp};

/// The ends of the streams that a batch touches, as they were before it.
pub(super) type Bases = HashMap<Stream, StreamTail>;

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
    let mut latest: HashMap<Stream, Sequence> = HashMap::new();
    let mut before = tail;
    for record in records {
        if record.position != before.next() {
            return Err(JournalError::Conflict { given: record.position, tail: before });
        }
        before = record.position;
        let latest = match latest.entry(record.stream) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let base = tail_of(record.stream)?.unwrap_or(NEW_STREAM);
                bases.insert(record.stream, base);
                entry.insert(base.latest)
            }
        };
        let expected = latest.next();
        if record.sequence != expected {
            return Err(JournalError::Order { stream: record.stream, given: record.sequence, expected });
        }
        *latest = expected;
    }
    Ok(bases)
}

/// The commit that an empty journal ends with.
pub(super) const fn nothing_yet(anchor: [u8; 32]) -> Commit {
    Commit { first: Position::ZERO, last: Position::ZERO, at: Timestamp(0), link: anchor }
}
