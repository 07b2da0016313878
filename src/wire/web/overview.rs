//! Everything at a glance, and what changed since: what a list of sessions is drawn from.
//!
//! It is a view of the present and not a history: it has no offsets, and whoever connects again gets all of it again.

use serde::{Deserialize, Serialize};

use super::{environment::Environment, session::Session};

/// One frame of the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// This is everything: forget what was there before.
    pub whole: bool,
    /// Sessions that are new or changed; an archived one leaves the list.
    pub sessions: Vec<Session>,
    /// All runners that did not sign off; absent when none of them changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environments: Option<Vec<Environment>>,
    /// The moment, by the server's clock.
    pub now: String,
}
