//! What v1 workers say and what is said to them, each test named after what people saw go wrong elsewhere.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    bench::{ALICE, Bench},
    translate,
};
use crate::{
    domain::{
        Actor, Command, Event, Outcome, Record, Sequence, SessionId, Stream,
        command::Answer,
        event::{Control, Fingerprint, Rule, Status, Verdict},
    },
    relay::page_bounds,
};

async fn ingest(bench: &Bench, session: SessionId, events: Vec<Value>) -> Value {
    let path = format!("/v2/session_ingress/session/{}/events", session.worker_form());
    bench.post(&path, &bench.ingress(session), json!({ "events": events })).await.expect(200)
}

fn history(bench: &Bench, session: SessionId) -> Vec<Arc<Record>> {
    let mut all = Vec::new();
    let mut next = Sequence(1);
    loop {
        let records = bench.house.relay.read(Stream::Session(session), next, page_bounds()).expect("records");
        let Some(last) = records.last() else { return all };
        next = last.sequence.next();
        all.extend(records);
    }
}

fn payloads(bench: &Bench, session: SessionId, kind: &str) -> Vec<Value> {
    let records = history(bench, session).into_iter().filter(|record| record.event.kind() == kind);
    records.map(|record| serde_json::from_slice(&record.payload).expect("JSON")).collect()
}

/// What the session's worker is to be sent.
fn due(bench: &Bench, session: SessionId) -> Vec<Value> {
    let items: Vec<Sequence> = {
        let world = bench.house.relay.world();
        world.session(session).expect("there").outbox.items().map(|(sequence, _)| sequence).collect()
    };
    let lines = items.into_iter().filter_map(|item| translate::outgoing(&bench.house, session, item).expect("drawn"));
    lines.map(|line| serde_json::from_str(&line.json).expect("JSON")).collect()
}

fn status(bench: &Bench, session: SessionId) -> Status {
    bench.house.relay.world().session(session).expect("there").status()
}

fn uuid(number: u32) -> String {
    format!("bbbbbbbb-0000-4000-8000-{number:012}")
}

fn asks(request: &str, command: &str) -> Value {
    json!({"type": "control_request", "request_id": request, "request": {"subtype": "can_use_tool",
        "tool_name": "Bash", "input": {"command": command, "description": "scripted"},
        "tool_use_id": format!("toolu_{request}")}})
}

async fn decide(bench: &Bench, session: SessionId, request: &str, answer: Answer) {
    let request = request.parse().expect("an id");
    let command = Command::DecidePermission { session, request, answer };
    bench.house.relay.submit(Actor::System, command).await.expect("decided");
}

fn answer(verdict: Verdict, message: Option<&str>, payload: &'static str) -> Answer {
    let fingerprint = Fingerprint([1; 16]);
    let (message, payload) = (message.map(str::to_owned), payload.into());
    Answer { asked: None, verdict, message, fingerprint, payload, remember: None }
}

#[tokio::test]
async fn the_approve_button_works_for_a_spawned_child() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    ingest(&bench, session, vec![asks("r1", "ls"), asks("r2", "touch x"), asks("r3", "rm y")]).await;
    assert_eq!(status(&bench, session), Status::Waiting);
    decide(&bench, session, "r1", answer(Verdict::Allow, None, "")).await;
    let extras = r#"{"updated_input":{"command":"touch z"},"updated_permissions":[{"type":"setMode"}]}"#;
    decide(&bench, session, "r2", answer(Verdict::Allow, None, extras)).await;
    decide(&bench, session, "r3", answer(Verdict::Deny, Some("keep y"), "")).await;
    insta::assert_json_snapshot!("answers", due(&bench, session));
}

#[tokio::test]
async fn what_a_rule_decided_is_sent_to_the_worker() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    ingest(&bench, session, vec![asks("r1", "ls")]).await;
    let rule = Rule { name: "ls".into(), tool: "Bash".into(), subject: Some("ls".into()) };
    let remember = Answer { remember: Some(rule), ..answer(Verdict::Allow, None, "") };
    decide(&bench, session, "r1", remember).await;
    ingest(&bench, session, vec![asks("r2", "ls")]).await;
    let sent = due(&bench, session);
    assert_eq!(sent.len(), 2, "the agent would wait for ever: {sent:?}");
    assert_eq!(sent[1]["response"]["request_id"], "r2");
    assert_eq!(sent[1]["response"]["response"]["updatedInput"]["command"], "ls");
}

