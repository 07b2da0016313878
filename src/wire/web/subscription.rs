//! Who is woken when streams grow, as those see it who look after it. Making and ending them is the streams' own API.

use serde::{Deserialize, Serialize};

use crate::domain::id::{OwnerId, SubscriptionId};

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    pub id: SubscriptionId,
    pub owner_id: OwnerId,
    pub name: String,
    pub delivery: Delivery,
    /// What streams must be called to be followed; absent if they are named one by one.
    pub pattern: Option<String>,
    pub created_at: String,
    /// Streams that it follows, and how many of them have news.
    pub streams: u64,
    pub streams_pending: u64,
    pub state: WakeState,
    /// Counts its wakes.
    pub generation: u64,
    /// Deliveries that failed in a row.
    pub failures: u32,
    /// When the next one is attempted.
    pub retry_at: Option<String>,
}

/// How it reaches somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Delivery {
    /// A call to this host. The rest of the URL may hold a secret, and stays away.
    Webhook { host: String },
    /// Workers claim what stands in this stream.
    PullWake { stream: String },
}

/// Whether somebody was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WakeState {
    /// There is nothing to tell.
    Idle,
    /// Nobody is known to have the wake.
    Issued,
    /// The webhook took it.
    Delivered,
    /// A worker has it.
    Claimed,
}
