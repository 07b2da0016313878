//! Changes of an agent's course. Each has a body of its own: there is no raw pass-through.

use serde::{Deserialize, Serialize};

use crate::domain::id::RequestId;

/// Asks for a permission mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetMode {
    pub mode: String,
}

/// Asks for a model; `default` resets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetModel {
    pub model: String,
}

/// Bounds the tokens for thinking; null resets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetThinking {
    pub max_thinking_tokens: Option<u32>,
}

/// The request is durable and on its way. The worker's answer is an event of the session's stream with the same id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlRequested {
    pub request_id: RequestId,
    pub sequence: u64,
}