#[tokio::test]
async fn an_answer_given_at_the_terminal_is_not_sent_back_to_it() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    ingest(&bench, session, vec![asks("r1", "ls")]).await;
    let mirror = json!({"type": "control_response", "response": {"subtype": "success", "request_id": "r1",
        "response": {"behavior": "allow", "updatedInput": {"command": "ls"}, "updatedPermissions": []}}});
    let cancel = json!({"type": "control_cancel_request", "request_id": "r1"});
    // As a terminal sends it: with the same key as its owner's browser.
    let path = format!("/v1/session_ingress/session/{session}/events");
    bench.post(&path, ALICE, json!({"events": [mirror, cancel]})).await.expect(200);
    assert_eq!(due(&bench, session), Vec::<Value>::new());
    let decided = history(&bench, session)
        .into_iter()
        .any(|record| matches!(&record.event, Event::PermissionDecided(decided) if decided.verdict == Verdict::Allow));
    assert!(decided, "the others see what was decided");
}

#[tokio::test]
async fn the_echo_of_a_prompt_is_its_receipt_and_no_second_message() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    let message = bench.prompt(session, 1, &json!("hello")).await;
    assert_eq!(due(&bench, session).len(), 1);
    let echo = json!({"type": "user", "uuid": message.to_string().to_uppercase(), "isReplay": true,
        "message": {"role": "user", "content": "hello"}, "parent_tool_use_id": null});
    let taken = ingest(&bench, session, vec![echo]).await;
    assert_eq!((&taken["accepted"], &taken["duplicates"]), (&json!(0), &json!(1)));
    assert_eq!(due(&bench, session), Vec::<Value>::new());
    assert_eq!(status(&bench, session), Status::Working);
    assert_eq!(payloads(&bench, session, "message_received"), Vec::<Value>::new());
}

#[tokio::test]
async fn a_batch_sent_again_is_kept_once_and_keep_alives_not_at_all() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    let batch = vec![
        json!({"type": "assistant", "uuid": uuid(1), "message": {"role": "assistant", "content": []}}),
        json!({"type": "keep_alive"}),
        asks("r1", "ls"),
        json!({"type": "control_response", "response": {"subtype": "success", "request_id": "c1"}}),
        json!({"type": "control_cancel_request", "request_id": "r1"}),
    ];
    let first = ingest(&bench, session, batch.clone()).await;
    insta::assert_json_snapshot!("ingested", first);
    let before = history(&bench, session).len();
    let second = ingest(&bench, session, batch).await;
    assert_eq!(second["accepted"], 0);
    assert_eq!(history(&bench, session).len(), before);
}

#[tokio::test]
async fn nothing_of_a_message_is_lost_on_its_way() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    let lines = include_str!("../../../fixtures/bridge/worker_messages.jsonl").lines();
    let events: Vec<Value> = lines.map(|line| serde_json::from_str(line).expect("JSON")).collect();
    ingest(&bench, session, events.clone()).await;
    let kept = history(&bench, session);
    let kept: Vec<Value> = kept.iter().filter_map(|record| serde_json::from_slice(&record.payload).ok()).collect();
    for event in
        events.iter().filter(|event| event["type"] != "keep_alive" && event["type"] != "control_cancel_request")
    {
        let mirrored = event["type"] == "control_response" && event.to_string().contains("behavior");
        assert!(mirrored || kept.contains(event), "{event}");
    }
}

#[tokio::test]
async fn images_and_files_reach_the_agent() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    let blocks = json!([{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBOR="}},
        {"type": "text", "text": "what is this?"}]);
    let files = json!([{"file_uuid": "abcdef12-0000-4000-8000-000000000001", "file_name": "notes v1.txt"}]);
    let event = json!({"type": "user", "uuid": uuid(7), "message": {"role": "user", "content": blocks},
        "file_attachments": files});
    let path = format!("/v1/sessions/{session}/events");
    bench.post(&path, ALICE, json!({"events": [event]})).await.expect(200);
    insta::assert_json_snapshot!("prompt_with_files", due(&bench, session), { "[].session_id" => "[session]" });
}

#[tokio::test]
async fn five_thousand_events_are_all_there() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    for batch in 0..11_u32 {
        let said =
            |number: u32| json!({"type": "assistant", "uuid": uuid(batch * 500 + number), "message": {"content": []}});
        ingest(&bench, session, (0..500).map(said).collect()).await;
    }
    let uuids: Vec<String> = payloads(&bench, session, "message_received")
        .iter()
        .map(|payload| payload["uuid"].as_str().expect("a uuid").to_owned())
        .collect();
    assert_eq!(uuids, (0..5_500).map(uuid).collect::<Vec<_>>());
    let path = format!("/v1/session_ingress/session/{session}/events");
    let many = json!({"events": vec![json!({"type": "keep_alive"}); 1_001]});
    bench.post(&path, ALICE, many).await.expect(413);
}

