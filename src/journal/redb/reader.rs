//! Reading: consistent, bounded, and nothing held open afterwards.
//!
//! A snapshot is taken under the lock of [`Live`]: a read transaction and what memory knows of the stream asked for.
//! The writer commits first and moves `Live` afterwards, so a transaction may see more than `Live` does; everything is
//! therefore cut at the tail, the checkpoint and the last position in the tables that `Live` names, and whatever both
//! know, memory says.

use std::{fmt, path::Path, sync::Arc};

use ::redb::{Range, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable};

use super::{
    Copied, Shared, audit,
    copy::backup,
    failure::failed,
    index,
    live::Live,
    recent::Kept,
    tables::{COMMITS, EVENTS, SEGMENTS, STREAMS},
};
use crate::{
    domain::{DedupeKey, Epoch, Position, Record, Sequence, Stream, limits},
    journal::{
        Bounds, Commit, JournalError, JournalReader, StreamTail, Verdict,
        codec::{self, Stored, rows},
        page::{self, Page},
    },
};

/// Positions this close are reached by stepping over what lies between; farther ones by a look-up.
const STEP_POSITIONS_MAX: u64 = 8;

/// A reader of a [`RedbJournal`](super::RedbJournal), for any thread. Cheap to clone; keeps the file open.
#[derive(Clone)]
pub struct RedbReader {
    pub(super) shared: Arc<Shared>,
}

impl fmt::Debug for RedbReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedbReader").field(&self.shared.path).finish()
    }
}

impl RedbReader {
    /// One consistent view: the transaction, and what `pick` takes from memory at the same moment.
    pub(super) fn snapshot<T>(&self, pick: impl FnOnce(&Live) -> T) -> Result<(ReadTransaction, T), JournalError> {
        let live = self.shared.live();
        let txn = self.shared.db.begin_read().map_err(failed("begin to read"))?;
        Ok((txn, pick(&live)))
    }

    /// The ends of a stream in a snapshot. Memory knows the end better; the start is raised in the table first.
    fn ends(
        txn: &ReadTransaction,
        stream: Stream,
        live: Option<StreamTail>,
    ) -> Result<Option<StreamTail>, JournalError> {
        let stored = index::stream_tail(txn, stream)?;
        Ok(match (live, stored) {
            (Some(live), Some(stored)) => Some(StreamTail { earliest: live.earliest.max(stored.earliest), ..live }),
            (live, stored) => live.or(stored),
        })
    }

    /// The keys of a range of sequences, from the segments.
    fn load_keys(
        txn: &ReadTransaction,
        stream: Stream,
        from: Sequence,
        until: Sequence,
        wanted: Option<u64>,
    ) -> Result<Vec<(u64, u64)>, JournalError> {
        let segments = txn.open_table(SEGMENTS).map_err(failed("look up a key"))?;
        let mut keys = Vec::new();
        index::entries(&segments, stream, from, until, |sequence, entry| {
            if entry.short != 0 && wanted.is_none_or(|wanted| wanted == entry.short) {
                keys.push((entry.short, sequence.0));
            }
            true
        })?;
        Ok(keys)
    }

    /// Whether the record at `position` has this key.
    fn has_key(
        txn: &ReadTransaction,
        position: Position,
        stream: Stream,
        key: DedupeKey,
    ) -> Result<bool, JournalError> {
        let doing = "look up a key";
        let events = txn.open_table(EVENTS).map_err(failed(doing))?;
        let Some(row) = events.get(position.0).map_err(failed(doing))? else { return Err(missing(position)) };
        let head = Stored::parse(row.value()).and_then(|stored| stored.head()).map_err(|flaw| flaw.at(position))?;
        Ok(head.key() == Some(key) && head.stream().is_ok_and(|found| found == stream))
    }
}

pub(super) fn missing(position: Position) -> JournalError {
    codec::Flaw::new("it is not in the journal").at(position)
}

