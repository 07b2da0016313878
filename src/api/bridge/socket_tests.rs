//! The v1 WebSocket over a real connection, each test named after what people saw go wrong elsewhere.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest as _},
};
use uuid::Uuid;

use super::bench::{ALICE, Bench, MALLORY};
use crate::{
    api::common::{Settings, front},
    domain::{Actor, Command, KeyId, SessionId, event::Control},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// The room behind a real listener.
struct Wire {
    bench: Bench,
    address: SocketAddr,
    session: SessionId,
}

impl Wire {
    async fn open() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let bench = Bench::with(change).await;
        let session = bench.session().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let sockets = front::sockets(Arc::clone(&bench.house), super::open_socket);
        tokio::spawn(warp::serve(sockets).incoming(listener).run());
        Self { bench, address, session }
    }

    async fn try_connect(&self, version: &str, session: &str, token: &str) -> Result<Worker, Error> {
        let url = format!("ws://{}/{version}/session_ingress/ws/{session}", self.address);
        let mut request = url.into_client_request().expect("a request");
        let bearer = format!("Bearer {token}").parse().expect("a header");
        request.headers_mut().insert("authorization", bearer);
        let (socket, _) = timeout(PATIENCE, connect_async(request)).await.expect("in time")?;
        Ok(Worker { socket })
    }

    async fn connect(&self) -> Worker {
        let token = self.bench.ingress(self.session);
        self.try_connect("v2", &self.session.to_string(), &token).await.expect("open")
    }

    async fn ingest(&self, event: Value) {
        let path = format!("/v2/session_ingress/session/{}/events", self.session);
        let token = self.bench.ingress(self.session);
        self.bench.post(&path, &token, json!({"events": [event]})).await.expect(200);
    }

    async fn echo(&self, sent: &Value) {
        let mut echo = sent.clone();
        echo["isReplay"] = json!(true);
        self.ingest(echo).await;
    }
}

/// A worker's end of the socket. Pings are answered while it listens.
struct Worker {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Worker {
    async fn frame(&mut self) -> Message {
        timeout(PATIENCE, self.socket.next()).await.expect("a frame in time").expect("open").expect("no error")
    }

