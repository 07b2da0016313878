//! The control API of ccb's stock server, for its scripts and whatever else was written for it.
//!
//! Same paths, same bodies; but who may is settled by an API key, not by a UUID that anybody can make up, a session
//! belongs to whose key made it, and what is posted is read, not relayed.

use std::sync::Arc;

use http::{Method, StatusCode};

use self::endpoint::Endpoint;
use super::{PAGES, allow, caller::Caller, error::Failure};
use crate::{
    api::common::{
        Call, House, Response,
        origin::{self, Origin},
        reply,
    },
    wire::web::{
        ProblemKind,
        peer::{PeerError, PeerErrorBody},
    },
};

pub mod endpoint;
mod events;
mod post;
mod render;
mod sessions;

pub(super) async fn answer(house: &Arc<House>, call: &Call, origin: &Origin, path: &[&str]) -> Response {
    respond(house, call, origin, path).await.unwrap_or_else(|failure| {
        let problem = &failure.problem;
        let body = PeerErrorBody { kind: error_type(problem.kind), message: problem.detail.clone() };
        failure.dress(reply::json(StatusCode::OK, &PeerError { error: body }))
    })
}

/// The stock server's words where it has some, else those of our own problems.
fn error_type(kind: ProblemKind) -> String {
    match kind {
        ProblemKind::Unauthenticated => "unauthorized".into(),
        ProblemKind::Archived => "session_closed".into(),
        _ => kind.name().replace('-', "_"),
    }
}

async fn respond(house: &Arc<House>, call: &Call, origin: &Origin, path: &[&str]) -> Result<Response, Failure> {
    if call.method == Method::OPTIONS {
        origin.may_act()?;
        return Ok(origin.preflight(&PAGES));
    }
    if origin::acts(&call.method) {
        origin.may_act()?;
    }
    let endpoint = endpoint::parse(&call.method, path).map_err(|error| Failure::no_endpoint(error, call))?;
    let caller = &Caller { house, call, principal: house.identify(call)? };
    allow(caller, endpoint.needs())?;
    match endpoint {
        Endpoint::Bind => sessions::bind(caller),
        Endpoint::ListEnvironments => Ok(sessions::environments(caller)),
        Endpoint::ListSessions => Ok(sessions::list(caller)),
        Endpoint::ListSummaries => Ok(sessions::summaries(caller)),
        Endpoint::CreateSession => sessions::create(caller).await,
        Endpoint::ShowSession(id) => sessions::show(caller, id),
        Endpoint::ReadHistory(id) => events::history(caller, id),
        Endpoint::FollowEvents(id) => events::follow(caller, id),
        Endpoint::PostEvent(id) => post::post(caller, id, "user").await,
        Endpoint::PostControl(id) => post::post(caller, id, "control_request").await,
        Endpoint::Interrupt(id) => post::interrupt(caller, id).await,
    }
}
