//! The journal in one redb file and the log beside it. It owns both: one process, one writer, many readers.
//!
//! A commit becomes durable in a log beside the file ([`wal`]), with one sync, and stays in memory ([`recent`]). When
//! half of the log is full, everything in it goes into the tables in one transaction ([`sink`]), and commits go on in
//! the other half: the batches at the end of `events`, a row for each at the end of `commits`. The index ([`tables`])
//! goes with it when enough has gathered in memory.
//!
//! ```text
//!  positions   1 … … … checkpoint … … … sunk … … … tail
//!  index       in the tables ───┘└─── in memory (`Live`), rebuilt from the events at start
//!  records     in the tables, durable ─────┘└─── in memory (`Recent`), durable by the log
//! ```
//!
//! This module may not know what a record's bytes mean (the codec does), nor who writes or reads.

mod audit;
mod copy;
mod failure;
mod index;
mod keys;
mod live;
pub mod maintenance;
mod open;
mod place;
mod reader;
mod recent;
mod short_keys;
mod sink;
mod tables;
mod wal;

use std::{
    convert::Infallible,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard},
};

use ::redb::{Database, ReadableDatabase, ReadableTable, WriteTransaction};

pub(in crate::journal) use self::failure::is_disk_full;
pub(in crate::journal) use self::live::CheckpointBounds;
#[cfg(test)]
pub(in crate::journal) use self::open::begin;
#[cfg(test)]
pub(in crate::journal) use self::sink::Whose;
pub(in crate::journal) use self::wal::Beside;
pub use self::{
    copy::{Copied, backup, restore},
    open::fresh_epoch,
    reader::RedbReader,
};
use self::{
    failure::failed,
    index::Checkpoint,
    keys::KeyCache,
    live::{Arrival, Live},
    sink::{Load, Sinking},
    tables::{COMMITS, EVENTS, SEGMENTS, STREAMS},
    wal::Wal,
};
use super::{
    Batch, Commit, Durable, Journal, JournalError, JournalReader,
    batch::{self, Bases, Place},
    codec::{Stored, rows},
};
use crate::domain::{Epoch, Position, Record, Sequence, Stream, limits};

/// The journal in a file, and the one hand that writes it.
pub struct RedbJournal {
    shared: Arc<Shared>,
    bounds: CheckpointBounds,
    /// Where the log lies, and the log, once there was something to write.
    beside: Box<dyn Beside>,
    wal: Option<Wal>,
    /// What is on its way into the tables: all that the half of the log holds which is not written.
    sinking: Option<Sinking>,
    /// The last commit, for the answer to an empty batch.
    last: Commit,
    /// What made writing impossible. Only starting again from the file helps.
    broken: Option<String>,
    /// Whom to call when what is done aside fails.
    alarm: fn(&JournalError),
}

/// What writer and readers have in common.
pub(in crate::journal) struct Shared {
    db: Database,
    path: PathBuf,
    epoch: Epoch,
    anchor: [u8; 32],
    live: RwLock<Live>,
    keys: Mutex<KeyCache>,
}

impl Shared {
    // A panic under one of these locks ends the process that serves. In a test that goes on, the state is that of
    // before or after a batch, because nothing between can fail.
    fn live(&self) -> RwLockReadGuard<'_, Live> {
        self.live.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn keys(&self) -> MutexGuard<'_, KeyCache> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for RedbJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tail = self.shared.live().tail;
        f.debug_struct("RedbJournal").field("path", &self.shared.path).field("tail", &tail).finish_non_exhaustive()
    }
}

impl RedbJournal {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// A reader that can also make a copy of the file.
    pub fn redb_reader(&self) -> RedbReader {
        RedbReader { shared: self.shared.clone() }
    }

    fn refuse_if_broken(&self) -> Result<(), JournalError> {
        match &self.broken {
            None => Ok(()),
            Some(reason) => Err(JournalError::Storage {
                doing: "write any more: start again from the file",
                source: format!("an earlier write failed: {reason}").into(),
            }),
        }
    }

