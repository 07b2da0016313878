//! What is posted to `events` and `control`: read by its type, checked, and turned into one of our own commands.
//!
//! The stock server relays whatever is posted to the agent. That is how a web page could start a program on the agent's
//! machine, so a type or a change of course that is not in the lists below is refused.

use http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::{
    super::{
        caller::{Caller, plain_text},
        control::{self, check_mode_of},
        decide,
        error::Failure,
        json,
        messages::{self, Words},
    },
    render,
};
use crate::{
    api::common::Response,
    domain::{RequestId, Sequence, SessionId, Stream, event::Control, limits},
    relay::{Bounds, RelayError},
    security::Grant,
    wire::web::{
        DecidePermission, Decision, Scope,
        peer::{
            PeerAnswer, PeerControl, PeerControlRequest, PeerControlResponsePost, PeerMessage, PeerPostType,
            PeerPosted, PeerSaid,
        },
    },
};

/// What the denial says when its author said nothing: an agent that hears no reason gives the turn up.
const DENIED: &str = "Denied by the user.";

pub(super) async fn post(caller: &Caller<'_>, session: SessionId, usual: &str) -> Result<Response, Failure> {
    let PeerPostType { kind } = caller.body()?;
    let sequence = match kind.as_deref().unwrap_or(usual) {
        "user" | "user_message" => say(caller, session).await?,
        "permission_response" => answer(caller, session).await?,
        "control_response" => raw_answer(caller, session).await?,
        "control_request" => request(caller, session).await?,
        "interrupt" => steer(caller, session, Control::Interrupt).await?,
        other => {
            let other: String = other.chars().take(64).collect();
            return Err(Failure::field("type", &format!("{other:?} is not passed on to agents")));
        }
    };
    let one = Bounds { records_max: 1, bytes_max: 1 };
    let record = match caller.house.relay.read(Stream::Session(session), sequence, one) {
        Ok(records) => records.into_iter().next(),
        // Said before, and forgotten since.
        Err(RelayError::Gap { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let event = record.and_then(|record| render::event(session, &record));
    Ok(json(StatusCode::OK, &PeerPosted { status: "ok".into(), event }))
}

pub(super) async fn interrupt(caller: &Caller<'_>, session: SessionId) -> Result<Response, Failure> {
    control::request(caller, session, Control::Interrupt).await?;
    Ok(json(StatusCode::OK, &PeerPosted { status: "ok".into(), event: None }))
}

/// The body again, now that its type is known.
fn body<T: DeserializeOwned>(caller: &Caller<'_>) -> Result<T, Failure> {
    caller.body()
}

fn may(caller: &Caller<'_>, grant: Grant, session: SessionId) -> Result<(), Failure> {
    caller.may(grant, caller.house.owner_of(session)).map_err(|denied| Failure::denied(denied, session))
}

async fn say(caller: &Caller<'_>, session: SessionId) -> Result<Sequence, Failure> {
    may(caller, Grant::SessionWrite, session)?;
    let PeerSaid { uuid, content, message, file_attachments } = body(caller)?;
    let inner = message.and_then(|PeerMessage { content }| content);
    let content = inner.or(content).ok_or_else(|| Failure::field("content", "is missing"))?;
    let words = Words { field: "content", content, attachments: file_attachments, message: uuid };
    Ok(messages::say(caller, session, words).await?.1)
}

async fn answer(caller: &Caller<'_>, session: SessionId) -> Result<Sequence, Failure> {
    let PeerAnswer { request_id, approved, message, updated_input, updated_permissions } = body(caller)?;
    let decided = decision(approved, message, updated_input, updated_permissions);
    settle(caller, session, &request_id, decided).await
}

async fn raw_answer(caller: &Caller<'_>, session: SessionId) -> Result<Sequence, Failure> {
    let PeerControlResponsePost { response } = body(caller)?;
    let decided = match response.response {
        Some(inner) if inner.behavior == "allow" && response.subtype != "error" => {
            decision(true, None, inner.updated_input, inner.updated_permissions)
        }
        Some(inner) if inner.behavior == "deny" || response.subtype == "error" => {
            decision(false, inner.message.or(response.error), None, None)
        }
        None if response.subtype == "error" => decision(false, response.error, None, None),
        _ => return Err(Failure::field("response", "must have the behavior allow or deny")),
    };
    settle(caller, session, &response.request_id, decided).await
}

fn decision(
    approved: bool,
    message: Option<String>,
    updated_input: Option<Box<RawValue>>,
    updated_permissions: Option<Box<RawValue>>,
) -> DecidePermission {
    let words = message.filter(|words| !words.is_empty()).unwrap_or_else(|| DENIED.into());
    DecidePermission {
        decision: if approved { Decision::Allow } else { Decision::Deny },
        scope: Scope::Once,
        message: (!approved).then_some(words),
        updated_input: updated_input.filter(|_| approved),
        updated_permissions: updated_permissions.filter(|_| approved),
        answers: None,
    }
}

async fn settle(
    caller: &Caller<'_>,
    session: SessionId,
    request: &RequestId,
    decided: DecidePermission,
) -> Result<Sequence, Failure> {
    may(caller, Grant::PermissionDecide, session)?;
    decide::settle(caller, session, request, decided).await
}

async fn request(caller: &Caller<'_>, session: SessionId) -> Result<Sequence, Failure> {
    let PeerControlRequest { request, .. } = body(caller)?;
    let control = match request {
        PeerControl::Interrupt => Control::Interrupt,
        PeerControl::SetModel { model } => {
            Control::SetModel { model: plain_text("model", &model, limits::NAME_BYTES_MAX)? }
        }
        PeerControl::SetPermissionMode { mode } => Control::SetPermissionMode { mode },
        PeerControl::SetMaxThinkingTokens { max_thinking_tokens } => {
            Control::SetMaxThinkingTokens { max_thinking_tokens }
        }
    };
    steer(caller, session, control).await
}

/// Each change of course with its own grant.
async fn steer(caller: &Caller<'_>, session: SessionId, control: Control) -> Result<Sequence, Failure> {
    let grant = match &control {
        Control::Interrupt => Grant::ControlInterrupt,
        Control::SetModel { .. } | Control::SetMaxThinkingTokens { .. } => Grant::ControlModel,
        Control::SetPermissionMode { .. } => Grant::ControlMode,
    };
    may(caller, grant, session)?;
    if let Control::SetPermissionMode { mode } = &control {
        check_mode_of(caller, session, "mode", mode)?;
    }
    Ok(control::request(caller, session, control).await?.1)
}
