//! Runners and their work queues.

use serde::{Deserialize, Serialize};

use crate::domain::id::{EnvironmentId, OwnerId, SessionId, WorkId};

/// A runner, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    pub id: EnvironmentId,
    pub owner_id: OwnerId,
    pub status: EnvironmentStatus,
    pub machine_name: String,
    pub directory: String,
    pub branch: Option<String>,
    pub git_repo_url: Option<String>,
    pub max_sessions: u32,
    pub worker_type: String,
    pub registered_at: String,
    /// When the status last changed.
    pub changed_at: String,
    /// Items that wait to be handed out or confirmed.
    pub work_queued: u64,
    /// Items that were handed out too often and wait for an operator.
    pub work_parked: u64,
}

/// Whether a runner is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnvironmentStatus {
    Online,
    Offline,
    /// It signed off; it may come back under the same id.
    Deregistered,
}

/// A runner and its queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentDetail {
    #[serde(flatten)]
    pub environment: Environment,
    /// Everything that is not done, in the order of queueing.
    pub work: Vec<WorkItem>,
    /// What a new session there may ask for.
    pub offers: Offers,
}

/// What a new session at a runner may ask for: nothing else is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offers {
    pub spawn: Spawn,
    /// Why no session can be begun there; absent if one can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Closed>,
    /// How many more sessions it runs beside those it has; one more waits until another ends. Absent where there is no
    /// such limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free: Option<u64>,
    /// Sessions may begin in other directories than its own.
    pub any_directory: bool,
    /// Directories that sessions were begun in, the latest first.
    pub directories: Vec<String>,
    pub modes: Vec<Choice>,
    /// Models that it announced; where it announces none, those that its sessions used.
    pub models: Vec<Choice>,
    /// Other models may be named, too.
    pub any_model: bool,
    /// The agent's program, as it called itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// What the agent said that it can do, in its own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<serde_json::Value>,
}

/// How a runner runs sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spawn {
    /// One, which it has begun itself.
    Single,
    /// Each by a worker of its own.
    Several,
    /// All by one program.
    Shared,
}

/// Why no session can be begun at a runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Closed {
    /// It takes one session, and has it.
    Taken,
    /// It has as many conversations as are kept for one.
    Full,
    /// It signed off.
    Deregistered,
}

/// One of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// One item of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkItem {
    pub id: WorkId,
    pub session_id: SessionId,
    pub stage: WorkStage,
    pub queued_at: String,
    /// How often it was handed out.
    pub attempts: u32,
    /// When it was handed out or confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}

/// How far an item got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkStage {
    Queued,
    Leased,
    Acked,
    Parked,
}

/// A work item was replaced by a fresh one for the same session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requeued {
    pub work_id: WorkId,
    pub session_id: SessionId,
}
