//! The log ahead of the tables: where a commit becomes durable before the database has to.
//!
//! A durable commit of the database writes a page for every table it touches, twice syncs, and is half a millisecond of
//! the disk. The same records behind one another in a file whose blocks are there already are one write and one sync.
//! So a commit goes here, and some thousand records go into the tables later, in one durable transaction. What they do
//! not have when the power goes is taken from here at the next start.
//!
//! ```text
//!  [magic, name, zeros: 4 KiB][frame][frame][frame][what an earlier round left, or zeros …]    one half
//!                             [frame][frame][what an earlier round left, or zeros …]            the other
//!   frame = [length][first][last][time][link][length, record][length, record] …
//! ```
//!
//! The log has two halves of the same length. When one is full, commits go on in the other, while what the first holds
//! goes into the tables; it is written over when that is durable there.
//!
//! What belongs to the end of the journal is told by the chain: a frame counts only if it goes on where the frame
//! before it ended and its link is that of its records. A frame of an earlier round, or one that was cut off, does
//! neither. Where a frame that counts stands behind one that does not, the log was damaged and is refused; damage to
//! the last frame cannot be told from one that was cut off. A half begins with a frame, always, and when that frame was
//! begun everything before it was durable: if it is missing, the other half was damaged.
//!
//! The database names the log it needs, so that one without the other is noticed and not taken for the whole.
//! This file knows rows and links; what is in a record is the codec's business.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use ::redb::{Database, ReadableDatabase, StorageBackend, TableError, WriteTransaction, backends::FileBackend};

use super::{
    failure::{failed, on_file, unreadable},
    insert,
    open::ends,
    place::log_of,
    tables::{FORMAT, FORMAT_WITH_LOG, META, names},
    transact,
};
use crate::{
    domain::{Position, Timestamp},
    journal::{
        Batch, Commit, JournalError, chain,
        codec::{Stored, rows},
    },
};

const MAGIC: &[u8; 16] = b"rcs journal log\x01";
/// Magic and name have a page of their own, which is never written again.
const FRAMES_AT: u64 = 4_096;
/// What a disk writes wholly or not at all.
const SECTOR_BYTES: u64 = 512;
/// Length, first and last position, time, link.
const HEAD_BYTES: usize = 4 + 8 + 8 + 8 + 32;

/// A log's name: the link of the chain after which it was made.
type Name = [u8; 32];

/// Where a journal's log lies: beside its file, or on the disk of a simulation.
pub(in crate::journal) trait Beside: Send + Sync {
    /// What the errors call it.
    fn path(&self) -> &Path;

    /// The log that is there, if one is.
    fn find(&self) -> io::Result<Option<Box<dyn StorageBackend>>>;

    /// A place for one, durably; its content does not matter.
    fn make(&self) -> io::Result<Box<dyn StorageBackend>>;

    /// Takes it away. The database does not name it any more.
    fn remove(&self) -> io::Result<()>;
}

/// Beside the journal's file.
pub(super) struct FileBeside(PathBuf);

impl FileBeside {
    /// The place for the log of the journal at `path`.
    pub(super) fn of(path: &Path) -> Self {
        Self(log_of(path))
    }
}

fn backend(file: File) -> io::Result<Box<dyn StorageBackend>> {
    Ok(Box::new(FileBackend::new(file).map_err(io::Error::other)?))
}

impl Beside for FileBeside {
    fn path(&self) -> &Path {
        &self.0
    }

    fn find(&self) -> io::Result<Option<Box<dyn StorageBackend>>> {
        match OpenOptions::new().read(true).write(true).open(&self.0) {
            Ok(file) => backend(file).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn make(&self) -> io::Result<Box<dyn StorageBackend>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&self.0)?;
        // Only a directory that was synced remembers the name.
        if cfg!(unix) {
            let parent = self.0.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(parent)?.sync_all()?;
        }
        backend(file)
    }

    fn remove(&self) -> io::Result<()> {
        fs::remove_file(&self.0)
    }
}

