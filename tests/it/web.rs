//! Our own API over real sockets: what only a connection can show, and what outlives the server's death.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest as _,
        http::{HeaderMap, HeaderName, StatusCode},
        protocol::frame::coding::CloseCode,
    },
};

use crate::harness::{ALICE, Client, MALLORY, Server, Sse, rcsctl};

const PATIENCE: Duration = Duration::from_secs(20);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(server: &Server, path: &str, headers: &[(&str, &str)]) -> Result<(Socket, HeaderMap), Error> {
    let url = format!("{}{path}", server.url.replacen("http", "ws", 1));
    let mut request = url.into_client_request().expect("a request");
    for (name, value) in headers {
        let name: HeaderName = name.parse().expect("a name");
        request.headers_mut().insert(name, value.parse().expect("a header"));
    }
    let (socket, response) = timeout(PATIENCE, connect_async(request)).await.expect("in time")?;
    Ok((socket, response.headers().clone()))
}

#[track_caller]
fn refused(result: Result<(Socket, HeaderMap), Error>) -> StatusCode {
    match result {
        Err(Error::Http(response)) => response.status(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it opened"),
    }
}

async fn frame(socket: &mut Socket) -> Message {
    loop {
        let frame = timeout(PATIENCE, socket.next()).await.expect("in time").expect("open").expect("a frame");
        if !frame.is_ping() {
            return frame;
        }
    }
}

async fn event(socket: &mut Socket) -> Value {
    let frame = frame(socket).await;
    serde_json::from_str(frame.to_text().expect("text")).expect("JSON")
}

async fn session(client: &Client) -> String {
    client.post("/api/v1/sessions", json!({"title": "wired"})).await.expect(201)["id"].as_str().expect("id").to_owned()
}

async fn say(client: &Client, session: &str, text: &str) -> Value {
    client.post(&format!("/api/v1/sessions/{session}/messages"), json!({ "content": text })).await.expect(201)
}

#[tokio::test]
async fn a_socket_tells_what_was_and_what_comes() {
    let server = Server::start();
    let alice = Client::new(&server, ALICE);
    let session = session(&alice).await;
    say(&alice, &session, "before").await;
    let path = format!("/api/v1/sessions/{session}/socket");
    let bearer = format!("Bearer {ALICE}");
    let (mut socket, _) = connect(&server, &path, &[("authorization", &bearer)]).await.expect("open");
    say(&alice, &session, "after").await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(event(&mut socket).await);
    }
    assert_eq!(seen, alice.history(&session, 0).await, "the socket and the history say the same");
    // What a reader says is no matter; what it cannot mean is told.
    socket.send(Message::text("hello?")).await.expect("sent");
    socket.send(Message::binary(vec![0_u8])).await.expect("sent");
    let Message::Close(Some(close)) = frame(&mut socket).await else { panic!("no close") };
    assert_eq!(close.code, CloseCode::Unsupported);
}

