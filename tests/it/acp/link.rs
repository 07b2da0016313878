//! A link with a small agent behind it: what acp-link does as far as the server can tell, and an agent whose prompts
//! are its script.
//!
//! As with the real one, the agent and its conversations live on while the line is down, what it says meanwhile is
//! lost, and the line comes back under a new id.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use crate::harness::{Client, Server};

pub(super) type Socket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

/// Opens a socket with the key in a subprotocol, as browsers and links do. The answer must choose it.
pub(super) async fn dial(server: &Server, path: &str, key: &str) -> Socket {
    let url = format!("{}{path}", server.url.replace("http://", "ws://"));
    let mut request = url.into_client_request().expect("a request");
    let protocol = format!("rcs.auth.{}", URL_SAFE_NO_PAD.encode(key));
    request.headers_mut().insert("sec-websocket-protocol", protocol.parse().expect("a header"));
    let (socket, response) = connect_async(request).await.expect("open");
    assert_eq!(response.headers()["sec-websocket-protocol"], protocol.as_str(), "clients hang up without an echo");
    socket
}

/// What the agent can do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Talents {
    pub load: bool,
    pub resume: bool,
    /// Its link has the words that the common one has not.
    pub steered: bool,
}

struct Conversation {
    permissions: HashMap<String, oneshot::Sender<String>>,
    stop: watch::Sender<bool>,
    history: Vec<Value>,
}

struct Inside {
    name: String,
    talents: Talents,
    runs: bool,
    current: Option<String>,
    conversations: HashMap<String, Conversation>,
    line: Option<mpsc::UnboundedSender<String>>,
    heard: Vec<Value>,
}

/// The part that outlives its line.
#[derive(Clone)]
pub(super) struct Agent {
    inside: Arc<Mutex<Inside>>,
}

static COUNT: AtomicU64 = AtomicU64::new(1);

impl Agent {
    pub(super) fn new(name: &str, talents: Talents) -> Self {
        Self {
            inside: Arc::new(Mutex::new(Inside {
                name: name.to_owned(),
                talents,
                runs: false,
                current: None,
                conversations: HashMap::new(),
                line: None,
                heard: Vec::new(),
            })),
        }
    }

    fn with<T>(&self, change: impl FnOnce(&mut Inside) -> T) -> T {
        change(&mut self.inside.lock().expect("no test panics while it holds this"))
    }

    /// Every frame that the server sent, keep-alives and pings left out.
    pub(super) fn heard(&self, kind: &str) -> Vec<Value> {
        self.with(|inside| inside.heard.iter().filter(|frame| frame["type"] == kind).cloned().collect())
    }

    /// The program dies, and with it everything that it had open.
    pub(super) fn die(&self) {
        self.with(|inside| {
            inside.runs = false;
            inside.current = None;
            for conversation in inside.conversations.values() {
                conversation.stop.send_replace(true);
            }
        });
        self.say(json!({"type": "status", "payload": {"connected": false}}));
    }

    /// Says something, if somebody can hear it.
    #[expect(clippy::needless_pass_by_value, reason = "it is written where it is said")]
    pub(super) fn say(&self, frame: Value) {
        self.say_text(frame.to_string());
    }

    pub(super) fn say_text(&self, text: String) {
        self.with(|inside| {
            if let Some(line) = &inside.line {
                let _gone = line.send(text);
            }
        });
    }

    /// Has had a longer conversation than it had: so many answers of a megabyte each.
    pub(super) fn talked(&self, megabytes: usize) {
        let session = self.current();
        let frame = |kind: &str, text: &str| {
            let update = json!({"sessionUpdate": kind, "content": {"type": "text", "text": text}});
            json!({"type": "session_update", "payload": {"sessionId": session, "update": update}})
        };
        let answer = frame("agent_message_chunk", &"x".repeat(1024 * 1024));
        self.with(|inside| {
            let history = &mut inside.conversations.get_mut(&session).expect("the current one").history;
            history.push(frame("user_message_chunk", "elsewhere"));
            history.extend(std::iter::repeat_n(answer, megabytes));
        });
    }

