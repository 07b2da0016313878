//! What a viewer says, and what it is told that no agent said.
//!
//! Words about errors are those of the link: its clients show them to people.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::answer::Outcome;
use crate::domain::id::RequestId;

/// Something a viewer said.
#[derive(Debug)]
pub enum Said<'a> {
    Connect,
    Disconnect,
    Cancel,
    Ping,
    KeepAlive,
    /// The payloads of these four go to the agent as they came.
    NewSession(Cow<'a, RawValue>),
    ListSessions(Cow<'a, RawValue>),
    LoadSession(Target<'a>),
    ResumeSession(Target<'a>),
    Prompt {
        content: &'a RawValue,
    },
    PermissionResponse {
        request: RequestId,
        outcome: Outcome<'a>,
    },
    SetSessionModel {
        model: String,
    },
    SetSessionMode {
        mode: String,
    },
    /// Of the draft of a durable transport: go on behind this cursor.
    Resume {
        session: Cow<'a, str>,
        cursor: Cow<'a, str>,
    },
}

/// A conversation of the agent, by the id that the agent gave it.
#[derive(Debug)]
pub struct Target<'a> {
    pub session: Cow<'a, str>,
    pub payload: &'a RawValue,
}

/// Why a line cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Dropped without a word, as by every server that these clients know.
    #[error("not JSON")]
    NotJson,
    #[error("Error: Invalid WebSocket message payload")]
    NoType,
    #[error("Error: Unknown message type: {0}")]
    Unknown(String),
    #[error("Error: Invalid {0} payload")]
    Payload(&'static str),
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
}

/// What one line of a viewer says.
pub fn read(line: &str) -> Result<Said<'_>, Refused> {
    let frame = serde_json::from_str::<&RawValue>(line).map_err(|_| Refused::NotJson)?;
    let Frame { kind, payload } = serde_json::from_str(frame.get()).map_err(|_| Refused::NoType)?;
    Ok(match kind.as_ref() {
        "connect" => Said::Connect,
        "disconnect" => Said::Disconnect,
        "cancel" => Said::Cancel,
        "ping" => Said::Ping,
        "keep_alive" => Said::KeepAlive,
        "new_session" => Said::NewSession(object("new_session", payload)?),
        "list_sessions" => Said::ListSessions(object("list_sessions", payload)?),
        "load_session" => Said::LoadSession(target("load_session", payload)?),
        "resume_session" => Said::ResumeSession(target("resume_session", payload)?),
        "prompt" => Said::Prompt { content: content(payload)? },
        "permission_response" => {
            #[derive(Deserialize)]
            struct Response<'a> {
                #[serde(rename = "requestId")]
                request: RequestId,
                #[serde(borrow)]
                outcome: Outcome<'a>,
            }
            let Response { request, outcome } = parsed("permission_response", payload)?;
            Said::PermissionResponse { request, outcome }
        }
        "set_session_model" => {
            #[derive(Deserialize)]
            struct Model {
                #[serde(rename = "modelId")]
                model: String,
            }
            Said::SetSessionModel { model: parsed::<Model>("set_session_model", payload)?.model }
        }
        "set_session_mode" => {
            #[derive(Deserialize)]
            struct Mode {
                #[serde(rename = "modeId")]
                mode: String,
            }
            Said::SetSessionMode { mode: parsed::<Mode>("set_session_mode", payload)?.mode }
        }
        "stream/resume" => {
            #[derive(Deserialize)]
            struct From<'a> {
                #[serde(borrow, rename = "sessionId")]
                session: Cow<'a, str>,
                #[serde(borrow)]
                cursor: Cow<'a, str>,
            }
            let From { session, cursor } = parsed("stream/resume", payload)?;
            Said::Resume { session, cursor }
        }
        other => return Err(Refused::Unknown(other.chars().take(64).collect())),
    })
}

fn parsed<'a, T: Deserialize<'a>>(kind: &'static str, payload: Option<&'a RawValue>) -> Result<T, Refused> {
    let payload = payload.ok_or(Refused::Payload(kind))?;
    serde_json::from_str(payload.get()).map_err(|_| Refused::Payload(kind))
}

/// An object, which may be left out.
fn object<'a>(kind: &'static str, payload: Option<&'a RawValue>) -> Result<Cow<'a, RawValue>, Refused> {
    match payload {
        None => Ok(Cow::Owned(empty())),
        Some(payload) if payload.get().starts_with('{') => Ok(Cow::Borrowed(payload)),
        Some(_) => Err(Refused::Payload(kind)),
    }
}