#[tokio::test]
async fn a_browsers_socket_carries_its_key_in_a_subprotocol() {
    let server = Server::start();
    let alice = Client::new(&server, ALICE);
    let session = session(&alice).await;
    let path = format!("/api/v1/sessions/{session}/socket?after=latest");
    let secret = format!("rcs.auth.{}", URL_SAFE_NO_PAD.encode(ALICE));
    let (_socket, headers) = connect(&server, &path, &[("sec-websocket-protocol", &secret)]).await.expect("open");
    assert_eq!(headers["sec-websocket-protocol"], secret.as_str());
    let both = format!("rcs.v1, {secret}");
    let (mut socket, headers) = connect(&server, &path, &[("sec-websocket-protocol", &both)]).await.expect("open");
    assert_eq!(headers["sec-websocket-protocol"], "rcs.v1", "the key need not come back");
    let said = say(&alice, &session, "hi").await;
    assert_eq!(event(&mut socket).await["sequence"], said["sequence"]);

    let foreign = format!("rcs.auth.{}", URL_SAFE_NO_PAD.encode(MALLORY));
    let open = |headers: Vec<(&'static str, String)>| {
        let (server, path) = (&server, &path);
        async move {
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            refused(connect(server, path, &headers).await)
        }
    };
    assert_eq!(open(vec![]).await, StatusCode::UNAUTHORIZED);
    assert_eq!(open(vec![("authorization", "Bearer guess".into())]).await, StatusCode::UNAUTHORIZED);
    assert_eq!(open(vec![("authorization", format!("Bearer {MALLORY}"))]).await, StatusCode::NOT_FOUND);
    // A client that offers subprotocols needs one echoed to go on, so this one is told before it would matter.
    assert_eq!(open(vec![("sec-websocket-protocol", foreign)]).await, StatusCode::NOT_FOUND);
    assert_eq!(open(vec![("sec-websocket-protocol", "rcs.auth.%%%".into())]).await, StatusCode::BAD_REQUEST);
    let evil = vec![("authorization", format!("Bearer {ALICE}")), ("origin", "https://evil.test".into())];
    assert_eq!(open(evil).await, StatusCode::FORBIDDEN);
    let gone = format!("/api/v1/sessions/{session}/socket?after=999");
    let bearer = format!("Bearer {ALICE}");
    let gap = connect(&server, &gone, &[("authorization", &bearer)]).await;
    assert_eq!(refused(gap), StatusCode::GONE);
    let nowhere = connect(&server, "/api/v1/status", &[("authorization", &bearer)]).await;
    assert_eq!(refused(nowhere), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_revoked_key_closes_its_sockets_and_streams() {
    let server = Server::start_with(&[("RCS_WS_KEEPALIVE_INTERVAL", "1")]);
    let alice = Client::new(&server, ALICE);
    let session = session(&alice).await;
    let made = alice.post("/api/v1/keys", json!({"name": "lost phone", "role": "viewer"})).await.expect(201);
    let secret = made["secret"].as_str().expect("a secret");
    let bearer = format!("Bearer {secret}");
    let path = format!("/api/v1/sessions/{session}/socket?after=latest");
    let (mut socket, _) = connect(&server, &path, &[("authorization", &bearer)]).await.expect("open");
    let key = format!("/api/v1/keys/{}", made["key"]["id"].as_str().expect("an id"));
    alice.send("DELETE", &key, None).await.expect(204);
    let Message::Close(Some(close)) = frame(&mut socket).await else { panic!("no close") };
    assert_eq!(u16::from(close.code), 4003);
}

#[tokio::test]
async fn an_orderly_end_says_goodbye_and_a_kill_loses_nothing() {
    let mut server = Server::start();
    let alice = Client::new(&server, ALICE);
    let session = session(&alice).await;
    let path = format!("/api/v1/sessions/{session}");
    let bearer = format!("Bearer {ALICE}");
    let (mut socket, _) =
        connect(&server, &format!("{path}/socket?after=latest"), &[("authorization", &bearer)]).await.expect("open");
    let mut stream = Sse::open(&alice, &format!("{path}/events")).await.expect("open");
    stream.next().await.expect("the session's own event");
    assert!(server.stop().success());
    let Message::Close(Some(close)) = frame(&mut socket).await else { panic!("no close") };
    assert_eq!(close.code, CloseCode::Away);
    assert_eq!(stream.next().await, None);

    server.launch();
    let said = say(&alice, &session, "kept").await;
    server.kill_and_restart();
    // The old client would try a connection that died with the server.
    let alice = Client::new(&server, ALICE);
    let mut stream = Sse::open(&alice, &format!("{path}/events?after=1")).await.expect("open");
    let event = stream.next().await.expect("an event");
    assert_eq!(event.id, said["sequence"].as_u64());
    let receipt = format!("{path}/messages/{}", said["message_id"].as_str().expect("an id"));
    assert_eq!(alice.get(&receipt).await.expect(200)["state"], "accepted");
}

#[tokio::test]
async fn what_is_too_large_is_refused_with_a_problem() {
    let server = Server::start();
    let alice = Client::new(&server, ALICE);
    let session = session(&alice).await;
    let large = "x".repeat(11 * 1024 * 1024);
    let url = format!("{}/api/v1/sessions/{session}/messages", server.url);
    // Announced, and dribbled without an announcement.
    let announced = alice.http.post(&url).bearer_auth(ALICE).body(large.clone()).send().await.expect("an answer");
    let chunks =
        large.into_bytes().chunks(1024 * 1024).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec())).collect::<Vec<_>>();
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
    let dribbled = alice.http.post(&url).bearer_auth(ALICE).body(body).send().await.expect("an answer");
    for answer in [announced, dribbled] {
        assert_eq!(answer.status(), 413);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let problem: Value = answer.json().await.expect("JSON");
        assert_eq!(problem["type"], "urn:rcs:problem:too-large");
    }
    let kept = alice.history(&session, 0).await;
    assert_eq!(kept.len(), 1, "nothing of it was kept");
}

#[tokio::test]
async fn text_beyond_a_workers_frame_is_kept_whole() {
    let server = Server::start();
    let alice = Client::new(&server, ALICE);
    let session = session(&alice).await;
    let text = "0123456789abcdef".repeat(100_000);
    say(&alice, &session, &text).await;
    let history = alice.history(&session, 1).await;
    assert_eq!(history[0]["payload"]["content"], text.as_str());
}