/// A log in use.
pub(super) struct Wal {
    disk: Box<dyn StorageBackend>,
    /// How long a half is.
    half_bytes: u64,
    /// Which of them is written.
    half: Half,
    /// How much of it is.
    used: u64,
    /// The frame being written; kept for its room.
    frame: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    First,
    Second,
}

/// How long each half of a log is; they begin where a sector of the disk does.
const fn half_bytes(log_bytes: u64) -> u64 {
    log_bytes.saturating_sub(FRAMES_AT) / 2 / SECTOR_BYTES * SECTOR_BYTES
}

impl Wal {
    /// Makes a log and all its blocks. Nothing is in it.
    pub(super) fn make(beside: &dyn Beside, bytes_max: u64, name: &Name) -> Result<Self, JournalError> {
        let write = || {
            let disk = beside.make()?;
            let mut bytes = vec![0; length(bytes_max.max(FRAMES_AT))];
            bytes[..MAGIC.len()].copy_from_slice(MAGIC);
            bytes[MAGIC.len()..MAGIC.len() + name.len()].copy_from_slice(name);
            disk.set_len(bytes.len() as u64)?;
            disk.write(0, &bytes)?;
            disk.sync_data()?;
            Ok(Self::empty(disk, bytes_max))
        };
        write().map_err(|error: io::Error| on_file("make its log", beside.path(), &error))
    }

    fn empty(disk: Box<dyn StorageBackend>, bytes_max: u64) -> Self {
        Self { disk, half_bytes: half_bytes(bytes_max), half: Half::First, used: 0, frame: Vec::new() }
    }

    /// Whether a half of it could hold this batch.
    pub(super) fn holds(&self, batch: &Batch) -> bool {
        frame_bytes(batch) as u64 <= self.half_bytes
    }

    /// Whether there is room for it now.
    pub(super) fn has_room(&self, batch: &Batch) -> bool {
        self.used.saturating_add(frame_bytes(batch) as u64) <= self.half_bytes
    }

    /// Writes a batch behind the ones before it and syncs. There is room for it.
    pub(super) fn append(&mut self, commit: &Commit, batch: &Batch) -> Result<(), JournalError> {
        let frame = &mut self.frame;
        frame.clear();
        push_length(frame, frame_bytes(batch));
        for number in [commit.first.0, commit.last.0, commit.at.0] {
            frame.extend_from_slice(&number.to_be_bytes());
        }
        frame.extend_from_slice(&commit.link);
        for (_, row) in batch.rows() {
            push_length(frame, row.len());
            frame.extend_from_slice(row);
        }
        let (end, frame) = (self.end(), &self.frame);
        let written = self.disk.write(end, frame).and_then(|()| self.disk.sync_data());
        written.map_err(|error| JournalError::Storage { doing: "write its log", source: error.into() })?;
        self.used += frame.len() as u64;
        Ok(())
    }

    /// Where the next frame goes.
    pub(super) const fn end(&self) -> u64 {
        let start = match self.half {
            Half::First => FRAMES_AT,
            Half::Second => FRAMES_AT + self.half_bytes,
        };
        start + self.used
    }

    /// Goes on in the other half: what that one holds is durable in the tables.
    pub(super) const fn turn(&mut self) {
        self.half = match self.half {
            Half::First => Half::Second,
            Half::Second => Half::First,
        };
        self.used = 0;
    }

    /// Everything in it is durable in the tables: the next frame is written over the first of its half.
    pub(super) const fn rewind(&mut self) {
        self.used = 0;
    }
}

fn frame_bytes(batch: &Batch) -> usize {
    HEAD_BYTES + 4 * batch.records().len() + batch.stored_bytes()
}

/// Fits: the log is as long as one number says.
fn length(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn push_length(frame: &mut Vec<u8>, bytes: usize) {
    // Fits: what is longer than the log is not written to it.
    frame.extend_from_slice(&u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes());
}

/// One commit as it lies in the log.
struct Frame<'a> {
    commit: Commit,
    rows: Vec<&'a [u8]>,
}

