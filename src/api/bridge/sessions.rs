//! Conversations as runners make, name and archive them, and as scripts and other agents write to them: `/v1/sessions`.

use std::sync::Arc;

use http::StatusCode;
use serde_json::value::{RawValue, to_raw_value};

use super::{Endpoint, Failure, environments::named, translate};
use crate::{
    api::common::{BadRequest, Call, House, Response, reply},
    domain::{
        Command, EnvironmentId, MessageId, Outcome, Refusal, SessionId, WorkId,
        command::Prompt,
        event::{SessionCreated, Status},
        limits,
    },
    security::{self, Principal, throttle::ThrottleKind},
    wire::bridge::{
        Empty,
        session::{Create, Events, Patch, PeerMessage, Session, UserEvent},
    },
};

/// Where a session came from when its maker does not say.
const SOURCE_DEFAULT: &str = "remote-control";

/// Answers this module's endpoints.
pub(super) async fn answer(
    house: &Arc<House>,
    call: &Call,
    principal: &Principal,
    endpoint: &Endpoint,
) -> Result<Response, Failure> {
    match *endpoint {
        Endpoint::SessionCreate => create(house, call, principal).await,
        Endpoint::SessionShow { session } => shown(house, session),
        Endpoint::SessionRename { session } => rename(house, call, principal, session).await,
        Endpoint::SessionArchive { session } => archive(house, principal, session).await,
        Endpoint::SessionPost { session } => post(house, call, principal, session).await,
        Endpoint::PeerMessage { session } => peer_message(house, call, principal, session).await,
        _ => Err(Failure::NotFound),
    }
}

async fn create(house: &House, call: &Call, principal: &Principal) -> Result<Response, Failure> {
    house.throttle.check(ThrottleKind::Registration, principal.throttle_key())?;
    let owner = principal.owner().ok_or(Failure::NotFound)?;
    let Create { title, environment_id, source, permission_mode, session_context, events } = call.json()?;
    let environment = environment_id.map(|id| id.parse::<EnvironmentId>()).transpose();
    let environment = environment.map_err(|error| BadRequest::parameter("environment_id", error.to_string()))?;
    let session = SessionId::from_uuid(house.fresh()?);
    let model = session_context.and_then(|context| context.model);
    let particulars = SessionCreated {
        session,
        owner,
        environment,
        title: title.as_deref().and_then(translate::title),
        source: named("source", source.unwrap_or_else(|| SOURCE_DEFAULT.into()))?,
        mode: permission_mode.map(|mode| named("permission_mode", mode)).transpose()?,
        model: model.map(|model| named("session_context.model", model)).transpose()?,
        directory: None,
    };
    let mut prompts = prompts(events.iter().map(|event| &**event))?.into_iter();
    let work = WorkId::from_uuid(house.fresh()?);
    let command = Command::CreateSession { particulars, work, course: Vec::new(), prompt: prompts.next() };
    house.relay.submit(principal.actor(), command).await?;
    for prompt in prompts {
        submit(house, principal, session, prompt).await?;
    }
    shown(house, session)
}

fn shown(house: &House, id: SessionId) -> Result<Response, Failure> {
    let world = house.relay.world();
    let found = world.session(id).ok_or(Refusal::NoSession(id))?;
    let status = match found.status() {
        _ if found.archived_at.is_some() => "archived",
        Status::Idle => "idle",
        Status::Working => "running",
        Status::Waiting => "requires_action",
    };
    let view = Session {
        id: id.to_string(),
        title: found.title.clone(),
        environment_id: found.environment.map(|environment| environment.to_string()),
        status,
        created_at: found.created_at.to_string(),
        updated_at: found.active_at.to_string(),
    };
    Ok(reply::json(StatusCode::OK, &view))
}

