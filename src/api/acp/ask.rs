//! What a viewer asks of whoever holds an agent's line, and what it is answered. Both are one task's words to another:
//! they are in the form of JSON because the floor between them knows no protocol.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::domain::SessionId;

/// A question.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ask {
    /// Answered by the next frame, whatever it says.
    Alive,
    Start,
    List(Box<RawValue>),
    Open(Box<RawValue>),
    /// To this conversation of the agent, which we may not know; with its history told, or without.
    Turn {
        foreign: String,
        load: bool,
        payload: Box<RawValue>,
    },
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reply {
    /// What the link said.
    Frame(String),
    /// The link is in this conversation.
    Session(SessionId),
    /// The link said no, in these words.
    Failed(String),
}

impl Ask {
    pub(super) fn words(&self) -> Bytes {
        words(self)
    }

    pub(super) fn of(words: &[u8]) -> Option<Self> {
        serde_json::from_slice(words).ok()
    }

    /// Whether the link leaves the conversation that it is in.
    pub(super) const fn turns(&self) -> bool {
        matches!(self, Self::Open(_) | Self::Turn { .. })
    }
}

impl Reply {
    pub(super) fn words(&self) -> Bytes {
        words(self)
    }

    pub(super) fn of(words: &[u8]) -> Option<Self> {
        serde_json::from_slice(words).ok()
    }
}

fn words<T: Serialize>(value: &T) -> Bytes {
    Bytes::from(serde_json::to_vec(value).expect("our words are enums of text and valid JSON"))
}
