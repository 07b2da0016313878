//! Our own API, `/api/v1`, and the control API of ccb's stock server, `/web`.
//!
//! Each call: whose page it comes from, who asks, whether they may, and then one arm that answers. The two share their
//! handlers and differ in their paths, their bodies and the shape of their errors.
//!
//! Text that is too large for one frame to a worker is no business of this room: it is kept as it came, and the room
//! that speaks with the worker delivers it as an attached file.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, StatusCode, header};
use warp::Reply as _;

use self::{
    caller::Caller,
    endpoint::{Endpoint, Need, NoEndpoint},
    error::{Failure, mark},
};
use super::common::{
    Call, House, Response,
    credential::{Credential, NoCredential},
    identity::Unknown,
    origin::{self, CookieUse, Origin, Pages},
    render, reply,
};
use crate::security::{Principal, grant};

mod audit;
mod backup;
mod caller;
mod control;
mod decide;
mod devices;
pub use devices::{NoLink, make_link};

pub mod endpoint;
mod environments;
mod error;
mod events;
mod files;
mod keys;
mod messages;
pub mod notify;
mod offers;
mod overview;
mod page;
pub mod peer;
mod permissions;
mod search;
mod sessions;
mod socket;
mod status;
mod subscriptions;
mod verify;

#[cfg(test)]
mod tests;

/// The description of `/api/v1`.
pub const OPENAPI: &str = include_str!("../../../schema/openapi.json");

/// What pages of configured origins may ask and hear.
const PAGES: Pages = Pages {
    methods: "GET, POST, PATCH, DELETE",
    request_headers: "authorization, content-type, idempotency-key, last-event-id, x-request-id",
    response_headers: "rcs-epoch, retry-after, x-request-id",
};

/// Answers a request.
pub async fn answer(house: Arc<House>, call: Call) -> Response {
    let origin = Origin::of(&house.settings, &call);
    let mut response = match call.segments().as_slice() {
        ["web", rest @ ..] => peer::answer(&house, &call, &origin, rest).await,
        [_, _, rest @ ..] => {
            let answered = respond(&house, &call, &origin, rest).await;
            mark(answered.unwrap_or_else(|failure| failure.response(&house)), &house)
        }
        _ => Failure::no_endpoint(NoEndpoint::NotFound, &call).response(&house),
    };
    origin.mark(response.headers_mut(), &PAGES);
    response
}

/// Answers a socket upgrade.
#[expect(clippy::needless_pass_by_value, reason = "the corridor gives each room its own")]
pub fn open_socket(house: Arc<House>, call: Call, ws: warp::ws::Ws) -> Response {
    let opened = match call.segments().as_slice() {
        ["api", "v1", rest @ ..] => upgrade(&house, &call, ws, rest),
        _ => Err(Failure::no_endpoint(NoEndpoint::NotFound, &call)),
    };
    opened.unwrap_or_else(|failure| mark(failure.response(&house), &house))
}

fn upgrade(house: &Arc<House>, call: &Call, ws: warp::ws::Ws, path: &[&str]) -> Result<Response, Failure> {
    Origin::of(&house.settings, call).may_act()?;
    let endpoint = endpoint::parse(&call.method, path).map_err(|error| Failure::no_endpoint(error, call))?;
    let Endpoint::OpenSocket(session) = endpoint else {
        return Err(Failure::absent(format_args!("socket under {}", call.path)));
    };
    let (principal, credential) = match Credential::of(call) {
        Ok(credential) => (house.identify_token(&credential.token)?, Some(credential)),
        Err(NoCredential::Missing) if devices::cookie(call).is_some() => {
            (devices::identify(house, call, &Origin::of(&house.settings, call), CookieUse::Act)?, None)
        }
        Err(NoCredential::Missing) => return Err(Unknown::Missing.into()),
        Err(error @ NoCredential::Malformed) => {
            return Err(Failure::field("Sec-WebSocket-Protocol", &error.to_string()));
        }
    };
    let caller = Caller { house, call, principal };
    allow(&caller, endpoint.needs())?;
    let subscription = events::subscribe(&caller, session)?;
    let looking = overview::looking(&caller).and_then(|()| house.looks(&caller.principal, Some(session)));
    let (house, principal) = (Arc::clone(house), caller.principal.clone());
    let reader = events::Reader { house, principal, session, _looking: looking };
    let mut response = ws.on_upgrade(move |open| socket::follow(reader, subscription, open)).into_response();
    if let Some(credential) = credential {
        credential.echo(&mut response);
    }
    Ok(response)
}

/// What the caller needs, before anything is looked at.
fn allow(caller: &Caller<'_>, need: Need) -> Result<(), Failure> {
    match need {
        Need::Nothing => {}
        Need::Own(grant) => grant::holds(&caller.principal, grant)?,
        Need::Session(grant, id) => {
            let owner = caller.house.owner_of(id);
            caller.may(grant, owner).map_err(|denied| Failure::denied(denied, id))?;
        }
        Need::Environment(grant, id) => {
            let owner = caller.house.relay.world().environment(id).map(|found| found.particulars.owner);
            caller.may(grant, owner).map_err(|denied| Failure::denied(denied, id))?;
        }
    }
    Ok(())
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
    if endpoint == Endpoint::Describe {
        return Ok(describe());
    }
    if endpoint == Endpoint::SignIn {
        return devices::sign_in(house, call).await;
    }
    if endpoint == Endpoint::AnswerNotification {
        return notify::answer(house, call).await;
    }
    let principal = identify(house, call, origin, &endpoint)?;
    let caller = Caller { house, call, principal };
    allow(&caller, endpoint.needs())?;
    dispatch(&caller, endpoint).await
}

