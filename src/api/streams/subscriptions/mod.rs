//! Durable cursors that wake workers: what lies under the reserved `__ds` of the room.
//!
//! May not know how streams are read or written.

use std::sync::Arc;

use http::{HeaderValue, StatusCode, header};

use super::{caller::Caller, error::Failure};
use crate::api::common::{Call, House, Response, reply};

mod configure;
mod deliver;
mod endpoint;
mod error;
mod render;
#[cfg(test)]
mod tests;
mod wake;

pub use deliver::deliver;
pub use endpoint::Endpoint;
pub use error::Problem;

/// Answers a question of somebody. The caller is known, and may be anonymous: what they may is asked here.
pub(super) async fn answer(caller: &Caller<'_>, endpoint: &Endpoint) -> Result<Response, Failure> {
    for grant in endpoint.needs() {
        caller.holds(*grant)?;
    }
    match endpoint {
        Endpoint::Create(name) => configure::create(caller, name).await,
        Endpoint::Show(name) => configure::show(caller, name),
        Endpoint::Delete(name) => configure::delete(caller, name).await,
        Endpoint::Link(name) => configure::link(caller, name).await,
        Endpoint::Unlink(name, path) => configure::unlink(caller, name, path).await,
        Endpoint::Claim(name) => wake::claim(caller, name).await,
        Endpoint::Keys | Endpoint::Wake(..) => answer_unnamed(caller.house, caller.call, endpoint).await,
    }
}

/// Answers a question that carries a credential of its own, or needs none.
pub(super) async fn answer_unnamed(house: &Arc<House>, call: &Call, endpoint: &Endpoint) -> Result<Response, Failure> {
    match endpoint {
        Endpoint::Wake(name, step) => wake::step(house, call, name, *step).await,
        Endpoint::Keys => Ok(published(house)),
        // Asked by nobody: the corridor sends only questions with a credential of their own here.
        _ => Err(Failure::NotFound),
    }
}

fn published(house: &House) -> Response {
    let mut response = reply::json_as(StatusCode::OK, "application/jwk-set+json", &render::keys(house));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response
}

/// Tokens and cursors are nobody else's and soon old.
fn uncached(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
