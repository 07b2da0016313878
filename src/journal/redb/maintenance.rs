//! What an operator does with the file: look at its size, make it smaller, make its index anew.

use std::{fs, path::Path};

use ::redb::{ReadTransaction, ReadableDatabase, ReadableTableMetadata, TableHandle};

use super::{
    CheckpointBounds, RedbJournal, RedbReader,
    failure::{failed, on_file},
    index, open, transact,
    wal::FileBeside,
};
use crate::journal::JournalError;

/// How big a journal is, and what for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// The size of the file.
    pub file_bytes: u64,
    /// In the order of their names.
    pub tables: Vec<TableStats>,
}

/// How big one table is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableStats {
    pub name: String,
    pub rows: u64,
    /// Keys and values.
    pub stored_bytes: u64,
    /// What it takes to find them.
    pub metadata_bytes: u64,
    /// Unused parts of its pages.
    pub fragmented_bytes: u64,
}

impl Stats {
    /// What no table uses: free pages, which the next records fill and [`compact`] gives back.
    pub fn free_bytes(&self) -> u64 {
        let used = |table: &TableStats| table.stored_bytes + table.metadata_bytes + table.fragmented_bytes;
        self.file_bytes.saturating_sub(self.tables.iter().map(used).sum())
    }
}

/// Measures a journal. Reads every page of it.
pub fn stats(reader: &RedbReader) -> Result<Stats, JournalError> {
    let (path, db) = (&reader.shared.path, &reader.shared.db);
    let txn = db.begin_read().map_err(failed("begin to read"))?;
    let file = fs::metadata(path).map_err(|error| on_file("measure its file", path, &error))?;
    Ok(Stats { file_bytes: file.len(), tables: tables(&txn)? })
}

fn tables(txn: &ReadTransaction) -> Result<Vec<TableStats>, JournalError> {
    let doing = "measure its tables";
    let mut tables = Vec::new();
    for handle in txn.list_tables().map_err(failed(doing))? {
        let name = handle.name().to_owned();
        let table = txn.open_untyped_table(handle).map_err(failed(doing))?;
        let stats = table.stats().map_err(failed(doing))?;
        tables.push(TableStats {
            name,
            rows: table.len().map_err(failed(doing))?,
            stored_bytes: stats.stored_bytes(),
            metadata_bytes: stats.metadata_bytes(),
            fragmented_bytes: stats.fragmented_bytes(),
        });
    }
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(tables)
}

/// Gives free pages of the file at `path` back to the file system. Nobody may have it open. Answers its size before and
/// after.
pub fn compact(path: impl AsRef<Path>) -> Result<(u64, u64), JournalError> {
    let path = path.as_ref();
    let size = || fs::metadata(path).map(|file| file.len()).map_err(|error| on_file("measure its file", path, &error));
    let mut db = open::whole(path)?;
    let before = size()?;
    while db.compact().map_err(|error| on_file("compact its file", path, &error))? {}
    db.close().map_err(|error| on_file("close its file", path, &error))?;
    Ok((before, size()?))
}

/// Makes the index of the file at `path` anew from its records. Nobody may have it open.
pub fn reindex(path: impl AsRef<Path>) -> Result<(), JournalError> {
    let path = path.as_ref();
    let db = open::whole(path)?;
    transact(&db, index::reset)?;
    RedbJournal::load(db, path, CheckpointBounds::default(), Box::new(FileBeside::of(path))).map(drop)
}
