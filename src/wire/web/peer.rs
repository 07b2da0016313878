//! The control API `/web` of ccb's stock server, as its web page and scripts speak it.
//!
//! Times are numbers of seconds or milliseconds and names change their case, because its clients expect that.

use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use super::message::FileAttachment;
use crate::domain::id::{EnvironmentId, MessageId, RequestId, SessionId};

/// A conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PeerSession {
    pub id: SessionId,
    pub environment_id: Option<EnvironmentId>,
    pub title: Option<String>,
    /// `idle`, `running`, `requires_action`, `inactive` or `archived`.
    pub status: String,
    pub source: String,
    pub permission_mode: Option<String>,
    pub worker_epoch: u64,
    pub username: Option<String>,
    /// Seconds.
    pub created_at: f64,
    /// Seconds.
    pub updated_at: f64,
    /// What the worker says of its timers, if it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automation_state: Option<Value>,
}

/// A conversation in the short list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PeerSessionSummary {
    pub id: SessionId,
    pub title: Option<String>,
    pub status: String,
    pub username: Option<String>,
    /// Seconds.
    pub updated_at: f64,
}

/// A runner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PeerEnvironment {
    pub id: EnvironmentId,
    pub machine_name: String,
    pub directory: String,
    pub branch: Option<String>,
    /// `active` or `disconnected`.
    pub status: String,
    pub username: Option<String>,
    /// Seconds. We know when a runner was last seen to come or go, not each poll.
    pub last_poll_at: Option<f64>,
    pub worker_type: String,
    pub channel_group_id: Option<String>,
    pub capabilities: Option<Value>,
}

/// Claims a session. It claims nothing here: the caller's credential does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerBind {
    #[serde(rename = "sessionId")]
    pub session_id: SessionId,
}

/// The session is the caller's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerBound {
    pub ok: bool,
    #[serde(rename = "sessionId")]
    pub session_id: SessionId,
}

/// Asks for a session. Unknown members are ignored, as the stock server does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerCreateSession {
    #[serde(default)]
    pub environment_id: Option<EnvironmentId>,
    #[serde(default)]
    pub title: Option<String>,
    #[serde(default)]
    pub permission_mode: Option<String>,
}

/// Which way an event went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeerDirection {
    /// From the worker.
    Inbound,
    /// To the worker.
    Outbound,
}

/// An event as `events` streams it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PeerStreamEvent {
    #[serde(rename = "type")]
    pub kind: String,
    pub payload: Box<RawValue>,
    pub direction: PeerDirection,
    #[serde(rename = "seqNum")]
    pub seq_num: u64,
}

/// An event as `history` and the replies to posts show it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PeerEvent {
    pub id: String,
    #[serde(rename = "sessionId")]
    pub session_id: SessionId,
    #[serde(rename = "type")]
    pub kind: String,
    pub payload: Box<RawValue>,
    pub direction: PeerDirection,
    #[serde(rename = "seqNum")]
    pub seq_num: u64,
    /// Milliseconds.
    #[serde(rename = "createdAt")]
    pub created_at: u64,
}

/// The whole history.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PeerHistory {
    pub events: Vec<PeerEvent>,
}

/// What was posted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PeerPosted {
    pub status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<PeerEvent>,
}

/// What is lifted out of a message for the stock page, which reads `payload.content` rather than dig. Also how a
/// message is peeked at: everything else stays in `raw`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct PeerLifted {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<Box<RawValue>>,
    #[serde(default, rename = "isSynthetic", skip_serializing_if = "Option::is_none")]
    pub is_synthetic: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtype: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_list_id: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Box<RawValue>>,
    #[serde(default, rename = "permissionMode", skip_serializing_if = "Option::is_none")]
    pub permission_mode: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slash_commands: Option<Box<RawValue>>,
}

/// What was posted to `events` or `control`: a look at the type, which says what the rest is. Anything that has no type
/// of its own below is refused: the stock server relays it to the agent, so that a web page could run commands there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerPostType {
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// A `user` message.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PeerSaid {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<MessageId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<PeerMessage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_attachments: Option<Vec<FileAttachment>>,
}

/// The content where the agent program has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PeerMessage {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Box<RawValue>>,
}

/// A `permission_response`, as the stock page sends it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PeerAnswer {
    pub request_id: RequestId,
    pub approved: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_input: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_permissions: Option<Box<RawValue>>,
}

/// An answer in the worker's own form.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PeerControlResponse {
    pub request_id: RequestId,
    #[serde(default)]
    pub subtype: String,
    /// Words, with the subtype `error`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<PeerVerdict>,
}

/// The inner answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PeerVerdict {
    /// `allow` or `deny`.
    pub behavior: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    #[serde(default, rename = "updatedInput", skip_serializing_if = "Option::is_none")]
    pub updated_input: Option<Box<RawValue>>,
    #[serde(default, rename = "updatedPermissions", skip_serializing_if = "Option::is_none")]
    pub updated_permissions: Option<Box<RawValue>>,
}

/// A `control_response`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PeerControlResponsePost {
    pub response: PeerControlResponse,
}

/// A `control_request`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerControlRequest {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
    pub request: PeerControl,
}

/// The changes of course that may be asked. A subtype that is not here is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "subtype", rename_all = "snake_case")]
pub enum PeerControl {
    Interrupt,
    SetModel { model: String },
    SetPermissionMode { mode: String },
    SetMaxThinkingTokens { max_thinking_tokens: Option<u32> },
}

/// An error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerError {
    pub error: PeerErrorBody,
}

/// See [`PeerError`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerErrorBody {
    #[serde(rename = "type")]
    pub kind: String,
    pub message: String,
}
