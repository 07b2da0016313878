//! The streams room: the Durable Streams protocol over the journal, for streams of users and for sessions.
//!
//! A question is parsed, its caller recognised and checked against the permission table, and one module answers it. The
//! room holds no state: a reader is a cursor, and everything else is in the relay.

use std::sync::Arc;

use http::{HeaderValue, header};

use self::{caller::Caller, source::Source};
use super::common::{
    Call, House, Response,
    origin::{self, ForeignOrigin, Origin, Pages},
};

mod caller;
pub mod endpoint;
mod error;
mod follower;
mod headers;
mod live;
mod messages;
mod read;
mod source;
pub mod subscriptions;
mod write;

#[cfg(test)]
mod tests;

pub use endpoint::Endpoint;
pub use error::Failure;

/// What pages of configured origins may ask and hear.
const PAGES: Pages = Pages {
    methods: "GET, HEAD, PUT, POST, DELETE",
    request_headers: "authorization, content-type, if-none-match, stream-ttl, stream-expires-at, stream-closed, \
                      stream-seq, stream-forked-from, stream-fork-offset, stream-fork-sub-offset, producer-id, \
                      producer-epoch, producer-seq, x-request-id",
    response_headers: "etag, location, retry-after, stream-next-offset, stream-cursor, stream-up-to-date, \
                       stream-closed, stream-ttl, stream-expires-at, stream-earliest-offset, \
                       stream-sse-data-encoding, producer-epoch, producer-seq, producer-expected-seq, \
                       producer-received-seq, x-request-id",
};

/// Answers a request.
pub async fn answer(house: Arc<House>, call: Call) -> Response {
    let origin = Origin::of(&house.settings, &call);
    let mut response = respond(&house, &call, &origin).await.unwrap_or_else(Failure::into_response);
    let headers = response.headers_mut();
    origin.mark(headers, &PAGES);
    // What users wrote is shown as what they said it is, and never as a page of ours: not by a guess, not embedded in
    // somebody's page, and with nothing that it could run.
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    response
}

async fn respond(house: &Arc<House>, call: &Call, origin: &Origin) -> Result<Response, Failure> {
    let endpoint = Endpoint::parse(&call.method, &call.path)?;
    if endpoint == Endpoint::Preflight {
        return Ok(origin.preflight(&PAGES));
    }
    if let Endpoint::Subscriptions(endpoint) = &endpoint
        && endpoint.own_credential()
    {
        return subscriptions::answer_unnamed(house, call, endpoint).await;
    }
    let caller = Caller::of(house, call)?;
    // A page cannot know a key of its reader's, but what anybody may, it could do through their browser.
    if caller.is_anonymous() && origin::acts(&call.method) {
        origin.may_act().map_err(|ForeignOrigin(origin)| Failure::ForeignOrigin(origin))?;
    }
    caller.check(endpoint.needs())?;
    match &endpoint {
        Endpoint::Preflight => Err(Failure::Unexpected),
        Endpoint::Create(stream) => write::create(&caller, stream).await,
        Endpoint::Append(stream) => write::append(&caller, stream).await,
        Endpoint::Delete(stream) => write::delete(&caller, stream).await,
        Endpoint::Read(stream) => read::read(&caller, Source::user(&caller, stream).await?).await,
        Endpoint::Head(stream) => Ok(read::head(&Source::user(&caller, stream).await?)),
        Endpoint::SessionRead(session) => read::read(&caller, Source::session(house, *session)?).await,
        Endpoint::SessionHead(session) => Ok(read::head(&Source::session(house, *session)?)),
        Endpoint::Subscriptions(endpoint) => subscriptions::answer(&caller, endpoint).await,
    }
}
