//! Subscriptions as they are spelled: what clients send, what they are shown, what a webhook and a worker get.
//!
//! Knows neither what a path or an offset means nor who may see them.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

/// How wakes are delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Webhook,
    PullWake,
}

/// The body of a `PUT`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Wish {
    #[serde(rename = "type")]
    pub kind: Kind,
    #[serde(default)]
    pub pattern: Option<String>,
    #[serde(default)]
    pub streams: Option<Vec<String>>,
    #[serde(default)]
    pub webhook: Option<WishedWebhook>,
    #[serde(default)]
    pub wake_stream: Option<String>,
    #[serde(default)]
    pub lease_ttl_ms: Option<u64>,
    #[serde(default)]
    pub description: Option<String>,
}

/// See [`Wish`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct WishedWebhook {
    pub url: String,
}

/// The body that adds streams.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Streams {
    pub streams: Vec<String>,
}

/// The body of a claim.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Claim {
    pub worker: String,
}

/// The body of a callback, an ack and a release.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Word {
    pub wake_id: String,
    pub generation: u64,
    #[serde(default)]
    pub acks: Vec<Ack>,
    #[serde(default)]
    pub done: bool,
}

/// See [`Word`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Ack {
    #[serde(alias = "path")]
    pub stream: String,
    pub offset: String,
}

/// Why a stream is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkType {
    Glob,
    Explicit,
}

/// Whether deliveries get through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    Active,
    /// A retry is scheduled.
    Failed,
}

/// A subscription as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    pub id: String,
    pub subscription_id: String,
    #[serde(rename = "type")]
    pub kind: Kind,
    pub pattern: Option<String>,
    pub streams: Vec<ShownLink>,
    /// Streams that the pattern means and that are not followed, because the subscription is full. Not in the protocol,
    /// and absent where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub streams_left_out: Option<NonZeroUsize>,
    pub webhook: Option<ShownWebhook>,
    pub wake_stream: Option<String>,
    pub lease_ttl_ms: u64,
    pub created_at: String,
    pub status: Health,
    pub description: Option<String>,
}

/// See [`Shown`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownLink {
    pub path: String,
    pub link_type: LinkType,
    pub acked_offset: String,
}

/// See [`Shown`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownWebhook {
    pub url: String,
    pub signing: Signing,
}

/// How notifications are signed, and where the keys are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Signing {
    pub alg: &'static str,
    pub kid: String,
    pub jwks_url: String,
}

/// A stream in a wake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct News {
    pub path: String,
    pub link_type: LinkType,
    pub acked_offset: String,
    pub tail_offset: String,
    pub has_pending: bool,
}

/// What a webhook is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Notification {
    pub subscription_id: String,
    pub wake_id: String,
    pub generation: u64,
    pub streams: Vec<News>,
    pub callback_url: String,
    pub callback_token: String,
}

/// What a webhook may answer at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct NotificationAnswer {
    #[serde(default)]
    pub done: bool,
}

/// What a worker gets that claimed a wake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Claimed {
    pub wake_id: String,
    pub generation: u64,
    pub token: String,
    pub streams: Vec<News>,
    pub lease_ttl_ms: u64,
}

/// The answer to a callback and an ack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Heard {
    pub ok: bool,
    pub next_wake: bool,
}

/// The keys that notifications are signed with (RFC 7517).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeySet {
    pub keys: Vec<Key>,
}

/// See [`KeySet`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Key {
    pub kty: &'static str,
    pub crv: &'static str,
    pub kid: String,
    #[serde(rename = "use")]
    pub usage: &'static str,
    pub alg: &'static str,
    pub x: String,
}

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    pub error: Reason,
}

/// See [`Refused`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    pub code: &'static str,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_holder: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_may_leave_out_they_may_also_send_as_null() {
        let short: Wish = serde_json::from_str(r#"{"type":"webhook","webhook":{"url":"u"}}"#).expect("a wish");
        let long = r#"{"type":"webhook","pattern":null,"streams":null,"webhook":{"url":"u","secret":"x"},
            "wake_stream":null,"lease_ttl_ms":null,"description":null,"future":1}"#;
        assert_eq!(serde_json::from_str::<Wish>(long).expect("a wish"), short);
        assert!(serde_json::from_str::<Wish>(r#"{"type":"carrier-pigeon"}"#).is_err());
        assert!(serde_json::from_str::<Wish>(r#"{"type":"webhook","lease_ttl_ms":1.5}"#).is_err());
        let word = r#"{"wake_id":"w","generation":1,"acks":[{"path":"a","offset":"o"},{"stream":"b","offset":"o"}]}"#;
        let word: Word = serde_json::from_str(word).expect("a word");
        assert_eq!((word.acks[0].stream.as_str(), word.done), ("a", false));
    }
}