/// `{}`.
pub fn empty() -> Box<RawValue> {
    serde_json::value::to_raw_value(&super::Empty {}).unwrap_or_default()
}

/// The permission mode that a new conversation is to begin in.
pub fn mode_of(payload: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Beginning {
        #[serde(default, rename = "permissionMode")]
        mode: Option<String>,
    }
    serde_json::from_str::<Beginning>(payload.get()).ok()?.mode
}

fn target<'a>(kind: &'static str, payload: Option<&'a RawValue>) -> Result<Target<'a>, Refused> {
    #[derive(Deserialize)]
    struct Session<'a> {
        #[serde(borrow, rename = "sessionId")]
        session: Cow<'a, str>,
    }
    let Session { session } = parsed(kind, payload)?;
    let payload = payload.ok_or(Refused::Payload(kind))?;
    Ok(Target { session, payload })
}

/// A frame with a cursor behind which its reader can go on. Everything else of it stays as it came.
pub fn with_cursor(frame: &str, cursor: &str) -> String {
    match frame.trim_start().strip_prefix('{') {
        Some(rest) => format!(r#"{{"_meta":{{"acp/cursor":"{cursor}"}},{rest}"#),
        None => frame.to_owned(),
    }
}

/// That a cursor is none of this conversation's: whoever went on from it would miss something and not know it.
pub const UNKNOWN_CURSOR: &str =
    r#"{"type":"error","payload":{"code":409,"message":"unknown cursor: load the session again"}}"#;

/// A list of blocks, each with a type: what is in them is between its author and the agent.
fn content(payload: Option<&RawValue>) -> Result<&RawValue, Refused> {
    #[derive(Deserialize)]
    struct Prompt<'a> {
        #[serde(borrow)]
        content: &'a RawValue,
    }
    #[derive(Deserialize)]
    struct Block<'a> {
        #[serde(borrow, rename = "type")]
        _kind: Cow<'a, str>,
    }
    let Prompt { content } = parsed("prompt", payload)?;
    serde_json::from_str::<Vec<Block<'_>>>(content.get()).map_err(|_| Refused::Payload("prompt"))?;
    Ok(content)
}

/// Something only the server tells a viewer.
#[derive(Debug, Serialize)]
#[serde(tag = "type", content = "payload", rename_all = "snake_case")]
pub enum Told<'a> {
    /// What somebody else said to the agent, as the agent would tell it.
    SessionUpdate(UserSaid<'a>),
    SessionLoaded(Returned<'a>),
    SessionResumed(Returned<'a>),
    PromptComplete(Stopped),
}

/// See [`Told::SessionUpdate`].
#[derive(Debug, Serialize)]
pub struct UserSaid<'a> {
    #[serde(rename = "sessionId")]
    pub session: &'a str,
    pub update: UserChunk<'a>,
}

/// See [`UserSaid`].
#[derive(Debug, Serialize)]
pub struct UserChunk<'a> {
    #[serde(rename = "sessionUpdate")]
    pub kind: &'static str,
    pub content: &'a RawValue,
}

/// A conversation that the viewer is back in.
#[derive(Debug, Serialize)]
pub struct Returned<'a> {
    #[serde(rename = "sessionId")]
    pub session: &'a str,
    #[serde(rename = "promptCapabilities")]
    pub prompts: Option<&'a RawValue>,
    pub models: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modes: Option<&'a RawValue>,
    #[serde(rename = "configOptions", skip_serializing_if = "Option::is_none")]
    pub options: Option<&'a RawValue>,
}

/// A turn that never began.
#[derive(Debug, Serialize)]
pub struct Stopped {
    #[serde(rename = "stopReason")]
    pub reason: &'static str,
}

/// Of what an agent said of a conversation, what a viewer that comes back to it needs.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub struct Described<'a> {
    #[serde(borrow, default, rename = "promptCapabilities")]
    pub prompts: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub models: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub modes: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "configOptions")]
    pub options: Option<&'a RawValue>,
}

impl Described<'_> {
    /// With what an earlier word said of what this one says nothing of.
    #[must_use]
    pub fn or(self, before: Self) -> Self {
        Self {
            prompts: self.prompts.or(before.prompts),
            models: self.models.or(before.models),
            modes: self.modes.or(before.modes),
            options: self.options.or(before.options),
        }
    }
}

/// The description in the frame that the agent answered with.
pub fn described(frame: &[u8]) -> Described<'_> {
    #[derive(Deserialize)]
    struct Frame<'a> {
        #[serde(borrow)]
        payload: Described<'a>,
    }
    serde_json::from_slice::<Frame<'_>>(frame).map(|frame| frame.payload).unwrap_or_default()
}
