//! For those who run the server: is it alive, does it take requests, and its metrics.
//!
//! Knows nothing of sessions. Probes carry no credential, so what is said without one is a word and a version.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::json;

use super::common::{Call, House, Response, identity::Unknown, reply};
use crate::security::{Denied, Grant, Principal, grant};

/// Everything that can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// The process is alive.
    Health,
    /// It takes requests: what a load balancer asks.
    Ready,
    /// Prometheus text.
    Metrics,
}

impl Endpoint {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Health, Self::Ready, Self::Metrics];

    /// Its path.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Ready => "ready",
            Self::Metrics => "metrics",
        }
    }

    /// What a caller needs who is not on this machine. Probes need nothing; numbers about what others do are an
    /// operator's.
    pub const fn needs(self) -> Option<Grant> {
        match self {
            Self::Health | Self::Ready => None,
            Self::Metrics => Some(Grant::AdminAll),
        }
    }
}

/// Answers a request.
#[expect(clippy::unused_async, reason = "all rooms have the same door")]
pub async fn answer(house: Arc<House>, call: Call) -> Response {
    let segments = call.segments();
    let found = Endpoint::ALL.into_iter().find(|endpoint| segments == [endpoint.path()]);
    let Some(endpoint) = found else { return problem(StatusCode::NOT_FOUND, "nothing is served under this path") };
    if !matches!(call.method, Method::GET | Method::HEAD) {
        let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, "this takes GET and HEAD");
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    if let Some(refused) = endpoint.needs().and_then(|needed| refuse(&house, &call, needed)) {
        return refused;
    }
    let mut response = match endpoint {
        Endpoint::Health => health(&house),
        Endpoint::Ready => ready(&house),
        Endpoint::Metrics => metrics(&house),
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Headers by which a proxy says that it speaks for somebody.
const FORWARDED: [&str; 3] = ["x-forwarded-for", "forwarded", "via"];

/// Why the caller may not, if so. A scraper on the same machine needs no key. A proxy on the same machine is none: whom
/// it speaks for may be anybody, and its word on who that is may not be believed.
fn refuse(house: &House, call: &Call, needed: Grant) -> Option<Response> {
    let is_forwarded = FORWARDED.iter().any(|name| call.headers.contains_key(*name));
    if !is_forwarded && call.peer.is_some_and(|peer| peer.to_canonical().is_loopback()) {
        return None;
    }
    let allowed = |principal: &Principal| grant::holds(principal, needed);
    match house.identify(call) {
        Ok(principal) => {
            allowed(&principal).err().map(|denied: Denied| problem(StatusCode::FORBIDDEN, &denied.to_string()))
        }
        Err(Unknown::Throttled(wait)) => {
            let mut response = problem(StatusCode::TOO_MANY_REQUESTS, &wait.to_string());
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.seconds));
            Some(response)
        }
        Err(unknown) => {
            let mut response = problem(StatusCode::UNAUTHORIZED, &unknown.to_string());
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            Some(response)
        }
    }
}

fn health(house: &House) -> Response {
    reply::json(StatusCode::OK, &json!({"status": "ok", "version": house.settings.version}))
}

/// Requests that come while the journal is replayed wait in the backlog, so there is no "not yet" to tell: only an end.
fn ready(house: &House) -> Response {
    if *house.relay.closing().borrow() {
        let mut response = reply::json(StatusCode::SERVICE_UNAVAILABLE, &json!({"status": "closing"}));
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        return response;
    }
    reply::json(StatusCode::OK, &json!({"status": "ready"}))
}

/// What was counted.
fn metrics(house: &House) -> Response {
    reply::bytes_as(StatusCode::OK, "text/plain; version=0.0.4", Bytes::from((house.metrics)()))
}

fn problem(status: StatusCode, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or_default();
    let body = json!({"type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail});
    reply::json_as(status, "application/problem+json", &body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{api::common::bench, domain::event::Role, relay::Relay};

    async fn house() -> (tempfile::TempDir, Arc<House>) {
        let (directory, house) = bench::house(Relay::in_memory(), |_| {});
        bench::let_in(&house, &[(1, 1, "admin", Role::Admin), (2, 2, "member", Role::Member)]).await;
        (directory, house)
    }

    async fn get(house: &Arc<House>, path: &str, peer: &str, token: &str) -> (u16, String) {
        let mut call = bench::call("GET", path, token, &[], "");
        call.peer = peer.parse().ok();
        let answer = bench::read(answer(Arc::clone(house), call).await).await;
        (answer.status.as_u16(), String::from_utf8(answer.body.to_vec()).expect("text"))
    }

    #[tokio::test]
    async fn numbers_are_for_this_machine_and_for_operators() {
        let (_directory, house) = house().await;
        for (peer, token, expected) in [
            ("127.0.0.1", "", 200),
            ("::ffff:127.0.0.1", "", 200),
            ("192.0.2.1", "", 401),
            ("", "", 401),
            ("192.0.2.1", "guess", 401),
            ("192.0.2.1", "member", 403),
            ("192.0.2.1", "admin", 200),
        ] {
            assert_eq!(get(&house, "/metrics", peer, token).await.0, expected, "{peer} {token}");
        }
        assert_eq!(get(&house, "/metrics", "127.0.0.1", "").await.1, "rcs_sessions 1\n");
        for name in FORWARDED {
            let headers = [(name.parse().expect("a name"), header::HeaderValue::from_static("127.0.0.1"))];
            let call = Call {
                method: Method::GET,
                path: "/metrics".into(),
                query: None,
                headers: headers.into_iter().collect(),
                peer: "127.0.0.1".parse().ok(),
                body: Bytes::new(),
            };
            let refused = answer(Arc::clone(&house), call).await.status();
            assert_eq!(refused, StatusCode::UNAUTHORIZED, "a proxy on this machine speaks for anybody ({name})");
        }
        assert_eq!(get(&house, "/health/more", "127.0.0.1", "").await.0, 404);
    }

    #[tokio::test]
    async fn a_server_that_closes_is_alive_and_not_ready() {
        let (_directory, house) = house().await;
        assert_eq!(get(&house, "/ready", "", "").await, (200, r#"{"status":"ready"}"#.into()));
        house.relay.close();
        assert_eq!(get(&house, "/ready", "", "").await, (503, r#"{"status":"closing"}"#.into()));
        assert_eq!(get(&house, "/health", "", "").await, (200, r#"{"status":"ok","version":"1.2.3"}"#.into()));
    }
}
