//! Copies of a journal: a hot one beside a running server, and one with a new identity to go on from.
//!
//! Everything comes from one read transaction and what memory held beside it, so a copy is what the journal was at one
//! moment. That transaction pins the pages it reads: the file of a busy server grows for as long as a copy takes, and
//! reuses the space afterwards.

use std::path::Path;

use ::redb::{
    Builder, Database, DatabaseError, Key, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, Value,
};

use super::{
    RedbReader,
    failure::{failed, on_file, on_open},
    insert,
    open::{self, Meta},
    place,
    recent::Recent,
    tables::{COMMITS, EVENTS, FACTS, SEGMENTS, STREAMS},
    transact, wal,
};
use crate::{
    domain::{Epoch, Position, limits},
    journal::JournalError,
};

/// What a copy holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// The last position that is in it.
    pub tail: Position,
    /// The identity of its numbering.
    pub epoch: Epoch,
}

/// Copies a journal in use to a new file at `dest`, with the same identity. Calls `progress` with each position passed.
pub fn backup(
    reader: &RedbReader,
    dest: impl AsRef<Path>,
    progress: &mut dyn FnMut(Position),
) -> Result<Copied, JournalError> {
    let (txn, recent) = reader.snapshot(|live| live.recent.clone())?;
    let meta = Meta::read(&txn, &reader.shared.path)?;
    copy(&txn, &recent, meta, dest.as_ref(), progress)
}

/// Copies the journal in the file `src`, which nobody may have open, to a new file at `dest` under a new identity:
/// whoever followed the old one starts over, because numbers after the copy's end were given to other records.
pub fn restore(
    src: impl AsRef<Path>,
    dest: impl AsRef<Path>,
    epoch: Epoch,
    progress: &mut dyn FnMut(Position),
) -> Result<Copied, JournalError> {
    let (src, dest) = (src.as_ref(), dest.as_ref());
    let from = |txn: &ReadTransaction, progress: &mut dyn FnMut(Position)| {
        let meta = Meta { epoch, ..Meta::read(txn, src)? };
        copy(txn, &Recent::default(), meta, dest, progress)
    };
    let begin = failed("begin to read");
    // A backup may lie where nothing can be written.
    let closed = match passing().open_read_only(src) {
        Ok(db) => wal::name_in(&db)?.is_none().then_some(db),
        Err(DatabaseError::RepairAborted) => None,
        Err(error) => return Err(on_open(src, &error)),
    };
    match closed {
        Some(db) => from(&db.begin_read().map_err(begin)?, progress),
        // It was not closed: it has to be repaired, and its end taken in, first.
        None => from(&open::whole(src)?.begin_read().map_err(begin)?, progress),
    }
}

/// For files that are passed once from end to end: keeping pages would only take memory.
fn passing() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(limits::COPY_BYTES_MAX);
    builder
}

fn copy(
    txn: &ReadTransaction,
    recent: &Recent,
    meta: Meta,
    dest: &Path,
    progress: &mut dyn FnMut(Position),
) -> Result<Copied, JournalError> {
    place::make(dest, |draft| {
        let db = passing().create(draft).map_err(|error| on_open(draft, &error))?;
        copy_table(txn, &db, EVENTS, &mut |position| progress(Position(position)))?;
        copy_table(txn, &db, COMMITS, &mut |_| ())?;
        copy_table(txn, &db, SEGMENTS, &mut |_| ())?;
        copy_table(txn, &db, STREAMS, &mut |_| ())?;
        copy_table(txn, &db, FACTS, &mut |_| ())?;
        let tail = behind(txn, recent, &db)?;
        progress(tail);
        transact(&db, |txn| meta.write(txn))?;
        db.close().map_err(|error| on_file("close the copy", draft, &error))?;
        Ok(Copied { tail, epoch: meta.epoch })
    })
}

/// Adds to a copy what the tables did not have yet. Answers the last position that is in it then.
fn behind(txn: &ReadTransaction, recent: &Recent, db: &Database) -> Result<Position, JournalError> {
    let doing = "copy itself";
    let events = txn.open_table(EVENTS).map_err(failed(doing))?;
    let sunk = Position(events.last().map_err(failed(doing))?.map_or(0, |(position, _)| position.value()));
    // The transaction may be a moment younger, and hold some of it; a trim may have been there as well.
    let commits: Vec<_> = recent.commits_from(sunk.next()).copied().collect();
    transact(db, |txn| {
        let rows = commits.iter().flat_map(|commit| recent.rows_of(commit));
        let rows = rows.map(|(record, row)| (record.position, row));
        insert(txn, rows, &commits)
    })?;
    Ok(commits.last().map_or(sunk, |commit| commit.last))
}

/// Copies one table in commits of a bounded size, and tells how many rows are done after each.
fn copy_table<K: Key + 'static, V: Value + 'static>(
    txn: &ReadTransaction,
    db: &Database,
    definition: TableDefinition<'static, K, V>,
    progress: &mut dyn FnMut(u64),
) -> Result<(), JournalError> {
    let doing = "copy itself";
    let source = txn.open_table(definition).map_err(failed(doing))?;
    let mut rows = source.iter().map_err(failed(doing))?;
    let (mut done, mut more) = (0, true);
    while more {
        transact(db, |txn| {
            let mut dest = txn.open_table(definition).map_err(failed(doing))?;
            let mut bytes = 0;
            while bytes < limits::COPY_BYTES_MAX {
                let Some(row) = rows.next() else {
                    more = false;
                    break;
                };
                let (key, value) = row.map_err(failed(doing))?;
                bytes += K::as_bytes(&key.value()).as_ref().len() + V::as_bytes(&value.value()).as_ref().len();
                dest.insert(key.value(), value.value()).map_err(failed(doing))?;
                done += 1;
            }
            Ok(())
        })?;
        progress(done);
    }
    Ok(())
}
