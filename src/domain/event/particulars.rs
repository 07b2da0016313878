//! What goes with an event, where it is more than a field or two, and the words that events choose from.
//!
//! Stored with the events: names are for ever, new fields have a default.

use serde::{Deserialize, Serialize};

use super::is_false;
use crate::domain::{
    envelope::Timestamp,
    id::{DeviceId, EnvironmentId, FileId, KeyId, OwnerId, RequestId, SessionId},
};

/// A digest (128 bits of SHA-256) of what was asked, to tell a repeated request from another under the same key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(pub [u8; 16]);

/// The SHA-256 of a secret. The secret itself is never stored.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretDigest(pub [u8; 32]);

impl std::fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretDigest(..)")
    }
}

/// What a key may do, in rising order of trust; a runner neither reads nor steers sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Read what its owner has.
    Viewer,
    /// Be a runner: register environments and feed their sessions, but neither read nor steer others.
    Runner,
    /// Everything with what its owner has.
    Member,
    /// Everything with everything.
    Admin,
}

/// See [`Event::KeyCreated`](super::Event::KeyCreated).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyCreated {
    pub key: KeyId,
    pub owner: OwnerId,
    pub name: String,
    pub role: Role,
    pub digest: SecretDigest,
    pub expires_at: Option<Timestamp>,
    /// It comes from the configuration and is revoked when it is gone from there.
    #[serde(default)]
    pub configured: bool,
}

/// See [`Event::LoginLinkCreated`](super::Event::LoginLinkCreated).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginLinkCreated {
    pub digest: SecretDigest,
    /// For which key the browser will act.
    pub key: KeyId,
    pub expires_at: Timestamp,
}

/// See [`Event::DeviceSignedIn`](super::Event::DeviceSignedIn).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceSignedIn {
    pub device: DeviceId,
    /// For which key it acts.
    pub key: KeyId,
    pub name: String,
    pub digest: SecretDigest,
    /// The link that was used up for it; none where the key itself was shown.
    pub link: Option<SecretDigest>,
}

/// See [`Event::EnvironmentRegistered`](super::Event::EnvironmentRegistered).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentRegistered {
    pub environment: EnvironmentId,
    pub owner: OwnerId,
    pub machine_name: String,
    pub directory: String,
    pub branch: Option<String>,
    pub git_repo_url: Option<String>,
    pub max_sessions: u32,
    /// What kind of runner: `claude_code`, `acp`, … as it called itself.
    pub worker_type: String,
    /// The group it asked to be listed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// See [`Event::AgentReported`](super::Event::AgentReported).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentReported {
    pub environment: EnvironmentId,
    /// Its program runs.
    pub connected: bool,
    /// The program was started just now: what an earlier one had open is closed.
    pub fresh: bool,
    pub abilities: Abilities,
}

/// What an agent's program can do with conversations that it has not open.
#[expect(clippy::struct_excessive_bools, reason = "independent of each other, and stored by these names")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abilities {
    /// Open one and tell its history.
    pub load: bool,
    /// Open one without telling its history.
    pub resume: bool,
    /// List them.
    pub list: bool,
    /// Its link has a word for changing the mode of an open conversation.
    #[serde(default, skip_serializing_if = "is_false")]
    pub set_mode: bool,
    /// Its link has a word for changing an option of its configuration.
    #[serde(default, skip_serializing_if = "is_false")]
    pub set_option: bool,
}

/// See [`Event::SessionCreated`](super::Event::SessionCreated).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionCreated {
    pub session: SessionId,
    pub owner: OwnerId,
    pub environment: Option<EnvironmentId>,
    pub title: Option<String>,
    /// Who made it, as they called themselves: `remote-control`, `api`, …
    pub source: String,
    /// The permission mode asked for at creation. What the worker confirmed is another event.
    pub mode: Option<String>,
    /// The model asked for at creation.
    pub model: Option<String>,
    /// The directory asked for at creation; without one the runner's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
}

/// What an agent is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nothing; it waits for a prompt.
    #[default]
    Idle,
    /// A turn is under way.
    Working,
    /// It waits for a human.
    Waiting,
}

/// What sort of message a worker sent. Enough to list and filter without reading the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// What the agent said or did.
    Assistant,
    /// A prompt (echoed or typed at the terminal) or a tool's result.
    User,
    /// A notice of the agent program.
    System,
    /// A turn ended.
    Result,
    /// A piece of a message that is still being written.
    Partial,
    /// The task list.
    Tasks,
    /// A control message that is none of ours, kept for the audit.
    Control,
    /// Anything else; the payload says.
    Other,
}

/// A change of course that may be asked of a worker. This list is the allow-list: nothing else is ever relayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "subtype")]
pub enum Control {
    /// Stop the turn.
    Interrupt,
    /// Use this model.
    SetModel { model: String },
    /// Use this permission mode.
    SetPermissionMode { mode: String },
    /// Think at most so many tokens; `None` for the default.
    SetMaxThinkingTokens { max_thinking_tokens: Option<u32> },
}

/// See [`Event::PermissionRequested`](super::Event::PermissionRequested).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PermissionRequested {
    pub session: SessionId,
    pub request: RequestId,
    /// What the agent wants to use.
    pub tool: String,
    /// What it wants to use it on, when one line says it: a command, a path, a host.
    pub subject: Option<String>,
    pub tool_use: Option<String>,
}

/// See [`Event::PermissionDecided`](super::Event::PermissionDecided).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PermissionDecided {
    pub session: SessionId,
    pub request: RequestId,
    pub verdict: Verdict,
    /// Words for the agent, with a denial.
    pub message: Option<String>,
    /// Tells the same answer given again from another one.
    pub fingerprint: Fingerprint,
    /// The name of the rule that decided, when no person did.
    #[serde(default)]
    pub rule: Option<String>,
}

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Allow,
    Deny,
}

/// "Allow this without asking": the same tool, on the same subject where the request named one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// What people see beside a decision that it made.
    pub name: String,
    pub tool: String,
    /// Exact; `None` matches only requests that name no subject.
    pub subject: Option<String>,
}

/// See [`Event::FileStored`](super::Event::FileStored).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStored {
    pub file: FileId,
    pub owner: OwnerId,
    pub session: Option<SessionId>,
    pub name: String,
    pub media_type: Option<String>,
    pub size_bytes: u64,
}
