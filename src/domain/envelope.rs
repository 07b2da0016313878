//! What every record carries, whatever it says: where it stands, when it was made, by whom, under which key.
//!
//! Positions and sequences are assigned by the writer; this module knows neither clock nor journal.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    event::Event,
    id::{DeviceId, EnvironmentId, KeyId, SessionId, SubscriptionId},
    stream::Stream,
};

/// The place of a record in the whole journal, dense from 1. Audit, export and replication count in positions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub u64);

/// The place of a record in its stream, dense from 1. Clients resume by sequence. 0 means "before the first".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sequence(pub u64);

macro_rules! counters {
    ($($name:ident),*) => {$(
        impl $name {
            /// Before the first record.
            pub const ZERO: Self = Self(0);

            /// The one that follows. Saturates: 2^64 records are out of reach of any disk.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    )*};
}
counters!(Position, Sequence);

/// The identity of a journal's numbering. It changes only when numbers may have been taken back (restore, truncation);
/// a client that holds offsets of another epoch must start over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Milliseconds since the Unix epoch. Read once per batch by the writer; never used for order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// This moment and so many milliseconds.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this moment; 0 when the clock went backwards.
    pub const fn since_ms(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// RFC 3339 in UTC with milliseconds, as every room prints it.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = i64::try_from(self.0).unwrap_or(i64::MAX);
        match jiff::Timestamp::from_millisecond(ms) {
            Ok(time) => write!(f, "{time:.3}"),
            Err(_) => write!(f, "{ms} ms"),
        }
    }
}

/// Who caused a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// Somebody with an API key: a person, a script, a bridge.
    Key(KeyId),
    /// The agent process of a session, with its worker token.
    Worker(SessionId),
    /// A runner with its environment secret.
    Environment(EnvironmentId),
    /// The server itself: timers, start-up, retention.
    System,
    /// Somebody without a credential, as far as the operator lets them.
    Anonymous,
    /// Whoever was woken by a subscription, with the token of the wake.
    Woken(SubscriptionId),
    /// Somebody in a browser that they signed in with.
    Device(DeviceId),
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(id) => id.fmt(f),
            Self::Worker(id) => write!(f, "worker of {id}"),
            Self::Environment(id) => id.fmt(f),
            Self::System => f.write_str("system"),
            Self::Anonymous => f.write_str("anonymous"),
            Self::Woken(id) => write!(f, "woken by {id}"),
            Self::Device(id) => id.fmt(f),
        }
    }
}

/// A digest (128 bits of SHA-256) of what makes a record unique in its stream: a message's UUID, a command's id.
/// Computed at the edge, because the ground floor has no hash function.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DedupeKey(pub [u8; 16]);

impl DedupeKey {
    /// The first eight bytes: enough for an index whose hits are verified against the record.
    pub fn short(self) -> u64 {
        (u128::from_be_bytes(self.0) >> 64) as u64
    }
}

impl fmt::Debug for DedupeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// A record as `decide` asks for it: not yet numbered.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Where it goes.
    pub stream: Stream,
    /// What makes it unique there, if anything does.
    pub key: Option<DedupeKey>,
    /// What happened.
    pub event: Event,
    /// What others said, as their own bytes; empty when the event says it all. Never needed to rebuild the world.
    pub payload: Bytes,
}

impl Draft {
    /// A record without key or payload.
    pub const fn new(stream: Stream, event: Event) -> Self {
        Self { stream, key: None, event, payload: Bytes::new() }
    }

    /// The same with a payload.
    #[must_use]
    pub fn with_payload(mut self, payload: Bytes) -> Self {
        self.payload = payload;
        self
    }

    /// The same under a key.
    #[must_use]
    pub const fn with_key(mut self, key: Option<DedupeKey>) -> Self {
        self.key = key;
        self
    }
}

/// A record as the journal keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its place in the journal.
    pub position: Position,
    /// Its stream.
    pub stream: Stream,
    /// Its place in that stream.
    pub sequence: Sequence,
    /// When the writer took it.
    pub at: Timestamp,
    /// Who caused it.
    pub actor: Actor,
    /// What makes it unique in its stream, if anything does.
    pub key: Option<DedupeKey>,
    /// What happened.
    pub event: Event,
    /// What others said, as their own bytes.
    pub payload: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_printed_in_utc_with_milliseconds() {
        assert_eq!(Timestamp(1_763_719_200_007).to_string(), "2025-11-21T10:00:00.007Z");
        assert!(Timestamp(u64::MAX).to_string().ends_with("ms"));
    }
}
