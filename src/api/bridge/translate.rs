//! Between the words of ccb's workers and the relay's: what came in becomes an [`Incoming`], what waits becomes a line
//! for the worker. The same for both data planes.
//!
//! May not know frames, sockets or requests.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::outflow::event_id;
use crate::{
    api::common::{BadRequest, House, identity::message_key},
    domain::{
        Event, MessageId, Record, RequestId, Sequence, SessionId, Stream, Timestamp,
        command::{Incoming, Meaning, Prompt, Said},
        event::{self, MessageKind, PermissionDecided, PermissionRequested, Status, Verdict},
        limits,
        outbox::Item,
    },
    relay::{Bounds, RelayError},
    security::{dedupe_key, fingerprint},
    wire::bridge::{self as wire, Activity, Asks, Classified, Control, Kind, Says},
};

const ONE: Bounds = Bounds { records_max: 1, bytes_max: 1 };

/// A line for a worker.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) sequence: Sequence,
    /// A prompt's own id; else one that leads back to the item.
    pub(super) event_id: String,
    pub(super) event_type: &'static str,
    pub(super) json: String,
    /// It is written at most once.
    pub(super) is_control: bool,
    /// When it was recorded.
    pub(super) at: Timestamp,
}

/// A prompt's content as the journal keeps it, whatever room it came through.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Content<'a> {
    #[serde(borrow)]
    pub(super) content: &'a RawValue,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) file_attachments: Option<&'a RawValue>,
}

/// What goes with a decision, as the journal keeps it.
#[derive(Debug, Default, Deserialize)]
struct Extras<'a> {
    #[serde(borrow, default)]
    updated_input: Option<&'a RawValue>,
    #[serde(borrow, default)]
    updated_permissions: Option<&'a RawValue>,
}

/// A prompt from its parts, as they are in a request of a room's client.
pub(super) fn prompt(
    message: MessageId,
    content: &RawValue,
    file_attachments: Option<&RawValue>,
) -> Result<Prompt, BadRequest> {
    if !content.get().starts_with(['"', '[']) {
        return Err(BadRequest::parameter("content", "must be text or a list of blocks"));
    }
    let payload = serde_json::to_vec(&Content { content, file_attachments })
        .map_err(|error| BadRequest::parameter("content", error.to_string()))?;
    let fingerprint = fingerprint([payload.as_slice()]);
    Ok(Prompt { message, key: message_key(message), fingerprint, payload: payload.into() })
}

/// What a worker's message means; nothing for a sign of life.
pub(super) fn incoming(session: SessionId, payload: &RawValue) -> Result<Option<Incoming>, BadRequest> {
    let classified = wire::classify(payload);
    let Classified { uuid, says } = classified.map_err(|error| BadRequest::parameter("payload", error.to_string()))?;
    let of_message = uuid.map(|uuid| dedupe_key("message", uuid.as_bytes()));
    // Control messages have no uuid on v1, and another one with each repetition on v2: their request names them.
    let of_request = |scope, request: &RequestId| Some(dedupe_key(scope, request.as_str().as_bytes()));
    let (key, meaning) = match says {
        Says::KeepAlive => return Ok(None),
        Says::Said(said) => (of_message, Meaning::Said(said_of(said))),
        Says::Asks(Asks { request, tool, subject, tool_use }) => {
            let key = of_request("permission", &request);
            (key, Meaning::Asks(PermissionRequested { session, request, tool, subject, tool_use }))
        }
        Says::TakesBack(request) => (of_request("cancel", &request), Meaning::TakesBack(request)),
        Says::Answers { request, ok, mode } => {
            (of_request("answer", &request), Meaning::Answers { request, ok, mode, model: None })
        }
        Says::Mirrors { request, allow } => {
            let verdict = Some(if allow { Verdict::Allow } else { Verdict::Deny });
            (of_request("answer", &request), Meaning::Mirrors { request, verdict })
        }
    };
    Ok(Some(Incoming { key, payload: Bytes::copy_from_slice(payload.get().as_bytes()), meaning }))
}

fn said_of(said: wire::Said) -> Said {
    let wire::Said { message, kind, activity, mode, model, tool_results } = said;
    let kind = match kind {
        Kind::Assistant => MessageKind::Assistant,
        Kind::User => MessageKind::User,
        Kind::System => MessageKind::System,
        Kind::Result => MessageKind::Result,
        Kind::Partial => MessageKind::Partial,
        Kind::Tasks => MessageKind::Tasks,
        Kind::Control => MessageKind::Control,
        Kind::Other => MessageKind::Other,
    };
    let status = activity.map(|activity| match activity {
        Activity::Working => Status::Working,
        Activity::Idle => Status::Idle,
    });
    Said { message, kind, ephemeral: kind == MessageKind::Partial, status, mode, model, tool_results }
}

/// Whether an event is something for the worker.
pub(super) const fn is_outgoing(event: &Event) -> bool {
    matches!(event, Event::MessagePosted { .. } | Event::PermissionDecided(_) | Event::ControlRequested { .. })
}

