//! What this room's tests stand on: a house over a memory journal, and clients that call its door.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use uuid::Uuid;

pub(super) use crate::api::common::bench::{ALICE, Answer, MALLORY, Stream, read};
use crate::{
    api::common::{
        House, Response, Settings,
        bench::{self, PEOPLE},
    },
    domain::{self, Actor, Command, MessageId, Outcome, Sequence, SessionId, WorkId, command::Prompt, event::Control},
    relay::{Relay, page_bounds},
    security::{dedupe_key, fingerprint},
};

pub(super) struct Bench {
    pub(super) house: Arc<House>,
    _directory: tempfile::TempDir,
}

impl Bench {
    pub(super) async fn open() -> Self {
        Self::with(|_| {}).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let (directory, house) = bench::house(Relay::in_memory(), |house| {
            house.settings.base_url = "http://localhost:3000".into();
            house.settings.cors_origins.clear();
            change(&mut house.settings);
        });
        bench::let_in(&house, &PEOPLE[..2]).await;
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
        super::answer(Arc::clone(&self.house), bench::call(method, path, token, headers, body)).await
    }

    pub(super) async fn send(&self, method: &str, path: &str, token: &str, body: &Value) -> Answer {
        read(self.call(method, path, token, &[], bench::body(body)).await).await
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
        Stream::opened(self.call("GET", &path, token, &[], Bytes::new()).await).await
    }
}

impl Stream {
    /// The next event's data.
    pub(super) async fn client_event(&mut self) -> Value {
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
