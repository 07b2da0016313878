//! A viewer as the browser client is one: it connects, begins or loads a conversation, and shows what it hears.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::link::{Socket, dial};
use crate::harness::Server;

const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Viewer {
    pub socket: Socket,
    /// Everything that it heard, keep-alives left out.
    pub frames: Vec<Value>,
    pub texts: Vec<String>,
}

impl Viewer {
    pub(super) async fn open(server: &Server, key: &str, agent: &str) -> Self {
        let socket = dial(server, &format!("/acp/relay/{agent}"), key).await;
        Self { socket, frames: Vec::new(), texts: Vec::new() }
    }

    /// Opens, connects, and begins a conversation; its id at the agent.
    pub(super) async fn begin(server: &Server, key: &str, agent: &str) -> (Self, String) {
        let mut viewer = Self::connected(server, key, agent).await;
        viewer.say("new_session", json!({})).await;
        let created = viewer.hear("session_created").await;
        let id = created["payload"]["sessionId"].as_str().expect("an id").to_owned();
        (viewer, id)
    }

    pub(super) async fn connected(server: &Server, key: &str, agent: &str) -> Self {
        let mut viewer = Self::open(server, key, agent).await;
        viewer.say("connect", Value::Null).await;
        let status = viewer.hear("status").await;
        assert_eq!(status["payload"]["connected"], true);
        viewer
    }

    pub(super) async fn say(&mut self, kind: &str, payload: Value) {
        let frame = if payload.is_null() { json!({"type": kind}) } else { json!({"type": kind, "payload": payload}) };
        self.socket.send(Message::text(frame.to_string())).await.expect("sent");
    }

    pub(super) async fn prompt(&mut self, text: &str) {
        self.say("prompt", json!({"content": [{"type": "text", "text": text}]})).await;
    }

    /// The next frame; `None` with the close code when it ended.
    pub(super) async fn next(&mut self) -> Result<Value, u16> {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.expect("in time") {
                Some(Ok(Message::Text(text))) => {
                    let frame: Value = serde_json::from_str(&text).expect("JSON");
                    if frame["type"] == "keep_alive" {
                        continue;
                    }
                    self.texts.push(text.to_string());
                    self.frames.push(frame.clone());
                    return Ok(frame);
                }
                Some(Ok(Message::Close(close))) => return Err(close.map_or(1005, |close| close.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(1006),
            }
        }
    }

    /// Reads up to the next frame of this type.
    pub(super) async fn hear(&mut self, kind: &str) -> Value {
        let from = self.frames.len();
        loop {
            match self.next().await {
                Ok(frame) if frame["type"] == kind => return frame,
                Ok(_) => {}
                Err(code) => panic!("closed with {code} before {kind}: {:?}", &self.frames[from..]),
            }
        }
    }

    /// Reads to the close code.
    pub(super) async fn closed(&mut self) -> u16 {
        loop {
            if let Err(code) = self.next().await {
                return code;
            }
        }
    }

    /// Whether nothing comes although there was time for it: everything that was on its way is in front of a pong.
    pub(super) async fn settle(&mut self) {
        self.say("ping", Value::Null).await;
        self.hear("pong").await;
    }

    /// What the agent said, in one piece.
    pub(super) fn text(&self) -> String {
        let chunks =
            self.frames.iter().filter(|frame| frame["payload"]["update"]["sessionUpdate"] == "agent_message_chunk");
        chunks.filter_map(|frame| frame["payload"]["update"]["content"]["text"].as_str()).collect()
    }

    /// What people said, as it is told to those who did not say it.
    pub(super) fn asked(&self) -> Vec<&str> {
        let chunks =
            self.frames.iter().filter(|frame| frame["payload"]["update"]["sessionUpdate"] == "user_message_chunk");
        chunks.filter_map(|frame| frame["payload"]["update"]["content"]["text"].as_str()).collect()
    }

    pub(super) async fn answer(&mut self, question: &Value, option: &str) {
        let request = &question["payload"]["requestId"];
        let outcome = json!({"outcome": "selected", "optionId": option});
        self.say("permission_response", json!({"requestId": request, "outcome": outcome})).await;
    }
}