#[tokio::test]
async fn an_archived_session_takes_the_last_words_of_its_worker() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    let token = bench.ingress(session);
    bench.post(&format!("/v1/sessions/{session}/archive"), ALICE, json!({})).await.expect(200);
    let path = format!("/v1/session_ingress/session/{session}/events");
    let last = json!({"events": [{"type": "result_success", "uuid": uuid(1)}]});
    bench.post(&path, &token, last).await.expect(200);
    assert_eq!(payloads(&bench, session, "message_received").len(), 1);
    assert!(!bench.house.relay.world().session(session).expect("there").worker.online);
}

#[tokio::test]
async fn nobody_can_smuggle_a_control_request_through_a_message() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    let path = format!("/v1/sessions/{session}/events");
    for event in [
        json!({"type": "control_request", "request_id": "x", "request": {"subtype": "mcp_set_servers",
            "servers": {"pwn": {"type": "stdio", "command": "touch", "args": ["pwned"]}}}}),
        json!({"type": "update_environment_variables", "variables": {"PATH": "/tmp"}}),
        json!({"type": "control_response", "response": {"subtype": "success", "request_id": "x"}}),
        json!({"type": "user", "message": {"role": "user", "content": {"type": "control_request"}}}),
        json!({"type": "user"}),
    ] {
        let answer = bench.post(&path, ALICE, json!({"events": [event]})).await.expect(400);
        let words = answer["error"]["message"].as_str().expect("words").to_owned();
        assert!(words.contains("events[0]") || words.contains("content"), "{words}");
    }
    // What a worker says comes back to no worker.
    ingest(
        &bench,
        session,
        vec![json!({"type": "control_request", "request_id": "x",
        "request": {"subtype": "set_permission_mode", "mode": "bypassPermissions"}})],
    )
    .await;
    assert_eq!(due(&bench, session), Vec::<Value>::new());
}

#[tokio::test]
async fn a_message_of_another_agent_says_whom_it_is_from() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    let path = format!("/v1/sessions/{session}/messages");
    let message = json!({"type": "peer_message", "from": "session_1", "content": "are you done?"});
    bench.post(&path, ALICE, message).await.expect(200);
    let sent = due(&bench, session);
    let expected = "<cross-session-message from=\"session_1\">are you done?</cross-session-message>";
    assert_eq!(sent[0]["message"]["content"], expected);
    bench.post(&path, ALICE, json!({"type": "other", "from": "x", "content": "y"})).await.expect(400);
}

#[tokio::test]
async fn what_the_agent_does_shows_in_its_status() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    let mut number = 0;
    let mut say = |event: Value| {
        number += 1;
        let mut event = event;
        event["uuid"] = json!(uuid(number));
        event
    };
    let user = |content: Value| json!({"type": "user", "parent_tool_use_id": null, "message": {"content": content}});
    for (event, expected) in [
        (user(json!("typed at the terminal")), Status::Working),
        (user(json!([{"type": "tool_result", "tool_use_id": "t"}])), Status::Working),
        (json!({"type": "result_success"}), Status::Idle),
        // A terminal sends its last words after the end of the turn.
        (json!({"type": "assistant", "message": {"content": []}}), Status::Idle),
        (user(json!("<local-command-stdout>Set model to x</local-command-stdout>")), Status::Idle),
        (json!({"type": "system", "subtype": "init", "permissionMode": "plan", "model": "m"}), Status::Idle),
        (user(json!("again")), Status::Working),
        (json!({"type": "result", "subtype": "error_during_execution"}), Status::Idle),
    ] {
        let event = say(event);
        ingest(&bench, session, vec![event.clone()]).await;
        assert_eq!(status(&bench, session), expected, "{event}");
    }
    let world = bench.house.relay.world();
    let found = world.session(session).expect("there");
    assert_eq!((found.mode.as_deref(), found.model.as_deref()), (Some("plan"), Some("m")));
}

#[tokio::test]
async fn a_conversation_that_is_brought_along_does_not_look_like_work() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    let user = |number| json!({"type": "user", "uuid": uuid(number), "message": {"content": "do it"}});
    let assistant = |number| json!({"type": "assistant", "uuid": uuid(number), "message": {"content": []}});
    ingest(&bench, session, vec![user(1), assistant(2), user(3), assistant(4)]).await;
    assert_eq!(status(&bench, session), Status::Idle);
    ingest(&bench, session, vec![user(5), assistant(6)]).await;
    assert_eq!(status(&bench, session), Status::Working);
    let end = json!({"type": "result", "uuid": uuid(7)});
    ingest(&bench, session, vec![assistant(8), end, user(9)]).await;
    assert_eq!(status(&bench, session), Status::Working);
}

