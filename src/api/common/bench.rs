//! What tests of rooms stand on: a house over a memory journal, people with keys, calls that come in, and answers that
//! are read whole. What one room's tests ask beyond that stands in that room.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::time::timeout;
use uuid::Uuid;

pub(crate) use self::receiver::PATIENCE;
use super::{Call, House, Notify, Outbound, RequestNames, Response, Settings};
use crate::{
    domain::{
        Actor, Command, KeyId, OwnerId, Timestamp,
        event::{KeyCreated, Role},
    },
    relay::{Options, Relay},
    security::{
        AnonymousRights, PrivateTargets, SigningKeys, Throttle, ThrottleConfig, WebhookKeys, digest::secret_digest,
    },
};

pub(crate) mod receiver;

pub(crate) const ALICE: &str = "alice-key-for-tests-0001";
pub(crate) const MALLORY: &str = "mallory-key-for-tests-0001";
/// Alice's, and may only look.
pub(crate) const VIEWER: &str = "viewer-key-for-tests-0001";
/// Alice's, for a machine.
pub(crate) const RUNNER: &str = "runner-key-for-tests-0001";
pub(crate) const ADMIN: &str = "admin-key-for-tests-0001";

/// Whoever has a key: its number, its owner's, its secret and its role.
pub(crate) type Person = (u128, u128, &'static str, Role);

pub(crate) const PEOPLE: [Person; 5] = [
    (1, 1, ALICE, Role::Member),
    (2, 2, MALLORY, Role::Member),
    (3, 1, VIEWER, Role::Viewer),
    (4, 1, RUNNER, Role::Runner),
    (5, 5, ADMIN, Role::Admin),
];

pub(crate) const fn owner(number: u128) -> OwnerId {
    OwnerId::from_uuid(Uuid::from_u128(number))
}

/// A relay by a clock of the test's own: 2026-01-02T03:04:05Z, and no further until the test says so.
pub(crate) fn by_a_still_clock() -> (Arc<AtomicU64>, Relay) {
    let clock = Arc::new(AtomicU64::new(1_767_323_045_000));
    let read = Arc::clone(&clock);
    let options = Options { clock: Arc::new(move || Timestamp(read.load(Ordering::SeqCst))), ..Options::default() };
    (clock, Relay::in_memory_with(options))
}

/// A house that nobody is in yet, and where its keys lie.
pub(crate) fn house(relay: Relay, change: impl FnOnce(&mut House)) -> (tempfile::TempDir, Arc<House>) {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    let mut house = House {
        signing: Arc::new(SigningKeys::open(&at("signing.key")).expect("keys")),
        throttle: Throttle::new(ThrottleConfig::default()),
        settings: settings(),
        metrics: Arc::new(|| "rcs_sessions 1\n".into()),
        names: RequestNames::since(relay.now()),
        outbound: Outbound::new(PrivateTargets::default(), Vec::new()),
        webhook_keys: Arc::new(WebhookKeys::open(&at("webhook.key")).expect("keys")),
        notify: Notify::open(&at("vault.key"), &at("push.key"), None, "http://rcs.test").expect("keys"),
        relay,
    };
    change(&mut house);
    (directory, Arc::new(house))
}

fn settings() -> Settings {
    Settings {
        base_url: "http://rcs.test".into(),
        version: "1.2.3".into(),
        poll_timeout: Duration::from_secs(8),
        sse_keepalive: Duration::from_secs(15),
        jwt_lifetime: Duration::from_hours(1),
        ws_keepalive: Duration::from_secs(20),
        ws_idle: Duration::from_mins(1),
        cors_origins: vec!["https://phone.test".into()],
        streams_anonymous: AnonymousRights::default(),
        streams_poll: Duration::from_secs(1),
        streams_sse: Duration::from_mins(1),
    }
}

/// Gives these people their keys.
pub(crate) async fn let_in(house: &House, people: &[Person]) {
    for &(number, whose, secret, role) in people {
        let created = KeyCreated {
            key: KeyId::from_uuid(Uuid::from_u128(number)),
            owner: owner(whose),
            name: secret.split('-').next().unwrap_or_default().into(),
            role,
            digest: secret_digest(secret),
            expires_at: None,
            configured: false,
        };
        house.relay.submit(Actor::System, Command::CreateKey(created)).await.expect("a key");
    }
}

/// A call as a room gets it; without a token if it is empty.
pub(crate) fn call(method: &str, path: &str, token: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Call {
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let mut map = HeaderMap::new();
    if !token.is_empty() {
        map.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).expect("a token"));
    }
    for (name, value) in headers {
        let name: HeaderName = name.parse().expect("a header name");
        map.insert(name, HeaderValue::from_str(value).expect("a header"));
    }
    Call {
        method: method.parse().expect("a method"),
        path: path.to_owned(),
        query: query.map(str::to_owned),
        headers: map,
        peer: None,
        body: body.into(),
    }
}

/// A JSON body; empty for null.
pub(crate) fn body(value: &Value) -> Bytes {
    if value.is_null() { Bytes::new() } else { value.to_string().into() }
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.body));
        if self.body.is_empty() { Value::Null } else { serde_json::from_slice(&self.body).expect("JSON") }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

/// Reads an answer to its end.
pub(crate) async fn read(response: Response) -> Answer {
    let (parts, body) = response.into_parts();
    let body = timeout(PATIENCE, body.collect()).await.expect("in time").expect("a body").to_bytes();
    Answer { status: parts.status, headers: parts.headers, body }
}

/// An open event stream. Dropping it is what a client does that goes away.
pub(crate) struct Stream {
    response: Response,
    buffer: Vec<u8>,
}

impl Stream {
    pub(crate) const fn of(response: Response) -> Self {
        Self { response, buffer: Vec::new() }
    }

    /// One that is open: behind its first comment.
    pub(crate) async fn opened(response: Response) -> Self {
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        let mut stream = Self::of(response);
        assert_eq!(stream.frame().await.expect("open"), ": connected");
        stream
    }

    /// The next frame or comment, as text; `None` at the end.
    pub(crate) async fn frame(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
                let frame: Vec<u8> = self.buffer.drain(..end + 2).collect();
                return Some(String::from_utf8(frame[..end].to_vec()).expect("UTF-8"));
            }
            let more = timeout(PATIENCE, self.response.body_mut().frame()).await.expect("a frame in time")?;
            self.buffer.extend_from_slice(&more.expect("no error").into_data().expect("data"));
        }
    }
}
