//! What this room's tests stand on: a house over a memory journal with a clock that the test holds, and people with
//! keys.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use http::header;
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) use crate::api::common::bench::{ADMIN, ALICE, Answer, MALLORY, RUNNER, Stream, VIEWER, owner, read};
use crate::{
    api::common::{
        House, Response, Settings,
        bench::{self, PEOPLE},
        identity::message_key,
    },
    domain::{
        Actor, Command, EnvironmentId, MessageId, Outcome, SessionId,
        command::{Incoming, Meaning, Said},
        event::{EnvironmentRegistered, MessageKind, PermissionRequested},
    },
    security::{Throttle, ThrottleConfig},
};

pub(crate) struct Bench {
    pub(crate) house: Arc<House>,
    pub(crate) clock: Arc<AtomicU64>,
    _directory: tempfile::TempDir,
}

impl Answer {
    /// The problem that it is, with the status and media type that go with it.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, name: &str) -> Value {
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json");
        let problem = self.expect(status);
        assert_eq!(problem["type"], format!("urn:rcs:problem:{name}"), "{problem}");
        assert_eq!(problem["status"], status);
        problem
    }
}

impl Bench {
    pub(crate) async fn open() -> Self {
        Self::with(|_| {}, ThrottleConfig::default()).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Settings), throttle: ThrottleConfig) -> Self {
        let (clock, relay) = bench::by_a_still_clock();
        let (directory, house) = bench::house(relay, |house| {
            house.throttle = Throttle::new(throttle);
            change(&mut house.settings);
        });
        bench::let_in(&house, &PEOPLE).await;
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
        let call = bench::call(method, path, token, headers, body);
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
        self.raw(method, path, token, &[], bench::body(&body)).await
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
        Stream::opened(self.call("GET", path, ALICE, &all, Bytes::new()).await).await
    }
}

/// A message's id.
pub(crate) fn uuid(number: u32) -> String {
    format!("aaaaaaaa-0000-4000-8000-{number:012}")
}

impl Stream {
    /// The next event's id and data.
    pub(crate) async fn event(&mut self) -> (u64, Value) {
        let frame = self.frame().await.expect("an event");
        let member =
            |name: &str| frame.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{frame}"));
        (member("id: ").parse().expect("a number"), serde_json::from_str(member("data: ")).expect("JSON"))
    }
}
