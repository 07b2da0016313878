//! What people say to an agent, how far it got, and the files that go with it.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::domain::id::{FileId, MessageId};

/// Something said to the agent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostMessage {
    /// Text, or a list of content blocks.
    pub content: Box<RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_attachments: Option<Vec<FileAttachment>>,
    /// The author's own UUID for it; posting the same one again posts nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
}

/// A stored file that goes with a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileAttachment {
    pub file_uuid: String,
    pub file_name: String,
}

/// The message is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageAccepted {
    pub message_id: MessageId,
    pub sequence: u64,
    pub state: MessageState,
}

/// How far a message got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageState {
    /// It is durable and waits for the worker.
    Accepted,
    /// It was handed to the worker's connection.
    Delivered,
    /// The agent has it.
    Consumed,
    /// It was taken back before it was delivered.
    Cancelled,
}

/// A message's receipts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageReceipt {
    pub message_id: MessageId,
    pub sequence: u64,
    pub state: MessageState,
    pub accepted_at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumed_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_at: Option<String>,
}

/// A stored file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFile {
    pub id: FileId,
    /// The same id in the form that message attachments and workers use.
    pub file_uuid: String,
    pub file_name: String,
    pub media_type: Option<String>,
    pub size_bytes: u64,
}
