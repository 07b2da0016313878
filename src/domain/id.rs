//! Every kind of id, in one alphabetical registry.
//!
//! Ids that we mint are UUIDs under a newtype, so they are `Copy` and cannot be confused with one another. Text forms
//! carry a prefix (`env_…`); stored forms are the bare 16 bytes. Ids that others mint are bounded strings.
//! This module may not know where ids come from: fresh ones arrive as data.

use std::{fmt, marker::PhantomData, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use super::limits;

/// Why a text is not an id of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a valid {kind} id: expected {expected}")]
pub struct InvalidId {
    /// The kind that was asked for, as people call it.
    pub kind: &'static str,
    /// What was given, cut to a printable length.
    pub text: String,
    /// The form that would have been accepted.
    pub expected: &'static str,
}

impl InvalidId {
    fn new(kind: &'static str, text: &str, expected: &'static str) -> Self {
        let text = text.chars().take(64).collect();
        Self { kind, text, expected }
    }
}

/// Reads an id from its text form, within the parser: an error is placed at the text and not behind what holds it.
struct Text<T>(PhantomData<T>);

impl<T: FromStr<Err = InvalidId>> de::Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident, $kind:literal, [$prefix:literal $(, $alias:literal)*];)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// The prefix of the text form.
            pub const PREFIX: &'static str = $prefix;

            /// Wraps a UUID that somebody else drew.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID inside.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0.as_simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let body = text.strip_prefix($prefix)$(.or_else(|| text.strip_prefix($alias)))*;
                body.and_then(parse_simple)
                    .map(Self)
                    .ok_or_else(|| InvalidId::new($kind, text, concat!($prefix, "<32 hex digits>")))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    self.0.serialize(serializer)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    deserializer.deserialize_str(Text(PhantomData))
                } else {
                    Uuid::deserialize(deserializer).map(Self)
                }
            }
        }
    )*};
}

uuid_ids! {
    /// A browser that somebody signed in with.
    DeviceId, "device", ["device_"];
    /// A registered runner: a bridge worker, an acp-link instance, a machine. Outlives its connections.
    EnvironmentId, "environment", ["env_"];
    /// An uploaded file that a message may refer to.
    FileId, "file", ["file_"];
    /// An API key. Not the key itself: that is never stored.
    KeyId, "key", ["key_"];
    /// Whoever owns keys, environments and sessions. Several keys may act for one owner.
    OwnerId, "owner", ["owner_"];
    /// A conversation with an agent. Worker endpoints know the same session under the prefix `cse_`.
    SessionId, "session", ["session_", "cse_"];
    /// One life of a subscription; deleting and creating a name again gives a new one, and fences the old one off.
    SubscriptionId, "subscription", ["subscription_"];
    /// Somewhere to tell somebody that an agent waits for them.
    TargetId, "notification target", ["target_"];
    /// One life of a stream that a user made; deleting and creating a name again gives a new one.
    UserStreamId, "stream", ["stream_"];
    /// One item in an environment's work queue. A session may have several in its life.
    WorkId, "work", ["work_"];
}

impl SessionId {
    /// The form that worker endpoints use for the same session.
    pub fn worker_form(self) -> String {
        format!("cse_{}", self.0.as_simple())
    }
}

/// Accepts the simple (32 hex digits) and the hyphenated form of a UUID, and nothing else.
fn parse_simple(text: &str) -> Option<Uuid> {
    matches!(text.len(), 32 | 36).then(|| Uuid::try_parse(text).ok()).flatten()
}

/// A message, by the UUID that its author gave it; the worker's echo of a prompt carries the same one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageId(Uuid);

impl MessageId {
    /// Wraps a UUID that somebody else drew.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The UUID inside.
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for MessageId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        parse_simple(text).map(Self).ok_or_else(|| InvalidId::new("message", text, "a UUID"))
    }
}

/// A question between worker and server (a permission prompt, a control request), by the id its asker gave it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// The text of the id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RequestId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let printable = text.chars().all(|c| c.is_ascii_graphic());
        if text.is_empty() || text.len() > limits::REQUEST_ID_BYTES_MAX || !printable {
            return Err(InvalidId::new("request", text, "1 to 128 printable ASCII characters without spaces"));
        }
        Ok(Self(Arc::from(text)))
    }
}

impl<'de> Deserialize<'de> for RequestId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text(PhantomData))
    }
}

/// A subscription as its maker calls it; unique among those of one owner.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct SubscriptionName(Arc<str>);

impl SubscriptionName {
    /// The text of the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SubscriptionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SubscriptionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for SubscriptionName {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if text.is_empty() || text.len() > limits::SUBSCRIPTION_NAME_BYTES_MAX || text.chars().any(char::is_control) {
            return Err(InvalidId::new("subscription", text, "1 to 256 bytes without control characters"));
        }
        Ok(Self(Arc::from(text)))
    }
}

impl<'de> Deserialize<'de> for SubscriptionName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_the_same_under_both_prefixes() {
        let id: SessionId = "session_0190163d8694739b8d8a5b0e7a5f1c11".parse().expect("session form");
        assert_eq!(id.worker_form().parse(), Ok(id));
        assert_eq!(id.to_string(), "session_0190163d8694739b8d8a5b0e7a5f1c11");
        assert!(!id.to_string().trim_start_matches("session_").contains('_'));
    }

    #[test]
    fn a_foreign_prefix_is_refused_with_the_form_expected() {
        let error = "work_0190163d8694739b8d8a5b0e7a5f1c11".parse::<EnvironmentId>().unwrap_err();
        assert!(error.to_string().contains("env_<32 hex digits>"));
        assert!("env_../../etc".parse::<EnvironmentId>().is_err());
        assert!("".parse::<RequestId>().is_err());
        assert!("a b".parse::<RequestId>().is_err());
        assert!("x".repeat(129).parse::<RequestId>().is_err());
    }

    #[test]
    fn stored_ids_are_sixteen_bytes_and_shown_ids_are_text() {
        let id = KeyId::from_uuid(Uuid::from_u128(7));
        assert_eq!(serde_json::to_string(&id).expect("json"), "\"key_00000000000000000000000000000007\"");
        assert_eq!(serde_json::from_str::<KeyId>("\"key_00000000000000000000000000000007\"").expect("json"), id);
    }
}
