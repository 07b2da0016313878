//! What the events of users' streams carry. On disk like the events themselves: fields only grow.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::{
    envelope::Timestamp,
    id::{OwnerId, UserStreamId},
};

/// See [`Event::UserStreamCreated`](super::Event::UserStreamCreated).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserStreamCreated {
    pub stream: UserStreamId,
    pub owner: OwnerId,
    pub name: Arc<str>,
    pub content_type: Arc<str>,
    pub lifetime: Lifetime,
    pub fork: Option<ForkPoint>,
}

/// How long a stream lives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lifetime {
    /// Until it is deleted.
    #[default]
    Forever,
    /// Until nobody read from it or wrote to it for so long.
    Sliding { seconds: u64 },
    /// Until this moment.
    Until { at: Timestamp },
}

/// Where a fork parts from its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkPoint {
    pub source: UserStreamId,
    /// The last position that they share.
    pub position: u64,
    /// How much of the source's next append the fork begins with, as it was asked for: bytes, or messages. The part
    /// itself is the fork's first append.
    #[serde(default)]
    pub part: u64,
}

/// See [`Event::UserAppended`](super::Event::UserAppended). Without any of these it is only counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserAppended {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub producer: Option<ProducerStamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_seq: Option<Arc<str>>,
    /// Nothing comes after it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub closes: bool,
}

/// See [`Event::UserStreamClosed`](super::Event::UserStreamClosed).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserStreamClosed {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub producer: Option<ProducerStamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_seq: Option<Arc<str>>,
}

/// By whom, and the how-manieth of theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProducerStamp {
    pub id: Arc<str>,
    pub epoch: u64,
    pub seq: u64,
}