#[tokio::test]
async fn a_control_request_is_answered_once() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    let mode = Control::SetPermissionMode { mode: "plan".into() };
    bench.control(session, "c1", mode).await;
    insta::assert_json_snapshot!("control", due(&bench, session));
    let done = json!({"type": "control_response", "response": {"subtype": "success", "request_id": "c1",
        "response": {"mode": "plan"}}});
    ingest(&bench, session, vec![done]).await;
    assert_eq!(due(&bench, session), Vec::<Value>::new());
    assert_eq!(bench.house.relay.world().session(session).expect("there").mode.as_deref(), Some("plan"));
}

/// What the user saw: after a change of mode at a terminal the browser went on to show the mode before. A child names
/// the mode in its answer; a terminal says that it is done, and nothing else.
#[tokio::test]
async fn the_mode_and_the_model_that_a_terminal_took_are_shown() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    let shown = || {
        let world = bench.house.relay.world();
        let found = world.session(session).expect("there");
        (found.mode.clone(), found.model.clone())
    };
    let changes = [
        ("c1", Control::SetPermissionMode { mode: "acceptEdits".into() }, "success"),
        ("c2", Control::SetPermissionMode { mode: "bypassPermissions".into() }, "error"),
        ("c3", Control::SetModel { model: "opus".into() }, "success"),
        ("c4", Control::SetModel { model: "default".into() }, "success"),
    ];
    for (request, control, subtype) in changes {
        bench.control(session, request, control).await;
        let answer = json!({"type": "control_response", "response": {"subtype": subtype, "request_id": request}});
        ingest(&bench, session, vec![answer]).await;
    }
    assert_eq!(shown(), (Some("acceptEdits".into()), Some("opus".into())));
}

/// What the user saw: a session stood as idle for as long as its agent thought about a prompt. A child echoes the
/// prompt when its first answer is whole; before that it only says what it begins the turn with.
#[tokio::test]
async fn an_agent_that_begins_a_turn_is_seen_to_work_before_its_first_words_are_whole() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    let init = |number| {
        let uuid = uuid(number);
        json!({"type": "system", "subtype": "init", "permissionMode": "default", "model": "m", "uuid": uuid})
    };
    ingest(&bench, session, vec![init(1)]).await;
    assert_eq!(status(&bench, session), Status::Idle, "it connected, and nothing was asked of it");
    let message = bench.prompt(session, 1, &json!("think hard")).await;
    ingest(&bench, session, vec![init(2)]).await;
    assert_eq!(status(&bench, session), Status::Working);
    let echo = json!({"type": "user", "uuid": message.to_string(), "isReplay": true,
        "message": {"role": "user", "content": "think hard"}});
    ingest(&bench, session, vec![echo, json!({"type": "result", "uuid": uuid(3)})]).await;
    ingest(&bench, session, vec![init(4)]).await;
    assert_eq!(status(&bench, session), Status::Idle);
}

/// What the user saw: a terminal that was interrupted while it asked something never answered again. The interrupt
/// made it forget who had asked, so that the denial behind it found nobody, and the question stayed on its screen.
#[tokio::test]
async fn an_interrupted_terminal_hears_the_answer_to_its_question_first() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    ingest(&bench, session, vec![asks("r1", "ls"), asks("r2", "touch x")]).await;
    let command = Command::RequestControl { session, request: "c1".parse().expect("id"), control: Control::Interrupt };
    let Ok(Outcome::Requested { sequence, .. }) = bench.house.relay.submit(Actor::System, command).await else {
        panic!("requested")
    };
    let sent: Vec<_> = due(&bench, session).into_iter().map(|line| line["type"].clone()).collect();
    assert_eq!(sent, ["control_response", "control_response", "control_request"]);
    let records = history(&bench, session);
    let interrupt = records.iter().find(|record| record.sequence == sequence).expect("there");
    assert_eq!(interrupt.event.kind(), "control_requested", "the place that the caller is told is the request's own");
}

/// The stock server reads `[[...]]` as `{"events": [...]}`, and so did we.
#[tokio::test]
async fn a_list_is_no_batch_of_events() {
    let bench = Bench::open().await;
    let session = bench.session().await;
    let before = history(&bench, session).len();
    let body = json!([[{"type": "user", "uuid": uuid(1), "message": {"role": "user", "content": "hi"}}]]);
    for path in [
        format!("/v2/session_ingress/session/{}/events", session.worker_form()),
        format!("/v1/sessions/{session}/events"),
        "/v1/environments/bridge".to_owned(),
    ] {
        let refused = bench.post(&path, ALICE, body.clone()).await.expect(400);
        assert_eq!(refused["error"]["message"], "the body must be a JSON object, not a list", "{path}");
    }
    assert_eq!(history(&bench, session).len(), before, "nothing of it was kept");
}
