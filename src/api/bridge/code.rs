//! Code sessions (v2): a terminal makes one without an environment, and becomes its worker by asking for credentials.
//!
//! The same sessions as `/v1/sessions`, under the name that worker endpoints use. Archiving and renaming are answered here
//! too, for clients that stay with the prefix they were given.

use std::sync::Arc;

use http::StatusCode;

use super::{Endpoint, Failure, worker::attach};
use crate::{
    api::common::{BadRequest, Call, House, Response, reply},
    domain::{Command, Outcome, OwnerId, Refusal, SessionId, WorkId, event::SessionCreated, limits},
    relay::{Idempotency, RelayError},
    security::{self, Grant, Principal, dedupe_key, fingerprint},
    wire::bridge::worker::{
        CodeSession, CodeSessionCreated, CodeSessionShown, CodeSessionView, CreateCodeSession, PatchCodeSession,
        WorkerCredentials,
    },
};

/// What such a session says of where it came from.
const SOURCE: &str = "remote-control";

/// Answers this module's endpoints.
pub(super) async fn answer(house: &Arc<House>, call: &Call, endpoint: &Endpoint) -> Result<Response, Failure> {
    match *endpoint {
        Endpoint::CodeCreate => create(house, call).await,
        Endpoint::CodeBridge { session } => bridge(house, call, session).await,
        Endpoint::CodeShow { session } => show(house, call, session),
        Endpoint::CodeRename { session } => rename(house, call, session).await,
        Endpoint::CodeArchive { session } => archive(house, call, session).await,
        _ => Err(Failure::NotFound),
    }
}

async fn create(house: &House, call: &Call) -> Result<Response, Failure> {
    let principal = house.identify(call)?;
    security::grant::holds(&principal, Grant::SessionRun)?;
    let Some(owner) = principal.owner() else { return Err(Failure::NotFound) };
    let CreateCodeSession { title } = call.json()?;
    let particulars = SessionCreated {
        session: SessionId::from_uuid(house.fresh()?),
        owner,
        environment: None,
        title: title.as_deref().map(one_line).filter(|title| !title.is_empty()),
        source: SOURCE.into(),
        mode: None,
        model: None,
    };
    let command = Command::CreateSession { particulars, work: WorkId::from_uuid(house.fresh()?), prompt: None };
    let outcome = match once(call, owner)? {
        Some(idempotency) => house.relay.submit_once(principal.actor(), command, idempotency).await?,
        None => house.relay.submit(principal.actor(), command).await?,
    };
    match outcome {
        Outcome::Session { session } => {
            let created = CodeSessionCreated { session: CodeSession { id: session.worker_form() } };
            Ok(reply::json(StatusCode::OK, &created))
        }
        other => Err(Failure::unexpected("CreateSession", &other)),
    }
}

/// The client's promise that a repetition means the same session, if it made one.
fn once(call: &Call, owner: OwnerId) -> Result<Option<Idempotency>, BadRequest> {
    let Some(key) = call.header("idempotency-key") else { return Ok(None) };
    if key.is_empty() || key.len() > limits::IDEMPOTENCY_KEY_BYTES_MAX {
        let reason = format!("must have 1 to {} bytes", limits::IDEMPOTENCY_KEY_BYTES_MAX);
        return Err(BadRequest::parameter("Idempotency-Key", reason));
    }
    Ok(Some(Idempotency {
        owner,
        key: dedupe_key("idempotency key", key.as_bytes()),
        fingerprint: fingerprint([call.method.as_str().as_bytes(), call.path.as_bytes(), call.body.as_ref()]),
    }))
}

/// A title for a list: one line, cut to its bound.
fn one_line(title: &str) -> String {
    let mut line = title.replace(char::is_control, " ").trim().to_owned();
    while line.len() > limits::TITLE_BYTES_MAX {
        line.pop();
    }
    line
}

/// Who may feed a session may take it over: the epoch goes up and whoever was its worker is superseded.
async fn bridge(house: &House, call: &Call, session: SessionId) -> Result<Response, Failure> {
    let principal = key_of(house, call)?;
    house.may(&principal, Grant::SessionRun, session)?;
    let worker_epoch = attach(house, principal.actor(), session).await?;
    let (token, expires_in) = house.worker_jwt(session, worker_epoch);
    let api_base_url = &house.settings.base_url;
    let credentials = WorkerCredentials { worker_jwt: token.expose(), expires_in, api_base_url, worker_epoch };
    Ok(reply::json(StatusCode::OK, &credentials))
}

/// A key. A worker's own token must not be good for another token: it would outlive itself.
fn key_of(house: &House, call: &Call) -> Result<Principal, Failure> {
    let principal = house.identify(call)?;
    security::grant::holds(&principal, Grant::SessionRun)?;
    Ok(principal)
}

fn show(house: &House, call: &Call, session: SessionId) -> Result<Response, Failure> {
    let principal = key_of(house, call)?;
    house.may(&principal, Grant::SessionRun, session)?;
    shown(house, session)
}

fn shown(house: &House, session: SessionId) -> Result<Response, Failure> {
    let world = house.relay.world();
    let found = world.session(session).ok_or(Refusal::NoSession(session)).map_err(RelayError::from)?;
    let view = CodeSessionView {
        id: session.worker_form(),
        title: found.title.clone(),
        archived: found.archived_at.is_some(),
        created_at: found.created_at.to_string(),
    };
    Ok(reply::json(StatusCode::OK, &CodeSessionShown { session: view }))
}

async fn rename(house: &House, call: &Call, session: SessionId) -> Result<Response, Failure> {
    let principal = key_of(house, call)?;
    house.may(&principal, Grant::SessionRun, session)?;
    let PatchCodeSession { title } = call.json()?;
    if let Some(title) = title.as_deref().map(one_line).filter(|title| !title.is_empty()) {
        house.relay.submit(principal.actor(), Command::RenameSession { session, title }).await?;
    }
    shown(house, session)
}

/// Archived twice is 409 on `/v1/sessions`, where the client knows it; here 409 means "superseded", so it is 200.
async fn archive(house: &House, call: &Call, session: SessionId) -> Result<Response, Failure> {
    let principal = key_of(house, call)?;
    house.may(&principal, Grant::SessionRun, session)?;
    house.relay.submit(principal.actor(), Command::ArchiveSession { session }).await?;
    shown(house, session)
}
