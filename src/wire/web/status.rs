//! How the server is.

use serde::{Deserialize, Serialize};

use super::{environment::Environment, session::Session};

/// What one look shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerStatus {
    pub version: String,
    /// The numbering in force.
    pub epoch: String,
    /// The last durable position.
    pub tail: u64,
    pub now: String,
    /// Commands that are decided and wait for their commit.
    pub queue_depth: u64,
    /// Streams that somebody follows.
    pub streams_followed: u64,
    /// Of what the caller may see.
    pub counts: Counts,
    /// For those who run the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,
}

/// What is kept, and how its disk is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storage {
    /// Of the journal's file; absent where it lies in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_bytes: Option<u64>,
    /// What its disk has left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_bytes: Option<u64>,
    /// When the earliest record that is there was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_at: Option<String>,
    /// Streams that users made and did not delete.
    pub streams: u64,
    pub subscriptions: u64,
    pub kept: Kept,
    /// Absent before the first commit of this process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_times: Option<CommitTimes>,
    /// The last download of a backup since the start; copies of the file are not known here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_backup: Option<Copied>,
}

/// How long words are kept; what is absent is kept for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Quiet seconds after which all words of an archived session are forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived_seconds: Option<u64>,
    /// Age in seconds at which words are forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<u64>,
    /// Events that are kept of a session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
    /// Age in seconds at which what was appended to streams of users is forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streams_seconds: Option<u64>,
}

/// How long the last commits took, sync included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitTimes {
    /// How many were looked at.
    pub commits: u64,
    pub median_micros: u64,
    /// One in a hundred took longer.
    pub slow_micros: u64,
    pub slowest_micros: u64,
}

/// A backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    pub at: String,
    pub bytes: u64,
}

/// How many there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub environments: u64,
    pub environments_online: u64,
    /// Not archived.
    pub sessions: u64,
    pub sessions_archived: u64,
    pub sessions_waiting: u64,
    pub sessions_working: u64,
    pub workers_online: u64,
    pub permissions_open: u64,
    pub work_parked: u64,
}

/// Everything at a glance, and what changed since: one frame of a stream from which a list of sessions is drawn. A view
/// of the present and not a history: it has no offsets, and whoever connects again gets all of it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// This is everything: forget what was there before.
    pub whole: bool,
    /// Sessions that are new or changed; an archived one leaves the list.
    pub sessions: Vec<Session>,
    /// All runners that did not sign off; absent when none of them changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environments: Option<Vec<Environment>>,
    /// The moment, by the server's clock.
    pub now: String,
}
