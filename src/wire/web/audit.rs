//! The journal in its own order, for those who must account for it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::event::Author;

/// A stretch of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditPage {
    pub records: Vec<AuditRecord>,
    /// Pass it as `?from=` to go on.
    pub next: u64,
    /// Where it was asked for backwards: pass it as `?before=` to go on; absent at the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<u64>,
    /// The last position there is.
    pub tail: u64,
    pub epoch: String,
}

/// One record, without its payload: who did what to which stream, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditRecord {
    pub position: u64,
    pub stream: String,
    pub sequence: u64,
    pub at: String,
    pub kind: String,
    pub by: Author,
    pub data: Map<String, Value>,
    pub payload_bytes: u64,
}

/// Links of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditCommits {
    pub commits: Vec<AuditCommit>,
    /// Pass it as `?from=` to go on.
    pub next: u64,
}

/// What was committed at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditCommit {
    pub first: u64,
    pub last: u64,
    pub at: String,
    /// The SHA-256 chain up to and including this commit, in hex.
    pub link: String,
}

/// What a walk over the whole chain found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    pub clean: bool,
    pub records: u64,
    pub commits: u64,
    /// Records whose body was trimmed; their digests still hold the chain together.
    pub trimmed: u64,
    /// The last link, in hex.
    pub head: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// How far a walk got: the data of the SSE event `progress`, before the one that is called `verified`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerificationProgress {
    pub position: u64,
    pub tail: u64,
}

/// The first thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    pub position: u64,
    pub reason: String,
}
