//! Files that only the server's own user may read: the signing keys, the generated admin key.
//!
//! They are written whole (a new file, synced, then renamed over the old one), so that a crash leaves the old or the
//! new one, and refused when their mode lets others read them: a leaked key must not go on being used in silence.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use crate::domain::limits::PRIVATE_FILE_BYTES_MAX;

/// Why a private file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PrivateFileError {
    /// Others on this machine may have read it.
    #[error(
        "{0} can be read or written by others (mode {mode:04o}): run `chmod 600 {0}`, and replace what is in it if \
         others use this machine",
        path.display()
    )]
    Exposed { path: PathBuf, mode: u32 },
    /// It is not what this server writes.
    #[error(
        "{} is larger than {PRIVATE_FILE_BYTES_MAX} bytes or not text: it was not written by this server",
        path.display()
    )]
    Foreign { path: PathBuf },
    /// The file system refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
}

/// Reads it; `None` if it does not exist.
pub fn read(path: &Path) -> Result<Option<String>, PrivateFileError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("open", path, error)),
    };
    // The mode of the open file, not of the path: nobody can swap it in between.
    refuse_exposed(&file, path)?;
    let mut bytes = Vec::new();
    let limit = u64::try_from(PRIVATE_FILE_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes).map_err(|error| failed("read", path, error))?;
    if bytes.len() > PRIVATE_FILE_BYTES_MAX {
        return Err(PrivateFileError::Foreign { path: path.to_owned() });
    }
    let text = String::from_utf8(bytes).map_err(|_| PrivateFileError::Foreign { path: path.to_owned() })?;
    Ok(Some(text))
}

/// Writes it durably with mode 0600, replacing what was there. Not to be called for one path from two places at once:
/// whoever writes here holds the journal, and there is one such process.
pub fn write(path: &Path, text: &str) -> Result<(), PrivateFileError> {
    let draft = draft_path(path);
    // A draft that a crash left behind may have any mode: start from nothing.
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("remove", &draft, error)),
        _ => {}
    }
    let mut file = create_private(&draft).map_err(|error| failed("create", &draft, error))?;
    file.write_all(text.as_bytes()).map_err(|error| failed("write", &draft, error))?;
    file.sync_all().map_err(|error| failed("sync", &draft, error))?;
    fs::rename(&draft, path).map_err(|error| failed("replace", path, error))?;
    sync_directory(path)
}

fn draft_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

/// Without this the rename itself may be lost with the power.
fn sync_directory(path: &Path) -> Result<(), PrivateFileError> {
    let Some(directory) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) else { return Ok(()) };
    let opened = File::open(directory).and_then(|directory| directory.sync_all());
    opened.map_err(|error| failed("sync", directory, error))
}

#[cfg(unix)]
fn create_private(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

#[cfg(unix)]
fn refuse_exposed(file: &File, path: &Path) -> Result<(), PrivateFileError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = file.metadata().map_err(|error| failed("inspect", path, error))?.permissions().mode() & 0o777;
    let for_others = mode & 0o077;
    if for_others == 0 { Ok(()) } else { Err(PrivateFileError::Exposed { path: path.to_owned(), mode }) }
}

/// Elsewhere the directory's access list decides; there is no mode to look at.
#[cfg(not(unix))]
fn refuse_exposed(_file: &File, _path: &Path) -> Result<(), PrivateFileError> {
    Ok(())
}

fn failed(doing: &'static str, path: &Path, source: io::Error) -> PrivateFileError {
    PrivateFileError::Io { doing, path: path.to_owned(), source }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn it_is_written_for_its_owner_alone_and_replaced_whole() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("admin.key");
        assert!(matches!(read(&path), Ok(None)));
        fs::write(draft_path(&path), "left by a crash").expect("draft");
        write(&path, "one").expect("written");
        write(&path, "two").expect("replaced");
        assert_eq!(read(&path).expect("readable").as_deref(), Some("two"));
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        assert!(!draft_path(&path).exists());
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_with_the_remedy() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("signing.key");
        write(&path, "secret").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("mode");
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("mode 0640") && error.contains("chmod 600"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn a_foreign_file_is_refused() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("signing.key");
        write(&path, &"x".repeat(PRIVATE_FILE_BYTES_MAX + 1)).expect("written");
        assert!(matches!(read(&path), Err(PrivateFileError::Foreign { .. })));
    }
}
