//! What this room's tests stand on: a house over a memory journal with a clock that the test holds, and people with
//! keys.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::time::timeout;
use uuid::Uuid;

use crate::{
    api::common::{Call, House, Outbound, RequestNames, Response, Settings, identity::message_key},
    domain::{
        Actor, Command, EnvironmentId, KeyId, MessageId, Outcome, OwnerId, SessionId, Timestamp,
        command::{Incoming, Meaning, Said},
        event::{EnvironmentRegistered, KeyCreated, MessageKind, PermissionRequested, Role},
    },
    relay::{Options, Relay},
    security::{PrivateTargets, SigningKeys, Throttle, ThrottleConfig, WebhookKeys, digest::secret_digest},
};

pub(crate) const ALICE: &str = "alice-key-for-tests-0001";
pub(crate) const MALLORY: &str = "mallory-key-for-tests-0001";
/// Alice's, and may only look.
pub(crate) const VIEWER: &str = "viewer-key-for-tests-0001";
/// Alice's, for a machine.
pub(crate) const RUNNER: &str = "runner-key-for-tests-0001";
pub(crate) const ADMIN: &str = "admin-key-for-tests-0001";

/// Longer than anything takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Bench {
    pub(crate) house: Arc<House>,
    pub(crate) clock: Arc<AtomicU64>,
    _directory: tempfile::TempDir,
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

    /// The problem that it is, with the status and media type that go with it.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, name: &str) -> Value {
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json");
        let problem = self.expect(status);
        assert_eq!(problem["type"], format!("urn:rcs:problem:{name}"), "{problem}");
        assert_eq!(problem["status"], status);
        problem
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

pub(crate) const fn owner(number: u128) -> OwnerId {
    OwnerId::from_uuid(Uuid::from_u128(number))
}

