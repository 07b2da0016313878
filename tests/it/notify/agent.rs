//! An agent that asks: the worker's side of a session, as far as questions go.

use serde_json::{Value, json};

use crate::harness::{ALICE, Answer, Client, Server};

pub(super) struct Agent {
    url: String,
    pub(super) session: String,
    worker: Client,
    epoch: u64,
}

impl Agent {
    /// Takes a new session of Alice's.
    pub(super) async fn begin(server: &Server, title: &str) -> Self {
        let alice = Client::new(server, ALICE);
        let made = alice.post("/v1/code/sessions", json!({"title": title, "bridge": {}})).await.expect(200);
        let id = made["session"]["id"].as_str().expect("an id").replace("session_", "cse_");
        let given = alice.post(&format!("/v1/code/sessions/{id}/bridge"), json!({})).await.expect(200);
        let epoch = &given["worker_epoch"];
        let epoch = epoch.as_u64().or_else(|| epoch.as_str()?.parse().ok()).expect("an epoch");
        let worker = Client::new(server, given["worker_jwt"].as_str().expect("a token"));
        Self { url: server.url.clone(), session: id.replace("cse_", "session_"), worker, epoch }
    }

    /// The same at a server that was started again: old connections are gone.
    pub(super) fn at(&self, server: &Server) -> Self {
        let worker = Client::new(server, &self.worker.token);
        Self { url: server.url.clone(), session: self.session.clone(), worker, epoch: self.epoch }
    }

    async fn say(&self, payload: Value) {
        let path = format!("/v1/code/sessions/{}/worker/events", self.session.replace("session_", "cse_"));
        let body = json!({"worker_epoch": self.epoch, "events": [{"payload": payload}]});
        self.worker.post(&path, body).await.expect(200);
    }

    pub(super) async fn ask(&self, request: &str, tool: &str, input: Value) {
        self.say(json!({"type": "control_request", "request_id": request, "uuid": uuid(),
            "request": {"subtype": "can_use_tool", "tool_name": tool, "input": input, "tool_use_id": request}}))
            .await;
    }

    pub(super) async fn takes_back(&self, request: &str) {
        self.say(json!({"type": "control_cancel_request", "request_id": request})).await;
    }

    pub(super) async fn report(&self, status: &str) {
        let path = format!("/v1/code/sessions/{}/worker", self.session.replace("session_", "cse_"));
        let body = json!({"worker_epoch": self.epoch, "worker_status": status});
        self.worker.send("PUT", &path, Some(&body)).await.expect(200);
    }

    pub(super) async fn decide(&self, key: &str, request: &str, decision: &str) -> Answer {
        let path = format!("/api/v1/sessions/{}/permissions/{request}", self.session);
        let client = Client { http: reqwest::Client::new(), url: self.url.clone(), token: key.to_owned() };
        client.post(&path, json!({ "decision": decision })).await
    }

    /// The question as it stands.
    pub(super) async fn question(&self, request: &str) -> Value {
        let path = format!("/api/v1/sessions/{}/permissions/{request}", self.session);
        let client = Client { http: reqwest::Client::new(), url: self.url.clone(), token: ALICE.to_owned() };
        client.get(&path).await.expect(200)
    }
}

fn uuid() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("00000000-0000-4000-8000-{:012x}", NEXT.fetch_add(1, Ordering::Relaxed))
}
