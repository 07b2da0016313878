//! What a worker's message means, told from a look at a few of its fields.
//!
//! A message is never refused for what it says: the client drops a whole batch for good when one message is refused, so
//! whatever is unknown is kept as [`Kind::Other`]. Only what is no JSON object is [`Malformed`].

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::domain::{
    id::{MessageId, RequestId},
    limits,
};

/// What is no message at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not a message: {reason}")]
pub struct Malformed {
    pub reason: String,
}

/// A message, sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classified {
    /// The id that its author gave it; the same id is the same message. A UUID in practice, in one spelling if it is
    /// one.
    pub uuid: Option<String>,
    pub says: Says,
}

/// What it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    /// Nothing: it keeps the connection awake.
    KeepAlive,
    /// Something to keep and show.
    Said(Said),
    /// It asks whether it may use a tool.
    Asks(Asks),
    /// It takes a question back.
    TakesBack(RequestId),
    /// It answers a control request; `mode` is the permission mode now in force.
    Answers { request: RequestId, ok: bool, mode: Option<String> },
    /// It shows the answer to its own question: ours, come back, or somebody's at the terminal.
    Mirrors { request: RequestId, allow: bool },
}

/// See [`Says::Said`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub message: Option<MessageId>,
    pub kind: Kind,
    /// What it shows of the agent, if anything.
    pub activity: Option<Activity>,
    pub mode: Option<String>,
    pub model: Option<String>,
    /// The tool uses that it brings the results of.
    pub tool_results: Vec<String>,
}

/// What sort of message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Assistant,
    User,
    System,
    Result,
    /// A piece of a message that will come whole.
    Partial,
    Tasks,
    /// A control message that is none of ours.
    Control,
    Other,
}

/// What a message shows of the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    Working,
    Idle,
}

/// See [`Says::Asks`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asks {
    pub request: RequestId,
    pub tool: String,
    /// What it wants to use it on, when one line says it.
    pub subject: Option<String>,
    pub tool_use: Option<String>,
}

/// The fields that are looked at. All raw: one of another type than expected is as good as absent.
#[derive(Deserialize)]
struct Peek<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    subtype: Option<&'a RawValue>,
    #[serde(borrow)]
    uuid: Option<&'a RawValue>,
    #[serde(borrow)]
    request_id: Option<&'a RawValue>,
    #[serde(rename = "requestId", borrow)]
    request_id_camel: Option<&'a RawValue>,
    #[serde(borrow)]
    request: Option<&'a RawValue>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(rename = "permissionMode", borrow)]
    mode: Option<&'a RawValue>,
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    parent_tool_use_id: Option<&'a RawValue>,
}

/// Sorts a worker's message.
pub fn classify(payload: &RawValue) -> Result<Classified, Malformed> {
    // Serde would also read a struct from an array.
    if !payload.get().starts_with('{') {
        return Err(Malformed { reason: "it is no JSON object".into() });
    }
    let peek: Peek<'_> =
        serde_json::from_str(payload.get()).map_err(|error| Malformed { reason: error.to_string() })?;
    let uuid = text(peek.uuid).filter(|uuid| !uuid.is_empty());
    let message = uuid.as_deref().and_then(|uuid| uuid.parse::<MessageId>().ok());
    let uuid = message.map(|id| id.to_string()).or_else(|| uuid.map(Cow::into_owned));
    let kind = text(peek.kind).unwrap_or_default();
    let says = match &*kind {
        "keep_alive" => Says::KeepAlive,
        "control_request" => asks(&peek).map_or_else(|| control(message), Says::Asks),
        "control_response" => answers(&peek).unwrap_or_else(|| control(message)),
        "control_cancel_request" => {
            request_id(peek.request_id, peek.request_id_camel).map_or_else(|| control(message), Says::TakesBack)
        }
        _ => Says::Said(said(&kind, message, &peek)),
    };
    Ok(Classified { uuid, says })
}

