//! The streams room: the Durable Streams protocol over the journal, for streams of users and for sessions.
//!
//! A question is parsed, its caller recognised and checked against the permission table, and one module answers it. The
//! room holds no state: a reader is a cursor, and everything else is in the relay.

use std::sync::Arc;

use self::caller::Caller;
use super::common::{Call, House, Response};

mod caller;
pub mod endpoint;
mod error;
pub mod subscriptions;

pub use endpoint::Endpoint;
pub use error::Failure;

/// Answers a request.
pub async fn answer(house: Arc<House>, call: Call) -> Response {
    respond(&house, &call).await.unwrap_or_else(Failure::into_response)
}

async fn respond(house: &Arc<House>, call: &Call) -> Result<Response, Failure> {
    let endpoint = Endpoint::parse(&call.method, &call.path)?;
    if let Endpoint::Subscriptions(endpoint) = &endpoint
        && endpoint.own_credential()
    {
        return subscriptions::answer_unnamed(house, call, endpoint).await;
    }
    let caller = Caller::of(house, call)?;
    caller.check(endpoint.needs())?;
    match &endpoint {
        Endpoint::Subscriptions(endpoint) => subscriptions::answer(&caller, endpoint).await,
        _ => Err(Failure::NotFound),
    }
}
