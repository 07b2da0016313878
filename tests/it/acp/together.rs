//! Who sees whom: agents of one name, viewers of one agent, keys of different people; and what is said to bad words.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::{
    agent,
    link::{Line, Socket, dial},
    viewer::Viewer,
};
use crate::harness::{ALICE, Client, MALLORY, Server, Sse};

#[tokio::test]
async fn two_agents_of_one_name_stay_two_and_a_viewer_of_one_hears_nothing_of_the_other() {
    let server = Server::start();
    let (one, two) = (agent(), agent());
    let (first, second) =
        tokio::join!(Line::open(&server, ALICE, "lab", &one), Line::open(&server, ALICE, "lab", &two));
    assert_ne!(first.environment, second.environment);
    assert_ne!(first.session, second.session);
    let alice = Client::new(&server, ALICE);
    let listed = alice.get("/acp/agents").await.expect(200);
    assert_eq!(listed.as_array().expect("a list").len(), 2);
    let group = alice.get("/acp/channel-groups/lab").await.expect(200);
    assert_eq!((group["member_count"].as_u64(), group["members"][0]["agent_name"].as_str()), (Some(2), Some("node")));
    let none = alice.get("/acp/channel-groups/default").await.expect(404);
    assert_eq!(none, json!({"error": {"type": "not_found", "message": "Channel group not found"}}));

    let (mut a, session_a) = Viewer::begin(&server, ALICE, &first.environment).await;
    let (mut b, session_b) = Viewer::begin(&server, ALICE, &second.environment).await;
    a.prompt("ask rm -rf a").await;
    let question = a.hear("permission_request").await;
    b.prompt("echo b").await;
    b.hear("prompt_complete").await;
    a.answer(&question, "opt-b").await;
    a.hear("prompt_complete").await;
    b.settle().await;
    let foreign = |viewer: &Viewer, own: &str| {
        let ids = viewer.frames.iter().filter_map(|frame| frame["payload"]["sessionId"].as_str().map(str::to_owned));
        ids.filter(|id| id != own).count()
    };
    assert_eq!((foreign(&a, &session_a), foreign(&b, &session_b)), (0, 0));
    assert_eq!(b.frames.iter().filter(|frame| frame["type"] == "permission_request").count(), 0);
    assert_eq!(b.text(), "echo b");
}

#[tokio::test]
async fn a_second_key_can_neither_be_the_agent_nor_see_it() {
    let server = Server::start();
    let one = agent();
    let line = Line::open(&server, ALICE, "lab", &one).await;
    let (mut a, _) = Viewer::begin(&server, ALICE, &line.environment).await;

    let (answer, _task) = Line::identify(&server, MALLORY, &line.environment, &agent()).await;
    assert_eq!(answer, json!({"type": "error", "message": "Agent not found"}));
    let mut spy = Viewer::open(&server, MALLORY, &line.environment).await;
    assert_eq!(spy.next().await.expect("a word"), json!({"type": "error", "message": "Agent not found or offline"}));
    assert_eq!(spy.closed().await, 4004);
    let mallory = Client::new(&server, MALLORY);
    assert_eq!(mallory.get("/acp/agents").await.expect(200), json!([]));
    assert_eq!(mallory.get("/acp/channel-groups").await.expect(200), json!([]));
    mallory.get("/acp/channel-groups/lab").await.expect(404);
    mallory.get(&format!("/api/v1/sessions/{}/events", line.session)).await.expect(404);
    let mut events = Sse::open(&mallory, "/acp/channel-groups/lab/events?from_sequence_num=1").await.expect("open");

    // The one whose agent it is goes on as if nothing had been tried.
    a.prompt("echo mine").await;
    a.hear("prompt_complete").await;
    // Her own agent in a group of that name speaks after it: what she was to hear would be in front of that.
    let hers = Line::open(&server, MALLORY, "lab", &agent()).await;
    let (mut spy, _) = Viewer::begin(&server, MALLORY, &hers.environment).await;
    spy.prompt("echo hers").await;
    spy.hear("prompt_complete").await;
    loop {
        let event = events.next().await.expect("an event");
        assert!(!event.data.contains(&line.environment) && !event.data.contains("mine"), "a stranger heard {event:?}");
        if event.data.contains("prompt_complete") {
            break;
        }
    }
    let own = Client::new(&server, ALICE);
    let mut events = Sse::open(&own, "/acp/channel-groups/lab/events?from_sequence_num=1").await.expect("open");
    let mut last = 0;
    loop {
        let event = events.next().await.expect("an event");
        let data: Value = serde_json::from_str(&event.data).expect("JSON");
        assert!(event.id.expect("an id") > last, "ids grow");
        last = event.id.expect("an id");
        assert_eq!((data["seqNum"].as_u64(), data["agent_id"].as_str()), (Some(last), Some(line.environment.as_str())));
        if data["type"] == "prompt_complete" {
            break;
        }
    }
    let path = format!("/acp/channel-groups/lab/events?from_sequence_num={}", last + 1_000_000);
    let mut ahead = Sse::open(&own, &path).await.expect("open");
    assert_eq!(ahead.next().await.expect("told").event.as_deref(), Some("gap"), "never silently live");
}

