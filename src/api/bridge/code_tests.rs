//! Code sessions as their workers see them: every shape on the wire, and what people saw go wrong.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::bench::{ALICE, Answer, Bench, MALLORY, read};
use crate::domain::{Actor, Command, SessionId, event::Control, limits};

fn worker(session: SessionId, rest: &str) -> String {
    format!("/v1/code/sessions/{}/worker{rest}", session.worker_form())
}

fn wire(answer: Answer) -> Value {
    answer.expect(200)
}

fn said(text: &str, uuid: u32) -> Value {
    json!({"type": "assistant", "uuid": format!("cccccccc-0000-4000-8000-{uuid:012}"), "session_id": "x",
        "message": {"id": "msg_1", "role": "assistant", "content": [{"type": "text", "text": text}]}})
}

fn history(bench: &Bench, session: SessionId) -> Vec<(&'static str, String)> {
    use crate::{
        domain::{Sequence, Stream},
        relay::page_bounds,
    };
    let records = bench.house.relay.read(Stream::Session(session), Sequence(1), page_bounds()).expect("records");
    records.iter().map(|one| (one.event.kind(), String::from_utf8_lossy(&one.payload).into_owned())).collect()
}

fn count(bench: &Bench, session: SessionId, kind: &str) -> usize {
    history(bench, session).iter().filter(|(found, _)| *found == kind).count()
}

#[tokio::test]
async fn every_answer_has_the_shape_that_the_client_reads() {
    let bench = Bench::open().await;
    let made = wire(bench.post("/v1/code/sessions", ALICE, json!({"title": "envless", "bridge": {}})).await);
    let id = made["session"]["id"].as_str().expect("id");
    assert!(id.starts_with("cse_") && id.matches('_').count() == 1, "{id}");
    let session: SessionId = id.parse().expect("a session");
    insta::assert_json_snapshot!("created", made, {".session.id" => "[cse]"});
    let path = format!("/v1/code/sessions/{id}/bridge");
    let given = wire(bench.post(&path, ALICE, json!({})).await);
    insta::assert_json_snapshot!("bridge", given, {".worker_jwt" => "[jwt]"});
    let jwt = given["worker_jwt"].as_str().expect("a token").to_owned();
    insta::assert_json_snapshot!("worker_before", wire(bench.get(&worker(session, ""), &jwt).await));
    let init = json!({"worker_status": "idle", "worker_epoch": 1,
        "external_metadata": {"pending_action": null, "task_summary": null, "automation_state": null}});
    insta::assert_json_snapshot!("put", wire(bench.send("PUT", &worker(session, ""), &jwt, &init).await));
    let put = json!({"worker_epoch": "1", "external_metadata": {"permission_mode": "plan", "model": "opus"}});
    wire(bench.send("PUT", &worker(session, ""), &jwt, &put).await);
    insta::assert_json_snapshot!("worker_after", wire(bench.get(&worker(session, ""), &jwt).await));
    let beat = json!({"session_id": id, "worker_epoch": 1});
    insta::assert_json_snapshot!("heartbeat", wire(bench.post(&worker(session, "/heartbeat"), &jwt, beat).await));
    let events = json!({"worker_epoch": 1, "events": [{"payload": said("hi", 1)}, {"payload": 7}]});
    insta::assert_json_snapshot!("events", wire(bench.post(&worker(session, "/events"), &jwt, events).await));
    let updates = json!({"worker_epoch": 1, "updates": [{"event_id": "no-such-thing", "status": "received"}]});
    insta::assert_json_snapshot!(
        "delivery",
        wire(bench.post(&worker(session, "/events/delivery"), &jwt, updates).await)
    );
    let show = wire(bench.get(&format!("/v1/code/sessions/{id}"), ALICE).await);
    insta::assert_json_snapshot!("shown", show, {".session.id" => "[cse]", ".session.created_at" => "[time]"});
    let renamed =
        bench.send("PATCH", &format!("/v1/code/sessions/{session}"), ALICE, &json!({"title": "new\nname"})).await;
    assert_eq!(wire(renamed)["session"]["title"], "new name");
    for _ in 0..2 {
        let archived = wire(bench.post(&format!("/v1/code/sessions/{id}/archive"), ALICE, json!({})).await);
        assert_eq!(archived["session"]["archived"], true);
    }
    let found = bench.house.relay.world().session(session).map(|found| (found.mode.clone(), found.model.clone()));
    assert_eq!(found, Some((Some("plan".into()), Some("opus".into()))));
}

