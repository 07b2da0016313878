//! From a record to the events that the stock server's clients know. What they have no word for is left out; the
//! numbers keep their holes.

use serde::{Deserialize, Serialize};
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};

use super::{super::render::payload, sessions::peer_status};
use crate::{
    domain::{
        Actor, Event, Record, SessionId,
        event::{Control, MessageKind, PermissionDecided, Verdict},
    },
    wire::web::peer::{PeerDirection, PeerEvent, PeerLifted, PeerStreamEvent},
};

/// A record in the words of the stock server.
struct Drawn {
    kind: String,
    payload: Box<RawValue>,
    direction: PeerDirection,
}

/// As `history` and replies show it.
pub(super) fn event(session: SessionId, record: &Record) -> Option<PeerEvent> {
    let Drawn { kind, payload, direction } = draw(record)?;
    let id = match &record.event {
        Event::MessageReceived { message: Some(id), .. } | Event::MessagePosted { message: id, .. } => id.to_string(),
        _ => format!("{session}.{}", record.sequence),
    };
    let (seq_num, created_at) = (record.sequence.0, record.at.0);
    Some(PeerEvent { id, session_id: session, kind, payload, direction, seq_num, created_at })
}

/// As `events` streams it.
pub(super) fn stream_event(record: &Record) -> Option<PeerStreamEvent> {
    let Drawn { kind, payload, direction } = draw(record)?;
    Some(PeerStreamEvent { kind, payload, direction, seq_num: record.sequence.0 })
}

fn draw(record: &Record) -> Option<Drawn> {
    match &record.event {
        Event::MessageReceived { kind, .. } => {
            let raw = payload(record)?;
            let named = serde_json::from_str::<Typed>(raw.get()).ok().and_then(|typed| typed.kind);
            inbound(&named.unwrap_or_else(|| fallback(*kind).to_owned()), &raw)
        }
        Event::PermissionRequested(_) => inbound("control_request", &payload(record)?),
        Event::ControlAnswered { .. } => inbound("control_response", &payload(record)?),
        Event::PermissionCancelled { request, .. } => inbound(
            "control_cancel_request",
            &to_raw(&json!({"type": "control_cancel_request", "request_id": request}))?,
        ),
        Event::MessagePosted { message, .. } => {
            let said: Said = serde_json::from_slice(&record.payload).ok()?;
            let sent = Sent { kind: "user", uuid: message.to_string(), content: &said.content, message: &said };
            outbound("user", &to_raw(&sent)?)
        }
        Event::PermissionDecided(decided) => decision(record, decided),
        Event::ControlRequested { control: Control::Interrupt, .. } => {
            outbound("interrupt", &to_raw(&json!({"action": "interrupt"}))?)
        }
        Event::ControlRequested { request, control, .. } => {
            let raw = json!({"type": "control_request", "request_id": request, "request": control});
            outbound("control_request", &to_raw(&raw)?)
        }
        Event::StatusChanged { status, .. } => plain("session_status", &json!({"status": peer_status(*status)})),
        Event::SessionArchived { .. } => plain("session_status", &json!({"status": "archived"})),
        Event::MetadataPatched { .. } => {
            let patch: Value = serde_json::from_slice(&record.payload).ok()?;
            match patch.get("automation_state")? {
                Value::Null => {
                    let off = json!({"enabled": false, "phase": null, "next_tick_at": null, "sleep_until": null});
                    plain("automation_state", &off)
                }
                state => plain("automation_state", state),
            }
        }
        _ => None,
    }
}