/// The record of a row, which must be the one that the index says.
fn decoded(row: &[u8], position: Position, stream: Stream, sequence: Sequence) -> Result<Arc<Record>, JournalError> {
    let record = Stored::parse(row).and_then(|stored| stored.record(position)).map_err(|flaw| flaw.at(position))?;
    let record = record.ok_or_else(|| missing(position))?;
    if record.stream != stream || record.sequence != sequence {
        let reason = format!("the index says it is {sequence} of {stream}, but it is not");
        return Err(codec::Flaw::new(reason).at(position));
    }
    Ok(Arc::new(record))
}

/// Gets records by ascending positions, stepping where they lie close together.
struct Fetch {
    events: ReadOnlyTable<u64, &'static [u8]>,
    range: Option<Range<'static, u64, &'static [u8]>>,
    next: Position,
}

impl Fetch {
    fn new(txn: &ReadTransaction) -> Result<Self, JournalError> {
        let events = txn.open_table(EVENTS).map_err(failed("read records"))?;
        Ok(Self { events, range: None, next: Position::ZERO })
    }

    /// Hands the stored record at `position` to `with`.
    fn at<T>(
        &mut self,
        position: Position,
        with: impl FnOnce(&[u8]) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let doing = "read records";
        let far = position < self.next || position.0 - self.next.0 > STEP_POSITIONS_MAX;
        let mut range = match self.range.take() {
            Some(range) if !far => range,
            _ => self.events.range(position.0..).map_err(failed(doing))?,
        };
        for row in range.by_ref() {
            let (found, row) = row.map_err(failed(doing))?;
            if found.value() == position.0 {
                self.range = Some(range);
                self.next = position.next();
                return with(row.value());
            }
            if found.value() > position.0 {
                break;
            }
        }
        Err(missing(position))
    }
}

/// Where a record is.
enum Place {
    Table(Position),
    Memory(Kept),
}

impl Place {
    fn of(live: &Live, position: Position) -> Self {
        live.recent.get(position).map_or(Self::Table(position), Self::Memory)
    }
}

/// What memory knows of a stream that is about to be read.
struct LivePart {
    tail: StreamTail,
    /// The first sequence that is not in the segments.
    first: Sequence,
    places: Vec<Place>,
}

impl RedbReader {
    /// The positions of the records of `stream` from `from` on, at most `count`.
    fn positions(
        txn: &ReadTransaction,
        stream: Stream,
        from: Sequence,
        until: Sequence,
        count: usize,
    ) -> Result<Vec<Position>, JournalError> {
        let segments = txn.open_table(SEGMENTS).map_err(failed("look up the records of a stream"))?;
        let mut positions = Vec::new();
        index::entries(&segments, stream, from, until, |_, entry| {
            positions.push(entry.position);
            positions.len() < count
        })?;
        Ok(positions)
    }
}

impl JournalReader for RedbReader {
    fn epoch(&self) -> Epoch {
        self.shared.epoch
    }

    fn tail(&self) -> Position {
        self.shared.live().tail
    }

    fn file(&self) -> Option<&Path> {
        Some(&self.shared.path)
    }

    fn copy_to(&self, dest: &Path) -> Result<Copied, JournalError> {
        backup(self, dest, &mut |_| ())
    }

    fn stream_tail(&self, stream: Stream) -> Result<Option<StreamTail>, JournalError> {
        let (txn, live) = self.snapshot(|live| live.streams.get(&stream).map(|entry| entry.tail))?;
        Self::ends(&txn, stream, live)
    }

