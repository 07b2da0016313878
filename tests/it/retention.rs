//! What is forgotten is never silence: whoever was there before the horizon is told where the stream now begins, and
//! the chain still proves what is left.

use serde_json::{Value, json};

use crate::harness::{ALICE, Client, Server, Sse, rcsctl, text};

const RENAMES: u64 = 160;
const KEPT: u64 = 100;

/// A session with this many events, on a server that was told to keep fewer when it started again.
async fn trimmed() -> (Server, Client, String) {
    let mut server = Server::start();
    let alice = Client::new(&server, ALICE);
    let made = alice.post("/api/v1/sessions", json!({"title": "0"})).await.expect(201);
    let session = made["id"].as_str().expect("an id").to_owned();
    for number in 1..=RENAMES {
        let path = format!("/api/v1/sessions/{session}");
        alice.send("PATCH", &path, Some(&json!({ "title": number.to_string() }))).await.expect(200);
    }
    let posted = alice.post(&format!("/api/v1/sessions/{session}/messages"), json!({"content": "still waiting"})).await;
    posted.expect(201);
    assert_eq!(alice.history(&session, 0).await.len() as u64, RENAMES + 2, "by default everything is kept");
    assert!(server.stop().success());
    server.set("RCS_RETENTION_EVENTS", &KEPT.to_string());
    server.launch();
    // The policy is applied at the start and then every hour.
    while alice.get(&format!("/api/v1/sessions/{session}/events?after=0")).await.status != 410 {}
    (server, alice, session)
}

fn note(arguments: &[&str], server: &Server) -> (String, String) {
    let (code, out, error) = rcsctl(arguments, Some((&server.url, ALICE)));
    assert_eq!(code, Some(0), "{error}");
    (out, error)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_behind_the_horizon_is_told_where_the_stream_begins() {
    let (server, alice, session) = trimmed().await;
    let (earliest, latest) = (RENAMES + 2 - KEPT + 1, RENAMES + 2);
    let path = format!("/api/v1/sessions/{session}/events");

    let gap = alice.get(&format!("{path}?after={}", earliest - 2)).await.expect(410);
    assert_eq!(gap["type"], "urn:rcs:problem:gap");
    assert_eq!((&gap["earliest"], &gap["latest"]), (&json!(earliest), &json!(latest)));
    let page = alice.get(&format!("{path}?after={}&limit=1", earliest - 1)).await.expect(200);
    assert_eq!(page["events"][0]["sequence"], earliest);

    // A browser that comes back with an event that is gone: an answer that ends its attempts, no stream that is live.
    let request = alice.http.get(format!("{}{path}", alice.url)).bearer_auth(ALICE);
    let request = request.header("accept", "text/event-stream").header("last-event-id", "7");
    let refused = request.send().await.expect("an answer");
    assert_eq!(refused.status(), 410);
    let refused: Value = refused.json().await.expect("JSON");
    assert_eq!(refused["earliest"], earliest);
    let mut at_the_horizon = Sse::open(&alice, &format!("{path}?after={}", earliest - 1)).await.expect("open");
    assert_eq!(at_the_horizon.next().await.expect("an event").id, Some(earliest));

    // Clients of the stock API name no place: they get what there is.
    let history = alice.get(&format!("/web/sessions/{session}/history")).await.expect(200);
    assert!(history["events"].as_array().is_some_and(|events| !events.is_empty()));
    let mut stock = Sse::open(&alice, &format!("/web/sessions/{session}/events")).await.expect("open");
    assert!(stock.next().await.expect("an event").id >= Some(earliest));
    drop((stock, at_the_horizon));
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_is_proved_and_says_that_its_beginning_is_gone() {
    let (mut server, alice, session) = trimmed().await;
    let gone = format!("events 1 to {} were forgotten", RENAMES + 2 - KEPT);
    let (replay, _) = note(&["session", "replay", &session], &server);
    assert!(replay.starts_with(&format!("-- {gone}")), "{replay}");
    let (lines, words) = note(&["--json", "session", "replay", &session], &server);
    assert!(words.contains(&gone) && lines.lines().all(|line| line.starts_with('{')), "{words}");
    let (lines, words) = note(&["session", "export", &session], &server);
    assert!(words.contains(&gone) && lines.lines().count() as u64 == KEPT, "{words}");
    let (markdown, _) = note(&["session", "export", &session, "--format", "markdown"], &server);
    assert!(markdown.contains(&gone), "{markdown}");
    let (code, _, error) = rcsctl(&["session", "replay", &session, "--from", "1"], Some((&server.url, ALICE)));
    assert_eq!(code, Some(5), "{error}");

    let admin = server.admin_key();
    let (code, found, error) = rcsctl(&["--json", "audit", "verify"], Some((&server.url, &admin)));
    assert_eq!(code, Some(0), "{error}");
    let found: Value = serde_json::from_str(found.trim()).expect("JSON");
    assert_eq!((&found["clean"], &found["trimmed"]), (&json!(true), &json!(RENAMES + 2 - KEPT)));
    assert!(server.stop().success());
    let journal = server.journal();
    assert_eq!(rcsctl(&["audit", "verify", "--file", text(&journal)], None).0, Some(0));
    server.launch();
    assert_eq!(alice.get(&format!("/api/v1/sessions/{session}")).await.expect(200)["title"], RENAMES.to_string());
}
