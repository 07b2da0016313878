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
