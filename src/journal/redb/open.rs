//! Opening a file: whose it is, whether it can be read, and what memory must know before the first record is appended.

use std::{
    path::Path,
    sync::{Arc, Mutex, RwLock},
};

use ::redb::{Builder, Database, ReadTransaction, ReadableDatabase, ReadableTable, TableError, TableHandle};
use ring::rand::{SecureRandom, SystemRandom};

use super::{
    RedbJournal, Shared,
    failure::{failed, on_file, on_open, unreadable},
    index::{self, Checkpoint},
    keys::KeyCache,
    live::{Arrival, CheckpointBounds, Live},
    place, reader,
    tables::{
        COMMITS, EVENTS, FACTS, FORMAT, FORMAT_WITH_LOG, FORMAT_WITH_OLD_LOG, INDEX, META, SEGMENTS, STREAMS, names,
    },
    transact,
    wal::{self, Beside, FileBeside},
};
use crate::{
    domain::{Epoch, Position, limits},
    journal::{
        Commit, JournalError, batch, chain,
        codec::{Flaw, Stored, rows},
    },
};

/// The identity of a new journal, or of a copy that was restored.
pub fn fresh_epoch() -> Result<Epoch, JournalError> {
    let mut bytes = [0; 8];
    SystemRandom::new().fill(&mut bytes).map_err(|_| JournalError::Storage {
        doing: "draw the identity of a new journal",
        source: "the system has no randomness to give".into(),
    })?;
    Ok(Epoch(u64::from_be_bytes(bytes)))
}

impl RedbJournal {
    /// Opens the journal in the file at `path`.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, JournalError> {
        let path = path.as_ref();
        let db = builder().open(path).map_err(|error| on_open(path, &error))?;
        Self::load(db, path, CheckpointBounds::default(), Box::new(FileBeside::of(path)))
    }

    /// Opens the journal in the file at `path`, after checking every page of it. Reads the whole file; for a check of a
    /// stopped server's file, where damage must end in an error.
    pub fn open_checked(path: impl AsRef<Path>) -> Result<Self, JournalError> {
        let path = path.as_ref();
        let db = builder().set_check_integrity_on_open(true).open(path).map_err(|error| on_open(path, &error))?;
        Self::load(db, path, CheckpointBounds::default(), Box::new(FileBeside::of(path)))
    }

    /// Opens the journal at `path`, or begins one there. Only the owner may read a new file: it holds what people said.
    pub fn open_or_create(path: impl AsRef<Path>) -> Result<Self, JournalError> {
        let path = path.as_ref();
        if !path.try_exists().map_err(|error| on_file("look for its file", path, &error))? {
            let epoch = fresh_epoch()?;
            place::make(path, |draft| {
                let db = builder().create(draft).map_err(|error| on_open(draft, &error))?;
                begin(&db, epoch)?;
                db.close().map_err(|error| on_file("close its file", draft, &error))
            })?;
        }
        Self::open(path)
    }

    /// Takes over an open database, and what the log beside it holds.
    pub(in crate::journal) fn load(
        db: Database,
        path: &Path,
        bounds: CheckpointBounds,
        beside: Box<dyn Beside>,
    ) -> Result<Self, JournalError> {
        let meta = Meta::read(&db.begin_read().map_err(failed("begin to read"))?, path)?;
        let wal = wal::recover(&db, path, meta.anchor, beside.as_ref())?;
        let checkpoint = if has_index(&db, &meta)? {
            meta.checkpoint
        } else {
            tracing::info!(path = %path.display(), "making the index of the journal anew");
            transact(&db, index::reset)?;
            Position::ZERO
        };
        let (tail, last) = ends(&db, meta.anchor)?;
        if checkpoint > tail {
            return Err(Flaw::new(format!("the journal ends at {tail}, but its index reaches further")).at(checkpoint));
        }
        let live = catch_up(&db, Live::new(checkpoint, last.link), tail, bounds)?;
        let shared = Shared {
            db,
            path: path.to_owned(),
            epoch: meta.epoch,
            anchor: meta.anchor,
            live: RwLock::new(live),
            keys: Mutex::new(KeyCache::new(limits::KEYS_CACHED_MAX)),
        };
        Ok(Self { shared: Arc::new(shared), bounds, beside, wal, sinking: None, last, broken: None, alarm: |_| () })
    }
}

