//! The index of what came after the last checkpoint, in memory: what the index tables are for everything before it.
//!
//! Knows no table. It is rebuilt from the events at start, so nothing here needs to be durable, but for [`Recent`]:
//! what that holds is durable by the log.

use std::{
    collections::{HashMap, hash_map},
    sync::Arc,
};

use super::{recent::Recent, short_keys::ShortKeys, sink::Whose};
use crate::{
    domain::{DedupeKey, Position, Sequence, Stream, Timestamp, limits},
    journal::{
        StreamTail,
        codec::rows::{self, Entry, Fact},
    },
};

/// The journal's end, and the index of what follows the checkpoint.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) tail: Position,
    pub(super) link: [u8; 32],
    /// The last position that the index tables cover.
    pub(super) checkpoint: Position,
    /// The same, with what is on its way there.
    covered: Position,
    pub(super) streams: HashMap<Stream, LiveStream>,
    pub(super) facts: Vec<FactsRow>,
    /// Stored bytes of the records that are not covered.
    bytes: usize,
    /// Those records that are not in the tables.
    pub(super) recent: Recent,
}

/// What one stream got since the checkpoint.
#[derive(Debug)]
pub(super) struct LiveStream {
    pub(super) tail: StreamTail,
    /// The sequence of the first entry.
    pub(super) first: Sequence,
    pub(super) entries: Vec<Entry>,
    keys: ShortKeys,
}

/// Facts on their way to a row of their own. Shared with readers; copied when it grows under their hands.
#[derive(Debug, Clone)]
pub(super) struct FactsRow {
    pub(super) first: Position,
    pub(super) list: Arc<Vec<u8>>,
}

/// A record as the index sees it.
#[derive(Debug)]
pub(super) struct Arrival<'a> {
    pub(super) position: Position,
    pub(super) stream: Stream,
    pub(super) sequence: Sequence,
    pub(super) at: Timestamp,
    pub(super) key: Option<DedupeKey>,
    pub(super) fact: Option<Fact<'a>>,
    pub(super) forgotten: bool,
    /// How many bytes it takes.
    pub(super) bytes: usize,
}

/// When the index is due to be written, how long a log is, and who empties it.
#[derive(Debug, Clone, Copy)]
pub(in crate::journal) struct CheckpointBounds {
    pub(in crate::journal) records_max: usize,
    pub(in crate::journal) bytes_max: usize,
    /// How long a new log is.
    pub(in crate::journal) log_bytes: u64,
    /// Who brings what it holds into the tables.
    pub(in crate::journal) whose: Whose,
}

impl Default for CheckpointBounds {
    fn default() -> Self {
        Self {
            records_max: limits::CHECKPOINT_RECORDS_MAX,
            bytes_max: limits::CHECKPOINT_BYTES_MAX,
            log_bytes: limits::JOURNAL_LOG_BYTES,
            whose: Whose::Aside,
        }
    }
}

impl Live {
    pub(super) fn new(checkpoint: Position, link: [u8; 32]) -> Self {
        Self {
            tail: checkpoint,
            link,
            checkpoint,
            covered: checkpoint,
            streams: HashMap::new(),
            facts: Vec::new(),
            bytes: 0,
            recent: Recent::default(),
        }
    }

    /// The last position that is in the tables.
    pub(super) fn sunk(&self) -> Position {
        self.recent.first().map_or(self.tail, |first| Position(first.0 - 1))
    }

    /// Records that the index does not cover, and will not with what is on its way.
    pub(super) const fn len(&self) -> usize {
        // Fits: bounded by CHECKPOINT_RECORDS_MAX and one batch.
        #[allow(clippy::cast_possible_truncation)]
        let records = (self.tail.0 - self.covered.0) as usize;
        records
    }

    /// Whether so much more has to wait for a checkpoint.
    pub(super) const fn is_full_for(&self, records: usize, bytes: usize, bounds: CheckpointBounds) -> bool {
        self.len() > 0
            && (self.len() + records > bounds.records_max || self.bytes.saturating_add(bytes) > bounds.bytes_max)
    }