impl Frame<'_> {
    /// The link that goes on from `before` with its records; `None` if one of them is none or they are not as many as
    /// it says.
    fn link(&self, before: &[u8; 32]) -> Option<[u8; 32]> {
        let Commit { first, last, at, .. } = self.commit;
        let digests =
            self.rows.iter().map(|row| Some(Stored::parse(row).ok()?.digest())).collect::<Option<Vec<_>>>()?;
        let counted = first.0.checked_add(self.rows.len() as u64) == last.0.checked_add(1);
        counted.then(|| chain::link(before, first, last, at, digests))
    }

    fn follows(&self, before: &[u8; 32]) -> bool {
        self.link(before) == Some(self.commit.link)
    }
}

/// The frame at the beginning of `bytes`, if it continues `last`, and what follows it.
fn next_frame<'a>(bytes: &'a [u8], last: &Commit) -> Option<(Frame<'a>, &'a [u8])> {
    whole_frame(bytes).filter(|(frame, _)| frame.commit.first == last.last.next() && frame.follows(&last.link))
}

/// What has the shape of a frame, and what follows it.
fn whole_frame(bytes: &[u8]) -> Option<(Frame<'_>, &[u8])> {
    let (commit, body) = head(bytes)?;
    let (records, rest) = body.split_at_checked(stated_length(bytes)?.checked_sub(HEAD_BYTES)?)?;
    Some((Frame { commit, rows: all_rows(records)? }, rest))
}

/// Whether a whole frame stands behind one that does not count. Each was synced before the next was begun, so what was
/// cut off is the last one: something before the end was damaged.
///
/// Only the end of the frame is looked at, and only links tell: anybody may have written bytes that look like a frame.
fn goes_on(bytes: &[u8], last: &Commit) -> bool {
    let Some((commit, body)) = head(bytes) else { return false };
    let stated = stated_length(bytes).and_then(|length| body.split_at_checked(length.checked_sub(HEAD_BYTES)?));
    let stated = stated.map(|(records, behind)| (all_rows(records).unwrap_or_default(), behind));
    let count = commit.last.0.checked_sub(commit.first.0).and_then(|more| more.checked_add(1));
    let counted = count.and_then(|count| some_rows(body, count));
    // Where it ends is told twice, and so is its link: one of both may be what was damaged.
    [stated, counted].into_iter().flatten().any(|(rows, behind)| {
        let frame = Frame { commit, rows };
        let links = [Some(commit.link), frame.link(&last.link)];
        let next = whole_frame(behind).filter(|(next, _)| next.commit.first > last.last.next());
        next.is_some_and(|(next, _)| links.iter().flatten().any(|link| next.follows(link)))
    })
}

/// What stands at the beginning of a frame, and what follows that.
fn head(bytes: &[u8]) -> Option<(Commit, &[u8])> {
    let (head, body) = bytes.split_at_checked(HEAD_BYTES)?;
    let number = |at: usize| rows::value(head.get(at..at + 8)?);
    let link = head.get(28..)?.try_into().ok()?;
    let (first, last) = (Position(number(4)?), Position(number(12)?));
    Some((Commit { first, last, at: Timestamp(number(20)?), link }, body))
}

/// Records that fill these bytes.
fn all_rows(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut rows = Vec::new();
    while !bytes.is_empty() {
        let (row, rest) = next_row(bytes)?;
        rows.push(row);
        bytes = rest;
    }
    Some(rows)
}

/// So many records, and what follows them.
fn some_rows(mut bytes: &[u8], count: u64) -> Option<(Vec<&[u8]>, &[u8])> {
    let mut rows = Vec::new();
    for _ in 0..count {
        let (row, rest) = next_row(bytes)?;
        rows.push(row);
        bytes = rest;
    }
    Some((rows, bytes))
}

fn next_row(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    bytes.get(4..)?.split_at_checked(stated_length(bytes)?)
}

fn stated_length(bytes: &[u8]) -> Option<usize> {
    usize::try_from(u32::from_be_bytes(*bytes.first_chunk()?)).ok()
}

