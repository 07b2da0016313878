//! Files that a command makes: whole or not at all, readable by their owner alone, never over another by accident.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use super::{CtlError, error::Kind};

/// A file that is being written beside its place, and moved there when it is whole.
#[derive(Debug)]
pub(crate) struct NewFile {
    writer: BufWriter<File>,
    place: PathBuf,
    partial: PathBuf,
    finished: bool,
}

impl NewFile {
    /// Begins it. An existing file is left alone unless `force`.
    pub(crate) fn create(place: &Path, force: bool) -> Result<Self, CtlError> {
        if !force {
            refuse_existing(place)?;
        }
        let mut name = place.file_name().unwrap_or_default().to_owned();
        name.push(".partial");
        let partial = place.with_file_name(name);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        // What people said is nobody else's business.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&partial).map_err(|error| cannot("write", &partial, &error))?;
        Ok(Self { writer: BufWriter::new(file), place: place.to_owned(), partial, finished: false })
    }

    /// Puts it in its place, on disk.
    pub(crate) fn finish(mut self) -> Result<(), CtlError> {
        let done = self.writer.flush().and_then(|()| self.writer.get_ref().sync_all());
        done.and_then(|()| fs::rename(&self.partial, &self.place))
            .map_err(|error| cannot("write", &self.place, &error))?;
        self.finished = true;
        Ok(())
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.finished {
            // Best effort: what is left is named `.partial` and can be told from a whole file.
            let _left = fs::remove_file(&self.partial);
        }
    }
}

/// Says no if there is something at this place.
pub(crate) fn refuse_existing(place: &Path) -> Result<(), CtlError> {
    if fs::symlink_metadata(place).is_ok() {
        let error = CtlError::new(Kind::Conflict, format!("{} exists", place.display()));
        return Err(error.hint("choose another name, or say --force"));
    }
    Ok(())
}

fn cannot(doing: &str, path: &Path, error: &io::Error) -> CtlError {
    CtlError::failed(format!("cannot {doing} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_whole_or_not_there() {
        let directory = tempfile::tempdir().expect("a directory");
        let place = directory.path().join("export.jsonl");
        let mut half = NewFile::create(&place, false).expect("begins");
        half.write_all(b"half").expect("writes");
        drop(half);
        assert_eq!(fs::read_dir(directory.path()).expect("lists").count(), 0);

        let mut whole = NewFile::create(&place, false).expect("begins");
        whole.write_all(b"whole").expect("writes");
        whole.finish().expect("ends");
        assert_eq!(fs::read(&place).expect("reads"), b"whole");
        assert_eq!(NewFile::create(&place, false).unwrap_err().kind, Kind::Conflict);
        NewFile::create(&place, true).expect("begins").finish().expect("ends");
        assert_eq!(fs::read(&place).expect("reads"), b"");
    }
}
