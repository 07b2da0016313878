//! Code sessions as their workers see them: every shape on the wire, and what people saw go wrong.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::bench::{ALICE, Bench, MALLORY, count, history, read, said, wire, worker};
use crate::domain::{SessionId, limits};

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

/// B9: without the transcript endpoint a child hung after its first turn.
#[tokio::test]
async fn the_second_turn_starts_because_the_transcript_is_taken() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    let token = bench.ingress(session);
    let path = worker(session, "/internal-events");
    let entry = |uuid: u32, text: &str| {
        let uuid = format!("dddddddd-0000-4000-8000-{uuid:012}");
        json!({"payload": {"type": "user", "uuid": uuid, "text": text}})
    };
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
            .map(|number| {
                let uuid = format!("{batch}-{number}");
                json!({"payload": {"type": "user", "uuid": uuid, "pad": "x".repeat(64)}})
            })
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
        {"payload": said("one", 1)},
        {"payload": {"type": "keep_alive", "uuid": "eeeeeeee-0000-4000-8000-000000000001"}}]});
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

/// S4: the token that the agent's shell can print was the server's API key.
#[tokio::test]
async fn the_token_that_the_agent_can_read_opens_its_session_and_nothing_else() {
    let bench = Bench::open().await;
    let (session, other) = (bench.session().await, bench.session().await);
    let (jwt, _) = bench.bridge(session).await;
    let upload = json!({"file_name": "x", "data_base64": "eA=="});
    let stored = wire(bench.post("/api/oauth/files", ALICE, upload.clone()).await);
    let file = stored["file_uuid"].as_str().expect("an id");
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
        let uuid = format!("abababab-0000-4000-8000-{number:012}");
        json!({"ephemeral": true, "payload": {"type": "stream_event", "uuid": uuid,
            "session_id": "x", "parent_tool_use_id": null,
            "event": {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}}})
    };
    let batch = json!({"worker_epoch": 1, "events": [piece(1, "w0 "), piece(2, "w0 w1 "), piece(3, "w0 w1 w2 ")]});
    wire(bench.post(&worker(session, "/events"), &jwt, batch).await);
    let kept: Vec<_> = history(&bench, session).into_iter().filter(|(kind, _)| *kind == "message_received").collect();
    assert_eq!(kept.len(), 1);
    assert!(kept[0].1.contains("w0 w1 w2 "));
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
