//! The event stream as workers see it: what is sent, what is sent again, and what people saw go wrong.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::bench::{ALICE, Bench, Stream, count, said, wire, worker};
use crate::domain::{
    Actor, Command,
    event::{Control, Status},
    limits,
};

/// A frame for each kind of item, as the client parses it.
#[tokio::test]
async fn frames_of_the_event_stream() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    let (jwt, _) = bench.bridge(session).await;
    bench.prompt(session, 1, &json!("hello\nthere")).await;
    bench.control(session, "ctl-1", Control::SetModel { model: "opus".into() }).await;
    let mut stream = bench.stream(session, &jwt, None).await;
    let mut seen = vec![stream.client_event().await, stream.client_event().await];
    for event in &mut seen {
        event["created_at"] = "[time]".into();
        if event["payload"]["session_id"].is_string() {
            event["payload"]["session_id"] = "[session]".into();
        }
    }
    insta::assert_json_snapshot!(seen);
}

/// B9: messages that were posted before the stream opened were lost, and children died of a missing role.
#[tokio::test]
async fn a_message_posted_before_the_worker_came_is_delivered_when_it_comes() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    let message = bench.prompt(session, 1, &json!("early")).await;
    let token = bench.ingress(session);
    let registered = wire(bench.post(&worker(session, "/register"), &token, json!({})).await);
    insta::assert_json_snapshot!("registered", registered);
    let mut stream = bench.stream(session, &token, None).await;
    let event = stream.client_event().await;
    assert_eq!(event["event_id"], message.to_string());
    assert_eq!(event["payload"]["uuid"], message.to_string());
    assert_eq!(event["payload"]["message"]["role"], "user");
    let live = bench.prompt(session, 2, &json!("live")).await;
    assert_eq!(stream.client_event().await["event_id"], live.to_string());
}

/// What the user saw: a terminal that renewed its token lost its session, because an event that was on its way with the
/// old epoch came back as 409.
#[tokio::test]
async fn renewing_the_token_while_events_are_on_their_way_does_not_end_the_session() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    let (old, _) = bench.bridge(session).await;
    let mut before = bench.stream(session, &old, None).await;
    let (new, _) = bench.bridge(session).await;
    let late = |uuid| json!({"worker_epoch": 1, "events": [{"payload": said("on its way", uuid)}]});
    wire(bench.post(&worker(session, "/events"), &old, late(1)).await);
    wire(bench.post(&worker(session, "/heartbeat"), &old, json!({"worker_epoch": 1})).await);
    wire(bench.send("PUT", &worker(session, ""), &old, &json!({"worker_epoch": 1, "worker_status": "running"})).await);
    let _after = bench.stream(session, &new, None).await;
    assert_eq!(before.frame().await, None, "the newer stream replaces the older one");
    let stale = bench.post(&worker(session, "/events"), &old, late(2)).await;
    assert_eq!(stale.status, StatusCode::CONFLICT);
}

/// What the user saw: a session that was archived in the browser went on at the machine. Its agent kept the runner's
/// only place, since nothing told it that nobody would write to it any more.
#[tokio::test]
async fn the_agent_of_an_archived_session_is_sent_home() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    let (jwt, _) = bench.bridge(session).await;
    let mut stream = bench.stream(session, &jwt, None).await;
    bench.prompt(session, 1, &json!("the last prompt")).await;
    wire(bench.post(&format!("/v1/sessions/{session}/archive"), ALICE, json!({})).await);
    assert_eq!(stream.client_event().await["payload"]["message"]["content"], "the last prompt");
    while let Some(frame) = stream.frame().await {
        assert!(frame.starts_with(':'), "nothing comes after the archive: {frame:?}");
    }
    for after in ["", "?from_sequence_num=1"] {
        let answer = bench.get(&worker(session, &format!("/events/stream{after}")), &jwt).await;
        // The only kind of status that ends this client's attempts.
        assert_eq!(answer.expect(404)["error"]["type"], "session_archived");
    }
}