    /// The next text frame: one object and a line end.
    async fn text(&mut self) -> Value {
        loop {
            match self.frame().await {
                Message::Text(text) => {
                    assert!(text.ends_with('\n') && text.trim_end().lines().count() == 1, "{text:?}");
                    return serde_json::from_str(&text).expect("JSON");
                }
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The code with which the server closes, after nothing but signs of life.
    async fn closed(&mut self) -> u16 {
        loop {
            match self.frame().await {
                Message::Close(frame) => return frame.expect("a code").code.into(),
                Message::Text(text) => assert!(text.contains("keep_alive"), "{text}"),
                _ => {}
            }
        }
    }

    /// Everything that was sent until now: ours is the only pong that comes back.
    async fn sent(&mut self) -> Vec<Value> {
        self.socket.send(Message::Ping("now".into())).await.expect("sent");
        let mut sent = Vec::new();
        loop {
            match self.frame().await {
                Message::Text(text) => sent.push(serde_json::from_str(&text).expect("JSON")),
                Message::Pong(_) => return sent,
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn a_message_goes_out_while_connected_and_one_that_waited_on_connecting() {
    let wire = Wire::open().await;
    let waited = wire.bench.prompt(wire.session, 1, &json!("before")).await;
    let mut worker = wire.connect().await;
    let first = worker.text().await;
    assert_eq!(first["uuid"], waited.to_string());
    assert_eq!(first["message"], json!({"role": "user", "content": "before"}));
    assert_eq!(first["session_id"], wire.session.to_string());
    wire.bench.prompt(wire.session, 2, &json!("after")).await;
    assert_eq!(worker.text().await["message"]["content"], "after");
    assert!(wire.bench.house.relay.world().session(wire.session).expect("there").worker.online);
}

#[tokio::test]
async fn a_terminal_connects_with_its_key_and_both_prefixes_and_versions_lead_here() {
    let wire = Wire::open().await;
    for version in ["v1", "v2"] {
        for id in [wire.session.to_string(), wire.session.worker_form()] {
            let mut worker = wire.try_connect(version, &id, ALICE).await.expect("open");
            assert_eq!(worker.sent().await, Vec::<Value>::new());
        }
    }
}

#[tokio::test]
async fn a_reconnect_brings_what_was_not_confirmed_and_no_history() {
    let wire = Wire::open().await;
    wire.bench.prompt(wire.session, 1, &json!("confirmed")).await;
    wire.bench.prompt(wire.session, 2, &json!("lost")).await;
    wire.bench.control(wire.session, "c1", Control::SetModel { model: "default".into() }).await;
    let mut worker = wire.connect().await;
    let confirmed = worker.text().await;
    assert_eq!(worker.text().await["message"]["content"], "lost");
    assert_eq!(worker.text().await["request"]["subtype"], "set_model");
    wire.echo(&confirmed).await;
    wire.ingest(json!({"type": "assistant", "message": {"role": "assistant", "content": []}})).await;
    wire.ingest(json!({"type": "control_request", "request_id": "r1", "request": {"subtype": "can_use_tool",
        "tool_name": "Bash", "input": {}}}))
        .await;
    let records = wire.bench.house.relay.world().session(wire.session).expect("there").latest;
    drop(worker);
    for _ in 0..3 {
        let mut worker = wire.connect().await;
        let sent = worker.sent().await;
        let contents: Vec<&Value> = sent.iter().map(|line| &line["message"]["content"]).collect();
        assert_eq!(contents, ["lost"], "no history, no words of its own, no control request again");
    }
    let after = wire.bench.house.relay.world().session(wire.session).expect("there").latest;
    assert_eq!(records, after, "connecting again writes nothing");
}

#[tokio::test]
async fn a_second_connection_replaces_the_first_and_is_not_deaf_when_that_ends() {
    let wire = Wire::open().await;
    let mut first = wire.connect().await;
    assert_eq!(first.sent().await, Vec::<Value>::new());
    let mut second = wire.connect().await;
    assert_eq!(first.closed().await, 4000);
    drop(first);
    wire.bench.prompt(wire.session, 1, &json!("for the second")).await;
    assert_eq!(second.text().await["message"]["content"], "for the second");
}

#[tokio::test]
async fn a_quiet_connection_is_not_cut() {
    let wire = Wire::with(|settings| {
        settings.ws_keepalive = Duration::from_millis(400);
        settings.ws_idle = Duration::from_secs(5);
    })
    .await;
    let mut worker = wire.connect().await;
    // Longer than the idle time.
    for _ in 0..14 {
        assert_eq!(worker.text().await, json!({"type": "keep_alive"}));
    }
    wire.bench.prompt(wire.session, 1, &json!("still there?")).await;
    loop {
        let text = worker.text().await;
        if text["type"] == "user" {
            break;
        }
    }
}

#[tokio::test]
async fn a_peer_that_answers_no_ping_is_cut() {
    let wire = Wire::with(|settings| {
        settings.ws_keepalive = Duration::from_millis(20);
        settings.ws_idle = Duration::from_millis(30);
    })
    .await;
    let mut stream = TcpStream::connect(wire.address).await.expect("connected");
    let token = wire.bench.ingress(wire.session);
    let head = format!(
        "GET /v2/session_ingress/ws/{} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: 1hxlwH6EAVywiMecykcYNw==\r\n\
         Authorization: Bearer {token}\r\n\r\n",
        wire.session
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut received = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut received)).await.expect("cut in time").expect("read");
    let reason = b"no sign of life";
    assert!(received.windows(reason.len()).any(|window| window == reason));
}

#[tokio::test]
async fn an_archived_session_is_gone_for_good() {
    let wire = Wire::open().await;
    let mut worker = wire.connect().await;
    assert_eq!(worker.sent().await, Vec::<Value>::new());
    wire.bench.post(&format!("/v1/sessions/{}/archive", wire.session), ALICE, json!({})).await.expect(200);
    assert_eq!(worker.closed().await, 4001);
    assert_eq!(wire.connect().await.closed().await, 4001);
    let unknown = SessionId::from_uuid(Uuid::from_u128(9));
    for token in [ALICE, wire.bench.ingress(unknown).as_str()] {
        let mut worker = wire.try_connect("v2", &unknown.to_string(), token).await.expect("open");
        assert_eq!(worker.closed().await, 4001);
    }
}

#[tokio::test]
async fn only_a_credential_that_will_never_do_is_refused_for_good() {
    let wire = Wire::open().await;
    let session = wire.session.to_string();
    let mut worker = wire.try_connect("v2", &session, MALLORY).await.expect("open");
    assert_eq!(worker.closed().await, 4001, "somebody else's session is none");
    for token in ["a-key-that-may-be-configured-in-a-moment", "rcsi_AAAA"] {
        match wire.try_connect("v2", &session, token).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), 401),
            other => panic!("{:?}", other.map(|_| ())),
        }
    }
    let revoke = Command::RevokeKey { key: KeyId::from_uuid(Uuid::from_u128(1)) };
    wire.bench.house.relay.submit(Actor::System, revoke).await.expect("revoked");
    let mut worker = wire.try_connect("v2", &session, ALICE).await.expect("open");
    assert_eq!(worker.closed().await, 4003);
}

#[tokio::test]
async fn a_worker_is_told_when_the_server_goes_down_and_may_come_back() {
    let wire = Wire::open().await;
    let mut worker = wire.connect().await;
    assert_eq!(worker.sent().await, Vec::<Value>::new());
    wire.bench.house.relay.close();
    assert_eq!(worker.closed().await, 1001);
}

#[tokio::test]
async fn what_comes_over_the_socket_is_kept_like_what_is_posted() {
    let wire = Wire::open().await;
    let mut worker = wire.connect().await;
    let frame = "{\"type\":\"keep_alive\"}\n{\"type\":\"assistant\",\"uuid\":\"u1\"}\nnot JSON";
    worker.socket.send(Message::Text(frame.into())).await.expect("sent");
    let frame = "{\"type\":\"keep_alive\"}\n{\"type\":\"assistant\",\"uuid\":\"u2\"}\n";
    worker.socket.send(Message::Text(frame.into())).await.expect("sent");
    assert_eq!(worker.sent().await, Vec::<Value>::new(), "a broken frame costs no connection");
    worker.socket.send(Message::Binary(vec![1].into())).await.expect("sent");
    assert_eq!(worker.closed().await, 1003);
    let relay = &wire.bench.house.relay;
    let stream = crate::domain::Stream::Session(wire.session);
    let records = relay.read(stream, crate::domain::Sequence(1), crate::relay::page_bounds()).expect("records");
    let received = records.iter().filter(|record| record.event.kind() == "message_received").count();
    assert_eq!(received, 1);
}

/// A worker that reconnects while somebody switches the model: an old and a new socket are open for a moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_control_request_that_meets_a_reconnect_is_written_at_most_once() {
    let wire = Wire::open().await;
    let mut total = 0;
    for round in 0..60 {
        let request = format!("ctl-{round:03}");
        let mut old = wire.connect().await;
        let reading = tokio::spawn(async move {
            let mut frames = String::new();
            loop {
                match old.frame().await {
                    Message::Text(text) => frames.push_str(&text),
                    Message::Close(_) => return frames,
                    _ => {}
                }
            }
        });
        let model = Control::SetModel { model: "x".into() };
        let ((), mut new) = tokio::join!(wire.bench.control(wire.session, &request, model), wire.connect());
        let mut written = reading.await.expect("read").matches(&request).count();
        written += new.sent().await.iter().filter(|line| line["request_id"] == request.as_str()).count();
        assert!(written <= 1, "round {round}: written {written} times");
        total += written;
        wire.ingest(json!({"type": "control_response", "response": {"subtype": "success", "request_id": request}}))
            .await;
    }
    // How often a request is replaced before it is written is the scheduler's.
    assert!(total > 5, "only {total} of 60 were written: this proves nothing");
}
