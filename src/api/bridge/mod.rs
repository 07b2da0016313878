//! The bridge room: what ccb's runners and workers ask, in both of its data planes.
//!
//! A question is parsed, its caller recognised and checked against the permission table, and one module answers it. The
//! room holds no state: everything that it knows is in the relay.

use std::sync::Arc;

use super::common::{Call, House, Response, reply::Held};

mod code;
mod endpoint;
mod environments;
mod error;
mod feed;
mod files;
mod ingress;
mod outflow;
mod oversize;
mod partials;
mod poll;
mod sessions;
mod socket;
mod transcript;
mod translate;
mod worker;

#[cfg(test)]
mod bench;
#[cfg(test)]
mod code_tests;
#[cfg(test)]
mod feed_tests;
#[cfg(test)]
mod ingress_tests;
#[cfg(test)]
mod runner_tests;
#[cfg(test)]
mod socket_tests;
#[cfg(test)]
mod trust_tests;

pub use endpoint::{Endpoint, Needs, NoRoute};
pub use error::Failure;

/// Answers a request.
pub async fn answer(house: Arc<House>, call: Call) -> Response {
    let answered = match Endpoint::parse(&call.method, &call.segments()) {
        Ok(endpoint) => dispatch(&house, &call, &endpoint).await,
        Err(route) => Err(route.into()),
    };
    answered.unwrap_or_else(Failure::into_response)
}

/// Opens a socket.
#[expect(clippy::needless_pass_by_value, reason = "the corridor gives every room its call")]
pub fn open_socket(house: Arc<House>, call: Call, ws: warp::ws::Ws) -> Response {
    match Endpoint::parse(&call.method, &call.segments()) {
        Ok(Endpoint::IngressSocket { session }) => socket::open(house, &call, ws, session),
        Ok(_) => Failure::NotFound.into_response(),
        Err(route) => Failure::from(route).into_response(),
    }
}

async fn dispatch(house: &Arc<House>, call: &Call, endpoint: &Endpoint) -> Result<Response, Failure> {
    let principal = house.identify(call)?;
    endpoint.needs().check(house, &principal)?;
    match *endpoint {
        Endpoint::Register
        | Endpoint::Deregister { .. }
        | Endpoint::Ack { .. }
        | Endpoint::Stop { .. }
        | Endpoint::WorkHeartbeat { .. }
        | Endpoint::Reconnect { .. } => environments::answer(house, call, &principal, endpoint).await,
        Endpoint::Poll { environment } => poll::answer(house, call, &principal, environment).await.map(Held::back),
        Endpoint::SessionCreate
        | Endpoint::SessionShow { .. }
        | Endpoint::SessionRename { .. }
        | Endpoint::SessionArchive { .. }
        | Endpoint::SessionPost { .. }
        | Endpoint::PeerMessage { .. } => sessions::answer(house, call, &principal, endpoint).await,
        Endpoint::IngressEvents { session } => ingress::answer(house, call, &principal, session).await,
        Endpoint::IngressSocket { .. } => Err(Failure::UpgradeRequired),
        Endpoint::CodeCreate
        | Endpoint::CodeShow { .. }
        | Endpoint::CodeRename { .. }
        | Endpoint::CodeArchive { .. }
        | Endpoint::CodeBridge { .. } => code::answer(house, call, &principal, endpoint).await,
        Endpoint::WorkerRegister { .. }
        | Endpoint::WorkerShow { .. }
        | Endpoint::WorkerReport { .. }
        | Endpoint::WorkerHeartbeat { .. }
        | Endpoint::WorkerEvents { .. }
        | Endpoint::WorkerDelivery { .. } => worker::answer(house, call, &principal, endpoint).await,
        Endpoint::WorkerStream { .. } => feed::answer(house, call, &principal, endpoint).await,
        Endpoint::WorkerTranscriptRead { .. } | Endpoint::WorkerTranscriptAppend { .. } => {
            transcript::answer(house, call, &principal, endpoint).await
        }
        Endpoint::FileUpload | Endpoint::FileContent { .. } => files::answer(house, call, &principal, endpoint).await,
    }
}
