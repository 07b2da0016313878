//! Answering an agent, and steering it.

use serde_json::{Value, json};

use super::bench::{ADMIN, ALICE, Bench};
use crate::domain::{Actor, Command, Event, Sequence, SessionId, Stream, command::Meaning};

/// What goes with the last decision in the stream.
fn extras(bench: &Bench, session: SessionId) -> Value {
    let records = bench.house.relay.read(Stream::Session(session), Sequence(1), crate::relay::page_bounds());
    let records = records.expect("records");
    let decided = records.iter().rev().find(|record| matches!(record.event, Event::PermissionDecided(_)));
    let payload = &decided.expect("a decision").payload;
    if payload.is_empty() { Value::Null } else { serde_json::from_slice(payload).expect("JSON") }
}

async fn asked(bench: &Bench, tool: &str, input: Value) -> (SessionId, String) {
    let session = bench.session("asks").await;
    bench.ask(session, "ask-1", tool, input).await;
    (session, format!("/api/v1/sessions/{session}/permissions/ask-1"))
}

#[tokio::test]
async fn one_answer_wins_and_the_others_hear_of_it() {
    let bench = Bench::open().await;
    let (session, path) = asked(&bench, "Bash", json!({"command": "ls"})).await;
    let allow = json!({"decision": "allow"});
    let first = bench.post(&path, ALICE, allow.clone()).await.expect(200);
    let again = bench.post(&path, ALICE, allow).await.expect(200);
    assert_eq!(first, again, "the same answer has the same result");
    let problem =
        bench.post(&path, ADMIN, json!({"decision": "deny", "message": "no"})).await.problem(409, "already-decided");
    assert_eq!(problem["winner"]["verdict"], "allow");
    assert_eq!(problem["winner"]["by"]["type"], "key");
    assert_eq!(bench.get("/api/v1/permissions", ALICE).await.expect(200), json!({"items": []}));
    assert_eq!(extras(&bench, session), Value::Null);
    let nowhere = format!("/api/v1/sessions/{session}/permissions/ask-2");
    bench.post(&nowhere, ALICE, json!({"decision": "allow"})).await.problem(404, "not-found");
}

#[tokio::test]
async fn many_taps_at_once_have_one_winner() {
    let bench = Bench::open().await;
    let (_, path) = asked(&bench, "Bash", json!({"command": "ls"})).await;
    let taps = (0..20).map(|number| {
        let answer =
            if number % 2 == 0 { json!({"decision": "allow"}) } else { json!({"decision": "deny", "message": "no"}) };
        let (bench, path) = (&bench, &path);
        async move { (number % 2, bench.post(path, ALICE, answer).await) }
    });
    let answers = futures_util::future::join_all(taps).await;
    let winners: Vec<_> = answers.iter().filter(|(_, answer)| answer.status == 200).map(|(side, _)| *side).collect();
    assert_eq!(winners.len(), 10, "all of one side");
    assert!(winners.windows(2).all(|pair| pair[0] == pair[1]));
    assert!(answers.iter().all(|(_, answer)| matches!(answer.status.as_u16(), 200 | 409)));
}

#[tokio::test]
async fn a_question_that_was_taken_back_says_so() {
    let bench = Bench::open().await;
    let (session, path) = asked(&bench, "Bash", json!({"command": "ls"})).await;
    let request = "ask-1".parse().expect("an id");
    bench.receive(session, json!({"type": "control_cancel_request"}), Meaning::TakesBack(request)).await;
    bench.post(&path, ALICE, json!({"decision": "allow"})).await.problem(410, "taken-back");
    let shown = bench.get(&path, ALICE).await.expect(200);
    assert_eq!((&shown["state"], &shown["tool"]), (&json!("cancelled"), &json!("Bash")));
}

#[tokio::test]
async fn allowing_for_the_session_asks_no_second_time() {
    let bench = Bench::open().await;
    let (session, path) = asked(&bench, "Bash", json!({"command": "git status"})).await;
    bench.post(&path, ALICE, json!({"decision": "allow", "scope": "session"})).await.expect(200);
    bench.ask(session, "ask-2", "Bash", json!({"command": "git status"})).await;
    bench.ask(session, "ask-3", "Bash", json!({"command": "git push"})).await;
    let pending = bench.get("/api/v1/permissions", ALICE).await.expect(200);
    assert_eq!(pending["items"].as_array().expect("items").len(), 1, "{pending}");
    assert_eq!(pending["items"][0]["request_id"], "ask-3");
    let shown = bench.get(&format!("/api/v1/sessions/{session}"), ALICE).await.expect(200);
    assert_eq!(shown["rules"], json!([{"name": "Bash git status", "tool": "Bash", "subject": "git status"}]));
}

#[tokio::test]
async fn a_question_to_a_person_is_asked_each_time() {
    let bench = Bench::open().await;
    for tool in ["AskUserQuestion", "ExitPlanMode", "EnterPlanMode"] {
        let (_, path) = asked(&bench, tool, json!({})).await;
        let problem = bench
            .post(&path, ALICE, json!({"decision": "allow", "scope": "session"}))
            .await
            .problem(400, "bad-request");
        assert_eq!(problem["field"], "scope");
    }
}

#[tokio::test]
async fn answers_go_into_the_question_as_it_was_asked() {
    let bench = Bench::open().await;
    let input = json!({"questions": [{"question": "Which colour?", "options": [{"label": "Red"}, {"label": "Blue"}]}]});
    let (session, path) = asked(&bench, "AskUserQuestion", input.clone()).await;
    let answers = json!({"Which colour?": "Blue", "Sizes?": ["S", "L"]});
    bench.post(&path, ALICE, json!({"decision": "allow", "answers": answers})).await.expect(200);
    let mut expected = input;
    expected["answers"] = json!({"Which colour?": "Blue", "Sizes?": "S, L"});
    assert_eq!(extras(&bench, session), json!({ "updated_input": expected }));
    let (_, path) = asked(&bench, "Bash", json!({"command": "ls"})).await;
    let problem =
        bench.post(&path, ALICE, json!({"decision": "allow", "answers": {}})).await.problem(400, "bad-request");
    assert_eq!(problem["field"], "answers");
}