#[tokio::test]
async fn the_same_idempotency_key_is_the_same_session() {
    let bench = Bench::open().await;
    let body = Bytes::from_static(br#"{"title":"once","bridge":{}}"#);
    let key = [("idempotency-key", "k1")];
    let mut ids = Vec::new();
    for _ in 0..2 {
        let made = read(bench.call("POST", "/v1/code/sessions", ALICE, &key, body.clone()).await).await.expect(200);
        ids.push(made["session"]["id"].clone());
    }
    assert_eq!(ids[0], ids[1]);
    let other = read(bench.call("POST", "/v1/code/sessions", MALLORY, &key, body).await).await.expect(200);
    assert_ne!(other["session"]["id"], ids[0], "keys of different people never meet");
}

/// A frame for each kind of item, as the client parses it.
#[tokio::test]
async fn frames_of_the_event_stream() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    let (jwt, _) = bench.bridge(session).await;
    bench.prompt(session, 1, &json!("hello\nthere")).await;
    bench.control(session, "ctl-1", Control::SetModel { model: "opus".into() }).await;
    let mut stream = bench.stream(session, &jwt, None).await;
    let mut seen = vec![stream.event().await, stream.event().await];
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
    let event = stream.event().await;
    assert_eq!(event["event_id"], message.to_string());
    assert_eq!(event["payload"]["uuid"], message.to_string());
    assert_eq!(event["payload"]["message"]["role"], "user");
    let live = bench.prompt(session, 2, &json!("live")).await;
    assert_eq!(stream.event().await["event_id"], live.to_string());
}

/// B9: without the transcript endpoint a child hung after its first turn.
#[tokio::test]
async fn the_second_turn_starts_because_the_transcript_is_taken() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    let token = bench.ingress(session);
    let path = worker(session, "/internal-events");
    let entry = |uuid: u32, text: &str| json!({"payload": {"type": "user", "uuid": format!("dddddddd-0000-4000-8000-{uuid:012}"), "text": text}});
    let with = |mut entry: Value, key: &str, value: Value| {
        entry[key] = value;
        entry
    };
    let batch = json!({"worker_epoch": 0, "events": [
        entry(1, "long ago"),
        with(entry(2, "summary"), "is_compaction", json!(true)),
        with(entry(3, "sub"), "agent_id", json!("agent-7")),
        entry(4, "after"),
    ]});
    insta::assert_json_snapshot!("transcript_taken", wire(bench.post(&path, &token, batch.clone()).await));
    let again = wire(bench.post(&path, &token, batch).await);
    assert_eq!((&again["accepted"], &again["duplicates"]), (&json!(0), &json!(4)));
    let page = wire(bench.get(&path, &token).await);
    insta::assert_json_snapshot!("transcript_page", page, {".data[].created_at" => "[time]"});
    let sub = wire(bench.get(&format!("{path}?subagents=true"), &token).await);
    assert_eq!(sub["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(sub["data"][0]["agent_id"], "agent-7");
    assert_eq!(count(&bench, session, "transcript_appended"), 0, "people do not see it");
}

#[tokio::test]
async fn a_long_transcript_is_read_back_whole_page_by_page() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    let token = bench.ingress(session);
    let path = worker(session, "/internal-events");
    for batch in 0..3 {
        let events: Vec<Value> = (0..400)
            .map(|number| json!({"payload": {"type": "user", "uuid": format!("{batch}-{number}"), "pad": "x".repeat(64)}}))
            .collect();
        wire(bench.post(&path, &token, json!({"events": events})).await);
    }
    let (mut rows, mut pages, mut cursor) = (0, 0, String::new());
    loop {
        let page = wire(bench.get(&format!("{path}{cursor}"), &token).await);
        rows += page["data"].as_array().expect("rows").len();
        pages += 1;
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("?cursor={next}");
    }
    assert_eq!(rows, 1_200);
    assert!(pages > 1, "one page would prove nothing");
}