/// Ours goes out; one that the worker made itself, at its terminal, came in.
fn decision(record: &Record, decided: &PermissionDecided) -> Option<Drawn> {
    if matches!(record.actor, Actor::Worker(_)) && !record.payload.is_empty() {
        return inbound("control_response", &payload(record)?);
    }
    let mut raw = json!({
        "type": "permission_response",
        "request_id": decided.request,
        "approved": decided.verdict == Verdict::Allow,
    });
    if let Some(message) = &decided.message {
        raw["message"] = json!(message);
    }
    let extras: Extras = serde_json::from_slice(&record.payload).unwrap_or_default();
    let raw = Decided { raw, extras };
    let mut drawn = outbound("permission_response", &to_raw(&raw)?)?;
    // The stock page reads the verdict beside `raw`, not within.
    drawn.payload = to_raw(&Beside { content: "", raw: &raw, inner: &raw })?;
    Some(drawn)
}

/// What goes with a decision.
#[derive(Default, Serialize, Deserialize)]
struct Extras {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    updated_input: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    updated_permissions: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct Decided {
    #[serde(flatten)]
    raw: Value,
    #[serde(flatten)]
    extras: Extras,
}

#[derive(Serialize)]
struct Beside<'a> {
    content: &'a str,
    raw: &'a Decided,
    #[serde(flatten)]
    inner: &'a Decided,
}

#[derive(Deserialize)]
struct Typed {
    #[serde(rename = "type")]
    kind: Option<String>,
}

/// The neutral form in which a prompt is kept.
#[derive(Serialize, Deserialize)]
struct Said {
    content: Box<RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file_attachments: Option<Box<RawValue>>,
}

/// As its author would have posted it here.
#[derive(Serialize)]
struct Sent<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    uuid: String,
    content: &'a RawValue,
    message: &'a Said,
}

/// What the stock page reads: the text, the message as it came, and some of its members lifted out.
#[derive(Serialize)]
struct Payload<'a> {
    content: String,
    raw: &'a RawValue,
    #[serde(flatten)]
    lifted: PeerLifted,
}

fn inbound(kind: &str, raw: &RawValue) -> Option<Drawn> {
    wrap(kind, raw, PeerDirection::Inbound)
}

fn outbound(kind: &str, raw: &RawValue) -> Option<Drawn> {
    wrap(kind, raw, PeerDirection::Outbound)
}

fn plain(kind: &str, payload: &Value) -> Option<Drawn> {
    Some(Drawn { kind: kind.into(), payload: to_raw(payload)?, direction: PeerDirection::Inbound })
}

fn wrap(kind: &str, raw: &RawValue, direction: PeerDirection) -> Option<Drawn> {
    let lifted: PeerLifted = serde_json::from_str(raw.get()).unwrap_or_default();
    let content = text(raw).or_else(|| text(lifted.message.as_deref()?)).unwrap_or_default();
    let payload = to_raw(&Payload { content, raw, lifted })?;
    Some(Drawn { kind: kind.into(), payload, direction })
}

#[derive(Deserialize)]
struct WithContent<'a> {
    #[serde(borrow)]
    content: &'a RawValue,
}

#[derive(Deserialize)]
struct TextBlock {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    text: String,
}

/// The text of a content, whether it is one or a list of blocks.
fn text(holder: &RawValue) -> Option<String> {
    let WithContent { content } = serde_json::from_str(holder.get()).ok()?;
    if let Ok(text) = serde_json::from_str::<String>(content.get()) {
        return Some(text);
    }
    let blocks: Vec<TextBlock> = serde_json::from_str(content.get()).ok()?;
    Some(blocks.into_iter().filter(|block| block.kind == "text").map(|block| block.text).collect())
}

fn to_raw<T: Serialize>(value: &T) -> Option<Box<RawValue>> {
    to_raw_value(value).ok()
}

/// A message without a type.
const fn fallback(kind: MessageKind) -> &'static str {
    match kind {
        MessageKind::Assistant => "assistant",
        MessageKind::User => "user",
        MessageKind::System => "system",
        MessageKind::Result => "result",
        MessageKind::Partial => "stream_event",
        MessageKind::Tasks => "task_state",
        MessageKind::Control => "control_request",
        MessageKind::Other => "other",
    }
}
