//! Answers: JSON, nothing, bytes, a stream.

use std::{convert::Infallible, future::Future};

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use warp::Reply as _;

/// What a room answers.
pub type Response = warp::reply::Response;

/// Marks an answer that was held back until there was something to say: a long poll.
#[derive(Debug, Clone, Copy)]
pub struct Held;

impl Held {
    /// The answer, marked.
    pub fn back(mut response: Response) -> Response {
        response.extensions_mut().insert(Self);
        response
    }
}

/// A JSON body.
pub fn json<T: Serialize + ?Sized>(status: StatusCode, body: &T) -> Response {
    json_as(status, "application/json", body)
}

/// A JSON body under another media type (`application/problem+json`).
pub fn json_as<T: Serialize + ?Sized>(status: StatusCode, media_type: &'static str, body: &T) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => bytes_as(status, media_type, Bytes::from(bytes)),
        // Our own types serialise; a map with non-text keys would be a bug, told without a panic.
        Err(error) => {
            tracing::error!(%error, "a reply could not be serialised");
            empty(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

/// Bytes under a media type.
pub fn bytes_as(status: StatusCode, media_type: &'static str, bytes: Bytes) -> Response {
    let mut response = Response::new(bytes.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// No body.
pub fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Bytes::new().into());
    *response.status_mut() = status;
    response
}

/// Where the pieces of a streamed body come from.
pub trait Feed: Send + Sync + 'static {
    /// The next piece; `None` ends the body.
    fn next(&mut self) -> impl Future<Output = Option<Bytes>> + Send + Sync;
}

/// A streamed body. Dropped by the server when the client goes away, and the feed with it.
pub fn streamed(media_type: &'static str, feed: impl Feed) -> Response {
    let pieces = futures_util::stream::unfold(feed, |mut feed| async move {
        let piece = feed.next().await?;
        Some((Ok::<_, Infallible>(piece), feed))
    });
    let mut response = warp::reply::stream(pieces).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Nginx would hold frames back until its buffer is full.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}