fn control(message: Option<MessageId>) -> Says {
    Says::Said(Said { message, kind: Kind::Control, activity: None, mode: None, model: None, tool_results: Vec::new() })
}

fn said(kind: &str, message: Option<MessageId>, peek: &Peek<'_>) -> Said {
    let mut said =
        Said { message, kind: Kind::Other, activity: None, mode: None, model: None, tool_results: Vec::new() };
    match kind {
        "assistant" => said.kind = Kind::Assistant,
        "user" => {
            said.kind = Kind::User;
            let content = content(peek.message);
            // A sub-agent's prompt is part of the turn that is already seen to be under way.
            if peek.parent_tool_use_id.is_none() && is_prompt(&content) {
                said.activity = Some(Activity::Working);
            }
            said.tool_results = content.into_iter().filter_map(|block| name(block.tool_use_id)).collect();
        }
        "system" => {
            said.kind = Kind::System;
            if matches!(text(peek.subtype).as_deref(), Some("init" | "status")) {
                said.mode = name(peek.mode);
                said.model = name(peek.model);
            }
        }
        "status" => said.kind = Kind::System,
        "result" | "result_success" => {
            said.kind = Kind::Result;
            said.activity = Some(Activity::Idle);
        }
        "stream_event" | "partial_assistant" => said.kind = Kind::Partial,
        "task_state" => said.kind = Kind::Tasks,
        _ => {}
    }
    said
}

/// A block of a user message's content; plain text reads as one block.
#[derive(Default, Deserialize)]
struct Block<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_use_id: Option<&'a RawValue>,
}

fn content(message: Option<&RawValue>) -> Vec<Block<'_>> {
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(borrow)]
        content: Option<&'a RawValue>,
    }
    let Some(content) = object::<Message<'_>>(message).and_then(|message| message.content) else { return Vec::new() };
    if content.get().starts_with('"') {
        return vec![Block { text: Some(content), ..Block::default() }];
    }
    let blocks: Vec<&RawValue> = serde_json::from_str(content.get()).unwrap_or_default();
    blocks.into_iter().filter_map(|block| object(Some(block))).collect()
}

/// What the client itself puts into the user's mouth, and what it runs without the agent. None of these begins a turn
/// that a result would end.
const ASIDES: [&str; 9] = [
    "[Request interrupted",
    "<local-command-stdout>",
    "<local-command-stderr>",
    "<local-command-caveat>",
    "<command-name>",
    "<command-message>",
    "<bash-input>",
    "<bash-stdout>",
    "<bash-stderr>",
];

/// Whether it is somebody's words to the agent, not a tool's result or an aside.
fn is_prompt(content: &[Block<'_>]) -> bool {
    let is_result =
        |block: &Block<'_>| block.tool_use_id.is_some() || text(block.kind).as_deref() == Some("tool_result");
    if content.is_empty() || content.iter().any(is_result) {
        return false;
    }
    let Some(first) = content.iter().find_map(|block| text(block.text)) else { return true };
    let first = first.trim_start();
    !is_slash_command(first) && !ASIDES.iter().any(|aside| first.starts_with(aside))
}

/// A REPL answers most slash commands by itself and sends no result, so they would leave the agent at work for ever.
fn is_slash_command(text: &str) -> bool {
    let name = text.strip_prefix('/').and_then(|rest| rest.split_whitespace().next());
    name.is_some_and(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':' | '.')))
}

/// A permission request; any other request of a worker is none of ours.
fn asks(peek: &Peek<'_>) -> Option<Asks> {
    #[derive(Deserialize)]
    struct Request<'a> {
        #[serde(borrow)]
        subtype: Option<&'a RawValue>,
        #[serde(borrow)]
        tool_name: Option<&'a RawValue>,
        #[serde(borrow)]
        input: Option<&'a RawValue>,
        #[serde(borrow)]
        tool_use_id: Option<&'a RawValue>,
    }
    let asked: Request<'_> = object(peek.request)?;
    if text(asked.subtype)? != "can_use_tool" {
        return None;
    }
    let request = request_id(peek.request_id, peek.request_id_camel)?;
    let subject = subject(asked.input, &request);
    Some(Asks { request, tool: name(asked.tool_name)?, subject, tool_use: name(asked.tool_use_id) })
}

