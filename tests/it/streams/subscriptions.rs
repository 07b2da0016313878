//! Subscriptions of a server that is killed: what was acked stays so, what was not is told again, and whoever was
//! fenced off before is fenced off after.

use std::{net::SocketAddr, sync::Arc};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    sync::mpsc,
    time::timeout,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring::default_provider, pki_types::PrivateKeyDer},
};

use super::PATIENCE;
use crate::harness::{ALICE, Answer, Client, MALLORY, Server};

/// A receiver that takes every notification and answers them all in the same way.
struct Receiver {
    address: SocketAddr,
    heard: mpsc::Receiver<Value>,
}

impl Receiver {
    async fn open(answer: &'static str) -> Self {
        Self::behind(answer, None).await
    }

    /// With TLS, if it has what that takes.
    async fn behind(answer: &'static str, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let (sender, heard) = mpsc::channel(64);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let mut socket: Box<dyn Duplex> = match &tls {
                    None => Box::new(socket),
                    // Whoever does not trust the certificate hangs up here.
                    Some(tls) => match tls.accept(socket).await {
                        Ok(socket) => Box::new(socket),
                        Err(_) => continue,
                    },
                };
                let mut bytes = Vec::new();
                let notification = loop {
                    let mut piece = [0; 4_096];
                    let Ok(count @ 1..) = socket.read(&mut piece).await else { break None };
                    bytes.extend_from_slice(&piece[..count]);
                    let body = bytes.windows(4).position(|end| end == b"\r\n\r\n").map(|end| &bytes[end + 4..]);
                    if let Some(body) = body.and_then(|body| serde_json::from_slice(body).ok()) {
                        break Some(body);
                    }
                };
                // Heard first: a test that kills the server now must find that it was called.
                if let Some(notification) = notification {
                    sender.send(notification).await.expect("the test listens");
                    let _killed = socket.write_all(answer.as_bytes()).await;
                    let _killed = socket.shutdown().await;
                }
            }
        });
        Self { address, heard }
    }

    async fn next(&mut self) -> Value {
        timeout(PATIENCE, self.heard.recv()).await.expect("in time").expect("a notification")
    }

    fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }
}

/// A connection, with TLS or without.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

const ACCEPTED: &str = "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n";
const BROKEN: &str = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n";

fn server() -> Server {
    Server::start_with(&[("RCS_WEBHOOK_PRIVATE_TARGETS", "loopback")])
}

async fn alice(server: &Server, method: &str, path: &str, body: &Value) -> Answer {
    as_bearer(server, ALICE, method, path, body).await
}

async fn as_bearer(server: &Server, token: &str, method: &str, path: &str, body: &Value) -> Answer {
    let body = (!body.is_null()).then_some(body);
    Client::new(server, token).send(method, &format!("/v1/stream/{path}"), body).await
}

async fn shown(server: &Server) -> Value {
    alice(server, "GET", "__ds/subscriptions/s", &Value::Null).await.expect(200)
}

async fn subscribe(server: &Server, receiver: &Receiver, lease_ttl_ms: u64) {
    subscribe_url(server, &receiver.url(), lease_ttl_ms).await;
}

async fn subscribe_url(server: &Server, url: &str, lease_ttl_ms: u64) {
    let wish = json!({"type": "webhook", "pattern": "events/**", "webhook": {"url": url},
        "lease_ttl_ms": lease_ttl_ms});
    alice(server, "PUT", "__ds/subscriptions/s", &wish).await.expect(201);
}

/// The word of a handler that is done with everything it was told.
fn done(wake: &Value) -> Value {
    let streams = wake["streams"].as_array().expect("streams").iter();
    let acks: Vec<Value> =
        streams.map(|stream| json!({"stream": stream["path"], "offset": stream["tail_offset"]})).collect();
    json!({"wake_id": wake["wake_id"], "generation": wake["generation"], "acks": acks, "done": true})
}

async fn call_back(server: &Server, wake: &Value) -> Answer {
    let token = wake["callback_token"].as_str().expect("a token");
    as_bearer(server, token, "POST", "__ds/subscriptions/s/callback", &done(wake)).await
}

#[tokio::test]
async fn a_wake_whose_delivery_was_cut_by_a_kill_is_delivered_again_and_fenced_as_before() {
    let (mut server, mut receiver) = (server(), Receiver::open(BROKEN).await);
    subscribe(&server, &receiver, 600_000).await;
    alice(&server, "PUT", "events/a", &json!([1, 2])).await.expect(201);
    let first = receiver.next().await;
    server.kill_and_restart();
    let again = receiver.next().await;
    assert_eq!((&again["wake_id"], &again["generation"]), (&first["wake_id"], &json!(1)), "the same wake");
    assert_eq!(again["streams"], first["streams"]);
    // Tokens of before the kill are good for the wake that stands, and for no other.
    assert_eq!(call_back(&server, &first).await.expect(200), json!({"ok": true, "next_wake": false}));
    alice(&server, "POST", "events/a", &json!(3)).await;
    // The first wake may have been tried once more before it was called back.
    let second = loop {
        let heard = receiver.next().await;
        if heard["generation"] != 1 {
            break heard;
        }
    };
    assert_eq!(second["generation"], 2);
    server.kill_and_restart();
    assert_eq!(call_back(&server, &first).await.expect(409)["error"]["code"], "FENCED");
    assert_eq!(call_back(&server, &second).await.expect(200), json!({"ok": true, "next_wake": false}));
}

