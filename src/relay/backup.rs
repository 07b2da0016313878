//! A copy of the journal while the server runs: made beside it, handed out as an open file without a name.
//!
//! The copy is a journal of its own, as the original was at one moment. Its name is taken away before anybody reads it,
//! so that it is gone with its last reader, however that one ends. One is made at a time: each takes as much disk as
//! the journal, and a full disk would end the server.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::sync::OwnedSemaphorePermit;

use super::{Relay, RelayError, pulse};
use crate::{
    domain::{Epoch, Position, limits},
    journal::{Copied, JournalError, JournalReader},
};

/// What copies in the making are called; what a kill left of them is found by it.
const NAME: &str = "backup.redb";

/// A copy, open for reading from its beginning.
#[derive(Debug)]
pub struct Backup {
    pub file: File,
    pub bytes: u64,
    /// The last position that is in it.
    pub tail: Position,
    /// The identity of its numbering.
    pub epoch: Epoch,
    /// While it lives there is no other.
    _place: OwnedSemaphorePermit,
}

/// What the journal takes and what is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    pub file_bytes: u64,
    pub free_bytes: u64,
}

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("another backup is on its way; try again when it is done")]
    UnderWay,
    #[error(
        "the disk has {free} bytes free; a backup takes up to {needed} and must leave {}: make room in {}",
        limits::BACKUP_SPARE_BYTES,
        directory.display()
    )]
    NoSpace { free: u64, needed: u64, directory: PathBuf },
    /// There was room at the beginning, and others took it.
    #[error("the disk became full while the backup was made: make room in {}", directory.display())]
    Full { directory: PathBuf },
    #[error("cannot {doing} the backup: {source}")]
    File { doing: &'static str, source: io::Error },
    #[error(transparent)]
    Relay(#[from] RelayError),
}

impl Relay {
    /// Copies the journal. Commits go on meanwhile.
    pub async fn back_up(&self) -> Result<Backup, BackupError> {
        let place = Arc::clone(&self.shared.backups).try_acquire_owned().map_err(|_| BackupError::UnderWay)?;
        let reader = Arc::clone(&self.shared.reader);
        let copying = tokio::task::spawn_blocking(move || copy(reader.as_ref(), place));
        let backup = copying.await.unwrap_or(Err(BackupError::Relay(RelayError::Closing)))?;
        self.shared.pulse.copied(pulse::Copied { at: self.now(), bytes: backup.bytes });
        Ok(backup)
    }

    /// How large the journal's file is, and how much its disk has left; `None` where it lies in no file.
    pub fn disk(&self) -> io::Result<Option<Disk>> {
        let Some(file) = self.shared.reader.file() else { return Ok(None) };
        let file_bytes = fs::metadata(file)?.len();
        Ok(Some(Disk { file_bytes, free_bytes: free(file.parent().unwrap_or(Path::new(".")))? }))
    }
}

fn copy(reader: &dyn JournalReader, place: OwnedSemaphorePermit) -> Result<Backup, BackupError> {
    let directory = reader.file().and_then(Path::parent).unwrap_or(Path::new(".")).to_owned();
    remove_leftovers(&directory).map_err(|source| BackupError::File { doing: "clear the place of", source })?;
    if let Some(journal) = reader.file() {
        room_for(journal, &directory)?;
    }
    let path = directory.join(NAME);
    let Copied { tail, epoch } = reader.copy_to(&path).map_err(|error| failed(error, &directory))?;
    let opened = File::open(&path).map_err(|source| BackupError::File { doing: "open", source });
    // Whoever has it open can read it; nobody else is to find it.
    let removed = fs::remove_file(&path).map_err(|source| BackupError::File { doing: "take the name from", source });
    let file = opened?;
    removed?;
    let bytes = file.metadata().map_err(|source| BackupError::File { doing: "measure", source })?.len();
    Ok(Backup { file, bytes, tail, epoch, _place: place })
}

/// A process that was killed while it copied leaves its draft.
fn remove_leftovers(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(NAME) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The copy is at most as large as the journal's file, whose free pages are not copied, and its log, for which there is
/// room in what is spared.
fn room_for(journal: &Path, directory: &Path) -> Result<(), BackupError> {
    let look = |source| BackupError::File { doing: "find room for", source };
    let needed = fs::metadata(journal).map_err(look)?.len();
    fits(free(directory).map_err(look)?, needed, directory)
}

/// What those who are not root may still write there.
fn free(directory: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(directory)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

fn fits(free: u64, needed: u64, directory: &Path) -> Result<(), BackupError> {
    if free >= needed.saturating_add(limits::BACKUP_SPARE_BYTES) {
        return Ok(());
    }
    Err(BackupError::NoSpace { free, needed, directory: directory.to_owned() })
}

/// Others write to the same disk: it may fill up although there was room.
fn failed(error: JournalError, directory: &Path) -> BackupError {
    if error.is_disk_full() {
        return BackupError::Full { directory: directory.to_owned() };
    }
    RelayError::from(error).into()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        domain::{Actor, Command, OwnerId, SessionId, WorkId, event::SessionCreated},
        journal::RedbJournal,
        relay::Options,
    };

    async fn relay(directory: &Path) -> Relay {
        let journal = RedbJournal::open_or_create(directory.join("journal.redb")).expect("a journal");
        let (relay, _writer) = Relay::start(Box::new(journal), Options::default()).expect("starts");
        create(&relay, 1).await;
        relay
    }

    async fn create(relay: &Relay, number: u128) {
        let particulars = SessionCreated {
            session: SessionId::from_uuid(Uuid::from_u128(number)),
            owner: OwnerId::from_uuid(Uuid::from_u128(1)),
            environment: None,
            title: None,
            source: "test".into(),
            mode: None,
            model: None,
            directory: None,
        };
        let command = Command::CreateSession {
            particulars,
            work: WorkId::from_uuid(Uuid::nil()),
            course: Vec::new(),
            prompt: None,
        };
        relay.submit(Actor::System, command).await.expect("created");
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("lists").map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<_> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn a_copy_is_a_journal_that_nobody_finds_and_there_is_one_at_a_time() {
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join("backup.redb.77.new"), "of a process that was killed").expect("writes");
        let relay = relay(directory.path()).await;
        let mut first = relay.back_up().await.expect("copied");
        assert_eq!(
            names(directory.path()),
            ["journal.redb", "journal.redb-log"],
            "neither the copy nor what was left over"
        );
        assert!(matches!(relay.back_up().await, Err(BackupError::UnderWay)));
        create(&relay, 2).await;

        let kept = directory.path().join("kept.redb");
        let bytes = io::copy(&mut first.file, &mut File::create(&kept).expect("creates")).expect("reads");
        assert_eq!((bytes, first.tail, first.epoch), (first.bytes, Position(1), relay.epoch()));
        let copied = RedbJournal::open(&kept).expect("opens").redb_reader();
        assert_eq!((copied.tail(), copied.epoch()), (Position(1), relay.epoch()));
        assert_eq!(copied.verify(&mut |_| ()).expect("walks").fault, None);
        drop(first);
        assert_eq!(relay.back_up().await.expect("free again").tail, Position(2));
    }

    #[test]
    fn a_copy_must_leave_room_for_the_journal() {
        let spare = limits::BACKUP_SPARE_BYTES;
        assert!(fits(spare + 10, 10, Path::new("/data")).is_ok());
        let refused = fits(spare + 9, 10, Path::new("/data")).unwrap_err().to_string();
        assert!(refused.contains("/data") && refused.contains("up to 10"), "{refused}");
        assert!(fits(u64::MAX, u64::MAX, Path::new("/data")).is_ok());
    }

    #[test]
    fn a_full_disk_is_told_from_a_broken_one() {
        let refused = |source: io::Error| {
            let source = Box::new(redb_error(source));
            failed(JournalError::Storage { doing: "copy itself", source }, Path::new("/data"))
        };
        assert!(matches!(refused(io::ErrorKind::StorageFull.into()), BackupError::Full { .. }));
        assert!(matches!(refused(io::Error::other("broken")), BackupError::Relay(_)));
    }

    fn redb_error(source: io::Error) -> redb::Error {
        redb::StorageError::from(source).into()
    }
}
