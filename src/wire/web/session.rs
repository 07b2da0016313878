//! Conversations: lists, particulars, creation, archive.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};

use super::problem::Problem;
use crate::domain::id::{EnvironmentId, MessageId, OwnerId, RequestId, SessionId};

/// A conversation, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub id: SessionId,
    pub owner_id: OwnerId,
    pub title: Option<String>,
    pub status: SessionStatus,
    pub environment_id: Option<EnvironmentId>,
    /// The directory asked for at creation; absent where it is the runner's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// Who made it: `remote-control`, `api`, `web`, ...
    pub source: String,
    pub created_at: String,
    /// When its stream last grew: lists are sorted by this.
    pub active_at: String,
    pub archived_at: Option<String>,
    /// People want it before the others.
    #[serde(default)]
    pub pinned: bool,
    /// The permission mode that the worker confirmed; before that, the one asked for.
    pub mode: Option<String>,
    /// The model that the worker confirmed; before that, the one asked for.
    pub model: Option<String>,
    pub worker: Worker,
    /// The last sequence of its stream.
    pub latest: u64,
    /// Questions that wait for a decision.
    pub permissions_open: u64,
    /// Prompts, answers and control requests that the worker has not confirmed.
    pub queued: u64,
}

/// What a conversation is up to, in the order in which one outranks the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionStatus {
    Archived,
    /// The agent waits for a human. Questions can be decided while the worker is away.
    Waiting,
    /// No worker is there.
    Offline,
    Working,
    Idle,
}

impl SessionStatus {
    /// The text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Archived => "archived",
            Self::Waiting => "waiting",
            Self::Offline => "offline",
            Self::Working => "working",
            Self::Idle => "idle",
        }
    }
}

/// The process that runs the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worker {
    pub online: bool,
    pub epoch: u64,
    /// When `online` last changed.
    pub changed_at: Option<String>,
}

/// A conversation with everything that is not in its stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionDetail {
    #[serde(flatten)]
    pub session: Session,
    /// The permission mode asked for at creation.
    pub requested_mode: Option<String>,
    /// The model asked for at creation.
    pub requested_model: Option<String>,
    /// The modes that its agent offers, as far as it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modes: Option<Vec<String>>,
    /// The models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<String>>,
    /// What the worker says of itself, merged.
    pub metadata: Map<String, Value>,
    /// What is allowed without asking.
    pub rules: Vec<Rule>,
    /// What waits for the worker, in order.
    pub queue: Vec<QueuedItem>,
}

/// "Allow this without asking": the same tool, on the same subject where the request named one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    pub name: String,
    pub tool: String,
    pub subject: Option<String>,
}

/// One thing that waits for the worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedItem {
    pub sequence: u64,
    pub kind: QueuedKind,
    /// It was handed to a connection and is not confirmed yet.
    pub delivered: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
}

/// What waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueuedKind {
    Message,
    Answer,
    Control,
}

/// Asks for a conversation. All parts are optional: without an environment it waits for a worker that knows its id.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateSession {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment_id: Option<EnvironmentId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The first message: text or a list of content blocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission_mode: Option<String>,
    /// Where it begins, if not in the environment's own directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
}

/// Changes what people arrange conversations by: what is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArrangeSession {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Before the others, or no longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<bool>,
}

/// What became of an archive request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archive {
    pub id: SessionId,
    /// It was archived before: nothing happened.
    pub already: bool,
}

/// Puts several conversations away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveMany {
    pub ids: Vec<SessionId>,
}

/// What became of each, in the order asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchivedMany {
    pub results: Vec<ArchiveResult>,
}

/// What became of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveResult {
    pub id: SessionId,
    pub archived: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}