#[tokio::test]
async fn an_answer_is_checked_before_it_is_given() {
    let bench = Bench::open().await;
    let (session, path) = asked(&bench, "Bash", json!({"command": "ls"})).await;
    let updates = |update: Value| json!({"decision": "allow", "updated_permissions": [update]});
    for (body, field) in [
        (json!({"decision": "maybe"}), "decision"),
        (json!({"decision": "allow", "message": "go on"}), "message"),
        (json!({"decision": "deny", "updated_input": {}}), "updated_input"),
        (json!({"decision": "deny", "scope": "session"}), "scope"),
        (json!({"decision": "allow", "updated_input": "ls"}), "updated_input"),
        (json!({"decision": "deny", "message": "x".repeat(20_000)}), "message"),
        (updates(json!({"type": "runProgram", "command": "x"})), "updated_permissions"),
        (updates(json!({"type": "setMode", "mode": "yolo", "destination": "session"})), "updated_permissions"),
    ] {
        let problem = bench.post(&path, ALICE, body.clone()).await.problem(400, "bad-request");
        assert_eq!(problem["field"], field, "{body}");
    }
    // A suggestion of the worker's own that would end all questions is more than this one question.
    let bypass = updates(json!({"type": "setMode", "mode": "bypassPermissions", "destination": "session"}));
    bench.post(&path, ALICE, bypass).await.problem(403, "forbidden");
    let fine = updates(json!({"type": "setMode", "mode": "acceptEdits", "destination": "session"}));
    bench.post(&path, ALICE, fine.clone()).await.expect(200);
    assert_eq!(extras(&bench, session), json!({"updated_permissions": fine["updated_permissions"]}));
}

#[tokio::test]
async fn modes_are_an_allow_list_and_the_last_one_is_the_operators() {
    let bench = Bench::open().await;
    let session = bench.session("modes").await;
    let path = format!("/api/v1/sessions/{session}/mode");
    for mode in ["default", "acceptEdits", "plan", "dontAsk"] {
        bench.post(&path, ALICE, json!({ "mode": mode })).await.expect(202);
    }
    for mode in ["", "yolo", "Plan", "bypass"] {
        let problem = bench.post(&path, ALICE, json!({ "mode": mode })).await.problem(400, "bad-request");
        assert_eq!(problem["field"], "mode");
    }
    let bypass = json!({"mode": "bypassPermissions"});
    bench.post(&path, ALICE, bypass.clone()).await.problem(403, "forbidden");
    bench.post(&path, ADMIN, bypass).await.expect(202);
    let born = json!({"permission_mode": "bypassPermissions"});
    bench.post("/api/v1/sessions", ALICE, born).await.problem(403, "forbidden");
}

#[tokio::test]
async fn there_is_nothing_to_interrupt_when_nobody_works() {
    let bench = Bench::open().await;
    let session = bench.session("quiet").await;
    let path = format!("/api/v1/sessions/{session}/interrupt");
    bench.post(&path, ALICE, Value::Null).await.problem(409, "worker-offline");
    bench.submit(Actor::Worker(session), Command::WorkerSeen { session }).await;
    bench.ask(session, "ask-1", "Bash", json!({"command": "ls"})).await;
    bench.post(&path, ALICE, Value::Null).await.expect(202);
    assert_eq!(
        bench.get("/api/v1/permissions", ALICE).await.expect(200),
        json!({"items": []}),
        "the prompt is closed too"
    );
}

#[tokio::test]
async fn a_request_repeated_under_its_key_happens_once() {
    let bench = Bench::open().await;
    let once = [("idempotency-key", "retry-1")];
    let body = r#"{"title":"once","prompt":"go"}"#;
    let first = bench.raw("POST", "/api/v1/sessions", ALICE, &once, body).await.expect(201);
    let again = bench.raw("POST", "/api/v1/sessions", ALICE, &once, body).await.expect(201);
    assert_eq!(first["id"], again["id"]);
    let page = bench.get("/api/v1/sessions", ALICE).await.expect(200);
    assert_eq!(page["items"].as_array().expect("items").len(), 1);
    bench.raw("POST", "/api/v1/sessions", ALICE, &once, r#"{"title":"twice"}"#).await.problem(409, "key-reused");
    // Another owner's keys are other keys.
    bench.raw("POST", "/api/v1/sessions", ADMIN, &once, r#"{"title":"twice"}"#).await.expect(201);

    let session = first["id"].as_str().expect("an id");
    let path = format!("/api/v1/sessions/{session}/messages");
    let said = r#"{"content":"hello"}"#;
    let once = [("idempotency-key", "retry-2")];
    let first = bench.raw("POST", &path, ALICE, &once, said).await.expect(201);
    assert_eq!(bench.raw("POST", &path, ALICE, &once, said).await.expect(201), first);
}

#[tokio::test]
async fn the_same_message_id_is_the_same_message() {
    let bench = Bench::open().await;
    let session = bench.session("retry").await;
    let path = format!("/api/v1/sessions/{session}/messages");
    let said = |text: &str| json!({"content": text, "message_id": super::bench::uuid(1)});
    let first = bench.post(&path, ALICE, said("hello")).await.expect(201);
    assert_eq!(bench.post(&path, ALICE, said("hello")).await.expect(201), first);
    bench.post(&path, ALICE, said("something else")).await.problem(409, "key-reused");
}