#[tokio::test]
async fn a_resumed_stream_goes_on_after_what_the_worker_has() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    let (jwt, _) = bench.bridge(session).await;
    for number in 1..=3 {
        bench.prompt(session, number, &json!(format!("message {number}"))).await;
    }
    let mut stream = bench.stream(session, &jwt, None).await;
    let first = stream.client_event().await["sequence_num"].as_u64().expect("a number");
    let second = stream.client_event().await["sequence_num"].as_u64().expect("a number");
    drop(stream);
    let mut resumed = bench.stream(session, &jwt, Some(first)).await;
    assert_eq!(resumed.client_event().await["sequence_num"], second);
    drop(resumed);
    // Both places, the larger one counts.
    let path = worker(session, &format!("/events/stream?from_sequence_num={first}"));
    let last = second.to_string();
    let response = bench.call("GET", &path, &jwt, &[("last-event-id", &last)], Bytes::new()).await;
    let mut both = Stream::of(response);
    assert_eq!(both.frame().await.as_deref(), Some(": connected"));
    assert_eq!(both.client_event().await["payload"]["message"]["content"], "message 3");
    drop(both);
    // A number that was never given out says nothing: everything unconfirmed comes.
    let mut ahead = bench.stream(session, &jwt, Some(1_000_000)).await;
    assert_eq!(ahead.client_event().await["sequence_num"], first);
    let bad =
        bench.call("GET", &worker(session, "/events/stream"), &jwt, &[("last-event-id", "x")], Bytes::new()).await;
    assert_eq!(bad.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_was_confirmed_is_not_sent_again_and_a_control_request_never_twice() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    let (jwt, _) = bench.bridge(session).await;
    let done = bench.prompt(session, 1, &json!("done")).await;
    let open = bench.prompt(session, 2, &json!("open")).await;
    bench.control(session, "ctl-1", Control::SetPermissionMode { mode: "plan".into() }).await;
    let mut stream = bench.stream(session, &jwt, None).await;
    let kinds = [stream.client_event().await, stream.client_event().await, stream.client_event().await];
    assert_eq!(kinds[2]["event_type"], "control_request");
    // A child confirms by the message's id.
    let updates = json!({"worker_epoch": 1, "updates": [
        {"event_id": done.to_string(), "status": "processed"},
        {"event_id": kinds[2]["event_id"], "status": "received"}]});
    wire(bench.post(&worker(session, "/events/delivery"), &jwt, updates).await);
    drop(stream);
    let mut again = bench.stream(session, &jwt, None).await;
    assert_eq!(again.client_event().await["event_id"], open.to_string());
    let next = bench.prompt(session, 3, &json!("next")).await;
    assert_eq!(again.client_event().await["event_id"], next.to_string(), "the control request came once");
    assert_eq!(count(&bench, session, "control_delivered"), 1);
    assert_eq!(count(&bench, session, "message_consumed"), 1);
}

/// A worker that reconnects while somebody switches the mode: an old and a new stream are open for a moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_control_request_that_meets_a_reconnect_is_written_at_most_once() {
    let bench = std::sync::Arc::new(Bench::open().await);
    let session = bench.session().await;
    let token = bench.ingress(session);
    let mut total = 0;
    for round in 0..100 {
        let request = format!("ctl-{round:03}");
        let mut old = bench.stream(session, &token, None).await;
        let reading = tokio::spawn(async move {
            let mut frames = String::new();
            while let Some(frame) = old.frame().await {
                frames.push_str(&frame);
            }
            frames
        });
        let (there, name) = (std::sync::Arc::clone(&bench), request.clone());
        let asking =
            tokio::spawn(async move { there.control(session, &name, Control::SetModel { model: "x".into() }).await });
        let mut new = bench.stream(session, &token, None).await;
        asking.await.expect("asked");
        // The prompt marks the end of what the new stream has to say.
        let last = bench.prompt(session, 1_000 + round, &json!("end")).await.to_string();
        let mut written = reading.await.expect("read").matches(&request).count();
        loop {
            let event = new.client_event().await;
            written += usize::from(event["payload"]["request_id"] == request.as_str());
            if event["event_id"] == last.as_str() {
                break;
            }
        }
        assert!(written <= 1, "round {round}: written {written} times");
        total += written;
        let done = json!({"updates": [{"event_id": last, "status": "processed"}]});
        wire(bench.post(&worker(session, "/events/delivery"), &token, done).await);
        let answers = json!({"events": [{"payload": {"type": "control_response", "uuid": request,
            "response": {"subtype": "success", "request_id": request}}}]});
        wire(bench.post(&worker(session, "/events"), &token, answers).await);
    }
    assert!(total > 10, "only {total} of 100 were written: this proves nothing");
}

/// What the user saw: a message of 1.3 MB bricked the session. Its stream ended, began again at the same place, and
/// ended again, once a second for ever.
#[tokio::test]
async fn a_message_beyond_one_mebibyte_does_not_brick_the_session() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    let (jwt, _) = bench.bridge(session).await;
    let text = "ä".repeat(700_000);
    let large = bench.prompt(session, 1, &json!(text)).await;
    let small = bench.prompt(session, 2, &json!("still here")).await;
    let mut seen = Vec::new();
    for _ in 0..2 {
        let mut stream = bench.stream(session, &jwt, None).await;
        let frame = stream.client_event().await;
        assert!(frame.to_string().len() < limits::WORKER_FRAME_BYTES_MAX);
        assert_eq!(frame["payload"]["uuid"], large.to_string());
        assert_eq!(stream.client_event().await["event_id"], small.to_string());
        seen.push(frame);
    }
    assert_eq!(seen[0]["payload"], seen[1]["payload"], "the same file both times");
    let payload = &seen[0]["payload"];
    insta::assert_json_snapshot!("oversize", payload, {
        ".session_id" => "[session]",
        ".file_attachments[].file_uuid" => "[file]",
    });
    let file = payload["file_attachments"][0]["file_uuid"].as_str().expect("a file");
    let content = bench.get(&format!("/api/oauth/files/{file}/content"), ALICE).await;
    assert_eq!(content.status, StatusCode::OK);
    assert_eq!(content.body, text.as_bytes());
}