#[tokio::test]
async fn probes_need_no_key_and_numbers_are_for_this_machine() {
    let server = Server::start();
    let stranger = Client::new(&server, "nobody");
    assert_eq!(stranger.get("/health").await.expect(200)["status"], "ok");
    assert_eq!(stranger.get("/ready").await.expect(200)["status"], "ready");
    let metrics = stranger.get("/metrics").await;
    assert_eq!(metrics.status, 200);
    assert!(metrics.headers["content-type"].to_str().expect("text").starts_with("text/plain"));
    assert!(metrics.text.contains("# TYPE rcs_"), "{}", metrics.text);
    let posted = stranger.post("/health", json!({})).await;
    assert_eq!((posted.status, &posted.headers["allow"]), (405, &"GET, HEAD".parse().expect("a header")));
}

/// Asks as a page of the server's own does, with whatever cookie it has.
async fn as_a_page(server: &Server, method: &str, path: &str, cookie: &str, body: Value) -> reqwest::Response {
    let request = reqwest::Client::new().request(method.parse().expect("a method"), format!("{}{path}", server.url));
    let request = request.header("origin", &server.url).header("cookie", cookie).json(&body);
    request.timeout(PATIENCE).send().await.expect("an answer")
}

#[tokio::test]
async fn a_browser_stays_signed_in_over_a_kill_and_a_used_link_stays_used() {
    let mut server = Server::start();
    let (code, url, complaint) = rcsctl(&["login-link"], Some((&server.url, ALICE)));
    assert_eq!(code, Some(0), "{complaint}");
    let link = |url: &str| json!({"link": url.trim().rsplit_once('#').expect("a fragment").1});
    let (_, unused, _) = rcsctl(&["login-link"], Some((&server.url, ALICE)));
    let answer = as_a_page(&server, "POST", "/api/v1/login", "", link(&url)).await;
    assert_eq!(answer.status(), 200);
    let set = answer.headers()["set-cookie"].to_str().expect("text").to_owned();
    let cookie = set.split(';').next().expect("a cookie");

    server.kill_and_restart();
    assert_eq!(as_a_page(&server, "GET", "/api/v1/me", cookie, Value::Null).await.status(), 200);
    assert_eq!(as_a_page(&server, "POST", "/api/v1/login", "", link(&url)).await.status(), 401);
    assert_eq!(as_a_page(&server, "POST", "/api/v1/login", "", link(&unused)).await.status(), 200);
    assert_eq!(as_a_page(&server, "POST", "/api/v1/logout", cookie, Value::Null).await.status(), 204);

    server.kill_and_restart();
    assert_eq!(as_a_page(&server, "GET", "/api/v1/me", cookie, Value::Null).await.status(), 401);
}

#[tokio::test]
async fn a_socket_takes_a_browsers_cookie_from_our_own_pages_only() {
    let server = Server::start();
    let session = session(&Client::new(&server, ALICE)).await;
    let answer = as_a_page(&server, "POST", "/api/v1/login", "", json!({ "key": ALICE })).await;
    let set = answer.headers()["set-cookie"].to_str().expect("text").to_owned();
    let cookie = set.split(';').next().expect("a cookie");
    let path = format!("/api/v1/sessions/{session}/socket");
    let host = server.url.clone();
    let (mut socket, _) = connect(&server, &path, &[("cookie", cookie), ("origin", &host)]).await.expect("open");
    assert_eq!(event(&mut socket).await["kind"], "session_created");
    for headers in [&[("cookie", cookie)][..], &[("cookie", cookie), ("origin", "https://evil.test")]] {
        assert_eq!(refused(connect(&server, &path, headers).await), StatusCode::FORBIDDEN);
    }
    // Signed out, it hears no more; a new one is not opened.
    assert_eq!(as_a_page(&server, "DELETE", "/api/v1/devices", cookie, Value::Null).await.status(), 204);
    say(&Client::new(&server, ALICE), &session, "for those who are signed in").await;
    loop {
        let frame = frame(&mut socket).await;
        assert!(!frame.to_text().unwrap_or_default().contains("signed in"), "{frame}");
        if let Message::Close(close) = frame {
            assert_eq!(u16::from(close.expect("a reason").code), 4003);
            break;
        }
    }
    let late = refused(connect(&server, &path, &[("cookie", cookie), ("origin", &host)]).await);
    assert_eq!(late, StatusCode::UNAUTHORIZED);
}
