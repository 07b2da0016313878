//! What a viewer is told of a conversation, from its records: what the agent said as it said it, and what others said
//! and decided in words that its client knows or ignores.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::outgoing::blocks;
use crate::{
    domain::{Event, MessageId, Record, RequestId, event::Verdict},
    wire::acp::{
        error, text,
        viewer::{Stopped, Told, UserChunk, UserSaid},
    },
};

/// The type of a frame.
pub(super) fn kind(frame: &[u8]) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Typed<'a> {
        #[serde(borrow, rename = "type")]
        kind: Cow<'a, str>,
    }
    serde_json::from_slice::<Typed<'_>>(frame).ok().map(|typed| typed.kind)
}

/// A record's payload as a frame.
pub(super) fn frame(record: &Record) -> Option<String> {
    (!record.payload.is_empty()).then(|| String::from_utf8_lossy(&record.payload).into_owned())
}

/// What is told of the past: what was said, and not how each turn ended.
pub(super) fn history(record: &Record, foreign: &str) -> Vec<String> {
    match &record.event {
        Event::MessageReceived { .. } if kind(&record.payload).as_deref() == Some("session_update") => {
            frame(record).into_iter().collect()
        }
        Event::MessagePosted { .. } => said_by_others(record, foreign),
        _ => Vec::new(),
    }
}

/// What is told as it happens. `own` are the prompts of this viewer: its client has shown them already.
pub(super) fn live(record: &Record, foreign: &str, own: impl Fn(MessageId) -> bool) -> Vec<String> {
    match &record.event {
        Event::MessageReceived { .. }
        | Event::PermissionRequested(_)
        | Event::ControlAnswered { .. }
        | Event::TurnTorn { .. } => frame(record).into_iter().collect(),
        Event::MessagePosted { message, .. } if !own(*message) => said_by_others(record, foreign),
        Event::MessageCancelled { message, .. } if own(*message) => {
            vec![text(&Told::PromptComplete(Stopped { reason: "cancelled" }))]
        }
        Event::PermissionDecided(decided) => {
            let outcome = if decided.verdict == Verdict::Allow { "allowed" } else { "denied" };
            vec![resolved(&decided.request, outcome)]
        }
        Event::PermissionCancelled { request, .. } => vec![resolved(request, "cancelled")],
        Event::SessionArchived { .. } => vec![error("This conversation was archived.")],
        _ => Vec::new(),
    }
}

fn said_by_others(record: &Record, foreign: &str) -> Vec<String> {
    let chunk = |content: Box<serde_json::value::RawValue>| {
        let update = UserChunk { kind: "user_message_chunk", content: &content };
        text(&Told::SessionUpdate(UserSaid { session: foreign, update }))
    };
    blocks(&record.payload).unwrap_or_default().into_iter().map(chunk).collect()
}

/// That a question needs no answer any more: clients that know it take it off the screen.
fn resolved(request: &RequestId, outcome: &str) -> String {
    #[derive(Serialize)]
    struct Payload<'a> {
        #[serde(rename = "requestId")]
        request: &'a str,
        outcome: &'a str,
    }
    #[derive(Serialize)]
    struct Frame<'a> {
        #[serde(rename = "type")]
        kind: &'static str,
        payload: Payload<'a>,
    }
    text(&Frame { kind: "permission_resolved", payload: Payload { request: request.as_str(), outcome } })
}
