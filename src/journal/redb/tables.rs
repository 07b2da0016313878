//! The tables.
//!
//! | table      | key                              | value                                   | rows             |
//! |------------|----------------------------------|-----------------------------------------|------------------|
//! | `events`   | position, u64 (8)                | a record, or what is left of it (≥ 60)  | one per record   |
//! | `commits`  | last position, u64 (8)           | first position, time, link (48)         | one per commit   |
//! | `meta`     | name (3–10)                      | u64 or digest (8 or 32)                 | five or six      |
//! | `segments` | stream key, first sequence (25)  | (position, short key) of each (16 n)    | one per stream and
//! checkpoint that saw it |
//! | `streams`  | stream key (17)                  | earliest, latest, time of latest (24)   | one per stream   |
//! | `facts`    | first position, u64 (8)          | digest, heads of shaping records (≤ 256 KiB) | one or more per
//! checkpoint |
//!
//! The first three are the journal. The last three are an index of it: made at checkpoints only, so that what
//! the log held goes to the ends of two tables, and made again from the first three when they are missing or of another
//! version. Names and layouts are for ever; a new layout is a new name, or for the index a new [`INDEX`].

use ::redb::TableDefinition;

use crate::{
    domain::stream::STREAM_KEY_BYTES,
    journal::codec::rows::{COMMIT_BYTES, SEGMENT_KEY_BYTES, STREAM_BYTES},
};

pub(super) const EVENTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("events");
pub(super) const COMMITS: TableDefinition<'_, u64, &[u8; COMMIT_BYTES]> = TableDefinition::new("commits");
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
pub(super) const SEGMENTS: TableDefinition<'_, &[u8; SEGMENT_KEY_BYTES], &[u8]> = TableDefinition::new("segments");
pub(super) const STREAMS: TableDefinition<'_, &[u8; STREAM_KEY_BYTES], &[u8; STREAM_BYTES]> =
    TableDefinition::new("streams");
pub(super) const FACTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("facts");

/// The version of `events`, `commits` and `meta`.
pub(super) const FORMAT: u64 = 1;
/// The same, of a journal whose end may lie in a log beside it. An orderly end makes it [`FORMAT`] again.
pub(super) const FORMAT_WITH_LOG: u64 = 3;
/// The same, with a log that this release does not read.
pub(super) const FORMAT_WITH_OLD_LOG: u64 = 2;
/// The version of `segments`, `streams` and `facts`.
pub(super) const INDEX: u64 = 1;

/// Names in `meta`.
pub(super) mod names {
    /// [`FORMAT`](super::FORMAT) of the file. A file without it is not (or not yet wholly) a journal.
    pub(in crate::journal::redb) const FORMAT: &str = "format";
    pub(in crate::journal::redb) const EPOCH: &str = "epoch";
    /// What the first link hangs on.
    pub(in crate::journal::redb) const ANCHOR: &str = "anchor";
    /// [`INDEX`](super::INDEX) of the index tables.
    pub(in crate::journal::redb) const INDEX: &str = "index";
    /// The last position that the index covers.
    pub(in crate::journal::redb) const CHECKPOINT: &str = "checkpoint";
    /// Which log holds what is not in the tables. Absent when everything is.
    pub(in crate::journal::redb) const LOG: &str = "log";
}
