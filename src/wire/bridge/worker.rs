//! What ccb's second data plane says and hears: code sessions, their workers, and files.
//!
//! Foreign payloads stay the bytes they came as. What the client never reads is not here; what it may leave out has a
//! default. May not know what any of it means to us.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Map, Value, value::RawValue};

// --- code sessions ----------------------------------------------------------------------------------------------

/// `POST /v1/code/sessions`: a terminal wants a session of its own, without an environment.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct CreateCodeSession {
    #[serde(default)]
    pub title: Option<String>,
}

/// The answer: the id in the form that worker endpoints use, because the client builds its URLs from it.
#[derive(Debug, Clone, Serialize)]
pub struct CodeSessionCreated {
    pub session: CodeSession,
}

/// See [`CodeSessionCreated`].
#[derive(Debug, Clone, Serialize)]
pub struct CodeSession {
    pub id: String,
}

/// `GET` and `PATCH /v1/code/sessions/{id}`.
#[derive(Debug, Clone, Serialize)]
pub struct CodeSessionShown {
    pub session: CodeSessionView,
}

/// See [`CodeSessionShown`].
#[derive(Debug, Clone, Serialize)]
pub struct CodeSessionView {
    pub id: String,
    pub title: Option<String>,
    pub archived: bool,
    pub created_at: String,
}

/// `PATCH /v1/code/sessions/{id}`.
#[derive(Debug, Clone, Deserialize)]
pub struct PatchCodeSession {
    #[serde(default)]
    pub title: Option<String>,
}

/// `POST …/bridge`: the terminal is now this session's worker. All four fields are mandatory and `expires_in` must be a
/// number: the client gives up without them.
#[derive(Clone, Serialize)]
pub struct WorkerCredentials<'a> {
    pub worker_jwt: &'a str,
    pub expires_in: u64,
    pub api_base_url: &'a str,
    pub worker_epoch: u64,
}

/// The token is nobody's business.
impl fmt::Debug for WorkerCredentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerCredentials").field("worker_epoch", &self.worker_epoch).finish_non_exhaustive()
    }
}

/// `POST …/worker/register`.
#[derive(Debug, Clone, Serialize)]
pub struct WorkerRegistered {
    pub worker_epoch: u64,
}

// --- the worker's state -----------------------------------------------------------------------------------------

/// An epoch as workers send it: a number, or the same as a string when it came through an environment variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochNumber(pub u64);

impl<'de> Deserialize<'de> for EpochNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl de::Visitor<'_> for Reader {
            type Value = EpochNumber;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an epoch: a whole number, or one as a string")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<EpochNumber, E> {
                Ok(EpochNumber(number))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<EpochNumber, E> {
                text.parse().map(EpochNumber).map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// `GET …/worker`: what the worker before left, so that the next one goes on with the same mode and model.
#[derive(Debug, Clone, Serialize)]
pub struct WorkerState<'a> {
    pub worker: WorkerView<'a>,
}

/// See [`WorkerState`].
#[derive(Debug, Clone, Serialize)]
pub struct WorkerView<'a> {
    pub external_metadata: Option<&'a Map<String, Value>>,
}

/// `PUT …/worker`. `requires_action_details` is not read: the question itself, with its input, comes as an event and in
/// `pending_action`.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct PutWorker {
    #[serde(default)]
    pub worker_epoch: Option<EpochNumber>,
    #[serde(default)]
    pub worker_status: Option<String>,
    /// RFC 7396 patch.
    #[serde(default)]
    pub external_metadata: Option<Map<String, Value>>,
}

/// `POST …/worker/heartbeat`.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Heartbeat {
    #[serde(default)]
    pub worker_epoch: Option<EpochNumber>,
}

// --- what the worker writes -------------------------------------------------------------------------------------

/// `POST …/worker/events`.
#[derive(Debug, Clone, Deserialize)]
pub struct WorkerEvents {
    #[serde(default)]
    pub worker_epoch: Option<EpochNumber>,
    pub events: Vec<WorkerEvent>,
}

/// One event of a worker.
#[derive(Debug, Clone, Deserialize)]
pub struct WorkerEvent {
    pub payload: Box<RawValue>,
    /// A piece of a message that will come whole.
    #[serde(default)]
    pub ephemeral: bool,
}

/// The answer to a batch. The client reads only the status.
#[derive(Debug, Clone, Default, Serialize)]
pub struct EventsTaken {
    /// Kept for the first time.
    pub accepted: u32,
    /// Sent before.
    pub duplicates: u32,
    /// Not messages at all: said here because refusing the batch would make the worker send it for ever.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<EventRejected>,
}

/// See [`EventsTaken`].
#[derive(Debug, Clone, Serialize)]
pub struct EventRejected {
    pub index: usize,
    pub message: String,
}

/// As much of a `stream_event` as shows whether a later one of the same batch says it all again.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Snapshot<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: std::borrow::Cow<'a, str>,
    #[serde(borrow, default)]
    pub parent_tool_use_id: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow)]
    pub event: SnapshotEvent<'a>,
}

/// See [`Snapshot`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SnapshotEvent<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: std::borrow::Cow<'a, str>,
    pub index: u64,
    #[serde(borrow)]
    pub delta: SnapshotDelta<'a>,
}

/// See [`Snapshot`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SnapshotDelta<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    pub text: std::borrow::Cow<'a, str>,
}

