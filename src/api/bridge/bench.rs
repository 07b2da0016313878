//! What this room's tests stand on: a house over a memory journal, and clients that call its door.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::time::timeout;
use uuid::Uuid;

use crate::{
    api::common::{Call, House, Outbound, RequestNames, Response, Settings},
    domain::{
        self, Actor, Command, KeyId, MessageId, Outcome, OwnerId, Sequence, SessionId, WorkId,
        command::Prompt,
        event::{Control, KeyCreated, Role},
    },
    relay::{Relay, page_bounds},
    security::{
        PrivateTargets, SigningKeys, Throttle, ThrottleConfig, WebhookKeys, dedupe_key, digest::secret_digest,
        fingerprint,
    },
};

pub(super) const ALICE: &str = "alice-key-for-tests-0001";
pub(super) const MALLORY: &str = "mallory-key-for-tests-0001";

/// Longer than anything takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Bench {
    pub(super) house: Arc<House>,
    _directory: tempfile::TempDir,
}

/// An answer, read whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    #[track_caller]
    pub(super) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.body));
        if self.body.is_empty() { Value::Null } else { serde_json::from_slice(&self.body).expect("JSON") }
    }
}

impl Bench {
    pub(super) async fn open() -> Self {
        Self::with(|_| {}).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let signing = SigningKeys::open(&directory.path().join("signing.key")).expect("keys");
        let relay = Relay::in_memory();
        let mut settings = Settings {
            base_url: "http://localhost:3000".into(),
            version: "test".into(),
            poll_timeout: Duration::from_secs(8),
            sse_keepalive: Duration::from_secs(15),
            jwt_lifetime: Duration::from_hours(1),
            ws_keepalive: Duration::from_secs(20),
            ws_idle: Duration::from_mins(1),
            cors_origins: Vec::new(),
            streams_anonymous: crate::security::AnonymousRights::default(),
            streams_poll: Duration::from_secs(1),
            streams_sse: Duration::from_mins(1),
        };
        change(&mut settings);
        for (number, secret) in [(1, ALICE), (2, MALLORY)] {
            let created = KeyCreated {
                key: KeyId::from_uuid(Uuid::from_u128(number)),
                owner: OwnerId::from_uuid(Uuid::from_u128(number)),
                name: secret.into(),
                role: Role::Member,
                digest: secret_digest(secret),
                expires_at: None,
                configured: false,
            };
            relay.submit(Actor::System, Command::CreateKey(created)).await.expect("a key");
        }
        let throttle = Throttle::new(ThrottleConfig::default());
        let metrics = Arc::new(String::new);
        let names = RequestNames::since(relay.now());
        let webhook_keys = WebhookKeys::open(&directory.path().join("webhook.key")).expect("keys");
        let house = Arc::new(House {
            relay,
            signing: Arc::new(signing),
            throttle,
            settings,
            metrics,
            names,
            outbound: Outbound::new(PrivateTargets::default(), Vec::new()),
            webhook_keys: Arc::new(webhook_keys),
            notify: crate::api::common::Notify::for_tests(directory.path()),
        });
        Self { house, _directory: directory }
    }

