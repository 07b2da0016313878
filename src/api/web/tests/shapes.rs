//! Every shape on the wire, kept beside this file.

use serde_json::{Value, json};

use super::{
    assert_shape,
    bench::{ADMIN, ALICE, Bench, uuid},
};
use crate::{
    domain::{Actor, Command, Event, Position, event::Control},
    relay::Bounds,
    wire::web as wire,
};

#[tokio::test]
async fn environments() {
    let bench = Bench::open().await;
    let environment = bench.environment(1).await;
    let body = json!({"environment_id": environment, "title": "one"});
    bench.post("/api/v1/sessions", ALICE, body).await.expect(201);
    let list = bench.get("/api/v1/environments", ALICE).await.expect(200);
    assert_shape!("environments", list);
    let shown = bench.get(&format!("/api/v1/environments/{environment}"), ALICE).await.expect(200);
    let work = shown["work"][0]["id"].as_str().expect("work").to_owned();
    assert_shape!("environment", shown);
    let path = format!("/api/v1/environments/{environment}/work/{work}/requeue");
    let again = bench.post(&path, ALICE, Value::Null).await.expect(200);
    assert_ne!(again["work_id"], work.as_str());
    assert_shape!("requeued", again);
    bench.post(&path, ALICE, Value::Null).await.problem(404, "not-found");
}

#[tokio::test]
async fn sessions() {
    let bench = Bench::open().await;
    let environment = bench.environment(1).await;
    let body = json!({"environment_id": environment, "title": " First ", "prompt": "do it", "model": "opus",
        "permission_mode": "plan"});
    let made = bench.post("/api/v1/sessions", ALICE, body).await;
    let location = made.header("location").to_owned();
    let made = made.expect(201);
    assert_eq!(location, format!("/api/v1/sessions/{}", made["id"].as_str().expect("id")));
    assert_shape!("session_created", made);
    bench.pass(1_000);
    assert_shape!("session", bench.get(&location, ALICE).await.expect(200));
    let renamed = bench.send("PATCH", &location, ALICE, json!({"title": "Second"})).await.expect(200);
    assert_eq!(renamed["title"], "Second");
    assert_shape!("sessions", bench.get("/api/v1/sessions", ALICE).await.expect(200));
    let archived = bench.post(&format!("{location}/archive"), ALICE, Value::Null).await.expect(200);
    assert_shape!("session_archived", archived);
    let again = bench.post(&format!("{location}/archive"), ALICE, Value::Null).await.expect(200);
    assert_eq!(again["already"], true);
}

#[tokio::test]
async fn messages_and_their_receipts() {
    let bench = Bench::open().await;
    let session = bench.session("talk").await;
    let path = format!("/api/v1/sessions/{session}/messages");
    let said = |number| json!({"content": "hello", "message_id": uuid(number)});
    assert_shape!("message_accepted", bench.post(&path, ALICE, said(1)).await.expect(201));
    let one = format!("{path}/{}", uuid(1));
    assert_shape!("receipt_accepted", bench.get(&one, ALICE).await.expect(200));
    bench.pass(1_000);
    let item =
        bench.house.relay.world().session(session).and_then(|found| found.outbox.items().next().map(|(at, _)| at));
    let items = vec![item.expect("an item")];
    bench.submit(Actor::Worker(session), Command::MarkDelivered { session, items }).await;
    assert_shape!("receipt_delivered", bench.get(&one, ALICE).await.expect(200));
    bench.send("DELETE", &one, ALICE, Value::Null).await.problem(409, "already-delivered");
    bench.pass(1_000);
    bench.consume(session, 1).await;
    assert_shape!("receipt_consumed", bench.get(&one, ALICE).await.expect(200));
    bench.send("DELETE", &one, ALICE, Value::Null).await.problem(409, "already-delivered");

    bench.post(&path, ALICE, said(2)).await.expect(201);
    let two = format!("{path}/{}", uuid(2));
    assert_shape!("receipt_cancelled", bench.send("DELETE", &two, ALICE, Value::Null).await.expect(200));
    let again = bench.send("DELETE", &two, ALICE, Value::Null).await.expect(200);
    assert_eq!(again["state"], "cancelled");
    bench.get(&format!("{path}/{}", uuid(3)), ALICE).await.problem(404, "not-found");
}

#[tokio::test]
async fn permissions() {
    let bench = Bench::open().await;
    let session = bench.session("careful").await;
    bench.ask(session, "ask-1", "Bash", json!({"command": "rm -rf build"})).await;
    assert_shape!("permissions", bench.get("/api/v1/permissions", ALICE).await.expect(200));
    let path = format!("/api/v1/sessions/{session}/permissions/ask-1");
    let deny = json!({"decision": "deny", "message": "keep it"});
    assert_shape!("permission_denied", bench.post(&path, ALICE, deny).await.expect(200));
    assert_shape!("permission_decided", bench.get(&path, ALICE).await.expect(200));
    let late = bench.post(&path, ALICE, json!({"decision": "allow"})).await;
    assert_shape!("problem_winner", late.problem(409, "already-decided"));
}