    /// Does something that writes. If the disk or the database refuses, nobody can know what is on disk now, so nothing
    /// more is written. What is wrong with a record is another thing: nothing came of it.
    fn writing<T>(&mut self, act: impl FnOnce(&mut Self) -> Result<T, JournalError>) -> Result<T, JournalError> {
        self.refuse_if_broken()?;
        let outcome = act(self);
        if let Err(error @ JournalError::Storage { .. }) = &outcome {
            self.broken = Some(error.to_string());
        }
        outcome
    }

    /// Runs one durable transaction, behind what only the log held so far: with it that is in the tables, and the log
    /// begins anew.
    fn write<T>(&mut self, body: impl FnOnce(&WriteTransaction) -> Result<T, JournalError>) -> Result<T, JournalError> {
        self.sunk()?;
        self.writing(|journal| {
            let shared = &journal.shared;
            let value = transact(&shared.db, |txn| {
                let live = shared.live();
                insert(txn, live.recent.newer().stored(), live.recent.newer().commits())?;
                drop(live);
                body(txn)
            })?;
            journal.advance(|live| live.recent.clear());
            journal.wal.iter_mut().for_each(Wal::rewind);
            Ok(value)
        })
    }

    /// Waits for what is on its way into the tables.
    pub(in crate::journal) fn sunk(&mut self) -> Result<(), JournalError> {
        self.refuse_if_broken()?;
        match self.sinking.take() {
            Some(sinking) => self.writing(|journal| sinking.end(&journal.shared)),
            None => Ok(()),
        }
    }

    /// Sends what only the log holds on its way into the tables, with the index when that is `due`, and goes on in the
    /// other half of the log.
    fn sink(&mut self, due: bool) -> Result<(), JournalError> {
        self.sunk()?;
        self.writing(|journal| {
            let mut load = None;
            journal.advance(|live| {
                let index = due.then(|| Checkpoint::of(live));
                if due {
                    live.cover();
                }
                load = Some(Load { part: live.recent.sink(), index });
            });
            journal.wal.iter_mut().for_each(Wal::turn);
            let begin = |load| Sinking::begin(load, &journal.shared, journal.bounds.whose, journal.alarm);
            journal.sinking = load.map(begin).transpose()?;
            Ok(())
        })
    }

    /// Makes a batch durable in the log, behind the index when that is `due`. `false` where that has to be done by the
    /// tables: there is no log yet, or it is shorter than the batch.
    fn log(&mut self, commit: &Commit, batch: &Batch, due: bool) -> Result<bool, JournalError> {
        let Some(wal) = &self.wal else { return Ok(false) };
        if !wal.holds(batch) {
            return Ok(false);
        }
        if due || !wal.has_room(batch) {
            self.sink(due)?;
        }
        self.writing(|journal| journal.wal.as_mut().map_or(Ok(()), |wal| wal.append(commit, batch)))?;
        Ok(true)
    }

    /// Makes a batch durable in the tables, with what only the log held and, when it is `due`, the index.
    fn put(&mut self, commit: &Commit, batch: &Batch, due: bool) -> Result<(), JournalError> {
        let shared = Arc::clone(&self.shared);
        let body = |txn: &WriteTransaction| {
            if due {
                Checkpoint::of(&shared.live()).write(txn)?;
            }
            insert(txn, batch.stored(), std::slice::from_ref(commit))
        };
        if self.wal.is_some() {
            return self.write(body);
        }
        let name = commit.link;
        let wal = self.writing(|journal| Wal::make(journal.beside.as_ref(), journal.bounds.log_bytes, &name))?;
        self.write(|txn| body(txn).and_then(|()| wal::note(txn, Some(&name))))?;
        self.wal = Some(wal);
        Ok(())
    }

    /// Brings the index up to the tail.
    fn index(&mut self) -> Result<(), JournalError> {
        let shared = self.shared.clone();
        self.write(|txn| Checkpoint::of(&shared.live()).write(txn))?;
        self.advance(Live::settle);
        Ok(())
    }