impl Bench {
    pub(crate) async fn open() -> Self {
        Self::with(|_| {}, ThrottleConfig::default()).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Settings), throttle: ThrottleConfig) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let signing = SigningKeys::open(&directory.path().join("signing.key")).expect("keys");
        // 2026-01-02T03:04:05Z, and no further until the test says so.
        let clock = Arc::new(AtomicU64::new(1_767_323_045_000));
        let read = Arc::clone(&clock);
        let options = Options { clock: Arc::new(move || Timestamp(read.load(Ordering::SeqCst))), ..Options::default() };
        let relay = Relay::in_memory_with(options);
        let mut settings = Settings {
            base_url: "http://rcs.test".into(),
            version: "1.2.3".into(),
            poll_timeout: Duration::from_secs(8),
            sse_keepalive: Duration::from_secs(15),
            jwt_lifetime: Duration::from_hours(1),
            ws_keepalive: Duration::from_secs(20),
            ws_idle: Duration::from_mins(1),
            cors_origins: vec!["https://phone.test".into()],
            streams_anonymous: crate::security::AnonymousRights::default(),
            streams_poll: Duration::from_secs(1),
            streams_sse: Duration::from_mins(1),
        };
        change(&mut settings);
        let keys = [
            (1, 1, ALICE, Role::Member),
            (2, 2, MALLORY, Role::Member),
            (3, 1, VIEWER, Role::Viewer),
            (4, 1, RUNNER, Role::Runner),
            (5, 5, ADMIN, Role::Admin),
        ];
        for (number, whose, secret, role) in keys {
            let created = KeyCreated {
                key: KeyId::from_uuid(Uuid::from_u128(number)),
                owner: owner(whose),
                name: secret.split('-').next().unwrap_or_default().into(),
                role,
                digest: secret_digest(secret),
                expires_at: None,
                configured: false,
            };
            relay.submit(Actor::System, Command::CreateKey(created)).await.expect("a key");
        }
        let throttle = Throttle::new(throttle);
        let metrics = Arc::new(|| "rcs_sessions 1\n".to_owned());
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
        Self { house, clock, _directory: directory }
    }

    pub(crate) fn pass(&self, ms: u64) {
        self.clock.fetch_add(ms, Ordering::SeqCst);
    }

    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        token: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
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
            body: body.into(),
        };
        super::super::answer(Arc::clone(&self.house), call).await
    }

    pub(crate) async fn raw(
        &self,
        method: &str,
        path: &str,
        token: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        read(self.call(method, path, token, headers, body).await).await
    }

    pub(crate) async fn send(&self, method: &str, path: &str, token: &str, body: Value) -> Answer {
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        self.raw(method, path, token, &[], body).await
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        self.send("POST", path, token, body).await
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        self.send("GET", path, token, Value::Null).await
    }

    pub(crate) async fn submit(&self, actor: Actor, command: Command) -> Outcome {
        self.house.relay.submit(actor, command).await.expect("a command that is carried out")
    }

    /// A runner of Alice's.
    pub(crate) async fn environment(&self, number: u128) -> EnvironmentId {
        let environment = EnvironmentId::from_uuid(Uuid::from_u128(0xe000 + number));
        let particulars = EnvironmentRegistered {
            environment,
            owner: owner(1),
            machine_name: format!("machine {number}"),
            directory: "/src".into(),
            branch: Some("main".into()),
            git_repo_url: None,
            max_sessions: 4,
            worker_type: "claude_code".into(),
            group: None,
        };
        self.submit(Actor::System, Command::RegisterEnvironment { particulars, reattach: None }).await;
        environment
    }

    /// A session of Alice's, made over the API.
    pub(crate) async fn session(&self, title: &str) -> SessionId {
        let made = self.post("/api/v1/sessions", ALICE, json!({ "title": title })).await.expect(201);
        made["id"].as_str().expect("an id").parse().expect("a session")
    }

    /// What the session's worker says.
    pub(crate) async fn receive(&self, session: SessionId, payload: Value, meaning: Meaning) {
        let id = payload["uuid"].as_str().and_then(|text| text.parse::<MessageId>().ok());
        let payload = payload.to_string().into();
        let messages = vec![Incoming { key: id.map(message_key), payload, meaning }];
        let command = Command::Receive { session, epoch: None, messages };
        self.submit(Actor::Worker(session), command).await;
    }

    pub(crate) async fn say(&self, session: SessionId, number: u32, text: &str) {
        let payload = json!({"type": "assistant", "uuid": uuid(number),
            "message": {"role": "assistant", "content": [{"type": "text", "text": text}]}});
        let said = Said {
            message: uuid(number).parse().ok(),
            kind: MessageKind::Assistant,
            ephemeral: false,
            status: None,
            mode: None,
            model: None,
            tool_results: Vec::new(),
        };
        self.receive(session, payload, Meaning::Said(said)).await;
    }

    /// The worker echoes a prompt: it has it.
    pub(crate) async fn consume(&self, session: SessionId, number: u32) {
        let said = Said {
            message: uuid(number).parse().ok(),
            kind: MessageKind::User,
            ephemeral: false,
            status: None,
            mode: None,
            model: None,
            tool_results: Vec::new(),
        };
        let payload = json!({"type": "user", "uuid": uuid(number), "message": {"role": "user", "content": "hello"}});
        self.receive(session, payload, Meaning::Said(said)).await;
    }

    /// The agent asks.
    pub(crate) async fn ask(&self, session: SessionId, request: &str, tool: &str, input: Value) {
        let payload = json!({"type": "control_request", "request_id": request, "request": {
            "subtype": "can_use_tool", "tool_name": tool, "input": input, "tool_use_id": "toolu_1"}});
        let asked = PermissionRequested {
            session,
            request: request.parse().expect("an id"),
            tool: tool.into(),
            subject: input["command"].as_str().map(str::to_owned),
            tool_use: Some("toolu_1".into()),
        };
        self.receive(session, payload, Meaning::Asks(asked)).await;
    }

    /// An open event stream, after its opening comment.
    pub(crate) async fn follow(&self, path: &str, headers: &[(&str, &str)]) -> Stream {
        let mut all = vec![("accept", "text/event-stream")];
        all.extend_from_slice(headers);
        let response = self.call("GET", path, ALICE, &all, Bytes::new()).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        let mut stream = Stream { response, buffer: Vec::new() };
        assert_eq!(stream.frame().await.expect("open"), ": connected");
        stream
    }
}

/// A message's id.
pub(crate) fn uuid(number: u32) -> String {
    format!("aaaaaaaa-0000-4000-8000-{number:012}")
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
    /// One that was opened another way.
    pub(crate) const fn of(response: Response) -> Self {
        Self { response, buffer: Vec::new() }
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

    /// The next event's id and data.
    pub(crate) async fn event(&mut self) -> (u64, Value) {
        let frame = self.frame().await.expect("an event");
        let member =
            |name: &str| frame.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{frame}"));
        (member("id: ").parse().expect("a number"), serde_json::from_str(member("data: ")).expect("JSON"))
    }
}
