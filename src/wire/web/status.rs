//! How the server is.

use serde::{Deserialize, Serialize};

/// What one look shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerStatus {
    pub version: String,
    /// The numbering in force.
    pub epoch: String,
    /// The last durable position.
    pub tail: u64,
    pub now: String,
    /// Commands that wait for the writer.
    pub queue_depth: u64,
    /// Streams that somebody follows.
    pub streams_followed: u64,
    /// Of what the caller may see.
    pub counts: Counts,
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