    /// Changes what memory knows, once the transaction is durable.
    fn advance(&self, change: impl FnOnce(&mut Live)) {
        change(&mut self.shared.live.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Checks a batch against the ends of the journal and of its streams.
    fn check(&self, batch: &Batch) -> Result<Bases, JournalError> {
        let live = self.shared.live();
        // Most streams of a busy server are in memory.
        let mut txn = None;
        batch::check(batch.records(), live.tail, |stream| {
            if let Some(entry) = live.streams.get(&stream) {
                return Ok(Some(entry.tail));
            }
            let txn = match &mut txn {
                Some(txn) => txn,
                none => none.insert(self.shared.db.begin_read().map_err(failed("begin to read"))?),
            };
            index::stream_tail(txn, stream)
        })
    }
}

/// Takes a durable record into the index in memory.
fn note(live: &mut Live, record: &Record, row: &[u8], bases: &Bases) {
    let fact = Stored::parse(row).ok().filter(|_| record.event.shapes_world()).map(|stored| stored.fact());
    let arrival = Arrival {
        position: record.position,
        stream: record.stream,
        sequence: record.sequence,
        at: record.at,
        key: record.key,
        fact,
        forgotten: false,
        bytes: row.len(),
    };
    let base = || Ok::<_, Infallible>(bases.get(&record.stream).map_or(batch::NEW_STREAM, |base| base.tail));
    let Ok(()) = live.take(&arrival, base);
}

/// One durable transaction. Quick repair, so that opening after a crash does not read the whole file.
fn transact<T>(
    db: &Database,
    body: impl FnOnce(&WriteTransaction) -> Result<T, JournalError>,
) -> Result<T, JournalError> {
    let mut txn = db.begin_write().map_err(failed("begin to write"))?;
    txn.set_quick_repair(true);
    let value = body(&txn)?;
    txn.commit().map_err(failed("commit"))?;
    Ok(value)
}

/// Inserts records and commits at the ends of their tables.
fn insert<'a>(
    txn: &WriteTransaction,
    rows: impl Iterator<Item = (Position, &'a [u8])>,
    done: &[Commit],
) -> Result<(), JournalError> {
    let doing = "append records";
    let mut events = txn.open_table(EVENTS).map_err(failed(doing))?;
    for (position, row) in rows {
        events.insert(position.0, row).map_err(failed(doing))?;
    }
    let mut commits = txn.open_table(COMMITS).map_err(failed(doing))?;
    for commit in done {
        commits.insert(commit.last.0, &rows::commit(commit)).map_err(failed(doing))?;
    }
    Ok(())
}

impl Drop for RedbJournal {
    fn drop(&mut self) {
        // The file is let go of with it. What failed was told, and is in the log.
        let _told = self.sinking.take().map(|sinking| sinking.end(&self.shared));
    }
}

impl Journal for RedbJournal {
    fn store<'a>(&mut self, batch: &'a Batch) -> Result<Durable<'a>, JournalError> {
        if self.sinking.as_ref().is_some_and(Sinking::has_ended) {
            self.sunk()?;
        }
        self.refuse_if_broken()?;
        let bases = self.check(batch)?;
        let Some(commit) = batch.commit(&self.shared.live().link) else {
            return Ok(Durable { batch, commit: self.last, bases, place: Place::Tables });
        };
        // The checkpoint covers what came before this batch, so that no reader finds the batch in the index before it
        // is in memory.
        let due = self.shared.live().is_full_for(batch.records().len(), batch.stored_bytes(), self.bounds);
        let place = if self.log(&commit, batch, due)? {
            Place::Log
        } else {
            self.put(&commit, batch, due)?;
            if due { Place::TablesBehindIndex } else { Place::Tables }
        };
        Ok(Durable { batch, commit, bases, place })
    }

