//! Durable cursors that wake workers: what lies under the reserved `__ds` of the room.
//!
//! May not know how streams are read or written.

use http::Method;

use super::{caller::Caller, endpoint::NoRoute, error::Failure};
use crate::api::common::Response;

/// A question about subscriptions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {}

impl Endpoint {
    /// The question behind a method and the segments after `__ds`, as sent.
    pub fn parse(_method: &Method, _segments: &[&str]) -> Result<Self, NoRoute> {
        Err(NoRoute::NotFound)
    }
}

/// Answers one. The caller is known, and may be anonymous: what they may is asked here.
#[expect(clippy::unused_async, reason = "it will wait for the writer")]
pub(super) async fn answer(_caller: &Caller<'_>, endpoint: &Endpoint) -> Result<Response, Failure> {
    match *endpoint {}
}
