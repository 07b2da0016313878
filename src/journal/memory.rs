//! The journal without a disk: for tests, and for trying things out. The same promises, but for surviving the process.
//!
//! It keeps records in their stored form, so that what it gives back went through the codec as on disk.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use super::{
    Batch, Bounds, Commit, Durable, Fault, Journal, JournalError, JournalReader, StreamTail, Verdict,
    batch::{self, Place},
    chain::{self, Audit, Seal},
    codec::Stored,
    page::{self, Page},
};
use crate::domain::{DedupeKey, Epoch, Position, Record, Sequence, Stream, limits, stream::STREAM_KEY_BYTES};

/// A journal in memory.
#[derive(Debug)]
pub struct MemoryJournal {
    shared: Arc<MemoryReader>,
}

#[derive(Debug)]
struct MemoryReader {
    epoch: Epoch,
    log: RwLock<Log>,
}

#[derive(Debug, Default)]
struct Log {
    /// The stored form of each record, from position 1 on.
    rows: Vec<Vec<u8>>,
    commits: Vec<Commit>,
    streams: BTreeMap<[u8; STREAM_KEY_BYTES], StreamLog>,
}

#[derive(Debug)]
struct StreamLog {
    stream: Stream,
    tail: StreamTail,
    /// Where each record stands, from sequence 1 on.
    positions: Vec<Position>,
    keys: HashMap<DedupeKey, Sequence>,
}

impl MemoryJournal {
    /// An empty journal.
    pub fn new(epoch: Epoch) -> Self {
        Self { shared: Arc::new(MemoryReader { epoch, log: RwLock::default() }) }
    }
}

impl Journal for MemoryJournal {
    fn store<'a>(&mut self, batch: &'a Batch) -> Result<Durable<'a>, JournalError> {
        let anchor = chain::anchor(self.shared.epoch);
        let log = self.shared.read();
        let tail_of = |stream: Stream| Ok(log.streams.get(&stream.to_key()).map(|stream| stream.tail));
        let bases = batch::check(batch.records(), log.tail(), tail_of)?;
        let before = log.commits.last().copied().unwrap_or(batch::nothing_yet(anchor));
        let commit = batch.commit(&before.link).unwrap_or(before);
        Ok(Durable { batch, commit, bases, place: Place::Tables })
    }

    fn show(&mut self, durable: Durable<'_>) -> Commit {
        let Durable { batch, commit, .. } = durable;
        let mut log = self.shared.write();
        if !batch.is_empty() {
            log.commits.push(commit);
        }
        for (record, row) in batch.rows() {
            log.rows.push(row.to_vec());
            log.count(record);
        }
        commit
    }

    fn trim(&mut self, stream: Stream, through: Sequence) -> Result<usize, JournalError> {
        let mut log = self.shared.write();
        let Log { rows, streams, .. } = &mut *log;
        let Some(StreamLog { tail, positions, .. }) = streams.get_mut(&stream.to_key()) else { return Ok(0) };
        let mut forgotten = 0;
        while tail.earliest <= through.min(tail.latest) && forgotten < limits::TRIM_RECORDS_MAX {
            let Some(position) = positions.get(index(tail.earliest.0)) else { break };
            let Some(row) = rows.get_mut(index(position.0)) else { break };
            let short = Stored::parse(row).map_err(|flaw| flaw.at(*position))?.forget();
            *row = short.unwrap_or_else(|| std::mem::take(row));
            tail.earliest = tail.earliest.next();
            forgotten += 1;
        }
        Ok(forgotten)
    }

    fn checkpoint(&mut self) -> Result<(), JournalError> {
        Ok(())
    }

    fn reader(&self) -> Arc<dyn JournalReader> {
        self.shared.clone()
    }
}

