//! Environments and v1 workers over the wire, against a real server: what outlives its death, and how it says goodbye.

use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use super::{poll, say, token_of};
use crate::harness::{ALICE, Client, Server};

const PATIENCE: Duration = Duration::from_secs(20);
const PROMPT: &str = "aaaaaaaa-0000-4000-8000-000000000001";

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(server: &Server, session: &str, token: &str) -> Socket {
    let url = format!("{}/v2/session_ingress/ws/{session}", server.url.replacen("http", "ws", 1));
    let mut request = url.into_client_request().expect("a request");
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().expect("a header"));
    timeout(PATIENCE, connect_async(request)).await.expect("in time").expect("open").0
}

/// The next line for the worker.
async fn line(socket: &mut Socket) -> Value {
    loop {
        let frame = timeout(PATIENCE, socket.next()).await.expect("in time").expect("open").expect("a frame");
        if let Message::Text(text) = frame
            && !text.contains("keep_alive")
        {
            return serde_json::from_str(&text).expect("JSON");
        }
    }
}

#[tokio::test]
async fn a_runner_and_its_worker_go_on_after_the_server_was_killed() {
    let mut server = Server::start_with(&[("RCS_POLL_TIMEOUT", "4")]);
    let alice = Client::new(&server, ALICE);
    let (environment, secret) = alice.register(1).await;
    let session = alice.session_in(&environment).await;
    let item = poll(&Client::new(&server, &secret), &environment).await;
    let token = token_of(&item);

    // Handed out and not confirmed: the death of the server loses neither the item nor the secret.
    server.kill_and_restart();
    // New clients each time: the connections of the old ones died with the server.
    let worker = Client::new(&server, &token);
    let again = poll(&Client::new(&server, &secret), &environment).await;
    assert_eq!(item["id"], again["id"]);
    let ack = format!("/v1/environments/{environment}/work/{}/ack", item["id"].as_str().expect("an id"));
    worker.post(&ack, json!({})).await.expect(200);

    let mut socket = connect(&server, &session, &token).await;
    say(&server, &session, PROMPT, "hello").await;
    assert_eq!(line(&mut socket).await["uuid"], PROMPT);
    server.kill_and_restart();
    let worker = Client::new(&server, &token);
    let mut socket = connect(&server, &session, &token).await;
    let resent = line(&mut socket).await;
    assert_eq!((&resent["uuid"], &resent["message"]["content"]), (&json!(PROMPT), &json!("hello")));

    // The batch whose answer was lost comes again and is kept once.
    let path = format!("//v1/session_ingress/session/{session}/events");
    let said = json!({"type": "assistant", "uuid": "aaaaaaaa-0000-4000-8000-000000000002", "message": {"content": []}});
    let batch = json!({"events": [resent, said]});
    let first = worker.post(&path, batch.clone()).await.expect(200);
    assert_eq!((&first["accepted"], &first["duplicates"]), (&json!(1), &json!(1)));
    server.kill_and_restart();
    let (alice, worker) = (Client::new(&server, ALICE), Client::new(&server, &token));
    let second = worker.post(&path, batch).await.expect(200);
    assert_eq!((&second["accepted"], &second["duplicates"]), (&json!(0), &json!(2)));

    // Confirmed: a new connection gets the next one only.
    let mut socket = connect(&server, &session, &token).await;
    let peer = json!({"type": "peer_message", "from": "session_1", "content": "next"});
    alice.post(&format!("/v1/sessions/{session}/messages"), peer).await.expect(200);
    assert!(line(&mut socket).await["message"]["content"].as_str().expect("text").contains("next"));
    let body = json!({"machine_name": "vm", "environment_id": environment});
    let back = alice.post("/v1/environments/bridge", body).await.expect(200);
    assert_eq!((&back["environment_id"], &back["environment_secret"]), (&json!(environment), &json!(secret)));
}

#[tokio::test]
async fn a_server_that_is_stopped_tells_its_workers_to_come_back() {
    let mut server = Server::start();
    let alice = Client::new(&server, ALICE);
    let (environment, secret) = alice.register(1).await;
    let session = alice.session_in(&environment).await;
    let runner = Client::new(&server, &secret);
    let item = poll(&runner, &environment).await;
    let mut socket = connect(&server, &session, &token_of(&item)).await;
    say(&server, &session, PROMPT, "hello").await;
    assert_eq!(line(&mut socket).await["uuid"], PROMPT);
    let stopping = tokio::task::spawn_blocking(move || server.stop());
    loop {
        let frame = timeout(PATIENCE, socket.next()).await.expect("in time").expect("open").expect("a frame");
        if let Message::Close(Some(close)) = frame {
            assert_eq!(u16::from(close.code), 1001);
            break;
        }
    }
    drop(socket);
    assert!(stopping.await.expect("no panic").success());
}