/// Takes what a log holds into the tables, for a database that was not closed. Answers the log, if one is in use.
pub(super) fn recover(
    db: &Database,
    path: &Path,
    anchor: [u8; 32],
    beside: &dyn Beside,
) -> Result<Option<Wal>, JournalError> {
    let Some(name) = name_in(db)? else { return Ok(None) };
    let found = beside.find().and_then(|disk| disk.map(|disk| Ok((read(disk.as_ref(), &name)?, disk))).transpose());
    let Some((Some(bytes), disk)) = found.map_err(|error| on_file("read its log", beside.path(), &error))? else {
        let log = beside.path().display();
        return Err(unreadable(path, format!("its end lies in {log}, which is not there or another's: put it back")));
    };
    let (_, mut last) = ends(db, anchor)?;
    let frames_at = bytes.get(length(FRAMES_AT)..).unwrap_or_default();
    let halves = frames_at.split_at_checked(length(half_bytes(bytes.len() as u64))).unwrap_or_default();
    let (mut frames, mut rests) = (Vec::new(), Vec::new());
    // Which of them is the older one is told by where they go on; the first one is looked at before and after.
    for half in [halves.0, halves.1, halves.0] {
        let mut rest = half;
        while let Some((frame, behind)) = next_frame(rest, &last) {
            last = frame.commit;
            frames.push(frame);
            rest = behind;
        }
        rests.push(rest);
    }
    let begins_later = |half| head(half).is_some_and(|(commit, _)| commit.first > last.last.next());
    if rests.iter().any(|rest| goes_on(rest, &last)) || begins_later(halves.0) || begins_later(halves.1) {
        let damaged = format!("its log {} is damaged behind position {}", beside.path().display(), last.last);
        return Err(unreadable(path, format!("{damaged}, and what follows there was acknowledged: restore a backup")));
    }
    if !frames.is_empty() {
        let commits: Vec<Commit> = frames.iter().map(|frame| frame.commit).collect();
        let rows =
            frames.iter().flat_map(|frame| (frame.commit.first.0..).map(Position).zip(frame.rows.iter().copied()));
        transact(db, |txn| insert(txn, rows, &commits))?;
        tracing::info!(commits = frames.len(), tail = %last.last, "the end of the journal was taken from its log");
    }
    Ok(Some(Wal::empty(disk, bytes.len() as u64)))
}

/// All bytes of a log, if it has this name. It is as long as it was made, which need not be what logs are given now.
fn read(disk: &dyn StorageBackend, name: &Name) -> io::Result<Option<Vec<u8>>> {
    let long = disk.len()?;
    let mut head = [0; MAGIC.len() + size_of::<Name>()];
    if long < FRAMES_AT {
        return Ok(None);
    }
    disk.read(0, &mut head)?;
    if head.strip_prefix(MAGIC) != Some(name.as_slice()) {
        return Ok(None);
    }
    let mut bytes = vec![0; length(long)];
    disk.read(0, &mut bytes)?;
    Ok(Some(bytes))
}

/// The log that the database needs, if it needs one.
pub(super) fn name_in(db: &impl ReadableDatabase) -> Result<Option<Name>, JournalError> {
    let doing = "look for its log";
    let txn = db.begin_read().map_err(failed(doing))?;
    let meta = match txn.open_table(META) {
        // It is no journal, which others tell.
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        meta => meta.map_err(failed(doing))?,
    };
    let name = meta.get(names::LOG).map_err(failed(doing))?;
    Ok(name.and_then(|name| name.value().try_into().ok()))
}

/// Notes in the database which log it needs from now on. A release that knows of no logs refuses it until there is
/// none.
pub(super) fn note(txn: &WriteTransaction, name: Option<&Name>) -> Result<(), JournalError> {
    let doing = "name its log";
    let mut meta = txn.open_table(META).map_err(failed(doing))?;
    let format = if name.is_some() { FORMAT_WITH_LOG } else { FORMAT };
    meta.insert(names::FORMAT, format.to_be_bytes().as_slice()).map_err(failed(doing))?;
    match name {
        Some(name) => meta.insert(names::LOG, name.as_slice()).map(drop).map_err(failed(doing)),
        None => meta.remove(names::LOG).map(drop).map_err(failed(doing)),
    }
}