impl MemoryReader {
    // A panic while the lock was held ends the process that serves; a test that goes on sees whole batches, because
    // everything that can fail happens before the log is touched.
    fn read(&self) -> RwLockReadGuard<'_, Log> {
        self.log.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Log> {
        self.log.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    fn tail(&self) -> Position {
        Position(self.rows.len() as u64)
    }

    fn count(&mut self, record: &Record) {
        let entry = self.streams.entry(record.stream.to_key()).or_insert_with(|| StreamLog {
            stream: record.stream,
            tail: batch::NEW_STREAM,
            positions: Vec::new(),
            keys: HashMap::new(),
        });
        entry.tail.latest = record.sequence;
        entry.tail.at = record.at;
        entry.positions.push(record.position);
        if let Some(key) = record.key {
            entry.keys.entry(key).or_insert(record.sequence);
        }
    }

    /// The records at these positions, as far as the bounds go; forgotten ones are left out.
    fn collect(
        &self,
        positions: impl Iterator<Item = Position>,
        bounds: Bounds,
    ) -> Result<Vec<Arc<Record>>, JournalError> {
        let mut page = Page::new(bounds);
        for position in positions {
            let Some(row) = self.rows.get(index(position.0)) else { break };
            let stored = Stored::parse(row).map_err(|flaw| flaw.at(position))?;
            let Some(record) = stored.record(position).map_err(|flaw| flaw.at(position))? else { continue };
            if !page.push(Arc::new(record), row.len()) {
                break;
            }
        }
        Ok(page.records)
    }
}

impl JournalReader for MemoryReader {
    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn tail(&self) -> Position {
        self.read().tail()
    }

    fn stream_tail(&self, stream: Stream) -> Result<Option<StreamTail>, JournalError> {
        Ok(self.read().streams.get(&stream.to_key()).map(|stream| stream.tail))
    }

    fn stream_tails(&self) -> Result<Vec<(Stream, StreamTail)>, JournalError> {
        Ok(self.read().streams.values().map(|stream| (stream.stream, stream.tail)).collect())
    }

    fn read_stream(&self, stream: Stream, from: Sequence, bounds: Bounds) -> Result<Vec<Arc<Record>>, JournalError> {
        let log = self.read();
        let Some(StreamLog { tail, positions, .. }) = log.streams.get(&stream.to_key()) else { return Ok(Vec::new()) };
        let Some(from) = page::readable(stream, *tail, from)? else { return Ok(Vec::new()) };
        log.collect(positions.iter().skip(index(from.0)).copied(), bounds)
    }

    fn read_all(&self, from: Position, bounds: Bounds) -> Result<Vec<Arc<Record>>, JournalError> {
        let log = self.read();
        log.collect((from.0.max(1)..=log.tail().0).map(Position), bounds)
    }

    fn read_facts(&self, each: &mut dyn FnMut(Record)) -> Result<(), JournalError> {
        let mut next = Position::ZERO.next();
        loop {
            // One at a time, so that `each` runs without the lock.
            let log = self.read();
            let Some(row) = log.rows.get(index(next.0)) else { return Ok(()) };
            let fact = Stored::parse(row).and_then(|stored| stored.head()?.into_fact(next));
            drop(log);
            if let Some(fact) = fact.map_err(|flaw| flaw.at(next))? {
                each(fact);
            }
            next = next.next();
        }
    }

    fn find(&self, stream: Stream, key: DedupeKey) -> Result<Option<Sequence>, JournalError> {
        Ok(self.read().streams.get(&stream.to_key()).and_then(|stream| stream.keys.get(&key).copied()))
    }

    fn commits(&self, from: Position, commits_max: usize) -> Result<Vec<Commit>, JournalError> {
        let log = self.read();
        let start = log.commits.partition_point(|commit| commit.last < from);
        Ok(log.commits[start..].iter().take(commits_max).copied().collect())
    }

    fn verify(&self, progress: &mut dyn FnMut(Position)) -> Result<Verdict, JournalError> {
        let mut audit = Audit::new(chain::anchor(self.epoch));
        for step in 0.. {
            let log = self.read();
            let Some(commit) = log.commits.get(step) else { break };
            let rows = (commit.first.0..=commit.last.0).map(Position).zip(log.rows.iter().skip(index(commit.first.0)));
            let fine = audit.commit(commit, rows.map(|(position, row)| seal(position, row)));
            let last = commit.last;
            drop(log);
            if !fine {
                break;
            }
            progress(last);
        }
        Ok(audit.verdict())
    }
}

fn seal(position: Position, row: &[u8]) -> Result<Seal, Fault> {
    let stored = Stored::parse(row).map_err(|flaw| Fault { position, reason: flaw.reason() })?;
    Ok(Seal { position, digest: stored.digest(), forgotten: stored.is_forgotten() })
}

/// The place in a vector of what is counted from 1.
fn index(number: u64) -> usize {
    usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::conformance::{self, Subject};

    impl Subject for MemoryJournal {
        fn journal(&mut self) -> &mut dyn Journal {
            self
        }

        fn reopen(&mut self) {}
    }

    conformance::suite!(MemoryJournal::new(Epoch(7)));
}