/// The line for an item of the session's outbox; nothing if it is not due any more.
pub(super) fn outgoing(house: &House, session: SessionId, sequence: Sequence) -> Result<Option<Outgoing>, RelayError> {
    let due = {
        let world = house.relay.world();
        world.session(session).and_then(|found| found.outbox.get(sequence)).is_some_and(Item::is_due)
    };
    if !due {
        return Ok(None);
    }
    let Some(record) = read(house, session, sequence)? else { return Ok(None) };
    let at = record.at;
    let drawn = match &record.event {
        Event::MessagePosted { message, .. } => draw_prompt(session, *message, &record),
        Event::PermissionDecided(decided) => Some(draw_answer(house, session, decided, &record)?),
        Event::ControlRequested { request, control, .. } => Some(draw_control(request, control)),
        _ => None,
    };
    let Some((event_type, json)) = drawn else {
        tracing::error!(%session, %sequence, "what waits for a worker cannot be read and is left out");
        return Ok(None);
    };
    let (event_id, is_control) = match &record.event {
        Event::MessagePosted { message, .. } => (message.to_string(), false),
        event => (event_id(sequence).to_string(), matches!(event, Event::ControlRequested { .. })),
    };
    Ok(Some(Outgoing { sequence, event_id, event_type, json, is_control, at }))
}

type Line = (&'static str, String);

fn draw_prompt(session: SessionId, message: MessageId, record: &Record) -> Option<Line> {
    let Content { content, file_attachments } = serde_json::from_slice(&record.payload).ok()?;
    Some(("user", wire::user_message(&session.to_string(), message, content, file_attachments)))
}

/// The answer to a question. What was allowed as it was asked goes back as it was asked: the input comes from the
/// question's own record.
fn draw_answer(
    house: &House,
    session: SessionId,
    decided: &PermissionDecided,
    record: &Record,
) -> Result<Line, RelayError> {
    let settled = {
        let world = house.relay.world();
        let found = world.session(session).and_then(|found| found.permissions.get_settled(&decided.request));
        found.map(|settled| (settled.asked, settled.tool_use.clone()))
    };
    let (asked, tool_use) = settled.unzip();
    let question = asked.map(|asked| read(house, session, asked)).transpose()?.flatten();
    let original = question.as_ref().and_then(|question| input_of(&question.payload));
    let extras: Extras<'_> = serde_json::from_slice(&record.payload).unwrap_or_default();
    let request = decided.request.as_str();
    let tool_use = tool_use.flatten();
    let allow = decided.verdict == Verdict::Allow;
    let input = extras.updated_input.or(original);
    if allow && input.is_none() {
        // Without the input a REPL would run the tool with an empty one. The agent can ask again.
        tracing::warn!(%session, request, "the question of an answer is gone; it is denied instead");
        let why = "The request is no longer known to the server. Ask again.";
        let json = wire::permission_answer(request, false, Some(why), None, None, tool_use.as_deref());
        return Ok(("control_response", json));
    }
    let message = decided.message.as_deref();
    let json = wire::permission_answer(request, allow, message, input, extras.updated_permissions, tool_use.as_deref());
    Ok(("control_response", json))
}

/// The input in a permission request.
fn input_of(payload: &[u8]) -> Option<&RawValue> {
    #[derive(Deserialize)]
    struct Asked<'a> {
        #[serde(borrow)]
        request: Request<'a>,
    }
    #[derive(Deserialize)]
    struct Request<'a> {
        #[serde(borrow)]
        input: &'a RawValue,
    }
    serde_json::from_slice::<Asked<'_>>(payload).ok().map(|asked| asked.request.input)
}

fn draw_control(request: &RequestId, control: &event::Control) -> Line {
    let control = match control {
        event::Control::Interrupt => Control::Interrupt,
        event::Control::SetModel { model } => Control::SetModel { model },
        event::Control::SetPermissionMode { mode } => Control::SetPermissionMode { mode },
        event::Control::SetMaxThinkingTokens { max_thinking_tokens } => {
            Control::SetMaxThinkingTokens { max_thinking_tokens: *max_thinking_tokens }
        }
    };
    ("control_request", wire::control_request(request.as_str(), control))
}

/// A record of the session. One that was trimmed away is none: an item whose words are gone must not keep the worker
/// from those behind it.
fn read(house: &House, session: SessionId, sequence: Sequence) -> Result<Option<std::sync::Arc<Record>>, RelayError> {
    match house.relay.read(Stream::Session(session), sequence, ONE) {
        Ok(records) => Ok(records.into_iter().next().filter(|record| record.sequence == sequence)),
        Err(RelayError::Gap { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A title for a list: one line, cut to its bound; nothing if nothing is left.
pub(super) fn title(text: &str) -> Option<String> {
    let line: Cow<'_, str> =
        if text.contains(char::is_control) { text.replace(char::is_control, " ").into() } else { text.into() };
    let mut line = line.trim().to_owned();
    while line.len() > limits::TITLE_BYTES_MAX {
        line.pop();
    }
    (!line.is_empty()).then_some(line)
}
