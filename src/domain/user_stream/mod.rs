//! Streams that users made over the Durable Streams room: what each is called, how far it got, who writes to it.
//!
//! **Positions.** What clients call an offset counts the appends that hold data: position 0 is before the first. A
//! stream's own records are numbered by the journal, dense from 1: the first tells that it was created, the appends
//! follow, and at the end stand at most one close without data and one deletion. So a position is a sequence and a
//! difference, and the tail follows from the last sequence, which start-up knows of every stream without reading it:
//! an append without a producer costs nothing at start-up.
//!
//! **Forks** share positions with their source up to the point where they part; then they count on with their own.
//!
//! **Producers** ride in the events of their appends, so that what they wrote and where they are commit together. Those
//! events shape the world: start-up reads them, without the bytes that were written.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use uuid::Uuid;

use super::{
    envelope::{Record, Sequence, Timestamp},
    event::{Event, ForkPoint, Lifetime, ProducerStamp},
    id::{OwnerId, UserStreamId},
    limits,
};

mod decide;
mod fold;
#[cfg(test)]
mod tests;

pub use decide::{Appended, NewFork, NewUserStream, StreamRefusal, UserAppend};
pub(super) use decide::{append, create, delete, expire, forget};

/// Whose the streams of callers without a credential are. No key ever has this owner: fresh ids are random.
pub const ANONYMOUS: OwnerId = OwnerId::from_uuid(Uuid::from_u128(0xa11));

/// A stream and how far it got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserStream {
    pub id: UserStreamId,
    pub owner: OwnerId,
    pub name: Arc<str>,
    /// As it was given when the stream was created.
    pub content_type: Arc<str>,
    pub lifetime: Lifetime,
    pub fork: Option<ForkPoint>,
    pub created_at: Timestamp,
    /// When the last record was made: an append, a close.
    pub written_at: Timestamp,
    pub closed: Option<Closed>,
    /// It was deleted or ran out. While forks read from it, its name stays taken.
    pub deleted_at: Option<Timestamp>,
    /// The last `Stream-Seq`, of all writers together.
    pub stream_seq: Option<Arc<str>>,
    /// Forks that read from it.
    pub forks: u32,
    producers: BTreeMap<Arc<str>, Producer>,
    latest: Sequence,
    /// Records after the first that hold no data: a close, a deletion.
    marks: u64,
}

/// That nothing more will come, and whose request said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    pub by: Option<ProducerStamp>,
}

/// Where a producer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Producer {
    pub epoch: u64,
    /// The last one accepted of this epoch.
    pub seq: u64,
    pub at: Timestamp,
}

/// A run of positions that lie in one stream of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    pub stream: UserStreamId,
    /// The position before the first one of the run.
    pub after: u64,
    /// The last position of the run; the tail may be before it.
    pub through: u64,
}

impl Segment {
    /// The sequence at which the record of this position stands. The position must be of the run.
    pub const fn sequence(&self, position: u64) -> Sequence {
        Sequence(position.saturating_sub(self.after).saturating_add(1))
    }

    /// The position of the record at this sequence.
    pub const fn position(&self, sequence: Sequence) -> u64 {
        self.after.saturating_add(sequence.0).saturating_sub(1)
    }
}

impl UserStream {
    /// The position of the last append; 0 if there was none.
    pub fn tail(&self) -> u64 {
        self.base().saturating_add(self.latest.0).saturating_sub(1).saturating_sub(self.marks)
    }

    /// The position after which the stream's own records begin.
    pub fn base(&self) -> u64 {
        self.fork.map_or(0, |fork| fork.position)
    }

    /// The last record of its own.
    pub const fn latest(&self) -> Sequence {
        self.latest
    }

    /// Where a producer is, if it wrote to this stream.
    pub fn producer(&self, id: &str) -> Option<Producer> {
        self.producers.get(id).copied()
    }

    /// Whether it is there for its readers and writers.
    pub const fn is_live(&self) -> bool {
        self.deleted_at.is_none()
    }

    /// When it ends if nobody reads or writes after `used_at`; `None` for never.
    pub fn ends_at(&self, used_at: Timestamp) -> Option<Timestamp> {
        match self.lifetime {
            Lifetime::Forever => None,
            Lifetime::Sliding { seconds } => Some(self.written_at.max(used_at).plus_ms(seconds.saturating_mul(1_000))),
            Lifetime::Until { at } => Some(at),
        }
    }
}

/// All of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserStreams {
    streams: HashMap<UserStreamId, UserStream>,
    names: HashMap<OwnerId, BTreeMap<Arc<str>, UserStreamId>>,
    /// Deleted, and nobody reads from them any more: their bytes are to be forgotten.
    garbage: BTreeSet<UserStreamId>,
    /// Producers of all streams together.
    producers: usize,
}

impl UserStreams {
    /// A stream by id, deleted ones included until they are forgotten.
    pub fn get(&self, id: UserStreamId) -> Option<&UserStream> {
        self.streams.get(&id)
    }

    /// The stream that has this name now; a deleted one that forks read from still has its.
    pub fn named(&self, owner: OwnerId, name: &str) -> Option<&UserStream> {
        self.names.get(&owner)?.get(name).and_then(|id| self.streams.get(id))
    }

    /// The streams of an owner in the order of their names, from this name on (inclusive).
    pub fn names_from<'a>(&'a self, owner: OwnerId, from: &'a str) -> impl Iterator<Item = &'a UserStream> {
        let names = self
            .names
            .get(&owner)
            .map(|names| names.range::<str, _>((std::ops::Bound::Included(from), std::ops::Bound::Unbounded)));
        names.into_iter().flatten().filter_map(|(_, id)| self.streams.get(id))
    }

    /// All streams, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &UserStream> {
        self.streams.values()
    }

    /// Streams whose bytes are to be forgotten.
    pub fn garbage(&self) -> impl Iterator<Item = UserStreamId> {
        self.garbage.iter().copied()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.streams.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// Where the positions of a stream lie, the latest run first. A fork's earlier runs are its sources'.
    pub fn segments(&self, id: UserStreamId) -> Vec<Segment> {
        let mut segments = Vec::with_capacity(1);
        let mut through = u64::MAX;
        let mut next = Some(id);
        while let Some(found) = next.and_then(|id| self.streams.get(&id)) {
            let after = found.base();
            if through > after {
                segments.push(Segment { stream: found.id, after, through });
            }
            through = through.min(after);
            next = found.fork.filter(|_| through > 0).map(|fork| fork.source);
        }
        segments
    }

    /// How many sources a fork of this stream would stand on.
    fn depth(&self, id: UserStreamId) -> usize {
        let mut depth = 0;
        let mut next = Some(id);
        while let Some(found) = next.and_then(|id| self.streams.get(&id)) {
            depth += 1;
            next = found.fork.map(|fork| fork.source);
        }
        depth
    }

    /// Takes over how far a stream got.
    pub(super) fn observe(&mut self, id: UserStreamId, latest: Sequence, at: Timestamp) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.latest = stream.latest.max(latest);
            stream.written_at = stream.written_at.max(at);
        }
    }

    pub(super) fn apply(&mut self, record: &Record) {
        fold::apply(self, record);
    }

    fn is_full(&self) -> bool {
        self.streams.len() >= limits::USER_STREAMS_MAX
    }
}

/// Whether two content types are the same apart from their parameters and their case.
pub fn same_content_type(one: &str, other: &str) -> bool {
    essence(one).eq_ignore_ascii_case(essence(other))
}

/// A content type without its parameters.
pub fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}
