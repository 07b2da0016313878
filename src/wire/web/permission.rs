//! Questions of an agent and their answers.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};

use super::event::Author;
use crate::domain::id::{RequestId, SessionId};

/// A question.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Permission {
    pub session_id: SessionId,
    pub session_title: Option<String>,
    pub request_id: RequestId,
    pub state: PermissionState,
    /// What the agent wants to use.
    pub tool: String,
    /// What it wants to use it on, when one line says it.
    pub subject: Option<String>,
    pub tool_use_id: Option<String>,
    pub asked_at: String,
    /// Where the question stands in the session's stream.
    pub sequence: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Winner>,
    /// The request as the worker sent it; null when it was trimmed away.
    pub payload: Option<Box<RawValue>>,
}

/// How a question stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PermissionState {
    Open,
    Decided,
    /// The agent took it back, or it was answered at the terminal.
    Cancelled,
}

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Allow,
    Deny,
}

/// For how long a "yes" holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// This question.
    #[default]
    Once,
    /// The same tool on the same subject, as long as this session lives.
    Session,
}

/// An answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecidePermission {
    pub decision: Decision,
    #[serde(default)]
    pub scope: Scope,
    /// Words for the agent, with a "no".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Use the tool on this instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_input: Option<Box<RawValue>>,
    /// Permission updates for the worker, such as one of its own suggestions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_permissions: Option<Box<RawValue>>,
    /// Answers to `AskUserQuestion`, by the text of the question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<Map<String, Value>>,
}

/// The answer is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecidedPermission {
    pub session_id: SessionId,
    pub request_id: RequestId,
    pub decision: Decision,
    /// Where the decision stands in the session's stream.
    pub sequence: u64,
}

/// The decision that holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Winner {
    pub verdict: Decision,
    pub by: Author,
    pub at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