/// B11: the same event twice was stored twice, signs of life were stored and shown.
#[tokio::test]
async fn an_event_sent_twice_is_kept_once_and_keep_alives_not_at_all() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    let (jwt, _) = bench.bridge(session).await;
    let path = worker(session, "/events");
    let batch = json!({"worker_epoch": 1, "events": [
        {"payload": said("one", 1)}, {"payload": {"type": "keep_alive", "uuid": "eeeeeeee-0000-4000-8000-000000000001"}}]});
    let first = wire(bench.post(&path, &jwt, batch.clone()).await);
    assert_eq!((&first["accepted"], &first["duplicates"]), (&json!(1), &json!(0)));
    let second = wire(bench.post(&path, &jwt, batch).await);
    assert_eq!((&second["accepted"], &second["duplicates"]), (&json!(0), &json!(1)));
    assert_eq!(count(&bench, session, "message_received"), 1);
}

/// B11: an old epoch was answered 200, both prefixes were not the same session, malformed JSON was 500.
#[tokio::test]
async fn a_superseded_worker_is_told_409_and_its_successor_is_not() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    let (old, _) = bench.bridge(session).await;
    let (new, epoch) = bench.bridge(session).await;
    assert_eq!(epoch, 2);
    let writes = [
        ("PUT", "", json!({"worker_epoch": 1, "worker_status": "running"})),
        ("POST", "/heartbeat", json!({"worker_epoch": 1})),
        ("POST", "/events", json!({"worker_epoch": 1, "events": [{"payload": said("late", 9)}]})),
        ("POST", "/events", json!({"worker_epoch": 1, "events": []})),
        ("POST", "/events/delivery", json!({"worker_epoch": 1, "updates": []})),
        ("POST", "/internal-events", json!({"worker_epoch": 1, "events": []})),
    ];
    for (method, rest, mut body) in writes {
        let stale = bench.send(method, &worker(session, rest), &old, &body).await;
        assert_eq!(stale.status, StatusCode::CONFLICT, "{method} {rest}");
        body["worker_epoch"] = json!(2);
        let path = format!("/v1/code/sessions/{session}/worker{rest}");
        let fresh = bench.send(method, &path, &new, &body).await;
        assert_eq!(fresh.status, StatusCode::OK, "{method} {rest}: {fresh:?}");
        body["worker_epoch"] = json!("7");
        assert_eq!(bench.send(method, &path, &new, &body).await.status, StatusCode::OK, "a later epoch is not older");
    }
    let stream = bench.call("GET", &worker(session, "/events/stream"), &old, &[], Bytes::new()).await;
    assert_eq!(stream.status(), StatusCode::CONFLICT, "it must not push its successor off");
    let broken = bench.call("PUT", &worker(session, ""), &new, &[], Bytes::from_static(b"{\"worker")).await;
    assert_eq!(broken.status(), StatusCode::BAD_REQUEST);
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