#[tokio::test]
async fn changes_of_course() {
    let bench = Bench::open().await;
    let session = bench.session("steered").await;
    bench.submit(Actor::Worker(session), Command::WorkerSeen { session }).await;
    let mut shapes = Vec::new();
    for (what, body) in [
        ("interrupt", Value::Null),
        ("mode", json!({"mode": "acceptEdits"})),
        ("model", json!({"model": "opus"})),
        ("thinking", json!({"max_thinking_tokens": 1_024})),
        ("thinking", json!({"max_thinking_tokens": null})),
    ] {
        shapes.push(bench.post(&format!("/api/v1/sessions/{session}/{what}"), ALICE, body).await.expect(202));
    }
    assert_shape!("controls", Value::Array(shapes));
}

#[tokio::test]
async fn keys_files_audit_and_status() {
    let bench = Bench::open().await;
    let mut made = bench.post("/api/v1/keys", ALICE, json!({"name": "phone", "expires_in": 60})).await.expect(201);
    assert!(made["secret"].as_str().expect("text").starts_with("rcs_"));
    made["secret"] = "[secret]".into();
    assert_shape!("key_created", made);
    assert_shape!("keys", bench.get("/api/v1/keys?limit=2", ALICE).await.expect(200));
    let headers = [("content-type", "text/plain")];
    let stored = bench.raw("POST", "/api/v1/files?name=notes%20v1.txt", ALICE, &headers, "hello").await;
    assert_eq!(stored.header("location").len(), "/api/oauth/files/".len() + 36 + "/content".len());
    assert_shape!("file", stored.expect(201));
    let session = bench.session("audited").await;
    bench.say(session, 1, "hi").await;
    assert_shape!("audit", bench.get("/api/v1/audit?limit=500", ADMIN).await.expect(200));
    let commits = bench.get("/api/v1/audit/commits?from=2&limit=1", ADMIN).await.expect(200);
    assert_eq!(commits["commits"][0]["link"].as_str().expect("hex").len(), 64);
    assert_eq!((&commits["commits"][0]["first"], &commits["next"]), (&json!(2), &json!(3)));
    let mut verified = bench.post("/api/v1/audit/verify", ADMIN, Value::Null).await.expect(200);
    verified["head"] = "[link]".into();
    assert_shape!("verified", verified);
    assert_shape!("status", bench.get("/api/v1/status", ALICE).await.expect(200));
}

#[tokio::test]
async fn events_read_back_as_what_was_written() {
    let bench = Bench::open().await;
    let session = bench.session("everything").await;
    let path = format!("/api/v1/sessions/{session}");
    bench.post(&format!("{path}/messages"), ALICE, json!({"content": "go", "message_id": uuid(1)})).await.expect(201);
    bench.say(session, 2, "line\nbreak").await;
    bench.ask(session, "ask-1", "Bash", json!({"command": "ls"})).await;
    let allow = json!({"decision": "allow", "scope": "session", "updated_input": {"command": "ls -l"}});
    bench.post(&format!("{path}/permissions/ask-1"), ALICE, allow).await.expect(200);
    let request = "ctl-1".parse().expect("an id");
    let control = Control::SetModel { model: "opus".into() };
    bench.submit(Actor::System, Command::RequestControl { session, request, control }).await;
    let page = bench.get(&format!("{path}/events"), ALICE).await;
    assert_eq!(page.header("rcs-epoch"), "0000000000000001");
    let page = page.expect(200);
    let typed: wire::EventPage = serde_json::from_value(page.clone()).expect("the type reads what the room writes");
    assert_eq!(serde_json::to_value(&typed).expect("JSON"), page);
    assert_shape!("events", page);
}

#[tokio::test]
async fn no_digest_leaves_the_journal() {
    let bench = Bench::open().await;
    let session = bench.session("private").await;
    bench.post("/api/v1/keys", ALICE, json!({"name": "another"})).await.expect(201);
    let path = format!("/api/v1/sessions/{session}/messages");
    bench.raw("POST", &path, ALICE, &[("idempotency-key", "k")], r#"{"content":"hi"}"#).await.expect(201);
    bench.ask(session, "ask-1", "Bash", json!({"command": "ls"})).await;
    bench
        .post(&format!("/api/v1/sessions/{session}/permissions/ask-1"), ALICE, json!({"decision": "allow"}))
        .await
        .expect(200);
    let audit = bench.get("/api/v1/audit?limit=1000", ADMIN).await.expect(200);
    let history = bench.get(&format!("/api/v1/sessions/{session}/events"), ALICE).await.expect(200);
    for shown in [audit.to_string(), history.to_string()] {
        assert!(!shown.contains("digest") && !shown.contains("fingerprint"), "{shown}");
    }
    // All of them were there to be left out.
    let all = Bounds { records_max: 1_000, bytes_max: usize::MAX };
    let records = bench.house.relay.journal().read_all(Position(1), all).expect("records");
    let kinds: Vec<_> = records.iter().map(|record| record.event.kind()).collect();
    for kind in ["key_created", "message_posted", "permission_decided", "command_done"] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
    assert!(records.iter().any(|record| matches!(&record.event, Event::CommandDone { .. })));
}