    /// Notes the next record. `base` are the ends of its stream before it, asked for when the stream is new here.
    pub(super) fn take<E>(
        &mut self,
        arrival: &Arrival<'_>,
        base: impl FnOnce() -> Result<StreamTail, E>,
    ) -> Result<(), E> {
        let Arrival { position, stream, sequence, at, key, fact, forgotten, bytes } = *arrival;
        let entry = match self.streams.entry(stream) {
            hash_map::Entry::Occupied(entry) => entry.into_mut(),
            hash_map::Entry::Vacant(entry) => entry.insert(LiveStream::new(base()?)),
        };
        entry.tail.latest = sequence;
        entry.tail.at = at;
        if forgotten {
            entry.tail.earliest = sequence.next();
        }
        let short = key.map_or(0, rows::short);
        entry.entries.push(Entry { position, short });
        if short != 0 {
            entry.keys.insert(short, sequence);
        }
        if let Some(fact) = fact {
            self.push_fact(position, fact);
        }
        self.tail = position;
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }

    fn push_fact(&mut self, position: Position, fact: Fact<'_>) {
        // A row is in the tables or it is not.
        let covered = self.covered;
        let fits =
            |row: &FactsRow| row.first > covered && row.list.len() + fact.head.len() < limits::FACTS_ROW_BYTES_MAX;
        if !self.facts.last().is_some_and(fits) {
            self.facts.push(FactsRow { first: position, list: Arc::default() });
        }
        if let Some(row) = self.facts.last_mut() {
            rows::push_fact(Arc::make_mut(&mut row.list), position, fact);
        }
    }

    /// The index of everything up to the tail is in the tables now.
    pub(super) fn settle(&mut self) {
        let recent = std::mem::take(&mut self.recent);
        *self = Self { recent, ..Self::new(self.tail, self.link) };
    }
}

impl Live {
    /// The index of everything up to the tail is on its way into the tables.
    pub(super) const fn cover(&mut self) {
        self.covered = self.tail;
        self.bytes = 0;
    }

    /// What was on its way is in the tables now.
    pub(super) fn settle_covered(&mut self) {
        let covered = self.covered;
        self.checkpoint = covered;
        self.streams.retain(|_, stream| stream.forget(covered));
        self.facts.retain(|row| row.first > covered);
    }
}

impl LiveStream {
    /// Drops the entries up to and including `through`. `false`: there are no others.
    fn forget(&mut self, through: Position) -> bool {
        let count = self.entries.partition_point(|entry| entry.position <= through);
        self.entries.drain(..count);
        self.first = Sequence(self.first.0 + count as u64);
        self.keys = ShortKeys::default();
        for (entry, sequence) in self.entries.iter().zip(self.first.0..) {
            if entry.short != 0 {
                self.keys.insert(entry.short, Sequence(sequence));
            }
        }
        !self.entries.is_empty()
    }

    /// A stream with these ends so far.
    fn new(tail: StreamTail) -> Self {
        Self { tail, first: tail.latest.next(), entries: Vec::new(), keys: ShortKeys::default() }
    }

    /// The positions from sequence `from` on, at most `count`.
    pub(super) fn positions(&self, from: Sequence, count: usize) -> impl Iterator<Item = Position> + '_ {
        let skip = usize::try_from(from.0.saturating_sub(self.first.0)).unwrap_or(usize::MAX);
        self.entries.iter().skip(skip).take(count).map(|entry| entry.position)
    }

    /// Where the records stand whose key begins with `short`, in order.
    pub(super) fn candidates(&self, short: u64) -> impl Iterator<Item = (Sequence, Position)> + '_ {
        let hits = self.keys.candidates(short);
        hits.filter_map(|sequence| Some((sequence, self.positions(sequence, 1).next()?)))
    }
}