#[tokio::test]
async fn a_resumed_stream_goes_on_after_what_the_worker_has() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    let (jwt, _) = bench.bridge(session).await;
    for number in 1..=3 {
        bench.prompt(session, number, &json!(format!("message {number}"))).await;
    }
    let mut stream = bench.stream(session, &jwt, None).await;
    let first = stream.event().await["sequence_num"].as_u64().expect("a number");
    let second = stream.event().await["sequence_num"].as_u64().expect("a number");
    drop(stream);
    let mut resumed = bench.stream(session, &jwt, Some(first)).await;
    assert_eq!(resumed.event().await["sequence_num"], second);
    drop(resumed);
    // Both places, the larger one counts.
    let path = worker(session, &format!("/events/stream?from_sequence_num={first}"));
    let last = second.to_string();
    let response = bench.call("GET", &path, &jwt, &[("last-event-id", &last)], Bytes::new()).await;
    let mut both = super::bench::Stream::of(response);
    assert_eq!(both.frame().await.as_deref(), Some(": connected"));
    assert_eq!(both.event().await["payload"]["message"]["content"], "message 3");
    drop(both);
    // A number that was never given out says nothing: everything unconfirmed comes.
    let mut ahead = bench.stream(session, &jwt, Some(1_000_000)).await;
    assert_eq!(ahead.event().await["sequence_num"], first);
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
    let kinds = [stream.event().await, stream.event().await, stream.event().await];
    assert_eq!(kinds[2]["event_type"], "control_request");
    // A child confirms by the message's id.
    let updates = json!({"worker_epoch": 1, "updates": [
        {"event_id": done.to_string(), "status": "processed"}, {"event_id": kinds[2]["event_id"], "status": "received"}]});
    wire(bench.post(&worker(session, "/events/delivery"), &jwt, updates).await);
    drop(stream);
    let mut again = bench.stream(session, &jwt, None).await;
    assert_eq!(again.event().await["event_id"], open.to_string());
    let next = bench.prompt(session, 3, &json!("next")).await;
    assert_eq!(again.event().await["event_id"], next.to_string(), "the control request came once");
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
        let request = format!("ctl-{round}");
        let mut old = bench.stream(session, &token, None).await;
        let (there, name) = (std::sync::Arc::clone(&bench), request.clone());
        let asking =
            tokio::spawn(async move { there.control(session, &name, Control::SetModel { model: "x".into() }).await });
        let mut new = bench.stream(session, &token, None).await;
        asking.await.expect("asked");
        // The prompt marks the end of what the new stream has to say.
        let last = bench.prompt(session, 1_000 + round, &json!("end")).await.to_string();
        let mut written = 0;
        while let Some(frame) = old.frame().await {
            written += usize::from(frame.contains(&request));
        }
        loop {
            let event = new.event().await;
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
    assert!(total > 50, "only {total} of 100 were written: this proves nothing");
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
        let frame = stream.event().await;
        assert!(frame.to_string().len() < limits::WORKER_FRAME_BYTES_MAX);
        assert_eq!(frame["payload"]["uuid"], large.to_string());
        assert_eq!(stream.event().await["event_id"], small.to_string());
        seen.push(frame);
    }
    assert_eq!(seen[0]["payload"], seen[1]["payload"], "the same file both times");
    let payload = &seen[0]["payload"];
    insta::assert_json_snapshot!("oversize", payload, {".session_id" => "[session]", ".file_attachments[].file_uuid" => "[file]"});
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
    let asks = json!({"type": "control_request", "request_id": "4c371bcf", "uuid": "ffffffff-0000-4000-8000-000000000001",
        "request": {"subtype": "can_use_tool", "tool_name": "Write", "tool_use_id": "toolu_1", "input": {"path": "x"}}});
    wire(
        bench.post(&worker(session, "/events"), &jwt, json!({"worker_epoch": 1, "events": [{"payload": asks}]})).await,
    );
    let answer = crate::domain::command::Answer {
        verdict: crate::domain::event::Verdict::Allow,
        message: None,
        fingerprint: crate::domain::event::Fingerprint::default(),
        payload: json!({"updated_input": {"content": "y".repeat(1_000_000)}}).to_string().into(),
        remember: None,
    };
    let command = Command::DecidePermission { session, request: "4c371bcf".parse().expect("an id"), answer };
    bench.house.relay.submit(Actor::System, command).await.expect("decided");
    let mut stream = bench.stream(session, &jwt, None).await;
    let response = &stream.event().await["payload"]["response"];
    assert_eq!(response["request_id"], "4c371bcf");
    assert_eq!(response["response"]["behavior"], "deny");
    assert!(response["response"]["message"].as_str().expect("words").contains("smaller steps"));
}