/// `POST …/worker/events/delivery`.
#[derive(Debug, Clone, Deserialize)]
pub struct DeliveryReport {
    #[serde(default)]
    pub worker_epoch: Option<EpochNumber>,
    pub updates: Vec<Delivery>,
}

/// How far the worker got with one item. Both are foreign text: an unknown one is passed over, because the worker
/// repeats whatever is refused.
#[derive(Debug, Clone, Deserialize)]
pub struct Delivery {
    pub event_id: String,
    pub status: String,
}

/// `POST …/worker/internal-events`.
#[derive(Debug, Clone, Deserialize)]
pub struct InternalEvents {
    #[serde(default)]
    pub worker_epoch: Option<EpochNumber>,
    pub events: Vec<InternalEvent>,
}

/// An entry of the worker's private transcript.
#[derive(Debug, Clone, Deserialize)]
pub struct InternalEvent {
    pub payload: Box<RawValue>,
    #[serde(default)]
    pub is_compaction: bool,
    #[serde(default)]
    pub agent_id: Option<String>,
}

/// What is looked at in a transcript entry.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct InternalPeek<'a> {
    #[serde(borrow, default, rename = "type")]
    pub kind: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow, default)]
    pub uuid: Option<std::borrow::Cow<'a, str>>,
}

/// `GET …/worker/internal-events`. The client goes on as long as there is a `next_cursor`.
#[derive(Debug, Clone, Serialize)]
pub struct InternalPage {
    pub data: Vec<InternalRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// See [`InternalPage`].
#[derive(Debug, Clone, Serialize)]
pub struct InternalRow {
    pub event_id: String,
    pub event_type: String,
    pub payload: Box<RawValue>,
    pub is_compaction: bool,
    pub created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
}

// --- what the worker is sent ------------------------------------------------------------------------------------

/// The data of a `client_event` frame.
#[derive(Debug, Clone, Serialize)]
pub struct ClientEvent<'a> {
    pub event_id: &'a str,
    pub sequence_num: u64,
    pub event_type: &'a str,
    /// Always `client`.
    pub source: &'a str,
    pub payload: &'a RawValue,
    pub created_at: String,
}

/// A prompt as it is sent, as far as one that is too large must be taken apart.
#[derive(Debug, Clone, Deserialize)]
pub struct SentPrompt<'a> {
    #[serde(borrow)]
    pub uuid: std::borrow::Cow<'a, str>,
    #[serde(borrow, default)]
    pub session_id: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow)]
    pub message: SentMessage<'a>,
    #[serde(default)]
    pub file_attachments: Vec<FileAttachment>,
}

/// See [`SentPrompt`].
#[derive(Debug, Clone, Deserialize)]
pub struct SentMessage<'a> {
    #[serde(borrow)]
    pub content: &'a RawValue,
}

/// A file that goes with a prompt; the worker fetches it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileAttachment {
    pub file_uuid: String,
    pub file_name: String,
}

/// As much of an answer to a permission request as a denial in its stead must repeat.
#[derive(Debug, Clone, Deserialize)]
pub struct SentAnswer<'a> {
    #[serde(borrow)]
    pub response: SentAnswerBody<'a>,
}

/// See [`SentAnswer`].
#[derive(Debug, Clone, Deserialize)]
pub struct SentAnswerBody<'a> {
    #[serde(borrow)]
    pub request_id: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    pub response: SentVerdict<'a>,
}

/// See [`SentAnswer`].
#[derive(Debug, Clone, Deserialize)]
pub struct SentVerdict<'a> {
    #[serde(borrow, default, rename = "toolUseID")]
    pub tool_use_id: Option<std::borrow::Cow<'a, str>>,
}

// --- files ------------------------------------------------------------------------------------------------------

/// `POST /api/oauth/files` as JSON.
#[derive(Debug, Clone, Deserialize)]
pub struct UploadFile {
    pub file_name: String,
    #[serde(default)]
    pub media_type: Option<String>,
    pub data_base64: String,
}

/// The answer: what goes into a message's `file_attachments`.
#[derive(Debug, Clone, Serialize)]
pub struct FileUploaded {
    pub file_uuid: String,
    pub file_name: String,
    pub size_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_are_numbers_or_strings_of_numbers() {
        let epoch = |json: &str| serde_json::from_str::<Heartbeat>(json).map(|beat| beat.worker_epoch);
        assert_eq!(epoch(r#"{"session_id":"cse_x","worker_epoch":3}"#).expect("number"), Some(EpochNumber(3)));
        assert_eq!(epoch(r#"{"worker_epoch":"3"}"#).expect("string"), Some(EpochNumber(3)));
        assert_eq!(epoch("{}").expect("absent"), None);
        assert_eq!(epoch(r#"{"worker_epoch":null}"#).expect("null"), None);
        for bad in [r#"{"worker_epoch":"three"}"#, r#"{"worker_epoch":-1}"#, r#"{"worker_epoch":1.5}"#] {
            assert!(epoch(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn credentials_do_not_show_in_debug_output() {
        let credentials =
            WorkerCredentials { worker_jwt: "eyJ", expires_in: 1, api_base_url: "http://x", worker_epoch: 2 };
        assert_eq!(format!("{credentials:?}"), "WorkerCredentials { worker_epoch: 2, .. }");
    }
}