/// How every file of ours is opened.
pub(super) fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(limits::JOURNAL_CACHE_BYTES_MAX);
    builder
}

/// What `meta` says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Meta {
    pub(super) epoch: Epoch,
    pub(super) anchor: [u8; 32],
    pub(super) checkpoint: Position,
    pub(super) index: u64,
}

impl Meta {
    /// Reads it. A file without it is not a journal, or only the beginning of a copy of one.
    pub(super) fn read(txn: &ReadTransaction, path: &Path) -> Result<Self, JournalError> {
        let doing = "read what the file says of itself";
        let table = match txn.open_table(META) {
            Ok(table) => table,
            Err(TableError::Storage(error)) => return Err(failed(doing)(error)),
            Err(error) => {
                let reason = format!("it is another program's database, or an unfinished copy of a journal ({error})");
                return Err(unreadable(path, reason));
            }
        };
        let value = |name: &'static str| -> Result<Option<Vec<u8>>, JournalError> {
            Ok(table.get(name).map_err(failed(doing))?.map(|value| value.value().to_vec()))
        };
        let number = |name: &'static str| -> Result<u64, JournalError> {
            let number = value(name)?.as_deref().and_then(rows::value);
            number.ok_or_else(|| unreadable(path, format!("it does not say its {name}")))
        };
        let format = number(names::FORMAT)?;
        if format > FORMAT_WITH_LOG {
            let reason = format!("it is a journal of format {format}, and this release reads up to {FORMAT_WITH_LOG}");
            return Err(unreadable(path, reason));
        }
        if format == FORMAT_WITH_OLD_LOG {
            let reason =
                "an earlier build was killed, and only that one reads its log: start and stop that one, then this one";
            return Err(unreadable(path, reason));
        }
        let anchor = value(names::ANCHOR)?.and_then(|anchor| anchor.try_into().ok());
        Ok(Self {
            epoch: Epoch(number(names::EPOCH)?),
            anchor: anchor.ok_or_else(|| unreadable(path, "it does not say what its chain hangs on"))?,
            checkpoint: Position(number(names::CHECKPOINT)?),
            index: number(names::INDEX)?,
        })
    }

    /// Writes it into a file that has none: from then on the file is a journal.
    pub(super) fn write(&self, txn: &::redb::WriteTransaction) -> Result<(), JournalError> {
        let doing = "write what the file says of itself";
        let mut table = txn.open_table(META).map_err(failed(doing))?;
        let numbers = [
            (names::FORMAT, FORMAT),
            (names::EPOCH, self.epoch.0),
            (names::CHECKPOINT, self.checkpoint.0),
            (names::INDEX, self.index),
        ];
        for (name, number) in numbers {
            table.insert(name, number.to_be_bytes().as_slice()).map_err(failed(doing))?;
        }
        table.insert(names::ANCHOR, self.anchor.as_slice()).map_err(failed(doing))?;
        Ok(())
    }
}

/// Begins a journal: all tables and what they are, in one commit.
pub(in crate::journal) fn begin(db: &Database, epoch: Epoch) -> Result<(), JournalError> {
    let meta = Meta { epoch, anchor: chain::anchor(epoch), checkpoint: Position::ZERO, index: INDEX };
    transact(db, |txn| {
        let doing = "begin";
        txn.open_table(EVENTS).map_err(failed(doing))?;
        txn.open_table(COMMITS).map_err(failed(doing))?;
        index::reset(txn)?;
        meta.write(txn)
    })
}

fn has_index(db: &Database, meta: &Meta) -> Result<bool, JournalError> {
    let doing = "look for its index";
    let txn = db.begin_read().map_err(failed(doing))?;
    let found: Vec<String> = txn.list_tables().map_err(failed(doing))?.map(|table| table.name().to_owned()).collect();
    let wanted = [SEGMENTS.name(), STREAMS.name(), FACTS.name()];
    Ok(meta.index == INDEX && wanted.iter().all(|name| found.iter().any(|found| found == name)))
}