/// S4: the token that the agent's shell can print was the server's API key.
#[tokio::test]
async fn the_token_that_the_agent_can_read_opens_its_session_and_nothing_else() {
    let bench = Bench::open().await;
    let (session, other) = (bench.session().await, bench.session().await);
    let (jwt, _) = bench.bridge(session).await;
    let upload = json!({"file_name": "x", "data_base64": "eA=="});
    let file =
        wire(bench.post("/api/oauth/files", ALICE, upload.clone()).await)["file_uuid"].as_str().expect("id").to_owned();
    for token in [bench.ingress(session), jwt] {
        assert!(!token.contains(ALICE));
        let own = format!("/v1/code/sessions/{session}");
        let tries = [
            ("POST", "/v1/code/sessions".to_owned(), json!({})),
            ("POST", format!("{own}/bridge"), json!({})),
            ("POST", format!("{own}/archive"), json!({})),
            ("PATCH", own, json!({"title": "x"})),
            ("POST", "/api/oauth/files".into(), upload.clone()),
            ("GET", format!("/api/oauth/files/{file}/content"), Value::Null),
            ("GET", worker(other, ""), Value::Null),
            ("PUT", worker(other, ""), json!({"worker_status": "idle"})),
            ("POST", worker(other, "/register"), json!({})),
            ("POST", worker(other, "/heartbeat"), json!({})),
            ("POST", worker(other, "/events"), json!({"events": []})),
            ("POST", worker(other, "/events/delivery"), json!({"updates": []})),
            ("GET", worker(other, "/events/stream"), Value::Null),
            ("GET", worker(other, "/internal-events"), Value::Null),
            ("POST", worker(other, "/internal-events"), json!({"events": []})),
        ];
        for (method, path, body) in tries {
            let status = bench.send(method, &path, &token, &body).await.status.as_u16();
            assert!(status == 403 || status == 404, "{method} {path} gave {status}");
        }
        assert_eq!(bench.get(&worker(session, ""), &token).await.status, StatusCode::OK, "its own session is open");
    }
    assert_eq!(bench.get(&worker(session, ""), MALLORY).await.status, StatusCode::NOT_FOUND);
    assert_eq!(bench.get(&worker(session, ""), "no-such-key").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_expired_worker_token_is_401_so_that_the_terminal_asks_for_a_new_one() {
    let bench = Bench::with(|settings| settings.jwt_lifetime = std::time::Duration::ZERO).await;
    let session = bench.session().await;
    let (jwt, _) = bench.bridge(session).await;
    assert_eq!(bench.get(&worker(session, ""), &jwt).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(bench.get(&worker(session, "/events/stream"), &jwt).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_first_report_of_a_worker_is_taken_even_if_its_metadata_is_too_large() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    let token = bench.ingress(session);
    let huge = json!({"worker_status": "requires_action", "requires_action_details": {"tool_name": "Write"},
        "external_metadata": {"model": "opus", "pending_action": {"input": "x".repeat(limits::METADATA_BYTES_MAX)}}});
    wire(bench.send("PUT", &worker(session, ""), &token, &huge).await);
    let state = wire(bench.get(&worker(session, ""), &token).await);
    assert_eq!(state["worker"]["external_metadata"], json!({"model": "opus"}));
}

/// B14: there was no upload, so nobody could attach a file.
#[tokio::test]
async fn a_file_that_was_uploaded_is_fetched_by_its_owner_and_by_nobody_else() {
    let bench = Bench::open().await;
    let bytes: Bytes = (0..1_000_003_u32).map(|number| number.to_le_bytes()[0]).collect();
    let headers = [("content-type", "text/html")];
    let raw =
        bench.call("POST", "/api/oauth/files?file_name=n%C3%B6tes%20v1.html", ALICE, &headers, bytes.clone()).await;
    let uploaded = read(raw).await.expect(200);
    insta::assert_json_snapshot!("uploaded", uploaded, {".file_uuid" => "[file]"});
    let file = uploaded["file_uuid"].as_str().expect("an id");
    assert_eq!(file.len(), 36, "a plain hyphenated UUID");
    let path = format!("/api/oauth/files/{file}/content");
    let found = bench.get(&path, ALICE).await;
    assert_eq!((found.status, found.body), (StatusCode::OK, bytes));
    let header = |name: &str| found.headers[name].to_str().expect("text").to_owned();
    let names =
        ["content-type", "content-length", "content-disposition", "x-content-type-options", "content-security-policy"];
    insta::assert_json_snapshot!("file_headers", names.map(|name| format!("{name}: {}", header(name))));
    assert_eq!(bench.get(&path, MALLORY).await.status, StatusCode::NOT_FOUND);
    assert_eq!(bench.get(&path, "").await.status, StatusCode::UNAUTHORIZED);
    let empty = wire(bench.post("/api/oauth/files", ALICE, json!({"file_name": "empty", "data_base64": ""})).await);
    let path = format!("/api/oauth/files/{}/content", empty["file_uuid"].as_str().expect("an id"));
    assert_eq!(bench.get(&path, ALICE).await.body, Bytes::new());
    for bad in [json!({"file_name": "", "data_base64": ""}), json!({"file_name": "x", "data_base64": "%"}), json!({})] {
        assert_eq!(bench.post("/api/oauth/files", ALICE, bad).await.status, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn snapshots_of_a_growing_text_are_kept_once_per_batch() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    let (jwt, _) = bench.bridge(session).await;
    let piece = |number: u32, text: &str| {
        json!({"ephemeral": true, "payload": {"type": "stream_event", "uuid": format!("abababab-0000-4000-8000-{number:012}"),
            "session_id": "x", "parent_tool_use_id": null,
            "event": {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}}})
    };
    let batch = json!({"worker_epoch": 1, "events": [piece(1, "w0 "), piece(2, "w0 w1 "), piece(3, "w0 w1 w2 ")]});
    wire(bench.post(&worker(session, "/events"), &jwt, batch).await);
    let kept: Vec<_> = history(&bench, session).into_iter().filter(|(kind, _)| *kind == "message_received").collect();
    assert_eq!(kept.len(), 1);
    assert!(kept[0].1.contains("w0 w1 w2 "));
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_shows_that_it_lives_and_a_closing_server_says_when_to_come_back() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    let (jwt, _) = bench.bridge(session).await;
    let mut stream = bench.stream(session, &jwt, None).await;
    assert_eq!(stream.frame().await.as_deref(), Some(": keepalive"));
    bench.house.relay.close().await;
    assert_eq!(stream.frame().await.as_deref(), Some("retry: 1000\n: the server is shutting down"));
    assert_eq!(stream.frame().await, None);
    let later = bench.get(&worker(session, "/events/stream"), &jwt).await;
    assert_eq!(later.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_session_that_is_gone_is_404_and_an_archived_one_still_takes_the_last_words() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    let (jwt, _) = bench.bridge(session).await;
    wire(bench.post(&format!("/v1/code/sessions/{session}/archive"), ALICE, json!({})).await);
    let last = json!({"worker_epoch": 1, "events": [{"payload": said("the last result", 1)}]});
    assert_eq!(wire(bench.post(&worker(session, "/events"), &jwt, last).await)["accepted"], 1);
    let again = bench.post(&format!("/v1/code/sessions/{session}/bridge"), ALICE, json!({})).await;
    assert!(again.status.is_client_error() && again.status != StatusCode::CONFLICT, "{again:?}");
    let unknown = SessionId::from_uuid(uuid::Uuid::from_u128(404));
    let token = bench.ingress(unknown);
    for rest in ["", "/events/stream", "/internal-events"] {
        assert_eq!(bench.get(&worker(unknown, rest), &token).await.status, StatusCode::NOT_FOUND, "{rest}");
    }
}
