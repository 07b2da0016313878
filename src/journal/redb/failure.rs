//! What errors of the database mean to whoever asked the journal for something.

use std::{io, path::Path};

use ::redb::{DatabaseError, StorageError};

use crate::journal::JournalError;

/// Says what was being done when the database refused.
pub(super) fn failed<E: Into<::redb::Error>>(doing: &'static str) -> impl Fn(E) -> JournalError {
    move |error| JournalError::Storage { doing, source: Box::new(error.into()) }
}

/// Whether a refusal means that the disk is full. Errors about files as a whole have become words.
pub(in crate::journal) fn is_disk_full(source: &(dyn std::error::Error + 'static)) -> bool {
    match source.downcast_ref::<::redb::Error>() {
        Some(::redb::Error::Io(error)) => {
            matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        }
        _ => source.to_string().contains("No space left on device"),
    }
}

/// An error about a file as a whole, which the message names.
pub(super) fn on_file(doing: &'static str, path: &Path, error: &dyn std::error::Error) -> JournalError {
    JournalError::Storage { doing, source: format!("{}: {error}", path.display()).into() }
}

pub(super) fn unreadable(path: &Path, reason: impl Into<String>) -> JournalError {
    JournalError::Unreadable { path: path.to_owned(), reason: reason.into() }
}

/// Why a file could not be opened.
pub(super) fn on_open(path: &Path, error: &DatabaseError) -> JournalError {
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            JournalError::InUse { path: path.to_owned() }
        }
        DatabaseError::UpgradeRequired(version) => {
            unreadable(path, format!("its file format {version} is older than any of ours"))
        }
        DatabaseError::Storage(StorageError::Io(error))
            if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) =>
        {
            unreadable(path, format!("it is not a journal: {error}"))
        }
        DatabaseError::Storage(StorageError::Corrupted(reason)) => {
            unreadable(path, format!("it is damaged ({reason}): restore a backup"))
        }
        error => on_file("open its file", path, error),
    }
}