    fn stream_tails(&self) -> Result<Vec<(Stream, StreamTail)>, JournalError> {
        let doing = "list the streams";
        let (txn, mut fresh) =
            self.snapshot(|live| live.streams.iter().map(|(stream, entry)| (*stream, entry.tail)).collect::<Vec<_>>())?;
        fresh.sort_unstable_by_key(|(stream, _)| stream.to_key());
        let mut fresh = fresh.into_iter().peekable();
        let mut all = Vec::new();
        let streams = txn.open_table(STREAMS).map_err(failed(doing))?;
        for row in streams.iter().map_err(failed(doing))? {
            let (key, row) = row.map_err(failed(doing))?;
            let (key, mut tail) = (*key.value(), rows::read_stream(row.value()));
            while let Some(new) = fresh.next_if(|(stream, _)| stream.to_key() < key) {
                all.push(new);
            }
            if let Some((_, newer)) = fresh.next_if(|(stream, _)| stream.to_key() == key) {
                tail = StreamTail { earliest: newer.earliest.max(tail.earliest), ..newer };
            }
            // A tag of a later release is passed over: nobody here can ask for it.
            if let Some(stream) = Stream::from_key(&key) {
                all.push((stream, tail));
            }
        }
        all.extend(fresh);
        Ok(all)
    }

    fn read_stream(&self, stream: Stream, from: Sequence, bounds: Bounds) -> Result<Vec<Arc<Record>>, JournalError> {
        let count = bounds.records_max.max(1);
        let (txn, live) = self.snapshot(|live| {
            live.streams.get(&stream).map(|entry| LivePart {
                tail: entry.tail,
                first: entry.first,
                places: entry
                    .positions(from.max(entry.first), count)
                    .map(|position| Place::of(live, position))
                    .collect(),
            })
        })?;
        let Some(tail) = Self::ends(&txn, stream, live.as_ref().map(|live| live.tail))? else { return Ok(Vec::new()) };
        let Some(from) = page::readable(stream, tail, from)? else { return Ok(Vec::new()) };
        let until = live.as_ref().map_or(tail.latest.next(), |live| live.first);
        let indexed = Self::positions(&txn, stream, from, until, count)?;
        let places = indexed.into_iter().map(Place::Table).chain(live.into_iter().flat_map(|live| live.places));

        let mut page = Page::new(bounds);
        let mut fetch = None;
        for (place, sequence) in places.take(count).zip(from.0..) {
            let pushed = match place {
                Place::Memory(Kept { record, bytes }) => page.push(record, bytes),
                Place::Table(position) => {
                    let fetch = match &mut fetch {
                        Some(fetch) => fetch,
                        none => none.insert(Fetch::new(&txn)?),
                    };
                    fetch.at(position, |row| {
                        let decode = || decoded(row, position, stream, Sequence(sequence));
                        page.push_with(row.len(), decode)
                    })?
                }
            };
            if !pushed {
                break;
            }
        }
        Ok(page.records)
    }

    fn read_all(&self, from: Position, bounds: Bounds) -> Result<Vec<Arc<Record>>, JournalError> {
        let doing = "read records";
        let (txn, (sunk, fresh)) =
            self.snapshot(|live| (live.sunk(), live.recent.from(from, bounds.records_max.max(1))))?;
        let mut page = Page::new(bounds);
        if from <= sunk {
            let events = txn.open_table(EVENTS).map_err(failed(doing))?;
            for row in events.range(from.0..=sunk.0).map_err(failed(doing))? {
                let (position, row) = row.map_err(failed(doing))?;
                let position = Position(position.value());
                let stored = Stored::parse(row.value()).map_err(|flaw| flaw.at(position))?;
                if stored.is_forgotten() {
                    continue;
                }
                let decode = || match stored.record(position) {
                    Ok(Some(record)) => Ok(Arc::new(record)),
                    Ok(None) => Err(missing(position)),
                    Err(flaw) => Err(flaw.at(position)),
                };
                if !page.push_with(row.value().len(), decode)? {
                    return Ok(page.records);
                }
            }
        }
        for Kept { record, bytes } in fresh {
            if !page.push(record, bytes) {
                break;
            }
        }
        Ok(page.records)
    }

