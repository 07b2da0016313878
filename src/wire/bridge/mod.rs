//! The ccb bridge: what its workers and runners say, and what may be said to them.
//!
//! Three families: [`environment`] is what a runner asks for, [`session`] is how conversations are made and kept,
//! and messages are the conversation itself: [`classify`] reads the worker's, [`outgoing`] writes ours.
//! Knows no relay: which event a message becomes is decided above.

use serde::{Deserialize, Serialize};

pub mod environment;
mod incoming;
mod outgoing;
pub mod session;
pub mod worker;

pub use incoming::{Activity, Asks, Classified, Kind, Malformed, Said, Says, classify};
pub use outgoing::{Control, KEEP_ALIVE, control_request, permission_answer, user_message};

/// The one error body of these clients. They read `error.message`, and look for `expired` in `error.type`.
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

/// An empty object: what most calls answer, and take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}