/// The fields of a tool's input that say in one line what it is used on, the telling ones first.
const SUBJECTS: [&str; 7] = ["command", "file_path", "notebook_path", "url", "host", "path", "query"];

/// The subject is what people read before they allow, and what a rule compares later: nothing that matters may be
/// missing from it.
fn subject(input: Option<&RawValue>, request: &RequestId) -> Option<String> {
    let input: std::collections::HashMap<Cow<'_, str>, &RawValue> = object(input)?;
    let found = SUBJECTS.iter().find_map(|name| text(input.get(*name).copied()))?;
    let unsandboxed = input.get("dangerouslyDisableSandbox").is_some_and(|flag| flag.get() != "false");
    let subject = if unsandboxed { format!("[outside the sandbox] {found}") } else { found.into_owned() };
    if subject.len() <= limits::SUBJECT_BYTES_MAX {
        return Some(subject);
    }
    // Cut, it would stand for every text with the same beginning; with the request's id it stands for this one only.
    let mark = format!("\u{2026} [cut; request {request}]");
    let mut end = limits::SUBJECT_BYTES_MAX - mark.len();
    while !subject.is_char_boundary(end) {
        end -= 1;
    }
    Some(format!("{}{mark}", subject.get(..end).unwrap_or_default()))
}

/// A response with a behaviour is the answer to a question of the worker's own; any other answers ours.
fn answers(peek: &Peek<'_>) -> Option<Says> {
    #[derive(Deserialize)]
    struct Response<'a> {
        #[serde(borrow)]
        subtype: Option<&'a RawValue>,
        #[serde(borrow)]
        request_id: Option<&'a RawValue>,
        #[serde(rename = "requestId", borrow)]
        request_id_camel: Option<&'a RawValue>,
        #[serde(rename = "response", borrow)]
        inner: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Inner<'a> {
        #[serde(borrow)]
        behavior: Option<&'a RawValue>,
        #[serde(borrow)]
        mode: Option<&'a RawValue>,
    }
    let outer: Response<'_> = object(peek.response)?;
    let request = request_id(outer.request_id, outer.request_id_camel)?;
    let inner: Option<Inner<'_>> = object(outer.inner);
    let behavior = inner.as_ref().and_then(|inner| text(inner.behavior));
    if let Some(behavior) = behavior {
        return Some(Says::Mirrors { request, allow: behavior == "allow" });
    }
    let ok = text(outer.subtype).is_some_and(|subtype| subtype == "success");
    let mode = inner.filter(|_| ok).and_then(|inner| name(inner.mode));
    Some(Says::Answers { request, ok, mode })
}

fn request_id(snake: Option<&RawValue>, camel: Option<&RawValue>) -> Option<RequestId> {
    text(snake).or_else(|| text(camel))?.parse().ok()
}

fn object<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Option<T> {
    let json = raw?.get();
    if json.starts_with('{') { serde_json::from_str(json).ok() } else { None }
}

fn text(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    let json = raw?.get();
    if json.starts_with('"') { serde_json::from_str(json).ok().map(|Text(text)| text) } else { None }
}

/// A text that is somebody's name for something: not empty, and of bounded length.
fn name(raw: Option<&RawValue>) -> Option<String> {
    text(raw).filter(|text| !text.is_empty() && text.len() <= limits::NAME_BYTES_MAX).map(Cow::into_owned)
}

#[cfg(test)]
#[path = "incoming_tests.rs"]
mod tests;
