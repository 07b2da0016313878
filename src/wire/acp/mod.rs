//! Agents behind acp-link: what they are told, what they say, and what their viewers say.
//!
//! Three vocabularies of `{"type": ..., "payload": ...}` objects: [`link`] is the agent's side, [`viewer`] the side of
//! whoever looks on, [`listing`] what is asked over plain HTTP. None has request ids; the ids of ACP itself end at the
//! link. Payloads of agents are peeked at and kept as they came. Knows no relay.

use serde::{Deserialize, Serialize};

pub mod about;
pub mod answer;
pub mod link;
pub mod listing;
pub mod offers;
pub mod viewer;

/// The one error body of these clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    pub error: ErrorDetail,
}

/// See [`ErrorBody`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorDetail {
    #[serde(rename = "type")]
    pub kind: String,
    pub message: String,
}

impl ErrorBody {
    /// An error of this type with these words.
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self { error: ErrorDetail { kind: kind.into(), message: message.into() } }
    }
}

/// What keeps a line awake; ignored by every client.
pub const KEEP_ALIVE: &str = r#"{"type":"keep_alive"}"#;
/// What every link answers with a [`PONG`].
pub const PING: &str = r#"{"type":"ping"}"#;
/// The answer to a ping.
pub const PONG: &str = r#"{"type":"pong"}"#;

/// A frame of our own, as text.
pub fn text<T: Serialize>(frame: &T) -> String {
    // Ours are structs of text, numbers and valid JSON: there is nothing in them that could fail.
    serde_json::to_string(frame).unwrap_or_default()
}

/// `{}`.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Empty {}

/// An error, in the shape of the link: with a payload.
pub fn error(message: &str) -> String {
    #[derive(Serialize)]
    struct Payload<'a> {
        message: &'a str,
    }
    #[derive(Serialize)]
    struct Frame<'a> {
        #[serde(rename = "type")]
        kind: &'static str,
        payload: Payload<'a>,
    }
    text(&Frame { kind: "error", payload: Payload { message } })
}

/// An error, in the shape of the server: flat. Clients know both by their place.
pub fn flat_error(message: &str) -> String {
    #[derive(Serialize)]
    struct Frame<'a> {
        #[serde(rename = "type")]
        kind: &'static str,
        message: &'a str,
    }
    text(&Frame { kind: "error", message })
}

/// What a viewer is told when the agent cannot be reached.
pub const DISCONNECTED: &str = r#"{"type":"status","payload":{"connected":false}}"#;

#[cfg(test)]
mod tests;
