//! The front door: a request becomes a [`Call`], or a filter opens a socket. Everything behind it is plain functions.

use std::{
    convert::Infallible,
    future::poll_fn,
    net::IpAddr,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request, StatusCode, header, request::Parts};
use hyper::body::Body;
use warp::{Filter, filters::BoxedFilter};

use super::{
    call::{Call, normal_path},
    house::House,
    reply::{self, Response},
};
use crate::domain::limits;

/// The peer's address, put into each request by the accept loop.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// Everything outside the body.
type Head = (Method, String, Option<String>, HeaderMap, Option<Peer>);

fn head() -> impl Filter<Extract = Head, Error = Infallible> + Clone {
    let query = warp::query::raw().map(Some).or(warp::any().map(|| None)).unify();
    let path = warp::path::full().map(|full: warp::path::FullPath| normal_path(full.as_str()));
    let peer = warp::ext::optional::<Peer>();
    warp::method().and(path).and(query).and(warp::header::headers_cloned()).and(peer)
}

/// A request with its body read, or what to answer instead.
pub async fn call<B>(request: Request<B>) -> Result<Call, Response>
where
    B: Body<Data = Bytes>,
{
    let (Parts { method, uri, headers, extensions, .. }, body) = request.into_parts();
    let body = read_body(&headers, pin!(body)).await.map_err(refuse)?;
    let (path, query) = (normal_path(uri.path()), uri.query().map(ToOwned::to_owned));
    let peer = extensions.get::<Peer>().map(|peer| peer.0);
    Ok(Call { method, path, query, headers, peer, body })
}

/// Whether a request asks for a socket in the way that [`sockets`] takes.
pub fn is_upgrade(headers: &HeaderMap) -> bool {
    let names = |name: header::HeaderName, word: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        value.split(',').any(|given| given.trim().eq_ignore_ascii_case(word))
    };
    names(header::UPGRADE, "websocket")
        && names(header::CONNECTION, "upgrade")
        && names(header::SEC_WEBSOCKET_VERSION, "13")
        && headers.contains_key(header::SEC_WEBSOCKET_KEY)
}

/// Socket upgrades, answered by `open`. Any other request is rejected: it is one for [`call`].
pub fn sockets<F>(house: Arc<House>, open: F) -> BoxedFilter<(Response,)>
where
    F: Fn(Arc<House>, Call, warp::ws::Ws) -> Response + Clone + Send + Sync + 'static,
{
    warp::ws()
        .and(head())
        .map(move |ws: warp::ws::Ws, method, path, query, headers, peer: Option<Peer>| {
            // Of a frame beyond the limit the room learns from its head, and closes with 1009; its body is read away by
            // whoever holds the connection.
            let ws = ws.max_message_size(limits::SOCKET_MESSAGE_BYTES_MAX + 1);
            let ws = ws.max_frame_size(limits::SOCKET_MESSAGE_BYTES_MAX + 1);
            let peer = peer.map(|peer| peer.0);
            open(Arc::clone(&house), Call { method, path, query, headers, peer, body: Bytes::new() }, ws)
        })
        .boxed()
}

/// No room sees a request without its body, so this speaks to the clients of all: problem details, with the members in
/// which the others look for words.
fn refuse(status: StatusCode) -> Response {
    let (words, kind) =
        (body_problem(status), if status == StatusCode::PAYLOAD_TOO_LARGE { "too-large" } else { "bad-request" });
    let body = serde_json::json!({
        "type": format!("urn:rcs:problem:{kind}"),
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "detail": words,
        "error": {"type": "invalid_request_error", "message": words},
        "message": words,
    });
    reply::json_as(status, "application/problem+json", &body)
}

const fn body_problem(status: StatusCode) -> &'static str {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => "the body is larger than 10 MiB; send it in parts",
        StatusCode::REQUEST_TIMEOUT => "the body took longer than a minute; send it faster or in parts",
        _ => "the body ended before it was complete",
    }
}

/// Reads a body up to the limit. What a client announces as too long and waits with is refused before it is sent.
async fn read_body<B>(headers: &HeaderMap, mut body: Pin<&mut B>) -> Result<Bytes, StatusCode>
where
    B: Body<Data = Bytes>,
{
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limits::BODY_BYTES_MAX) {
        if !headers.contains_key(header::EXPECT) {
            hear_out(body).await;
        }
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let mut whole = BytesMut::new();
    let until = tokio::time::Instant::now() + Duration::from_millis(limits::BODY_READ_MS);
    while let Some(piece) =
        tokio::time::timeout_at(until, next(body.as_mut())).await.map_err(|_| StatusCode::REQUEST_TIMEOUT)?
    {
        let piece = piece.map_err(|_| StatusCode::BAD_REQUEST)?;
        if whole.len() + piece.len() > limits::BODY_BYTES_MAX {
            drop(whole);
            hear_out(body).await;
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        if whole.is_empty() && announced == Some(piece.len()) {
            return Ok(piece);
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

/// The next bytes of a body. Trailers are nobody's business here.
async fn next<B: Body<Data = Bytes>>(mut body: Pin<&mut B>) -> Option<Result<Bytes, B::Error>> {
    loop {
        match poll_fn(|context| body.as_mut().poll_frame(context)).await? {
            Ok(frame) => {
                if let Ok(piece) = frame.into_data() {
                    return Some(Ok(piece));
                }
            }
            Err(error) => return Some(Err(error)),
        }
    }
}

/// Reads on for a while without keeping anything: see [`limits::REFUSED_BODY_BYTES_MAX`].
async fn hear_out<B: Body<Data = Bytes>>(mut body: Pin<&mut B>) {
    let rest = async {
        let mut heard = 0;
        while let Some(Ok(piece)) = next(body.as_mut()).await {
            heard += piece.len();
            if heard > limits::REFUSED_BODY_BYTES_MAX {
                return;
            }
        }
    };
    // Whoever takes longer gets a reset.
    let _ended = tokio::time::timeout(Duration::from_millis(limits::REFUSED_BODY_MS), rest).await;
}
