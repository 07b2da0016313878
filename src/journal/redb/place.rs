//! How a new file gets its name: when it is whole, and never over another one.
//!
//! redb refuses a file whose creation was cut off, so a journal made in place could not be opened after a crash at the
//! wrong moment, and nobody could tell it from one that was damaged. It is made under another name instead.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use super::failure::on_file;
use crate::journal::JournalError;

/// Makes a file at `path`: `fill` writes a draft beside it, which gets the name when it is complete.
///
/// Not where another journal's log lies: its first commit would be written over it, and what was acknowledged last may
/// be nowhere else.
pub(super) fn make<T>(path: &Path, fill: impl FnOnce(&Path) -> Result<T, JournalError>) -> Result<T, JournalError> {
    refuse_existing(path)?;
    refuse_existing(&log_of(path))?;
    let draft = draft_of(path);
    // One left over by a process of the same number; nothing that lives has it.
    drop(fs::remove_file(&draft));
    let filled = create_private(&draft).and_then(|()| fill(&draft)).and_then(|value| {
        publish(&draft, path)?;
        Ok(value)
    });
    drop(fs::remove_file(&draft));
    filled
}

pub(super) fn refuse_existing(path: &Path) -> Result<(), JournalError> {
    let doing = "write a new file";
    if path.try_exists().map_err(|error| on_file(doing, path, &error))? {
        return Err(on_file(doing, path, &io::Error::from(io::ErrorKind::AlreadyExists)));
    }
    Ok(())
}

/// Where the log of the journal at `path` lies.
pub(super) fn log_of(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push("-log");
    PathBuf::from(name)
}

fn draft_of(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{}.new", std::process::id()));
    PathBuf::from(name)
}

/// An empty file for its owner alone.
fn create_private(path: &Path) -> Result<(), JournalError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop).map_err(|error| on_file("create its file", path, &error))
}

/// Gives the draft its name, durably. A link, unlike a rename, never replaces a file that appeared meanwhile.
fn publish(draft: &Path, path: &Path) -> Result<(), JournalError> {
    let doing = "name its file";
    match fs::hard_link(draft, path) {
        Ok(()) => {}
        // File systems without links: the look before is all there is.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            refuse_existing(path)?;
            fs::rename(draft, path).map_err(|error| on_file(doing, path, &error))?;
        }
        Err(error) => return Err(on_file(doing, path, &error)),
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Only a directory that was synced remembers the name.
    if cfg!(unix) {
        File::open(parent).and_then(|dir| dir.sync_all()).map_err(|error| on_file(doing, parent, &error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_whole_or_not_at_all_and_replaces_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("file");
        let full = |draft: &Path| fs::write(draft, b"full").map_err(|error| on_file("fill", draft, &error));
        let error = make(&path, |draft| {
            full(draft)?;
            Err::<(), _>(on_file("go on", draft, &io::Error::other("no power")))
        });
        assert!(error.is_err() && !path.exists());
        make(&path, full).expect("is made");
        assert_eq!(fs::read(&path).expect("reads"), b"full");
        let error = make(&path, |_| Ok(())).expect_err("refuses");
        assert!(error.to_string().contains("file"), "{error}");
        assert_eq!(fs::read(&path).expect("reads"), b"full");
        assert_eq!(fs::read_dir(dir.path()).expect("lists").count(), 1, "no draft is left");
    }
}
