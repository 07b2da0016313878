//! What this disk and this database can do at best: the limits that everything else is held against.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use redb::{Database, TableDefinition};

use super::{report::Report, samples::Samples};
use crate::ctl::CtlError;

/// One record in the journal, about: a message of 300 bytes with what we add.
const RECORD: [u8; 512] = [0x5a; 512];
const TABLE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("events");

/// How the limit of a group commit is called, for those who are held against it.
pub(crate) const GROUP_COMMIT: &str = "raw redb group commit, records";

/// The disk under the server, with a database of our own on it.
#[derive(Debug)]
pub(crate) struct Disk {
    directory: PathBuf,
    db: Database,
    next: u64,
    duration: Duration,
    _scratch: Scratch,
}

impl Disk {
    /// Makes the database in a directory; each measurement will take `duration`.
    pub(crate) fn open(directory: PathBuf, duration: Duration) -> Result<Self, CtlError> {
        let scratch = Scratch::new(&directory, "redb")?;
        let db = Database::create(&scratch.path).map_err(CtlError::failed)?;
        Ok(Self { directory, db, next: 0, duration, _scratch: scratch })
    }

    /// What a sync alone takes.
    pub(crate) fn sync(&self, report: &mut Report) -> Result<(), CtlError> {
        sync(&self.directory, self.duration, report)
    }

    /// Records per second in commits of this size.
    pub(crate) fn commits(&mut self, batch: usize, report: &mut Report) -> Result<f64, CtlError> {
        commits(&self.db, batch, self.duration, &mut self.next, report)
    }
}

fn sync(directory: &Path, duration: Duration, report: &mut Report) -> Result<(), CtlError> {
    let scratch = Scratch::new(directory, "sync")?;
    let mut file = File::create(&scratch.path)?;
    let mut times = Samples::default();
    let start = Instant::now();
    while start.elapsed() < duration {
        let before = Instant::now();
        file.write_all(&RECORD)?;
        file.sync_data()?;
        times.add(before.elapsed());
    }
    report.add("write of one record and fdatasync", 1, times.len() as u64, start.elapsed(), times);
    Ok(())
}

/// Commits as durable as the journal's, and with its way of repair.
fn commits(
    db: &Database,
    batch: usize,
    duration: Duration,
    next: &mut u64,
    report: &mut Report,
) -> Result<f64, CtlError> {
    let mut times = Samples::default();
    let mut records = 0;
    let start = Instant::now();
    while start.elapsed() < duration {
        let before = Instant::now();
        let mut txn = db.begin_write().map_err(CtlError::failed)?;
        txn.set_quick_repair(true);
        {
            let mut table = txn.open_table(TABLE).map_err(CtlError::failed)?;
            for _ in 0..batch {
                table.insert(*next, RECORD.as_slice()).map_err(CtlError::failed)?;
                *next += 1;
            }
        }
        txn.commit().map_err(CtlError::failed)?;
        records += batch as u64;
        times.add(before.elapsed());
    }
    Ok(report.add(GROUP_COMMIT, batch, records, start.elapsed(), times).per_second)
}

/// A file that is gone afterwards.
#[derive(Debug)]
struct Scratch {
    path: PathBuf,
}

impl Scratch {
    fn new(directory: &Path, name: &str) -> Result<Self, CtlError> {
        let path = directory.join(format!("rcsctl-bench-{}.{name}", std::process::id()));
        let made = File::options().write(true).create_new(true).open(&path);
        made.map_err(|error| CtlError::failed(format!("cannot write {}: {error}", path.display())))?;
        // redb wants to make its file itself, or find it empty.
        Ok(Self { path })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Best effort: its name says whose it is.
        let _left = fs::remove_file(&self.path);
    }
}