    pub(super) async fn call(
        &self,
        method: &str,
        path: &str,
        token: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Response {
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let mut map = HeaderMap::new();
        if !token.is_empty() {
            map.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).expect("a token"));
        }
        for (name, value) in headers {
            let name: HeaderName = name.parse().expect("a header name");
            map.insert(name, HeaderValue::from_str(value).expect("a header"));
        }
        let call = Call {
            method: method.parse::<Method>().expect("a method"),
            path: path.to_owned(),
            query: query.map(str::to_owned),
            headers: map,
            peer: None,
            body,
        };
        super::answer(Arc::clone(&self.house), call).await
    }

    pub(super) async fn send(&self, method: &str, path: &str, token: &str, body: &Value) -> Answer {
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        read(self.call(method, path, token, &[], body).await).await
    }

    pub(super) async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        self.send("POST", path, token, &body).await
    }

    pub(super) async fn get(&self, path: &str, token: &str) -> Answer {
        self.send("GET", path, token, &Value::Null).await
    }

    /// A session that a terminal of Alice made for itself.
    pub(super) async fn session(&self) -> SessionId {
        let made = self.post("/v1/code/sessions", ALICE, json!({"title": "envless", "bridge": {}})).await.expect(200);
        made["session"]["id"].as_str().expect("an id").parse().expect("a session id")
    }

    /// Its worker's token and epoch.
    pub(super) async fn bridge(&self, session: SessionId) -> (String, u64) {
        let path = format!("/v1/code/sessions/{session}/bridge");
        let given = self.post(&path, ALICE, json!({})).await.expect(200);
        (given["worker_jwt"].as_str().expect("a token").to_owned(), given["worker_epoch"].as_u64().expect("an epoch"))
    }

    pub(super) fn ingress(&self, session: SessionId) -> String {
        self.house.ingress_token(session).expose().to_owned()
    }

    /// What somebody writes to the agent.
    pub(super) async fn prompt(&self, session: SessionId, number: u128, content: &Value) -> MessageId {
        let message = MessageId::from_uuid(Uuid::from_u128(0xaaaa_aaaa_aaaa_4aaa_8aaa_0000_0000_0000 + number));
        let payload = json!({"content": content}).to_string();
        let prompt = Prompt {
            message,
            key: dedupe_key("message", message.to_string().as_bytes()),
            fingerprint: fingerprint([payload.as_bytes()]),
            payload: payload.into(),
        };
        let command = Command::PostMessage { session, prompt, work: WorkId::from_uuid(Uuid::from_u128(number)) };
        let outcome = self.house.relay.submit(Actor::System, command).await.expect("posted");
        assert!(matches!(outcome, Outcome::Posted { .. }));
        message
    }

    pub(super) async fn control(&self, session: SessionId, request: &str, control: Control) {
        let request = request.parse().expect("an id");
        let command = Command::RequestControl { session, request, control };
        self.house.relay.submit(Actor::System, command).await.expect("requested");
    }

    /// The worker's event stream, after its opening comment.
    pub(super) async fn stream(&self, session: SessionId, token: &str, after: Option<u64>) -> Stream {
        let query = after.map_or(String::new(), |number| format!("?from_sequence_num={number}"));
        let path = format!("/v1/code/sessions/{}/worker/events/stream{query}", session.worker_form());
        let response = self.call("GET", &path, token, &[], Bytes::new()).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        let mut stream = Stream::of(response);
        assert_eq!(stream.frame().await.expect("open"), ": connected");
        stream
    }
}

/// Reads an answer to its end.
pub(super) async fn read(response: Response) -> Answer {
    let (parts, body) = response.into_parts();
    let body = timeout(PATIENCE, body.collect()).await.expect("in time").expect("a body").to_bytes();
    Answer { status: parts.status, headers: parts.headers, body }
}

/// An open event stream. Dropping it is what a client does that goes away.
pub(super) struct Stream {
    response: Response,
    buffer: Vec<u8>,
}

impl Stream {
    pub(super) const fn of(response: Response) -> Self {
        Self { response, buffer: Vec::new() }
    }

    /// The next frame or comment, as text; `None` at the end.
    pub(super) async fn frame(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
                let frame: Vec<u8> = self.buffer.drain(..end + 2).collect();
                return Some(String::from_utf8(frame[..end].to_vec()).expect("UTF-8"));
            }
            let more = timeout(PATIENCE, self.response.body_mut().frame()).await.expect("a frame in time")?;
            self.buffer.extend_from_slice(&more.expect("no error").into_data().expect("data"));
        }
    }

    /// The next event's data.
    pub(super) async fn event(&mut self) -> Value {
        let frame = self.frame().await.expect("an event");
        let data = frame.lines().find_map(|line| line.strip_prefix("data: ")).unwrap_or_else(|| panic!("{frame}"));
        assert!(frame.contains("event: client_event\n"), "{frame}");
        let data: Value = serde_json::from_str(data).expect("JSON");
        assert!(frame.starts_with(&format!("id: {}\n", data["sequence_num"])), "{frame}");
        data
    }
}

/// A path of the session's worker.
pub(super) fn worker(session: SessionId, rest: &str) -> String {
    format!("/v1/code/sessions/{}/worker{rest}", session.worker_form())
}

/// The body of a success.
#[track_caller]
pub(super) fn wire(answer: Answer) -> Value {
    answer.expect(200)
}

/// Something that the agent says.
pub(super) fn said(text: &str, uuid: u32) -> Value {
    json!({"type": "assistant", "uuid": format!("cccccccc-0000-4000-8000-{uuid:012}"), "session_id": "x",
        "message": {"id": "msg_1", "role": "assistant", "content": [{"type": "text", "text": text}]}})
}

/// Everything in the session's stream: kinds and payloads.
pub(super) fn history(bench: &Bench, session: SessionId) -> Vec<(&'static str, String)> {
    let records =
        bench.house.relay.read(domain::Stream::Session(session), Sequence(1), page_bounds()).expect("records");
    records.iter().map(|one| (one.event.kind(), String::from_utf8_lossy(&one.payload).into_owned())).collect()
}

pub(super) fn count(bench: &Bench, session: SessionId, kind: &str) -> usize {
    history(bench, session).iter().filter(|(found, _)| *found == kind).count()
}
