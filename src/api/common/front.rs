//! The front door: one filter for requests, one for sockets. Everything behind it is plain functions.

use std::{convert::Infallible, net::IpAddr, sync::Arc, time::Duration};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use http::{HeaderMap, Method, StatusCode, header};
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

/// Requests, answered by `answer` once their body is read.
pub fn requests<F, R>(house: Arc<House>, answer: F) -> BoxedFilter<(Response,)>
where
    F: Fn(Arc<House>, Call) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Response> + Send + 'static,
{
    head()
        .and(warp::body::stream())
        .then(move |method, path, query, headers, peer: Option<Peer>, body| {
            let (house, answer) = (Arc::clone(&house), answer.clone());
            async move {
                match read_body(&headers, body).await {
                    Ok(body) => {
                        let peer = peer.map(|peer| peer.0);
                        answer(house, Call { method, path, query, headers, peer, body }).await
                    }
                    Err(status) => refuse(status),
                }
            }
        })
        .boxed()
}

/// Socket upgrades, answered by `open`. A request that is no upgrade falls through to [`requests`].
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
async fn read_body<S, B>(headers: &HeaderMap, body: S) -> Result<Bytes, StatusCode>
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let mut body = std::pin::pin!(body);
    if announced.is_some_and(|length| length > limits::BODY_BYTES_MAX) {
        if !headers.contains_key(header::EXPECT) {
            hear_out(body).await;
        }
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let mut whole = BytesMut::new();
    let until = tokio::time::Instant::now() + Duration::from_millis(limits::BODY_READ_MS);
    while let Some(piece) =
        tokio::time::timeout_at(until, body.next()).await.map_err(|_| StatusCode::REQUEST_TIMEOUT)?
    {
        let mut piece = piece.map_err(|_| StatusCode::BAD_REQUEST)?;
        if whole.len() + piece.remaining() > limits::BODY_BYTES_MAX {
            drop(whole);
            hear_out(body).await;
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        if whole.is_empty() && announced == Some(piece.remaining()) {
            return Ok(piece.copy_to_bytes(piece.remaining()));
        }
        whole.reserve(piece.remaining());
        while piece.has_remaining() {
            let chunk = piece.chunk();
            whole.extend_from_slice(chunk);
            let length = chunk.len();
            piece.advance(length);
        }
    }
    Ok(whole.freeze())
}

/// Reads on for a while without keeping anything: see [`limits::REFUSED_BODY_BYTES_MAX`].
async fn hear_out<S, B>(mut body: std::pin::Pin<&mut S>)
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let rest = async {
        let mut heard = 0;
        while let Some(Ok(piece)) = body.next().await {
            heard += piece.remaining();
            if heard > limits::REFUSED_BODY_BYTES_MAX {
                return;
            }
        }
    };
    // Whoever takes longer gets a reset.
    let _ended = tokio::time::timeout(Duration::from_millis(limits::REFUSED_BODY_MS), rest).await;
}
