//! How an agent becomes known: over HTTP, and then on its line.
//!
//! Each registration has a record of its own, however many agents of one name there are. Whether it is one that was
//! away is decided when it holds a line, because only then is it known that it came; and one at a time, because two
//! that come at once may both look like the same one.

use std::{sync::Arc, time::Duration};

use http::StatusCode;

use super::{ask::Ask, error::Failure};
use crate::{
    api::common::{BadRequest, Call, House, Response, reply},
    domain::{
        Actor, Command, EnvironmentId, Outcome, OwnerId, SessionId,
        agent::{self, WORKER_TYPE},
        event::EnvironmentRegistered,
        limits,
    },
    relay::{Lease, Link, RelayError},
    security::{Principal, throttle::ThrottleKind},
    wire::acp::{
        link::Newcomer,
        listing::{Register, Registered},
    },
};

/// Answers `POST /v1/environments/bridge`.
pub(super) async fn answer(house: &Arc<House>, call: &Call, principal: &Principal) -> Result<Response, Failure> {
    let register: Register = call.json()?;
    let (environment, session) = register_as(house, principal, register).await?;
    let registered = Registered {
        environment_id: environment.to_string(),
        environment_secret: house.environment_secret(environment).expose().to_owned(),
        status: "active",
        session_id: session.to_string(),
    };
    Ok(reply::json(StatusCode::OK, &registered))
}

async fn register_as(
    house: &House,
    principal: &Principal,
    register: Register,
) -> Result<(EnvironmentId, SessionId), Failure> {
    house.throttle.check(ThrottleKind::Registration, principal.throttle_key())?;
    let owner = principal.owner().ok_or(Failure::NotFound)?;
    let particulars = particulars(register, EnvironmentId::from_uuid(house.fresh()?), owner)?;
    let session = SessionId::from_uuid(house.fresh()?);
    let command = Command::RegisterAgent { particulars, session, linked: house.relay.linked() };
    match house.relay.submit(principal.actor(), command).await? {
        Outcome::Agent { environment, session } => Ok((environment, session)),
        other => Err(Failure::unexpected("RegisterAgent", &other)),
    }
}

fn particulars(
    register: Register,
    environment: EnvironmentId,
    owner: OwnerId,
) -> Result<EnvironmentRegistered, BadRequest> {
    let Register { machine_name, directory, branch, git_repo_url, bridge_id, max_sessions } = register;
    Ok(EnvironmentRegistered {
        environment,
        owner,
        machine_name: named("machine_name", machine_name)?,
        directory: named("directory", directory.unwrap_or_default())?,
        branch: branch.map(|branch| named("branch", branch)).transpose()?,
        git_repo_url: git_repo_url.map(|url| named("git_repo_url", url)).transpose()?,
        max_sessions: max_sessions.unwrap_or(1),
        worker_type: WORKER_TYPE.into(),
        group: bridge_id.filter(|group| !group.is_empty()).map(|group| named("bridge_id", group)).transpose()?,
    })
}

/// A name of bounded length.
fn named(field: &str, text: String) -> Result<String, BadRequest> {
    if text.len() > limits::NAME_BYTES_MAX {
        let reason = format!("has {} bytes; at most {} are kept", text.len(), limits::NAME_BYTES_MAX);
        return Err(BadRequest::parameter(field, reason));
    }
    Ok(text)
}

/// The one-step form of older links: a registration, and then as if it had named the id that it got.
pub(super) async fn newcomer(
    house: &Arc<House>,
    principal: &Principal,
    said: Newcomer<'_>,
) -> Result<EnvironmentId, Failure> {
    let register = Register {
        machine_name: said.agent_name.unwrap_or_default().into_owned(),
        bridge_id: said.channel_group_id.map(std::borrow::Cow::into_owned),
        max_sessions: said.max_sessions,
        ..Register::default()
    };
    Ok(register_as(house, principal, register).await?.0)
}

/// Makes the caller the one who holds the agent's line.
pub(super) async fn identify(
    house: &Arc<House>,
    actor: Actor,
    id: EnvironmentId,
) -> Result<(EnvironmentId, Link), Failure> {
    let dead = probe(house, id).await;
    let session = SessionId::from_uuid(house.fresh()?);
    // Between the look at who holds a line and the moment that this one does, nobody else may look.
    let _arrival = house.relay.arrival().await;
    let mut linked = house.relay.linked();
    linked.retain(|linked| !dead.contains(linked));
    let command = Command::IdentifyAgent { environment: id, session, linked };
    match house.relay.submit(actor, command).await? {
        Outcome::Agent { environment, .. } => {
            let link = house.relay.link(environment);
            // The end of its line before may have been recorded between the two.
            house.relay.announce(Lease::Environment(environment)).await;
            Ok((environment, link))
        }
        other => Err(Failure::unexpected("IdentifyAgent", &other)),
    }
}

/// Those who hold a line, could be the newcomer, and give no sign of life: a line that was cut without a word is held
/// until it is found out, and its agent is back within a second.
async fn probe(house: &Arc<House>, id: EnvironmentId) -> Vec<EnvironmentId> {
    let twins = {
        let world = house.relay.world();
        agent::twins(&world, id)
    };
    let asked = twins.into_iter().filter(|twin| house.relay.is_linked(*twin)).map(|twin| async move {
        let answer = house.relay.ask(twin, Ask::Alive.words());
        let waited = tokio::time::timeout(Duration::from_millis(limits::AGENT_PROBE_MS), answer).await;
        (!matches!(waited, Ok(Ok(_)))).then_some(twin)
    });
    futures_util::future::join_all(asked).await.into_iter().flatten().collect()
}

/// Whether a refusal says that there is no such agent, for whoever asked.
pub(super) const fn is_unknown(failure: &Failure) -> bool {
    matches!(failure, Failure::Relay(RelayError::Refused(_)) | Failure::NotFound)
}