#[tokio::test]
async fn an_answer_beyond_one_frame_is_a_denial_with_a_reason() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    let (jwt, _) = bench.bridge(session).await;
    let asks = json!({"type": "control_request", "request_id": "4c371bcf",
        "uuid": "ffffffff-0000-4000-8000-000000000001",
        "request": {"subtype": "can_use_tool", "tool_name": "Write", "tool_use_id": "toolu_1",
            "input": {"path": "x"}}});
    let batch = json!({"worker_epoch": 1, "events": [{"payload": asks}]});
    wire(bench.post(&worker(session, "/events"), &jwt, batch).await);
    let answer = crate::domain::command::Answer {
        asked: None,
        verdict: crate::domain::event::Verdict::Allow,
        message: None,
        fingerprint: crate::domain::event::Fingerprint::default(),
        payload: json!({"updated_input": {"content": "y".repeat(1_000_000)}}).to_string().into(),
        remember: None,
    };
    let command = Command::DecidePermission { session, request: "4c371bcf".parse().expect("an id"), answer };
    bench.house.relay.submit(Actor::System, command).await.expect("decided");
    let mut stream = bench.stream(session, &jwt, None).await;
    let response = &stream.client_event().await["payload"]["response"];
    assert_eq!(response["request_id"], "4c371bcf");
    assert_eq!(response["response"]["behavior"], "deny");
    assert!(response["response"]["message"].as_str().expect("words").contains("smaller steps"));
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_shows_that_it_lives_and_a_closing_server_says_when_to_come_back() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    let (jwt, _) = bench.bridge(session).await;
    let mut stream = bench.stream(session, &jwt, None).await;
    assert_eq!(stream.frame().await.as_deref(), Some(": keepalive"));
    bench.house.relay.close();
    assert_eq!(stream.frame().await.as_deref(), Some("retry: 1000\n: the server is shutting down"));
    assert_eq!(stream.frame().await, None);
    let later = bench.get(&worker(session, "/events/stream"), &jwt).await;
    assert_eq!(later.status, StatusCode::SERVICE_UNAVAILABLE);
}

/// A terminal on v2 reports a prompt as processed 2 ms before it echoes it, and reports nothing of its status but that
/// it is idle at the start: the session showed idle during the whole turn. It reports a slash command as processed too,
/// and nothing is under way then.
#[tokio::test]
async fn a_terminal_that_reports_a_prompt_before_it_echoes_it_is_seen_to_work() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    let (jwt, _) = bench.bridge(session).await;
    let status = || bench.house.relay.world().session(session).expect("there").status();
    let report = async |updates: Value| {
        wire(
            bench
                .post(&worker(session, "/events/delivery"), &jwt, json!({"worker_epoch": 1, "updates": updates}))
                .await,
        );
    };
    let send = async |events: Value| {
        wire(bench.post(&worker(session, "/events"), &jwt, json!({"worker_epoch": 1, "events": events})).await);
    };
    let echo = |message: &str, content: &str| {
        json!({"payload": {"type": "user", "uuid": message, "session_id": "x", "parent_tool_use_id": null,
            "message": {"role": "user", "content": content}}})
    };
    let result = |uuid: &str| json!({"payload": {"type": "result_success", "subtype": "success", "uuid": uuid}});
    wire(bench.send("PUT", &worker(session, ""), &jwt, &json!({"worker_epoch": 1, "worker_status": "idle"})).await);

    let message = bench.prompt(session, 1, &json!("Please fix the login bug.")).await.to_string();
    report(json!([{"event_id": message, "status": "received"}])).await;
    report(json!([{"event_id": message, "status": "processed"}])).await;
    assert_eq!(status(), Status::Idle, "consumed is not yet a turn");
    send(json!([echo(&message, "Please fix the login bug.")])).await;
    assert_eq!(status(), Status::Working);
    send(json!([result("aaaaaaaa-0000-4000-8000-000000000011"), {"payload": said("done", 1)}])).await;
    assert_eq!(status(), Status::Idle);
    // Some echo a prompt with a file a second time when its turn is over.
    send(json!([echo(&message, "Please fix the login bug.")])).await;
    assert_eq!(status(), Status::Idle);

    let slash = bench.prompt(session, 2, &json!("/cost")).await.to_string();
    report(json!([{"event_id": slash, "status": "received"}, {"event_id": slash, "status": "processed"}])).await;
    send(json!([result("aaaaaaaa-0000-4000-8000-000000000012")])).await;
    send(json!([echo(&slash, "/cost"), {"payload": said("$0.01", 2)}])).await;
    assert_eq!(status(), Status::Idle, "a slash command is no turn");
}
