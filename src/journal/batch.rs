//! A batch on its way into a journal: sealed record by record while it gathers, checked as a whole before it is
//! written.
//!
//! Sealing (the stored bytes and their digest) is most of what an append computes, and it needs nothing of the journal.
//! Whoever gathers a batch therefore does it while the batch before is still on its way to the disk.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use super::{
    Commit, JournalError, StreamTail,
    chain::{self, Digest},
    codec::{self, Stored},
};
use crate::domain::{Position, Record, Sequence, Stream, Timestamp};

/// Records that are to be committed at once, with their stored bytes.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    records: Vec<Arc<Record>>,
    /// The stored bytes of all records, one after the other.
    bytes: Vec<u8>,
    /// Where the bytes of each record end.
    ends: Vec<usize>,
    digests: Vec<Digest>,
}

impl Batch {
    /// An empty batch with room for what the one before it held: traffic now is like traffic a moment ago.
    #[must_use]
    pub fn like(before: &Self) -> Self {
        Self {
            records: Vec::with_capacity(before.records.len()),
            bytes: Vec::with_capacity(before.bytes.len()),
            ends: Vec::with_capacity(before.ends.len()),
            digests: Vec::with_capacity(before.digests.len()),
        }
    }

    /// A batch of these records.
    pub fn of(records: &[Arc<Record>]) -> Result<Self, JournalError> {
        let mut batch = Self::default();
        for record in records {
            batch.push(Arc::clone(record))?;
        }
        Ok(batch)
    }

    /// Adds a record. One that cannot be stored is refused and leaves the batch as it was.
    pub fn push(&mut self, record: Arc<Record>) -> Result<(), JournalError> {
        let start = self.bytes.len();
        let digest = codec::encode(&record, &mut self.bytes)
            .and_then(|()| Stored::parse(&self.bytes[start..]).map_err(|flaw| flaw.at(record.position)))
            .map(|stored| stored.digest());
        match digest {
            Ok(digest) => {
                self.digests.push(digest);
                self.ends.push(self.bytes.len());
                self.records.push(record);
                Ok(())
            }
            Err(error) => {
                self.bytes.truncate(start);
                Err(error)
            }
        }
    }

    /// The records, in order.
    pub fn records(&self) -> &[Arc<Record>] {
        &self.records
    }

    /// Whether there is nothing to commit.
    pub const fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// How much would be stored, in bytes.
    pub const fn stored_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Takes over what another batch holds, behind what is here.
    pub(super) fn extend(&mut self, other: &Self) {
        let start = self.bytes.len();
        self.records.extend_from_slice(&other.records);
        self.bytes.extend_from_slice(&other.bytes);
        self.ends.extend(other.ends.iter().map(|end| start + end));
        self.digests.extend_from_slice(&other.digests);
    }

    /// Empties it. The room stays.
    pub(super) fn clear(&mut self) {
        self.records.clear();
        self.bytes.clear();
        self.ends.clear();
        self.digests.clear();
    }

    /// The record at an index, with its stored bytes.
    pub(super) fn row(&self, index: usize) -> Option<(&Arc<Record>, &[u8])> {
        let (record, end) = (self.records.get(index)?, *self.ends.get(index)?);
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some((record, &self.bytes[start..end]))
    }

    /// Each record with its stored bytes.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&Arc<Record>, &[u8])> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let rows = starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end]);
        self.records.iter().zip(rows)
    }

    /// The stored bytes of each record.
    pub(super) fn stored(&self) -> impl Iterator<Item = (Position, &[u8])> {
        self.rows().map(|(record, row)| (record.position, row))
    }

    /// The commit of this batch after one that closed with `previous`; `None` when there is nothing to commit.
    pub(super) fn commit(&self, previous: &[u8; 32]) -> Option<Commit> {
        let (first, last) = (self.records.first()?, self.records.last()?);
        let link = chain::link(previous, first.position, last.position, last.at, self.digests.iter().copied());
        Some(Commit { first: first.position, last: last.position, at: last.at, link })
    }
}

/// A batch that is durable, and that no reader sees yet.
#[derive(Debug)]
#[must_use = "readers see it when it is shown"]
pub struct Durable<'a> {
    pub(super) batch: &'a Batch,
    pub(super) commit: Commit,
    pub(super) bases: Bases,
    pub(super) place: Place,
}

/// Where a durable batch lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In a log, from which it has to be taken.
    Log,
    /// Where it stays.
    Tables,
    /// Where it stays, behind an index of everything before it.
    TablesBehindIndex,
}

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