    /// Waits until it has said this in its conversation, whether somebody heard it or not.
    pub(super) async fn said(&self, text: &str) {
        let session = self.current();
        let said = |inside: &mut Inside| {
            let history = &inside.conversations[&session].history;
            history.iter().rev().any(|frame| frame["payload"]["update"]["content"]["text"] == text)
        };
        while !self.with(said) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until it has a question that nobody answered.
    pub(super) async fn asks(&self) {
        let asks = |inside: &mut Inside| inside.conversations.values().any(|found| !found.permissions.is_empty());
        while !self.with(asks) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(super) fn current(&self) -> String {
        self.with(|inside| inside.current.clone()).expect("a conversation")
    }

    fn hear(&self, frame: &Value) {
        let kind = frame["type"].as_str().unwrap_or_default();
        let payload = frame["payload"].clone();
        if kind != "keep_alive" && kind != "ping" {
            self.with(|inside| inside.heard.push(frame.clone()));
        }
        match kind {
            "ping" => self.say(json!({"type": "pong"})),
            "connect" => self.connect(),
            "new_session" => self.begin(),
            "load_session" | "resume_session" => self.turn(kind, &payload),
            "list_sessions" => {
                let all: Vec<_> = self.with(|inside| inside.conversations.keys().cloned().collect());
                let sessions: Vec<_> = all.iter().map(|id| json!({"sessionId": id, "cwd": "/src"})).collect();
                self.say(json!({"type": "session_list", "payload": {"sessions": sessions}}));
            }
            "set_session_model" => self.say(json!({"type": "model_changed", "payload": payload})),
            // The common link has never heard of them, and says nothing at all.
            "set_session_mode" if self.with(|inside| inside.talents.steered) => {
                self.say(json!({"type": "mode_changed", "payload": payload}));
            }
            "set_config_option" if self.with(|inside| inside.talents.steered) => {
                let option = json!({"id": payload["configId"], "currentValue": payload["value"]});
                self.say(json!({"type": "config_option_changed", "payload": {"configOptions": [option]}}));
            }
            "cancel" => self.cancel(),
            "permission_response" => {
                let request = payload["requestId"].as_str().unwrap_or_default().to_owned();
                let answer = payload["outcome"]["optionId"].as_str().unwrap_or("cancelled").to_owned();
                self.with(|inside| {
                    let waiting = inside.conversations.values_mut().find_map(|one| one.permissions.remove(&request));
                    if let Some(waiting) = waiting {
                        let _gone = waiting.send(answer);
                    }
                });
            }
            "prompt" if self.with(|inside| inside.current.is_none()) => {
                self.say(json!({"type": "error", "payload": {"message": "No active session"}}));
            }
            "prompt" => {
                let text = payload["content"][0]["text"].as_str().unwrap_or_default().to_owned();
                tokio::spawn(self.clone().work(text));
            }
            _ => {}
        }
    }

    fn connect(&self) {
        let (ran, name, talents) = self.with(|inside| {
            let ran = std::mem::replace(&mut inside.runs, true);
            (ran, inside.name.clone(), inside.talents)
        });
        let info = if ran { json!({"name": name}) } else { json!({"name": "small-agent", "version": "1.0"}) };
        let sessions = if talents.resume { json!({"list": {}, "resume": {}}) } else { json!({"list": {}}) };
        let mut payload = json!({"connected": true, "agentInfo": info,
            "capabilities": {"loadSession": talents.load, "sessionCapabilities": sessions}});
        if talents.steered {
            payload["words"] = json!(["set_session_mode", "set_config_option"]);
        }
        self.say(json!({"type": "status", "payload": payload}));
    }

    fn begin(&self) {
        let id = format!("conversation-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.with(|inside| {
            let (stop, _) = watch::channel(false);
            let fresh = Conversation { permissions: HashMap::new(), stop, history: Vec::new() };
            inside.conversations.insert(id.clone(), fresh);
            inside.current = Some(id.clone());
        });
        let effort = json!({"id": "model", "category": "model", "currentValue": "small", "options": [
            {"name": "fast", "options": [{"value": "small"}, {"value": "tiny"}]}, {"value": "large"}]});
        let models =
            json!({"currentModelId": "small", "availableModels": [{"modelId": "small"}, {"modelId": "large"}]});
        let modes = json!([{"id": "default"}, {"id": "plan"}, {"id": "yolo"}]);
        let steered = self.with(|inside| inside.talents.steered);
        self.say(json!({"type": "session_created", "payload": {"sessionId": id, "promptCapabilities": {"image": true},
            "models": if steered { Value::Null } else { models }, "configOptions": [effort],
            "modes": {"currentModeId": "default", "availableModes": modes}}}));
    }

    fn turn(&self, kind: &str, payload: &Value) {
        let id = payload["sessionId"].as_str().unwrap_or_default().to_owned();
        let found = self.with(|inside| inside.conversations.get(&id).map(|found| found.history.clone()));
        let Some(history) = found.filter(|history| !history.is_empty()) else {
            return self.say(json!({"type": "error", "payload": {"message": "Failed to load session: not found"}}));
        };
        self.with(|inside| inside.current = Some(id.clone()));
        let done = if kind == "load_session" {
            for frame in history {
                self.say(frame);
            }
            "session_loaded"
        } else {
            "session_resumed"
        };
        self.say(json!({"type": done, "payload": {"sessionId": id, "promptCapabilities": null, "models": null}}));
    }

    fn cancel(&self) {
        self.with(|inside| {
            let Some(current) = inside.current.clone() else { return };
            let Some(conversation) = inside.conversations.get_mut(&current) else { return };
            conversation.permissions.clear();
            conversation.stop.send_replace(true);
        });
    }

    #[expect(clippy::needless_pass_by_value, reason = "it is written where it is said")]
    fn update(&self, session: &str, update: Value) {
        let frame = json!({"type": "session_update", "payload": {"sessionId": session, "update": update}});
        self.with(|inside| {
            if let Some(found) = inside.conversations.get_mut(session) {
                found.history.push(frame.clone());
            }
        });
        self.say(frame);
    }

    pub(super) fn chunk(&self, session: &str, text: &str) {
        let content = json!({"type": "text", "text": text});
        self.update(session, json!({"sessionUpdate": "agent_message_chunk", "content": content}));
    }

    /// One turn, by the words of its prompt.
    async fn work(self, text: String) {
        let session = self.current();
        let mut stop = self.with(|inside| {
            let found = inside.conversations.get_mut(&session).expect("the current one");
            found.stop.send_replace(false);
            let said = json!({"sessionUpdate": "user_message_chunk", "content": {"type": "text", "text": text}});
            found.history.push(json!({"type": "session_update", "payload": {"sessionId": session, "update": said}}));
            found.stop.subscribe()
        });
        let mut words = text.split_whitespace();
        let verb = words.next().unwrap_or_default().to_owned();
        let rest = words.collect::<Vec<_>>().join(" ");
        let mut reason = "end_turn";
        match verb.as_str() {
            // Says one word after the other.
            "count" => {
                for number in 0..rest.parse().unwrap_or(3) {
                    self.chunk(&session, &format!("{number} "));
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            // Later: when nobody listens any more.
            "ask" | "later" => {
                if verb == "later" {
                    self.chunk(&session, "thinking");
                    while self.with(|inside| inside.line.is_some()) {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                }
                let request = format!("perm_{}", COUNT.fetch_add(1, Ordering::Relaxed));
                let (answer, answered) = oneshot::channel();
                self.with(|inside| {
                    let found = inside.conversations.get_mut(&session).expect("the current one");
                    found.permissions.insert(request.clone(), answer);
                });
                self.say(json!({"type": "permission_request", "payload": {"requestId": request, "sessionId": session,
                    "options": [{"kind": "allow_always", "name": "Always", "optionId": "opt-a"},
                        {"kind": "allow_once", "name": "Yes", "optionId": "opt-b"},
                        {"kind": "reject_once", "name": "No", "optionId": "opt-c"}],
                    "toolCall": {"toolCallId": format!("call-{request}"), "title": "Terminal", "kind": "execute",
                        "rawInput": {"command": rest}}}}));
                tokio::select! {
                    answer = answered => {
                        let answer = answer.unwrap_or_else(|_| "cancelled".into());
                        self.chunk(&session, &format!("answered {answer}"));
                        if answer == "cancelled" {
                            reason = "cancelled";
                        }
                    }
                    _ = stop.wait_for(|stop| *stop) => reason = "cancelled",
                }
            }
            // Until somebody stops it.
            "hold" => {
                self.chunk(&session, "holding");
                let _stopped = stop.wait_for(|stop| *stop).await;
                reason = "cancelled";
            }
            "fail" => {
                return self.say(json!({"type": "error", "payload": {"message": "Prompt failed: the model says no"}}));
            }
            _ => self.chunk(&session, &format!("{verb} {rest}")),
        }
        if self.with(|inside| inside.runs) {
            self.say(json!({"type": "prompt_complete", "payload": {"stopReason": reason}}));
        }
    }
}

/// The line between an agent and the server.
pub(super) struct Line {
    pub environment: String,
    pub session: String,
    task: tokio::task::JoinHandle<()>,
}

impl Line {
    /// Registers and identifies, as after every cut.
    pub(super) async fn open(server: &Server, key: &str, group: &str, agent: &Agent) -> Self {
        let name = agent.with(|inside| inside.name.clone());
        let body = json!({"machine_name": name, "worker_type": "acp", "bridge_id": group, "max_sessions": 1});
        let answer = Client::new(server, key).post("/v1/environments/bridge", body).await.expect(200);
        assert_eq!(answer["status"], "active");
        assert_ne!(answer["environment_secret"], key, "a key is handed out to nobody");
        let registered = answer["environment_id"].as_str().expect("an id").to_owned();
        let session = answer["session_id"].as_str().expect("an id").to_owned();
        let (identified, task) = Self::identify(server, key, &registered, agent).await;
        assert_eq!(identified["type"], "identified");
        let environment = identified["agent_id"].as_str().expect("an id").to_owned();
        Self { environment, session, task }
    }

    /// Comes under an id that it has.
    pub(super) async fn identify(
        server: &Server,
        key: &str,
        id: &str,
        agent: &Agent,
    ) -> (Value, tokio::task::JoinHandle<()>) {
        let mut socket = dial(server, "/acp/ws", key).await;
        let hello = json!({"type": "identify", "agent_id": id}).to_string();
        socket.send(Message::text(hello)).await.expect("sent");
        let answer = loop {
            if let Message::Text(text) = socket.next().await.expect("open").expect("a frame") {
                break serde_json::from_str::<Value>(&text).expect("JSON");
            }
        };
        let (sender, mut receiver) = mpsc::unbounded_channel::<String>();
        agent.with(|inside| inside.line = Some(sender));
        let agent = agent.clone();
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    said = receiver.recv() => match said {
                        Some(said) => if socket.send(Message::text(said)).await.is_err() { break },
                        None => break,
                    },
                    frame = socket.next() => match frame {
                        Some(Ok(Message::Text(text))) => {
                            assert_eq!(text.trim().lines().count(), 1, "a link parses a frame whole: {text}");
                            agent.hear(&serde_json::from_str(&text).expect("JSON"));
                        }
                        Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                        Some(Ok(_)) => {}
                    },
                }
            }
        });
        (answer, task)
    }

    /// Cuts it without a word. What the agent says from now on is lost.
    pub(super) async fn cut(self, agent: &Agent) {
        agent.with(|inside| inside.line = None);
        self.task.abort();
        let _aborted = self.task.await;
    }
}
