//! The journal's file, with blocks made ahead of what is written.
//!
//! redb grows its file by a hole at the end. The first write of each page there makes the file system find a block and
//! note it, and the next sync has to bring that note to the disk as well, which is a fifth of what a commit takes (and
//! more on a file system with a journal of its own). So zeros are written ahead of the pages, a piece at a time.
//!
//! Only holes are filled, and the file system is asked what is one: nothing that was ever written is touched, whoever
//! wrote it. Where it cannot be asked (not on Linux), nothing is filled.

use std::{
    fmt,
    fs::{File, OpenOptions},
    io,
    ops::Bound,
    path::Path,
    sync::{Mutex, PoisonError},
};

use ::redb::{BackendError, DatabaseError, StorageBackend, backends::FileBackend};

use crate::domain::limits;

/// A file that is filled a little further than it is written.
pub(super) struct AheadFile {
    inner: FileBackend,
    /// The same file, for asking where it has holes.
    file: File,
    /// Every byte before this has a block. Held over writes, so that no page lands in a piece that is being filled.
    filled: Mutex<u64>,
}

impl fmt::Debug for AheadFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AheadFile").finish_non_exhaustive()
    }
}

impl AheadFile {
    /// Opens an existing file. An empty one is no database, and none is begun in it.
    pub(super) fn open(path: &Path) -> Result<Self, DatabaseError> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        if file.metadata()?.len() == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is empty").into());
        }
        let inner = FileBackend::new(file.try_clone()?)?;
        Ok(Self { inner, file, filled: Mutex::new(0) })
    }

    /// Fills the holes from `filled` to a piece beyond `end`, where a write is about to end.
    fn fill(&self, filled: &mut u64, end: u64) -> io::Result<()> {
        let len = self.inner.len()?;
        let goal = end.saturating_add(limits::JOURNAL_AHEAD_BYTES).min(len);
        while *filled < goal {
            let hole = holes::next_hole(&self.file, *filled)?;
            if hole >= goal {
                *filled = hole;
                return Ok(());
            }
            let hole_end = holes::next_data(&self.file, hole)?.unwrap_or(len).min(goal);
            let mut at = hole;
            while at < hole_end {
                let piece = ZEROS.len().min(usize::try_from(hole_end - at).unwrap_or(usize::MAX));
                self.inner.write(at, &ZEROS[..piece])?;
                at += piece as u64;
            }
            *filled = hole_end;
        }
        Ok(())
    }
}

/// What holes are filled with, at most so much at once.
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

impl StorageBackend for AheadFile {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut filled = self.filled.lock().unwrap_or_else(PoisonError::into_inner);
        *filled = (*filled).min(len);
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.inner.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut filled = self.filled.lock().unwrap_or_else(PoisonError::into_inner);
        let end = offset.saturating_add(data.len() as u64);
        // Far beyond what is filled there may be a page or two; filling up to there would be a lot for nothing.
        if end > *filled
            && offset <= filled.saturating_add(limits::JOURNAL_AHEAD_BYTES)
            && let Err(error) = self.fill(&mut filled, end)
        {
            // Only speed is lost: if there is no room for the page itself, its own write says so.
            tracing::warn!(%error, "cannot make room ahead in the journal's file; commits will be slower");
            *filled = u64::MAX;
        }
        self.inner.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.query_lock_range(start, end)
    }
}

/// Where a file has no blocks. Asking moves the file's own cursor, which nobody here uses.
#[cfg(target_os = "linux")]
mod holes {
    use std::{fs::File, io};

    use rustix::{
        fs::{SeekFrom, seek},
        io::Errno,
    };

    /// The first hole at or after `from`; the end of the file is one.
    pub(super) fn next_hole(file: &File, from: u64) -> io::Result<u64> {
        Ok(seek(file, SeekFrom::Hole(from))?)
    }

    /// The first byte with a block at or after `from`, if there is one.
    pub(super) fn next_data(file: &File, from: u64) -> io::Result<Option<u64>> {
        match seek(file, SeekFrom::Data(from)) {
            Ok(at) => Ok(Some(at)),
            Err(Errno::NXIO) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod holes {
    use std::{fs::File, io};

    /// Says that there is none.
    pub(super) fn next_hole(_: &File, _: u64) -> io::Result<u64> {
        Ok(u64::MAX)
    }

    pub(super) fn next_data(_: &File, _: u64) -> io::Result<Option<u64>> {
        Ok(None)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::unix::fs::{FileExt, MetadataExt};

    use super::*;

    const MIB: u64 = 1024 * 1024;

    /// A file of 64 MiB that is all hole but for its first byte and one at 5 MiB.
    fn sparse(dir: &Path) -> (AheadFile, File) {
        let path = dir.join("file");
        let raw = File::options().read(true).write(true).create_new(true).open(&path).expect("a file");
        raw.write_all_at(b"a", 0).expect("writes");
        raw.write_all_at(b"b", 5 * MIB + 7).expect("writes");
        raw.set_len(64 * MIB).expect("grows");
        (AheadFile::open(&path).expect("opens"), raw)
    }

    fn byte(file: &File, at: u64) -> u8 {
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).expect("reads");
        byte[0]
    }

    #[test]
    fn what_was_written_before_is_never_filled_over() {
        let dir = tempfile::tempdir().expect("a directory");
        let (ahead, raw) = sparse(dir.path());
        for at in (0..6 * MIB).step_by(4096) {
            ahead.write(at + 1, b"c").expect("writes");
        }
        assert_eq!((byte(&raw, 0), byte(&raw, 5 * MIB + 7)), (b'a', b'b'));
        assert!((0..6 * MIB).step_by(4096).all(|at| byte(&raw, at + 1) == b'c'));
        assert_eq!(byte(&raw, 6 * MIB + 1), 0);
    }

    #[test]
    fn there_are_blocks_ahead_of_a_write_and_no_more_than_that() {
        let dir = tempfile::tempdir().expect("a directory");
        let (ahead, raw) = sparse(dir.path());
        ahead.write(4096, b"c").expect("writes");
        raw.sync_all().expect("syncs");
        let taken = raw.metadata().expect("is there").blocks() * 512;
        assert!((limits::JOURNAL_AHEAD_BYTES..=limits::JOURNAL_AHEAD_BYTES + MIB).contains(&taken), "{taken}");
        ahead.write(40 * MIB, b"far").expect("writes");
        raw.sync_all().expect("syncs");
        let taken = raw.metadata().expect("is there").blocks() * 512;
        assert!(taken <= limits::JOURNAL_AHEAD_BYTES + MIB, "a page far away is written and nothing else: {taken}");
        ahead.set_len(MIB / 2).expect("shrinks");
        ahead.set_len(64 * MIB).expect("grows");
        ahead.write(MIB / 2, b"d").expect("writes");
        assert_eq!(byte(&raw, MIB / 2), b'd');
        assert_eq!(byte(&raw, 40 * MIB), 0, "what was cut off stays away");
    }
}