#[tokio::test]
async fn a_revoked_key_hears_no_more_of_a_group_that_is_never_silent() {
    let server = Server::start();
    let one = agent();
    let line = Line::open(&server, ALICE, "lab", &one).await;
    let (mut viewer, _) = Viewer::begin(&server, ALICE, &line.environment).await;
    // Words for a minute.
    viewer.prompt("count 3000").await;
    let alice = Client::new(&server, ALICE);
    let made = alice.post("/api/v1/keys", json!({"name": "lost phone", "role": "viewer"})).await.expect(201);
    let lost = Client::new(&server, made["secret"].as_str().expect("a secret"));
    let mut events = Sse::open(&lost, "/acp/channel-groups/lab/events?from_sequence_num=1").await.expect("open");
    events.next().await.expect("it is good so far");
    let key = made["key"]["id"].as_str().expect("an id");
    alice.send("DELETE", &format!("/api/v1/keys/{key}"), None).await.expect(204);
    let ended = async { while events.next().await.is_some() {} };
    tokio::time::timeout(std::time::Duration::from_secs(40), ended).await.expect("it ends while the agent speaks");
}

#[tokio::test]
async fn a_viewer_whose_key_is_revoked_hears_and_does_nothing_more() {
    let server = Server::start();
    let one = agent();
    let line = Line::open(&server, ALICE, "lab", &one).await;
    let alice = Client::new(&server, ALICE);
    let made = alice.post("/api/v1/keys", json!({"name": "lost phone"})).await.expect(201);
    let mut lost = Viewer::connected(&server, made["secret"].as_str().expect("a secret"), &line.environment).await;
    let key = made["key"]["id"].as_str().expect("an id");
    alice.send("DELETE", &format!("/api/v1/keys/{key}"), None).await.expect(204);
    lost.say("new_session", json!({})).await;
    assert_eq!(lost.closed().await, 4003);
    assert!(one.heard("new_session").is_empty(), "nothing reached the agent");
}

#[tokio::test]
async fn a_bad_key_is_told_by_a_close_code_and_a_page_of_another_site_as_well() {
    let server = Server::start();
    for path in ["/acp/ws", "/acp/relay/env_00000000000000000000000000000001"] {
        let mut socket = dial(&server, path, "no-such-key-at-all").await;
        assert_eq!(code(&mut socket).await, 4003);
    }
    let answer = Client::new(&server, "no-such-key-at-all").get("/acp/agents").await;
    assert_eq!(answer.expect(401)["error"]["type"], "unauthorized");
    let mut nobody = dial(&server, "/acp/relay/not-an-id", ALICE).await;
    let Some(Ok(Message::Text(text))) = nobody.next().await else { panic!("a word first") };
    assert!(text.contains("Agent not found or offline"), "{text}");
    assert_eq!(code(&mut nobody).await, 4004);
}

async fn code(socket: &mut Socket) -> u16 {
    loop {
        match socket.next().await {
            Some(Ok(Message::Close(close))) => return close.map_or(1005, |close| close.code.into()),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return 1006,
        }
    }
}

