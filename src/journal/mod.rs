//! The event log: one dense order of records, durable before anybody hears of it.
//!
//! ```text
//!  positions   1 2 3 4 5 6 7 8 9 …                    one per record, dense, in commit order, never reused
//!  batches    [1 2 3][4][5 6 7 8] …                   one commit each: all of it is there after a crash, or nothing
//!  a stream      1     2   3 4                        sequences: dense per stream, from 1
//!                ^trimmed^ ^horizon        ^tail
//! ```
//!
//! * **tail** is the last durable record that was shown. What `append` returned for is at or below it for good.
//! * **horizon** is the earliest sequence of a stream that can still be read. Reading below it is a
//!   [`JournalError::Gap`], never an empty answer and never a later record.
//! * **epoch** names this numbering. It changes on restore and on truncation, and only then.
//! * Each batch closes with a link of a SHA-256 chain over its records; [`JournalReader::verify`] walks it.
//!
//! Appending needs `&mut`: there is one writer, in the type. Reading needs `&` and may happen on any thread; a read
//! is a consistent snapshot, bounded in records and bytes, and holds nothing open when it returns.
//!
//! This module may not know what events mean, beyond [`Event::shapes_world`](crate::domain::Event::shapes_world), which
//! tells what start-up must read.

use std::{
    fmt::Debug,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::domain::{DedupeKey, Epoch, Position, Record, Sequence, Stream, Timestamp};

mod batch;
mod chain;
mod codec;
pub mod memory;
mod page;
pub mod redb;

pub use batch::{Batch, Durable};
pub use memory::MemoryJournal;
pub use redb::{Copied, RedbJournal, RedbReader, backup, fresh_epoch, maintenance, restore};

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod scribe;

/// What can go wrong with a journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The sequence asked for was trimmed away.
    #[error("{stream} is kept from sequence {earliest} on; sequence {asked} is gone: start over from {earliest}")]
    Gap { stream: Stream, asked: Sequence, earliest: Sequence, latest: Sequence },
    /// The batch does not continue the journal: another writer was here, or the caller miscounted. Nothing was written.
    #[error("the batch starts at position {given} but the journal ends at {tail}: another writer was here")]
    Conflict { given: Position, tail: Position },
    /// A stream's sequence in the batch does not continue that stream. Nothing was written.
    #[error("the batch has sequence {given} of {stream} where {expected} was expected")]
    Order { stream: Stream, given: Sequence, expected: Sequence },
    /// A record is larger than any payload that is let in. Nothing was written.
    #[error(
        "the record at position {position} takes {bytes} bytes; at most {bytes_max} are kept: refuse it at the door"
    )]
    TooLarge { position: Position, bytes: usize, bytes_max: usize },
    /// Another process has the file.
    #[error("{} is in use by another process: stop that one first, or ask it over the network", path.display())]
    InUse { path: PathBuf },
    /// The file is of a later release, or not a journal at all.
    #[error("{} cannot be read by this release: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: String },
    /// Stored bytes are not what was written.
    #[error("record at position {position} is damaged: {reason}; run `rcsctl audit verify` and restore a backup")]
    Damaged { position: Position, reason: String },
    /// The disk, the file system or the database refused.
    #[error("the journal cannot {doing}: {source}")]
    Storage { doing: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
}

impl JournalError {
    /// Whether the disk had no room left.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Storage { source, .. } if redb::is_disk_full(source.as_ref()))
    }
}

/// The ends of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamTail {
    /// The earliest sequence that can be read; `latest.next()` when everything was trimmed.
    pub earliest: Sequence,
    /// The last sequence there is.
    pub latest: Sequence,
    /// When that last record was made.
    pub at: Timestamp,
}

/// How much one read may return, in records and in stored bytes. Both bounds hold, but one record is always returned
/// if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub records_max: usize,
    pub bytes_max: usize,
}

/// One link of the chain: what one batch committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit {
    pub first: Position,
    pub last: Position,
    pub at: Timestamp,
    /// `SHA-256(previous link ‖ first ‖ last ‖ time ‖ digest of each record)`.
    pub link: [u8; 32],
}

/// What [`JournalReader::verify`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Records and commits walked.
    pub records: u64,
    pub commits: u64,
    /// Records whose body was trimmed; their digests still hold the chain together.
    pub trimmed: u64,
    /// The last link: what a signed checkpoint would sign.
    pub head: [u8; 32],
    /// The first thing that is wrong, if anything is.
    pub fault: Option<Fault>,
}