    fn read_facts(&self, each: &mut dyn FnMut(Record)) -> Result<(), JournalError> {
        let mut deliver = |position: Position, list: &[u8]| {
            for fact in rows::facts(list) {
                let (position, fact) = fact.map_err(|flaw| flaw.at(position))?;
                each(codec::decode_fact(fact, position).map_err(|flaw| flaw.at(position))?);
            }
            Ok(())
        };
        let mut after = Position::ZERO;
        loop {
            // One row at a time, so that neither lock nor transaction is held while `each` runs.
            let (txn, (checkpoint, fresh)) = self.snapshot(|live| (live.checkpoint, live.facts.clone()))?;
            let Some((first, row)) = index::facts_after(&txn, after, checkpoint)? else {
                drop(txn);
                return fresh.iter().try_for_each(|row| deliver(row.first, &row.list));
            };
            drop(txn);
            deliver(first, rows::unseal(&row).map_err(|flaw| flaw.at(first))?)?;
            after = first;
        }
    }

    fn find(&self, stream: Stream, key: DedupeKey) -> Result<Option<Sequence>, JournalError> {
        let short = rows::short(key);
        let (first, fresh) = {
            let live = self.shared.live();
            let entry = live.streams.get(&stream);
            let place = |(sequence, position)| (sequence, Place::of(&live, position));
            let fresh = entry.map(|entry| entry.candidates(short).map(place).collect::<Vec<_>>()).unwrap_or_default();
            (entry.map(|entry| entry.first), fresh)
        };
        // The common case, a key that nobody used before, is told from memory alone.
        if let Some(first) = first
            && fresh.is_empty()
            && self.shared.keys().rules_out(stream, short, first)
        {
            return Ok(None);
        }
        // This transaction is later than that look, so what was in the tables then is in its events, and what came
        // before `first` in its index.
        let txn = self.shared.db.begin_read().map_err(failed("begin to read"))?;
        let until = match first {
            Some(first) => first,
            None => match index::stream_tail(&txn, stream)? {
                Some(tail) => tail.latest.next(),
                None => return Ok(None),
            },
        };
        let old = {
            let mut keys = self.shared.keys();
            if keys.can_hold(until) {
                keys.candidates(stream, short, until, |from, until| Self::load_keys(&txn, stream, from, until, None))?
            } else {
                let hits = Self::load_keys(&txn, stream, Sequence(1), until, Some(short))?;
                hits.into_iter().map(|(_, sequence)| Sequence(sequence)).collect()
            }
        };
        for sequence in old {
            for position in Self::positions(&txn, stream, sequence, until, 1)? {
                if Self::has_key(&txn, position, stream, key)? {
                    return Ok(Some(sequence));
                }
            }
        }
        for (sequence, place) in fresh {
            let hit = match place {
                Place::Memory(kept) => kept.record.key == Some(key),
                Place::Table(position) => Self::has_key(&txn, position, stream, key)?,
            };
            if hit {
                return Ok(Some(sequence));
            }
        }
        Ok(None)
    }

    fn commits(&self, from: Position, commits_max: usize) -> Result<Vec<Commit>, JournalError> {
        let doing = "read commits";
        let (txn, (sunk, fresh)) = self.snapshot(|live| {
            let fresh = live.recent.commits_from(from);
            (live.sunk(), fresh.take(commits_max).copied().collect::<Vec<_>>())
        })?;
        if from > sunk {
            return Ok(fresh);
        }
        let commits = txn.open_table(COMMITS).map_err(failed(doing))?;
        let rows = commits.range(from.0..=sunk.0).map_err(failed(doing))?;
        let stored = rows.map(|row| row.map(|(last, row)| rows::read_commit(last.value(), row.value())));
        stored.map(|row| row.map_err(failed(doing))).chain(fresh.into_iter().map(Ok)).take(commits_max).collect()
    }

    fn verify(&self, progress: &mut dyn FnMut(Position)) -> Result<Verdict, JournalError> {
        let tail = self.tail();
        let begin = |next| self.snapshot(|live| (live.sunk() < next).then(|| live.recent.clone()));
        audit::verify(begin, self.shared.anchor, tail, limits::AUDIT_COMMITS_MAX, progress)
    }
}
