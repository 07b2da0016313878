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