#[tokio::test]
async fn broken_unknown_binary_and_oversize_frames_are_answered() {
    let server = Server::start();
    let one = agent();
    let mut raw = dial(&server, "/acp/ws", ALICE).await;
    for (said, answer) in [
        ("{\"type\":\"session_update\",\"payload\":{}}", "Not registered. Send register message first."),
        ("{\"type\":\"identify\"}", "Missing agent_id"),
        ("{\"type\":\"identify\",\"agent_id\":\"env_nope\"}", "Agent not found"),
        ("not json\n{\"type\":\"keep_alive\"}\n{\"type\":\"identify\",\"agent_id\":\"x\"}", "Agent not found"),
    ] {
        raw.send(Message::text(said.to_owned())).await.expect("sent");
        let Some(Ok(Message::Text(text))) = raw.next().await else { panic!("no answer to {said}") };
        let frame: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(frame, json!({"type": "error", "message": answer}));
    }
    let legacy = json!({"type": "register", "agent_name": "old", "channel_group_id": "g", "max_sessions": 2});
    raw.send(Message::Binary(legacy.to_string().into_bytes().into())).await.expect("sent");
    let Some(Ok(Message::Text(text))) = raw.next().await else { panic!("no answer") };
    let registered: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&registered["type"], &registered["channel_group_id"]), (&json!("registered"), &json!("g")));
    raw.send(Message::text(legacy.to_string())).await.expect("sent");
    let Some(Ok(Message::Text(text))) = raw.next().await else { panic!("no answer") };
    assert!(text.contains("Already registered"), "{text}");

    let line = Line::open(&server, ALICE, "lab", &one).await;
    let (mut viewer, _) = Viewer::begin(&server, ALICE, &line.environment).await;
    for (said, answer) in [
        (r#"{"type":"bogus"}"#, "Error: Unknown message type: bogus"),
        (r#"{"no":"type"}"#, "Error: Invalid WebSocket message payload"),
        (r#"{"type":"prompt","payload":{"content":"text"}}"#, "Error: Invalid prompt payload"),
        (
            r#"{"type":"permission_response","payload":{"requestId":"nope","outcome":{"outcome":"cancelled"}}}"#,
            "There is no permission request nope in this conversation.",
        ),
    ] {
        viewer.socket.send(Message::text(format!("not json\n{said}"))).await.expect("sent");
        assert_eq!(viewer.hear("error").await, json!({"type": "error", "payload": {"message": answer}}));
    }
    viewer.socket.send(Message::Binary(br#"{"type":"ping"}"#.to_vec().into())).await.expect("sent");
    viewer.hear("pong").await;
    assert!(one.heard("bogus").is_empty() && one.heard("permission_response").is_empty(), "no frame passes unread");
    viewer.socket.send(Message::Binary(vec![0xff, 0xfe].into())).await.expect("sent");
    assert_eq!(viewer.closed().await, 1003);

    for beyond in [1, 2, 1024, 7 * 1024 * 1024, 40 * 1024 * 1024] {
        let text = format!(r#"{{"type":"ping","payload":"{}"}}"#, "x".repeat(10 * 1024 * 1024 - 28 + beyond));
        assert_eq!(text.len(), 10 * 1024 * 1024 + beyond);
        let mut large = Viewer::connected(&server, ALICE, &line.environment).await;
        large.socket.send(Message::text(text.clone())).await.expect("sent");
        assert_eq!(large.closed().await, 1009, "a viewer, {beyond} bytes beyond the limit");
        let mut link = dial(&server, "/acp/ws", ALICE).await;
        link.send(Message::text(text)).await.expect("sent");
        assert_eq!(code(&mut link).await, 1009, "a link, {beyond} bytes beyond the limit");
    }
    let fits = json!({"content": [{"type": "text", "text": format!("echo {}", "y".repeat(1024 * 1024))}]});
    let (mut other, _) = Viewer::begin(&server, ALICE, &line.environment).await;
    other.say("prompt", fits).await;
    other.hear("prompt_complete").await;
    assert!(other.text().len() > 1024 * 1024);
}

#[tokio::test]
async fn what_an_agent_says_passes_byte_for_byte() {
    let server = Server::start();
    let one = agent();
    let line = Line::open(&server, ALICE, "lab", &one).await;
    let (mut viewer, session) = Viewer::begin(&server, ALICE, &line.environment).await;
    let update = r#"{"sessionUpdate":"to_come", "_meta":{"b":1.0,"a":[ ]},"n":12345678901234567890 }"#;
    let strange = format!(
        r#"{{ "type":"session_update", "payload": {{"sessionId":"{session}","update":{update} }}, "vendor":true}}"#
    );
    let unknown = r#"{"type":"vendor_frame","payload":{"z":1,"a":2}}"#;
    // Somebody on the link's own machine: none of ours.
    let private = r#"{"type":"session_update","payload":{"sessionId":"elsewhere","update":{"text":"secret"}}}"#;
    one.say_text(format!("{strange}\n{private}\nnot json\n{unknown}"));
    viewer.hear("vendor_frame").await;
    assert!(viewer.texts.contains(&strange) && viewer.texts.contains(&unknown.to_owned()), "{:?}", viewer.texts);
    assert!(!viewer.texts.iter().any(|text| text.contains("secret")));
    let session = &line.session;
    let history = Client::new(&server, ALICE).history(session, 0).await;
    assert!(!history.iter().any(|event| event.to_string().contains("secret")));
    assert!(history.iter().any(|event| event["payload"]["update"].is_null() && event["payload"]["vendor"] == true));
}