/// Where and how a journal differs from what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub position: Position,
    pub reason: String,
}

/// The one hand that writes.
pub trait Journal: Debug + Send {
    /// Makes the batch durable. Returns after the sync. No reader sees anything of it before it is
    /// [shown](Self::show), which comes next.
    ///
    /// Records are numbered by the caller; the journal checks that positions follow its tail without a hole and that
    /// sequences follow each stream's tail, and refuses the whole batch otherwise. After a [`JournalError::Storage`]
    /// nothing more may be written: the process must start again from what is on disk. An empty batch writes nothing
    /// and answers the last commit.
    fn store<'a>(&mut self, batch: &'a Batch) -> Result<Durable<'a>, JournalError>;

    /// Shows a batch to all readers at once. Quick, so that whoever keeps a view of their own can move it in the same
    /// moment, under their own lock.
    fn show(&mut self, durable: Durable<'_>) -> Commit;

    /// Seals the records, and commits and shows them as one batch.
    fn append(&mut self, records: &[Arc<Record>]) -> Result<Commit, JournalError> {
        let batch = Batch::of(records)?;
        let durable = self.store(&batch)?;
        Ok(self.show(durable))
    }

    /// Forgets the bodies of a stream up to and including `through`, keeping their digests in the chain. Returns how
    /// many were forgotten by this call; call again until it is 0. Each call is bounded and durable on its own.
    fn trim(&mut self, stream: Stream, through: Sequence) -> Result<usize, JournalError>;

    /// Brings every index up to the tail, so that the next start has nothing to catch up, and everything into the one
    /// file. The orderly end.
    fn checkpoint(&mut self) -> Result<(), JournalError>;

    /// Whom to call, on whatever thread, when something fails that is done aside: nobody may come for a while who would
    /// be told.
    fn on_failure_aside(&mut self, _alarm: fn(&JournalError)) {}

    /// A reader of this journal, for any thread.
    fn reader(&self) -> Arc<dyn JournalReader>;
}

/// The many eyes that read.
pub trait JournalReader: Debug + Send + Sync {
    /// The numbering's identity.
    fn epoch(&self) -> Epoch;

    /// The last durable position; [`Position::ZERO`] when empty.
    fn tail(&self) -> Position;

    /// The ends of a stream; `None` if nothing was ever appended to it.
    fn stream_tail(&self, stream: Stream) -> Result<Option<StreamTail>, JournalError>;

    /// The ends of all streams, in the order of their stored names.
    fn stream_tails(&self) -> Result<Vec<(Stream, StreamTail)>, JournalError>;

    /// Records of one stream from `from` on (inclusive), in order and without a hole. Empty at the tail. A range that
    /// was trimmed is a [`JournalError::Gap`].
    fn read_stream(&self, stream: Stream, from: Sequence, bounds: Bounds) -> Result<Vec<Arc<Record>>, JournalError>;

    /// Records of all streams from `from` on (inclusive), in commit order. Trimmed records are left out.
    fn read_all(&self, from: Position, bounds: Bounds) -> Result<Vec<Arc<Record>>, JournalError>;

    /// As [`read_all`](Self::read_all), but only records that shape the world, without their payloads unless the event
    /// is [`MetadataPatched`](crate::domain::Event::MetadataPatched). What start-up reads: its cost does not grow with
    /// transcripts. Calls `each` in commit order; trimmed records that shape the world are kept for this.
    fn read_facts(&self, each: &mut dyn FnMut(Record)) -> Result<(), JournalError>;

    /// Where in `stream` the record with this key stands, trimmed or not.
    fn find(&self, stream: Stream, key: DedupeKey) -> Result<Option<Sequence>, JournalError>;

    /// Commits from the one that holds `from` on, at most `commits_max`.
    fn commits(&self, from: Position, commits_max: usize) -> Result<Vec<Commit>, JournalError>;

    /// The file that it lies in, if it lies in one.
    fn file(&self) -> Option<&Path> {
        None
    }

    /// Copies it, as it is at one moment, to a new file at `dest`, while the writer goes on.
    fn copy_to(&self, dest: &Path) -> Result<Copied, JournalError> {
        let source = format!("{}: it lies in no file", dest.display()).into();
        Err(JournalError::Storage { doing: "be copied", source })
    }

    /// Recomputes the chain from the first record to the tail, calling `progress` with each position passed.
    fn verify(&self, progress: &mut dyn FnMut(Position)) -> Result<Verdict, JournalError>;
}
