//! What a runner asks beside work: to be registered, to confirm, to let go, to have a session again, to sign off.
//!
//! Its client takes nothing but 200 for success here.

use std::sync::Arc;

use http::StatusCode;

use super::{Endpoint, Failure};
use crate::{
    api::common::{BadRequest, Call, House, Response, reply},
    domain::{
        Command, EnvironmentId, Outcome, OwnerId, Refusal, SessionId, WorkId, event::EnvironmentRegistered, limits,
        work::Stage,
    },
    relay::Lease,
    security::{Principal, throttle::ThrottleKind},
    wire::bridge::{
        Empty,
        environment::{Heartbeat, Reconnect, Register, Registered, Stop},
    },
};

/// What a runner is when it does not say.
const WORKER_TYPE_DEFAULT: &str = "claude_code";

/// Answers this module's endpoints.
pub(super) async fn answer(
    house: &Arc<House>,
    call: &Call,
    principal: &Principal,
    endpoint: &Endpoint,
) -> Result<Response, Failure> {
    match *endpoint {
        Endpoint::Register => register(house, call, principal).await,
        Endpoint::Deregister { environment } => {
            done(house, principal, Command::DeregisterEnvironment { environment }).await
        }
        Endpoint::Ack { environment, work } => {
            house.relay.announce(Lease::Environment(environment)).await;
            done(house, principal, Command::AckWork { environment, work }).await
        }
        Endpoint::Stop { environment, work } => {
            let Stop { force } = call.json()?;
            done(house, principal, Command::StopWork { environment, work, force }).await
        }
        Endpoint::WorkHeartbeat { environment, work } => heartbeat(house, principal, environment, work).await,
        Endpoint::Reconnect { environment } => reconnect(house, call, principal, environment).await,
        _ => Err(Failure::NotFound),
    }
}

async fn done(house: &House, principal: &Principal, command: Command) -> Result<Response, Failure> {
    house.relay.submit(principal.actor(), command).await?;
    Ok(reply::json(StatusCode::OK, &Empty {}))
}

/// A runner that names its old id gets it back, with the same secret: its poll that is still open goes on, and the
/// sessions that people have open keep their addresses.
async fn register(house: &House, call: &Call, principal: &Principal) -> Result<Response, Failure> {
    house.throttle.check(ThrottleKind::Registration, principal.throttle_key())?;
    let owner = principal.owner().ok_or(Failure::NotFound)?;
    let register: Register = call.json()?;
    // An id of another server is none of ours: the runner gets a new one, as if it had not asked.
    let reattach = register.environment_id.as_deref().and_then(|id| id.parse::<EnvironmentId>().ok());
    let particulars = particulars(register, EnvironmentId::from_uuid(house.fresh()?), owner)?;
    let command = Command::RegisterEnvironment { particulars, reattach };
    match house.relay.submit(principal.actor(), command).await? {
        Outcome::Environment { environment, .. } => {
            house.relay.announce(Lease::Environment(environment)).await;
            let environment_secret = house.environment_secret(environment).expose().to_owned();
            let registered = Registered { environment_id: environment.to_string(), environment_secret };
            Ok(reply::json(StatusCode::OK, &registered))
        }
        other => Err(Failure::unexpected("RegisterEnvironment", &other)),
    }
}

fn particulars(
    register: Register,
    environment: EnvironmentId,
    owner: OwnerId,
) -> Result<EnvironmentRegistered, BadRequest> {
    let Register { machine_name, directory, branch, git_repo_url, max_sessions, metadata, worker_type, .. } = register;
    let worker_type = worker_type.or_else(|| metadata.and_then(|metadata| metadata.worker_type));
    Ok(EnvironmentRegistered {
        environment,
        owner,
        machine_name: named("machine_name", machine_name)?,
        directory: named("directory", directory)?,
        branch: branch.map(|branch| named("branch", branch)).transpose()?,
        git_repo_url: git_repo_url.map(|url| named("git_repo_url", url)).transpose()?,
        max_sessions: max_sessions.unwrap_or(1),
        worker_type: named("worker_type", worker_type.unwrap_or_else(|| WORKER_TYPE_DEFAULT.into()))?,
        group: None,
    })
}

/// A name of bounded length.
pub(super) fn named(field: &str, text: String) -> Result<String, BadRequest> {
    if text.len() > limits::NAME_BYTES_MAX {
        let reason = format!("has {} bytes; at most {} are kept", text.len(), limits::NAME_BYTES_MAX);
        return Err(BadRequest::parameter(field, reason));
    }
    Ok(text)
}

/// A runner that heartbeats is there, and so is the worker that it speaks of. A refusal makes a REPL drop a healthy
/// connection, so an item that is not on the list any more is no reason for one while its session goes on.
async fn heartbeat(
    house: &House,
    principal: &Principal,
    environment: EnvironmentId,
    work: WorkId,
) -> Result<Response, Failure> {
    let (session, state) = {
        let world = house.relay.world();
        let found = world.environment(environment).filter(|found| !found.deregistered);
        let item = found.ok_or(Refusal::NoEnvironment(environment))?.work.item(work);
        let session = match (item, principal) {
            (Some(item), _) => item.session,
            (None, Principal::Worker { session, .. }) => *session,
            (None, _) => return Err(Refusal::NoWork { environment, work }.into()),
        };
        let live = world.session(session).ok_or(Refusal::NoSession(session))?;
        if live.archived_at.is_some() {
            return Err(Refusal::Archived(session).into());
        }
        let state = match item.map(|item| item.stage) {
            Some(Stage::Queued) => "queued",
            Some(Stage::Leased { .. }) => "dispatched",
            Some(Stage::Parked) => "parked",
            Some(Stage::Acked { .. }) | None => "acked",
        };
        (session, state)
    };
    house.relay.announce(Lease::Worker(session)).await;
    let answer = Heartbeat {
        lease_extended: true,
        state,
        last_heartbeat: house.relay.now().to_string(),
        ttl_seconds: limits::WORKER_LEASE_MS / 1_000,
    };
    Ok(reply::json(StatusCode::OK, &answer))
}

/// Hands one session out again: the one that is named, and no other.
async fn reconnect(
    house: &House,
    call: &Call,
    principal: &Principal,
    environment: EnvironmentId,
) -> Result<Response, Failure> {
    let Reconnect { session_id } = call.json()?;
    let session = session_id.parse::<SessionId>();
    let session = session.map_err(|error| BadRequest::parameter("session_id", error.to_string()))?;
    let work = WorkId::from_uuid(house.fresh()?);
    house.relay.announce(Lease::Environment(environment)).await;
    done(house, principal, Command::RedispatchSession { environment, session, work }).await
}