/// Whose credential it is: a token that the caller added, or a cookie that the browser did.
fn identify(house: &Arc<House>, call: &Call, origin: &Origin, endpoint: &Endpoint) -> Result<Principal, Failure> {
    if call.bearer().is_some() || call.headers.contains_key("x-api-key") || devices::cookie(call).is_none() {
        return Ok(house.identify(call)?);
    }
    let follows =
        *endpoint == Endpoint::Overview || (matches!(endpoint, Endpoint::ReadEvents(_)) && events::streams(call));
    let how = match &call.method {
        method if origin::acts(method) => CookieUse::Act,
        _ if follows => CookieUse::Follow,
        _ => CookieUse::Read,
    };
    devices::identify(house, call, origin, how)
}

async fn dispatch(caller: &Caller<'_>, endpoint: Endpoint) -> Result<Response, Failure> {
    match endpoint {
        Endpoint::ListEnvironments => environments::list(caller),
        Endpoint::ShowEnvironment(id) => environments::show(caller, id),
        Endpoint::RequeueWork(id, work) => environments::requeue(caller, id, work).await,

        Endpoint::ListSessions => sessions::list(caller),
        Endpoint::CreateSession => sessions::create(caller).await,
        Endpoint::ArchiveSessions => sessions::archive_many(caller).await,
        Endpoint::ShowSession(id) => sessions::show(caller, id),
        Endpoint::ArrangeSession(id) => sessions::arrange(caller, id).await,
        Endpoint::Search => search::answer(caller).await,
        Endpoint::ArchiveSession(id) => sessions::archive(caller, id).await,

        Endpoint::ReadEvents(id) => events::read(caller, id),
        Endpoint::OpenSocket(_) => Err(Failure::no_upgrade()),

        Endpoint::PostMessage(id) => messages::post(caller, id).await,
        Endpoint::ShowMessage(id, message) => messages::show(caller, id, message).await,
        Endpoint::CancelMessage(id, message) => messages::cancel(caller, id, message).await,

        Endpoint::ListPermissions => permissions::list(caller),
        Endpoint::ShowPermission(id, request) => permissions::show(caller, id, &request),
        Endpoint::DecidePermission(id, request) => decide::decide(caller, id, request).await,

        Endpoint::Interrupt(id) => control::interrupt(caller, id).await,
        Endpoint::SetMode(id) => control::set_mode(caller, id).await,
        Endpoint::SetModel(id) => control::set_model(caller, id).await,
        Endpoint::SetThinking(id) => control::set_thinking(caller, id).await,

        Endpoint::StoreFile => files::store(caller).await,
        Endpoint::ReadFile(id) => files::read(caller, id),

        // Answered before anybody is known.
        Endpoint::SignIn => devices::sign_in(caller.house, caller.call).await,
        Endpoint::AnswerNotification => notify::answer(caller.house, caller.call).await,
        Endpoint::SignOut => devices::sign_out(caller).await,
        Endpoint::CreateLoginLink => devices::create_link(caller).await,
        Endpoint::ListDevices => Ok(devices::list(caller)),
        Endpoint::SignOutDevice(id) => devices::sign_out_one(caller, id).await,
        Endpoint::RenameDevice(id) => devices::rename(caller, id).await,
        Endpoint::SignOutEverywhere => devices::sign_out_everywhere(caller).await,
        Endpoint::ShowMe => Ok(devices::me(caller)),
        Endpoint::Overview => Ok(overview::follow(caller)),

        Endpoint::ListTargets => notify::list(caller),
        Endpoint::AddTarget => notify::add(caller).await,
        Endpoint::ChangeTarget(id) => notify::change(caller, id).await,
        Endpoint::RemoveTarget(id) => notify::remove(caller, id).await,
        Endpoint::TestTarget(id) => notify::test(caller, id).await,
        Endpoint::ShowVapid => Ok(notify::vapid(caller)),

        Endpoint::ListKeys => keys::list(caller),
        Endpoint::CreateKey => keys::create(caller).await,
        Endpoint::RevokeKey(id) => keys::revoke(caller, id).await,
        Endpoint::RotateSigning => keys::rotate_signing(caller).await,

        Endpoint::ReadAudit => audit::read(caller).await,
        Endpoint::ListCommits => audit::commits(caller),
        Endpoint::VerifyAudit => verify::verify(caller).await,

        Endpoint::Backup => backup::download(caller).await,

        Endpoint::ListSubscriptions => subscriptions::list(caller),

        Endpoint::ShowStatus => Ok(status::show(caller)),
        Endpoint::Describe => Ok(describe()),
    }
}

fn describe() -> Response {
    reply::bytes_as(StatusCode::OK, "application/json", Bytes::from_static(OPENAPI.as_bytes()))
}

/// A JSON reply.
fn json<T: serde::Serialize>(status: StatusCode, body: &T) -> Response {
    reply::json(status, body)
}

/// A reply that says where the new thing is.
fn created<T: serde::Serialize>(location: &str, body: &T) -> Response {
    let mut response = reply::json(StatusCode::CREATED, body);
    if let Ok(value) = http::HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    response
}
