//! Code sessions (v2) over the wire, against a real server: what outlives its death, and what fits through.

use serde_json::{Value, json};

use super::say;
use crate::harness::{ALICE, Client, MALLORY, Server, Sse};

/// A terminal's own session, and its worker's client with the epoch it was given.
async fn terminal(server: &Server) -> (String, Client, u64) {
    let alice = Client::new(server, ALICE);
    let made = alice.post("/v1/code/sessions", json!({"title": "envless", "bridge": {}})).await.expect(200);
    let session = made["session"]["id"].as_str().expect("an id").to_owned();
    let given = alice.post(&format!("/v1/code/sessions/{session}/bridge"), json!({})).await.expect(200);
    let worker = Client::new(server, given["worker_jwt"].as_str().expect("a token"));
    (session, worker, given["worker_epoch"].as_u64().expect("an epoch"))
}

async fn next(stream: &mut Sse) -> Value {
    let event = stream.next().await.expect("an event");
    assert_eq!(event.event.as_deref(), Some("client_event"));
    let data: Value = serde_json::from_str(&event.data).expect("JSON");
    assert_eq!(data["sequence_num"].as_u64(), event.id);
    data
}

const FIRST: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const SECOND: &str = "aaaaaaaa-0000-4000-8000-000000000002";

#[tokio::test]
async fn a_worker_goes_on_after_the_server_was_killed() {
    let mut server = Server::start();
    let (session, worker, epoch) = terminal(&server).await;
    let path = format!("/v1/code/sessions/{session}/worker");
    let mut stream = Sse::open(&worker, &format!("{path}/events/stream")).await.expect("open");
    say(&server, &session, FIRST, "before").await;
    let seen = next(&mut stream).await;
    assert_eq!(seen["event_id"], FIRST);
    let metadata = json!({"worker_epoch": epoch, "external_metadata": {"model": "opus"}});
    worker.send("PUT", &path, Some(&metadata)).await.expect(200);

    server.kill_and_restart();
    assert_eq!(stream.next().await, None);
    let state = worker.get(&path).await.expect(200);
    assert_eq!(state["worker"]["external_metadata"], json!({"model": "opus"}), "the token and the state are as before");
    let resumed = format!("{path}/events/stream?from_sequence_num={}", seen["sequence_num"]);
    let mut stream = Sse::open(&worker, &resumed).await.expect("open");
    say(&server, &session, SECOND, "after").await;
    assert_eq!(next(&mut stream).await["event_id"], SECOND, "what it has is not sent again");
    let mut anew = Sse::open(&worker, &format!("{path}/events/stream")).await.expect("open");
    assert_eq!(next(&mut anew).await["event_id"], FIRST, "what it never confirmed is");
    assert_eq!(stream.next().await, None, "the newer stream replaces the older one");
    let delivered = json!({"worker_epoch": epoch, "updates": [{"event_id": FIRST, "status": "processed"}]});
    worker.post(&format!("{path}/events/delivery"), delivered).await.expect(200);
    let mut last = Sse::open(&worker, &format!("{path}/events/stream")).await.expect("open");
    assert_eq!(next(&mut last).await["event_id"], SECOND);
}

#[tokio::test]
async fn a_message_of_three_mebibytes_reaches_the_worker_as_a_file_that_its_owner_fetches() {
    let server = Server::start();
    let (session, worker, _) = terminal(&server).await;
    let text = "long ".repeat(3 * 1024 * 1024 / 5);
    say(&server, &session, FIRST, &text).await;
    let path = format!("/v1/code/sessions/{session}/worker/events/stream");
    let mut stream = Sse::open(&worker, &path).await.expect("open");
    let frame = next(&mut stream).await;
    assert!(frame.to_string().len() < 1_048_576, "the client's parser gives up beyond it");
    let file = frame["payload"]["file_attachments"][0]["file_uuid"].as_str().expect("a file").to_owned();
    let content = format!("/api/oauth/files/{file}/content");
    assert_eq!(Client::new(&server, ALICE).get(&content).await.text, text);
    assert_eq!(Client::new(&server, MALLORY).get(&content).await.status, 404);
    assert_eq!(worker.get(&content).await.status, 403, "the agent's token is no API key");
}
