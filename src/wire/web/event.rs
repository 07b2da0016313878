//! One record of a session's stream, as pages, SSE and sockets show it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};

use crate::domain::id::{DeviceId, EnvironmentId, KeyId, SessionId, SubscriptionId};

/// One thing that happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Event {
    /// Its place in the stream: dense from 1, and what a client resumes by.
    pub sequence: u64,
    /// Its place in the journal: what an audit speaks of.
    pub position: u64,
    pub at: String,
    /// What sort of event; new kinds may come, old ones stay.
    pub kind: String,
    pub by: Author,
    /// The event's own fields.
    pub data: Map<String, Value>,
    /// What the worker or the author said, as their own bytes.
    pub payload: Option<Box<RawValue>>,
}

/// Who caused it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type", content = "id")]
pub enum Author {
    /// Somebody with an API key.
    Key(KeyId),
    /// The session's worker.
    Worker(SessionId),
    /// A runner.
    Environment(EnvironmentId),
    /// The server: timers, start-up, retention.
    System,
    /// Somebody without a credential.
    Anonymous,
    /// Whoever was woken by this subscription.
    Woken(SubscriptionId),
    /// Somebody in a browser.
    Device(DeviceId),
}

/// A page of history.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EventPage {
    pub events: Vec<Event>,
    /// Pass it as `?after=` to go on; equal to what was passed when there is nothing more yet.
    pub next: u64,
    /// The last sequence there is.
    pub latest: u64,
    /// The first sequence that can still be read.
    pub earliest: u64,
    /// The numbering that these sequences belong to.
    pub epoch: String,
}

/// The last thing that a stream says when it cannot go on from where the reader is: the data of the SSE event `gap`,
/// and the last text frame of a socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Always `gap`, which is no kind of event.
    pub kind: GapTag,
    pub earliest: u64,
    pub latest: u64,
    pub epoch: String,
    pub detail: String,
}

/// Tells a [`Gap`] from an [`Event`] on a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapTag {
    Gap,
}