/// Opens the file at `path` without its index, once what its log holds is in it.
pub(super) fn whole(path: &Path) -> Result<Database, JournalError> {
    let db = builder().open(path).map_err(|error| on_open(path, &error))?;
    // Only a journal: the path may be a slip of the hand.
    let meta = Meta::read(&db.begin_read().map_err(failed("begin to read"))?, path)?;
    wal::recover(&db, path, meta.anchor, &FileBeside::of(path))?;
    Ok(db)
}

/// The last position and the last commit, which must agree.
pub(super) fn ends(db: &Database, anchor: [u8; 32]) -> Result<(Position, Commit), JournalError> {
    let doing = "find its end";
    let txn = db.begin_read().map_err(failed(doing))?;
    let commits = txn.open_table(COMMITS).map_err(failed(doing))?;
    let last = commits.last().map_err(failed(doing))?;
    let last = last.map_or(batch::nothing_yet(anchor), |(last, row)| rows::read_commit(last.value(), row.value()));
    let events = txn.open_table(EVENTS).map_err(failed(doing))?;
    let tail = Position(events.last().map_err(failed(doing))?.map_or(0, |(position, _)| position.value()));
    if tail != last.last {
        let reason = format!("the records end at {tail}, but the commits end at {}", last.last);
        return Err(Flaw::new(reason).at(tail.min(last.last).next()));
    }
    Ok((tail, last))
}

/// Reads what the index tables do not cover, writing the index whenever enough has gathered.
fn catch_up(db: &Database, mut live: Live, tail: Position, bounds: CheckpointBounds) -> Result<Live, JournalError> {
    loop {
        let txn = db.begin_read().map_err(failed("begin to read"))?;
        gather(&txn, &mut live, tail, bounds)?;
        drop(txn);
        if live.tail == tail {
            return Ok(live);
        }
        transact(db, |txn| Checkpoint::of(&live).write(txn))?;
        live.settle();
    }
}

/// Takes records into `live` until it is full or the tail is reached.
fn gather(
    txn: &ReadTransaction,
    live: &mut Live,
    tail: Position,
    bounds: CheckpointBounds,
) -> Result<(), JournalError> {
    let doing = "read what came after the last checkpoint";
    if live.tail >= tail {
        return Ok(());
    }
    let events = txn.open_table(EVENTS).map_err(failed(doing))?;
    for row in events.range(live.tail.next().0..=tail.0).map_err(failed(doing))? {
        let (position, row) = row.map_err(failed(doing))?;
        let (position, row) = (Position(position.value()), row.value());
        if position != live.tail.next() {
            return Err(reader::missing(live.tail.next()));
        }
        if live.is_full_for(1, row.len(), bounds) {
            return Ok(());
        }
        take(txn, live, position, row)?;
    }
    if live.tail == tail { Ok(()) } else { Err(reader::missing(live.tail.next())) }
}

fn take(txn: &ReadTransaction, live: &mut Live, position: Position, row: &[u8]) -> Result<(), JournalError> {
    let damaged = |flaw: Flaw| flaw.at(position);
    let stored = Stored::parse(row).map_err(damaged)?;
    let head = stored.head().map_err(damaged)?;
    let arrival = Arrival {
        position,
        stream: head.stream().map_err(damaged)?,
        sequence: head.sequence(),
        at: head.at(),
        key: head.key(),
        fact: head.is_fact().then(|| stored.fact()),
        forgotten: stored.is_forgotten(),
        bytes: row.len(),
    };
    live.take(&arrival, || Ok(index::stream_tail(txn, arrival.stream)?.unwrap_or(batch::NEW_STREAM)))?;
    let counted = live.streams.get(&arrival.stream).map(|entry| entry.first.0 + entry.entries.len() as u64 - 1);
    if counted != Some(arrival.sequence.0) {
        let reason = format!("it is {} of {}, which does not follow", arrival.sequence, arrival.stream);
        return Err(Flaw::new(reason).at(position));
    }
    Ok(())
}
