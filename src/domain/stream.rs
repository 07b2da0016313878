//! The streams of the journal: what each is about and how its name is stored.
//!
//! The tags are on disk: they are never changed, reused or removed.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::id::{EnvironmentId, FileId, OwnerId, SessionId, SubscriptionId, TargetId, UserStreamId};

/// A dense sequence of records about one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// The server itself: keys, settings, checkpoints. There is one.
    System,
    /// The ledger of one owner's commands: which idempotency key had which outcome.
    Ledger(OwnerId),
    /// A runner: registration, presence, its work queue.
    Environment(EnvironmentId),
    /// A conversation: what people follow.
    Session(SessionId),
    /// A worker's private transcript of a session, which only that worker reads back.
    Transcript(SessionId),
    /// An uploaded file, in chunks.
    File(FileId),
    /// A stream that a user made over the Durable Streams room.
    User(UserStreamId),
    /// Who is woken when streams grow: its streams, its cursors, its wakes.
    Subscription(SubscriptionId),
    /// Somewhere to tell somebody: what it is, and what was told there.
    Target(TargetId),
}

/// The stored form of a stream's name: a tag and a UUID.
pub const STREAM_KEY_BYTES: usize = 17;

impl Stream {
    /// The stored form.
    pub fn to_key(self) -> [u8; STREAM_KEY_BYTES] {
        let (tag, uuid) = match self {
            Self::System => (1, Uuid::nil()),
            Self::Ledger(id) => (2, id.uuid()),
            Self::Environment(id) => (3, id.uuid()),
            Self::Session(id) => (4, id.uuid()),
            Self::Transcript(id) => (5, id.uuid()),
            Self::File(id) => (6, id.uuid()),
            Self::User(id) => (7, id.uuid()),
            Self::Subscription(id) => (8, id.uuid()),
            Self::Target(id) => (9, id.uuid()),
        };
        let mut key = [0; STREAM_KEY_BYTES];
        key[0] = tag;
        key[1..].copy_from_slice(uuid.as_bytes());
        key
    }

    /// Reads the stored form; `None` for a tag of a later release or a damaged key.
    pub fn from_key(key: &[u8]) -> Option<Self> {
        let (tag, rest) = key.split_first()?;
        let uuid = Uuid::from_slice(rest).ok()?;
        Some(match tag {
            1 if uuid.is_nil() => Self::System,
            2 => Self::Ledger(OwnerId::from_uuid(uuid)),
            3 => Self::Environment(EnvironmentId::from_uuid(uuid)),
            4 => Self::Session(SessionId::from_uuid(uuid)),
            5 => Self::Transcript(SessionId::from_uuid(uuid)),
            6 => Self::File(FileId::from_uuid(uuid)),
            7 => Self::User(UserStreamId::from_uuid(uuid)),
            8 => Self::Subscription(SubscriptionId::from_uuid(uuid)),
            9 => Self::Target(TargetId::from_uuid(uuid)),
            _ => return None,
        })
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("system"),
            Self::Ledger(id) => write!(f, "ledger/{id}"),
            Self::Environment(id) => id.fmt(f),
            Self::Session(id) => id.fmt(f),
            Self::Transcript(id) => write!(f, "transcript/{id}"),
            Self::File(id) => id.fmt(f),
            Self::User(id) => id.fmt(f),
            Self::Subscription(id) => id.fmt(f),
            Self::Target(id) => id.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stored_name_reads_back() {
        let uuid = Uuid::from_u128(0x0102_0304);
        let all = [
            Stream::System,
            Stream::Ledger(OwnerId::from_uuid(uuid)),
            Stream::Environment(EnvironmentId::from_uuid(uuid)),
            Stream::Session(SessionId::from_uuid(uuid)),
            Stream::Transcript(SessionId::from_uuid(uuid)),
            Stream::File(FileId::from_uuid(uuid)),
            Stream::User(UserStreamId::from_uuid(uuid)),
            Stream::Subscription(SubscriptionId::from_uuid(uuid)),
            Stream::Target(TargetId::from_uuid(uuid)),
        ];
        for (index, stream) in all.into_iter().enumerate() {
            let key = stream.to_key();
            assert_eq!(usize::from(key[0]), index + 1, "tags are on disk and never move");
            assert_eq!(Stream::from_key(&key), Some(stream));
        }
        assert_eq!(Stream::from_key(&[10; STREAM_KEY_BYTES]), None);
        assert_eq!(Stream::from_key(&[]), None);
    }
}