async fn rename(house: &House, call: &Call, principal: &Principal, session: SessionId) -> Result<Response, Failure> {
    let Patch { title } = call.json()?;
    let title = translate::title(&title).ok_or_else(|| BadRequest::parameter("title", "must not be empty"))?;
    let renamed = Command::ArrangeSession { session, title: Some(title), pinned: None };
    house.relay.submit(principal.actor(), renamed).await?;
    shown(house, session)
}

/// Archived twice is 409, which the client takes for success.
async fn archive(house: &House, principal: &Principal, session: SessionId) -> Result<Response, Failure> {
    match house.relay.submit(principal.actor(), Command::ArchiveSession { session }).await? {
        Outcome::Unchanged => Err(Failure::AlreadyArchived(session)),
        _ => Ok(reply::json(StatusCode::OK, &Empty {})),
    }
}

/// Words for the agent. Only those: answers and changes of course have doors of their own, with grants of their own.
async fn post(house: &House, call: &Call, principal: &Principal, session: SessionId) -> Result<Response, Failure> {
    let Events { events } = call.json()?;
    bounded(events.len())?;
    house.throttle.check_messages(principal.throttle_key(), events.len())?;
    for prompt in prompts(events.into_iter())? {
        submit(house, principal, session, prompt).await?;
    }
    Ok(reply::json(StatusCode::OK, &Empty {}))
}

/// Refuses a list that no client sends.
pub(super) const fn bounded(count: usize) -> Result<(), Failure> {
    if count > limits::INGRESS_MESSAGES_MAX {
        return Err(Failure::TooMany { what: "events", count, max: limits::INGRESS_MESSAGES_MAX });
    }
    Ok(())
}

fn prompts<'a>(events: impl Iterator<Item = &'a RawValue>) -> Result<Vec<Prompt>, Failure> {
    events.enumerate().map(|(index, event)| prompt(index, event)).collect()
}

fn prompt(index: usize, event: &RawValue) -> Result<Prompt, Failure> {
    let at = |reason: String| BadRequest::parameter(format!("events[{index}]"), reason);
    let event: UserEvent<'_> =
        serde_json::from_str(event.get()).map_err(|error| at(format!("is no user message: {error}")))?;
    if event.kind != "user" {
        return Err(at(format!("has the type {:?}; only \"user\" is taken here", event.kind)).into());
    }
    let message = match event.uuid {
        Some(uuid) => uuid.parse().map_err(|error| at(format!("has no valid uuid: {error}")))?,
        None => fresh_message()?,
    };
    Ok(translate::prompt(message, event.message.content, event.file_attachments)?)
}

/// A fresh id for a message: version 4, because workers keep it in transcripts of their own where they expect one.
fn fresh_message() -> Result<MessageId, Failure> {
    Ok(MessageId::from_uuid(uuid::Builder::from_random_bytes(security::random::bytes()?).into_uuid()))
}

async fn submit(house: &House, principal: &Principal, session: SessionId, prompt: Prompt) -> Result<(), Failure> {
    let work = WorkId::from_uuid(house.fresh()?);
    house.relay.submit(principal.actor(), Command::PostMessage { session, prompt, work }).await?;
    Ok(())
}

/// One agent writes to another. It arrives as a prompt that says whom it is from.
async fn peer_message(
    house: &House,
    call: &Call,
    principal: &Principal,
    session: SessionId,
) -> Result<Response, Failure> {
    let message: PeerMessage = call.json()?;
    if message.kind != "peer_message" {
        return Err(BadRequest::parameter("type", "must be \"peer_message\"").into());
    }
    named("from", message.from.clone())?;
    house.throttle.check_messages(principal.throttle_key(), 1)?;
    let content = to_raw_value(&message.text());
    let content = content.map_err(|error| BadRequest::parameter("content", error.to_string()))?;
    let prompt = translate::prompt(fresh_message()?, &content, None)?;
    submit(house, principal, session, prompt).await?;
    Ok(reply::json(StatusCode::OK, &Empty {}))
}