    fn show(&mut self, durable: Durable<'_>) -> Commit {
        let Durable { batch, commit, bases, place } = durable;
        self.advance(|live| {
            match place {
                Place::Log => live.recent.push(batch, commit),
                Place::Tables => {}
                Place::TablesBehindIndex => live.settle(),
            }
            for (record, row) in batch.rows() {
                note(live, record, row, &bases);
            }
            live.link = commit.link;
        });
        self.last = commit;
        commit
    }

    fn trim(&mut self, stream: Stream, through: Sequence) -> Result<usize, JournalError> {
        self.sunk()?;
        let Some(tail) = self.redb_reader().stream_tail(stream)? else { return Ok(0) };
        let through = through.min(tail.latest).min(Sequence(tail.earliest.0 + limits::TRIM_RECORDS_MAX as u64 - 1));
        if through < tail.earliest {
            return Ok(0);
        }
        let shared = self.shared.clone();
        // What is not indexed yet is indexed first: the index tables alone say where a stream begins.
        let due = shared.live().streams.get(&stream).is_some_and(|entry| entry.first <= through);
        let earliest = self.write(|txn| {
            if due {
                Checkpoint::of(&shared.live()).write(txn)?;
            }
            forget(txn, stream, tail.earliest, through)
        })?;
        self.advance(|live| {
            if due {
                live.settle();
            } else if let Some(entry) = live.streams.get_mut(&stream) {
                entry.tail.earliest = earliest;
            }
        });
        Ok(usize::try_from(earliest.0 - tail.earliest.0).unwrap_or(usize::MAX))
    }

    fn checkpoint(&mut self) -> Result<(), JournalError> {
        if self.shared.live().len() > 0 {
            self.index()?;
        }
        if self.wal.take().is_some() {
            self.write(|txn| wal::note(txn, None))?;
            if let Err(error) = self.beside.remove() {
                // It is only in the way: nothing asks for it any more, and the next one is written over it.
                tracing::warn!(%error, path = %self.beside.path().display(), "a log that is not needed stays");
            }
        }
        Ok(())
    }

    fn on_failure_aside(&mut self, alarm: fn(&JournalError)) {
        self.alarm = alarm;
    }

    fn reader(&self) -> Arc<dyn JournalReader> {
        Arc::new(self.redb_reader())
    }
}

/// Replaces records by what a trim leaves of them, and raises the horizon to match. Answers the new earliest sequence.
fn forget(txn: &WriteTransaction, stream: Stream, from: Sequence, through: Sequence) -> Result<Sequence, JournalError> {
    let doing = "trim a stream";
    let mut doomed = Vec::new();
    {
        let segments = txn.open_table(SEGMENTS).map_err(failed(doing))?;
        index::entries(&segments, stream, from, through.next(), |_, entry| {
            doomed.push(entry.position);
            true
        })?;
    }
    let mut events = txn.open_table(EVENTS).map_err(failed(doing))?;
    let (mut earliest, mut bytes) = (from, 0_usize);
    for position in doomed {
        let left = {
            let row = events.get(position.0).map_err(failed(doing))?.ok_or_else(|| reader::missing(position))?;
            bytes = bytes.saturating_add(row.value().len());
            Stored::parse(row.value()).map_err(|flaw| flaw.at(position))?.forget()
        };
        if let Some(left) = left {
            events.insert(position.0, left.as_slice()).map_err(failed(doing))?;
        }
        earliest = earliest.next();
        if bytes > limits::CHECKPOINT_BYTES_MAX {
            break;
        }
    }
    let mut streams = txn.open_table(STREAMS).map_err(failed(doing))?;
    let key = stream.to_key();
    let mut tail = match streams.get(&key).map_err(failed(doing))? {
        Some(row) => rows::read_stream(row.value()),
        None => batch::NEW_STREAM,
    };
    tail.earliest = earliest;
    streams.insert(&key, &rows::stream(tail)).map_err(failed(doing))?;
    Ok(earliest)
}

#[cfg(test)]
mod damage;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wal_tests;
