//! Code sessions (v2): a terminal makes one without an environment, and becomes its worker by asking for credentials.
//!
//! The same sessions as `/v1/sessions`, under the name that worker endpoints use. Archiving and renaming are answered
//! here too, for clients that stay with the prefix they were given.

use std::sync::Arc;

use http::StatusCode;

use super::{Endpoint, Failure, translate, worker::attach};
use crate::{
    api::common::{BadRequest, Call, House, Response, reply},
    domain::{Actor, Command, Outcome, OwnerId, Refusal, SessionId, WorkId, event::SessionCreated, limits},
    relay::Idempotency,
    security::{Principal, dedupe_key, fingerprint},
    wire::bridge::worker::{
        CodeSession, CodeSessionCreated, CodeSessionShown, CodeSessionView, CreateCodeSession, PatchCodeSession,
        WorkerCredentials,
    },
};

/// What such a session says of where it came from.
const SOURCE: &str = "remote-control";

/// Answers this module's endpoints.
pub(super) async fn answer(
    house: &Arc<House>,
    call: &Call,
    principal: &Principal,
    endpoint: &Endpoint,
) -> Result<Response, Failure> {
    match *endpoint {
        Endpoint::CodeCreate => create(house, call, principal).await,
        Endpoint::CodeBridge { session } => bridge(house, principal.actor(), session).await,
        Endpoint::CodeShow { session } => shown(house, session),
        Endpoint::CodeRename { session } => rename(house, call, principal.actor(), session).await,
        Endpoint::CodeArchive { session } => archive(house, principal.actor(), session).await,
        _ => Err(Failure::NotFound),
    }
}

async fn create(house: &House, call: &Call, principal: &Principal) -> Result<Response, Failure> {
    let Some(owner) = principal.owner() else { return Err(Failure::NotFound) };
    let CreateCodeSession { title } = call.json()?;
    let particulars = SessionCreated {
        session: SessionId::from_uuid(house.fresh()?),
        owner,
        environment: None,
        title: title.as_deref().and_then(translate::title),
        source: SOURCE.into(),
        mode: None,
        model: None,
        directory: None,
    };
    let command = Command::CreateSession {
        particulars,
        work: WorkId::from_uuid(house.fresh()?),
        course: Vec::new(),
        prompt: None,
    };
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

/// Whoever may feed a session may take it over: the epoch goes up and whoever was its worker is superseded. A
/// worker's own token is not enough: it would be good for another one and outlive itself.
async fn bridge(house: &House, actor: Actor, session: SessionId) -> Result<Response, Failure> {
    let worker_epoch = attach(house, actor, session).await?;
    let (token, expires_in) = house.worker_jwt(session, worker_epoch);
    let api_base_url = &house.settings.base_url;
    let credentials = WorkerCredentials { worker_jwt: token.expose(), expires_in, api_base_url, worker_epoch };
    Ok(reply::json(StatusCode::OK, &credentials))
}

fn shown(house: &House, session: SessionId) -> Result<Response, Failure> {
    let world = house.relay.world();
    let found = world.session(session).ok_or(Refusal::NoSession(session))?;
    let view = CodeSessionView {
        id: session.worker_form(),
        title: found.title.clone(),
        archived: found.archived_at.is_some(),
        created_at: found.created_at.to_string(),
    };
    Ok(reply::json(StatusCode::OK, &CodeSessionShown { session: view }))
}

async fn rename(house: &House, call: &Call, actor: Actor, session: SessionId) -> Result<Response, Failure> {
    let PatchCodeSession { title } = call.json()?;
    if let Some(title) = title.as_deref().and_then(translate::title) {
        let renamed = Command::ArrangeSession { session, title: Some(title), pinned: None };
        house.relay.submit(actor, renamed).await?;
    }
    shown(house, session)
}

/// Archived twice is 409 on `/v1/sessions`, where the client knows it; here 409 means "superseded", so it is 200.
async fn archive(house: &House, actor: Actor, session: SessionId) -> Result<Response, Failure> {
    house.relay.submit(actor, Command::ArchiveSession { session }).await?;
    shown(house, session)
}