#[tokio::test]
async fn what_was_acked_is_not_told_again_after_a_kill() {
    let (mut server, mut receiver) = (server(), Receiver::open(ACCEPTED).await);
    subscribe(&server, &receiver, 600_000).await;
    alice(&server, "PUT", "events/a", &json!([1])).await.expect(201);
    let wake = receiver.next().await;
    call_back(&server, &wake).await.expect(200);
    let before = shown(&server).await;
    server.kill_and_restart();
    assert_eq!(shown(&server).await, before);
    alice(&server, "PUT", "events/b", &json!([1])).await.expect(201);
    let next = receiver.next().await;
    assert_eq!(next["generation"], 2, "nothing was told in between");
    let pending: Vec<&Value> = next["streams"].as_array().expect("streams").iter().collect();
    let news: Vec<_> = pending.iter().map(|stream| (&stream["path"], &stream["has_pending"])).collect();
    assert_eq!(news, [(&json!("events/b"), &json!(true)), (&json!("events/a"), &json!(false))]);
}

#[tokio::test]
async fn a_handler_that_died_with_the_server_is_fenced_off_when_its_lease_ends() {
    let (mut server, mut receiver) = (server(), Receiver::open(ACCEPTED).await);
    subscribe(&server, &receiver, 1_000).await;
    alice(&server, "PUT", "events/a", &json!([1])).await.expect(201);
    let first = receiver.next().await;
    server.kill_and_restart();
    let mut second = receiver.next().await;
    // Whether its acceptance was recorded before the kill: if not, the same wake came once more.
    if second["generation"] == 1 {
        second = receiver.next().await;
    }
    assert_eq!(second["generation"], 2);
    assert_eq!(call_back(&server, &first).await.expect(409)["error"]["code"], "FENCED");
}

#[tokio::test]
async fn a_claim_outlives_the_server_and_so_does_its_holder() {
    let mut server = server();
    alice(&server, "PUT", "wake/pool", &json!([])).await.expect(201);
    let wish = json!({"type": "pull-wake", "streams": ["events/a"], "wake_stream": "wake/pool",
        "lease_ttl_ms": 600_000});
    alice(&server, "PUT", "__ds/subscriptions/s", &wish).await.expect(201);
    alice(&server, "PUT", "events/a", &json!([1])).await.expect(201);
    let claim = "__ds/subscriptions/s/claim";
    let claimed = alice(&server, "POST", claim, &json!({"worker": "w"})).await.expect(200);
    server.kill_and_restart();
    let taken = alice(&server, "POST", claim, &json!({"worker": "v"})).await.expect(409);
    assert_eq!(taken["error"]["current_holder"], "w");
    let foreign = as_bearer(&server, MALLORY, "POST", claim, &json!({"worker": "m"})).await;
    assert_eq!(foreign.expect(404)["error"]["code"], "SUBSCRIPTION_NOT_FOUND");
    let token = claimed["token"].as_str().expect("a token");
    let ack = as_bearer(&server, token, "POST", "__ds/subscriptions/s/ack", &done(&claimed)).await;
    assert_eq!(ack.expect(200), json!({"ok": true, "next_wake": false}));
    let events = alice(&server, "GET", "wake/pool", &Value::Null).await.expect(200);
    assert_eq!(events.as_array().expect("events").len(), 1, "told once");
}

#[tokio::test]
async fn the_schedule_of_retries_outlives_the_server() {
    let (mut server, mut receiver) = (server(), Receiver::open(BROKEN).await);
    subscribe(&server, &receiver, 600_000).await;
    alice(&server, "PUT", "events/a", &json!([1])).await.expect(201);
    // Three failures: the fourth attempt comes four seconds after the third, give or take a fifth.
    for _ in 0..3 {
        receiver.next().await;
    }
    let failed = std::time::Instant::now();
    let admin = Client::new(&server, &server.admin_key());
    while admin.get("/api/v1/audit?limit=1000").await.text.matches("\"delivery_failed\"").count() < 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(shown(&server).await["status"], "failed");
    server.kill_and_restart();
    let again = receiver.next().await;
    assert_eq!(again["generation"], 1);
    assert!(failed.elapsed().as_millis() >= 3_000, "a restart is no reason to call early");
    alice(&server, "DELETE", "__ds/subscriptions/s", &Value::Null).await.expect(204);
}

#[tokio::test]
async fn the_keys_of_signatures_outlive_the_server() {
    let mut server = server();
    let before = as_bearer(&server, "", "GET", "__ds/jwks.json", &Value::Null).await.expect(200);
    server.kill_and_restart();
    assert_eq!(as_bearer(&server, "", "GET", "__ds/jwks.json", &Value::Null).await.expect(200), before);
}

#[tokio::test]
async fn a_webhook_behind_a_private_authority_is_called_where_the_operator_trusts_it_and_nowhere_else() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("they belong together");
    let mut receiver = Receiver::behind(ACCEPTED, Some(TlsAcceptor::from(Arc::new(config)))).await;
    let url = format!("https://localhost:{}/hook", receiver.address.port());

    let stranger = server();
    subscribe_url(&stranger, &url, 600_000).await;
    alice(&stranger, "PUT", "events/a", &json!([1])).await.expect(201);
    let health = async {
        while shown(&stranger).await["status"] != "failed" {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, health).await.expect("the failure shows");
    drop(stranger);

    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), made.cert.pem()).expect("written");
    let path = file.path().to_str().expect("text");
    let server = Server::start_with(&[("RCS_WEBHOOK_PRIVATE_TARGETS", "loopback"), ("RCS_OUTBOUND_CA", path)]);
    subscribe_url(&server, &url, 600_000).await;
    alice(&server, "PUT", "events/a", &json!([1])).await.expect(201);
    assert_eq!(receiver.next().await["generation"], 1);
}
