//! What a new session at a runner may ask for, and what becomes of those that ask for more.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    assert_shape,
    bench::{ADMIN, ALICE, Bench, MALLORY, VIEWER, owner},
};
use crate::domain::{
    Actor, Command, EnvironmentId, KeyId, Outcome, SessionId,
    event::{Abilities, AgentReported, EnvironmentRegistered, Offer, Offers},
};

const KEY: Actor = Actor::Key(KeyId::from_uuid(Uuid::from_u128(1)));

fn particulars(number: u128, worker_type: &str, max_sessions: u32) -> EnvironmentRegistered {
    EnvironmentRegistered {
        environment: EnvironmentId::from_uuid(Uuid::from_u128(0xe100 + number)),
        owner: owner(1),
        machine_name: "node".into(),
        directory: "/src".into(),
        branch: None,
        git_repo_url: None,
        max_sessions,
        worker_type: worker_type.into(),
        group: None,
    }
}

/// An agent of Alice's that holds its line; with `told`, one that has begun a conversation and said what it offers.
async fn agent(bench: &Bench, told: bool) -> EnvironmentId {
    let particulars = particulars(1, "acp", 1);
    let environment = particulars.environment;
    let session = SessionId::from_uuid(Uuid::from_u128(0x5100));
    bench.submit(KEY, Command::RegisterAgent { particulars, session, linked: vec![] }).await;
    bench.submit(KEY, Command::IdentifyAgent { environment, session, linked: vec![] }).await;
    if told {
        let abilities = Abilities { load: true, list: true, ..Abilities::default() };
        let report = AgentReported { environment, connected: true, fresh: true, abilities };
        let status = json!({"type": "status", "payload": {"connected": true,
            "agentInfo": {"name": "qwen", "version": "1"}, "capabilities": {"loadSession": true}}});
        let payload = status.to_string().into();
        bench.submit(KEY, Command::ReportAgent { report, payload, notice: "{}".into() }).await;
        let bound = json!({"type": "session_created", "payload": {"sessionId": "f1",
            "modes": {"availableModes": [{"id": "plan", "name": "Plan"}, {"id": "bypassPermissions"}, {"id": "odd"}]},
            "models": {"availableModels": [{"modelId": "small", "name": "Small"}, {"modelId": "large"}]}}});
        let payload = bound.to_string().into();
        let offers = Offers {
            modes: Some(offer(&["plan", "bypassPermissions", "odd"])),
            models: Some(offer(&["small", "large"])),
        };
        let bind = Command::BindSession { environment, session, foreign: "f1".into(), offers, payload };
        bench.submit(KEY, bind).await;
    }
    environment
}

fn offer(ids: &[&str]) -> Offer {
    Offer { ids: ids.iter().map(|id| (*id).to_owned()).collect(), option: None }
}

async fn offers(bench: &Bench, key: &str, environment: EnvironmentId) -> Value {
    bench.get(&format!("/api/v1/environments/{environment}"), key).await.expect(200)["offers"].clone()
}

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().expect("a list").iter().map(|one| one["id"].as_str().expect("an id")).collect()
}

#[tokio::test]
async fn an_agent_offers_what_it_told_and_its_link_can_pass_on() {
    let bench = Bench::open().await;
    let environment = agent(&bench, true).await;
    assert_shape!("offers_agent", offers(&bench, ALICE, environment).await);
    assert_eq!(ids(&offers(&bench, ADMIN, environment).await["modes"]), ["plan", "bypassPermissions"]);
    assert_eq!(offers(&bench, VIEWER, environment).await["modes"], json!([]), "who may not ask is offered nothing");
    let begin = |body: Value| {
        let mut body = body;
        body["environment_id"] = json!(environment);
        let bench = &bench;
        async move { bench.post("/api/v1/sessions", ALICE, body).await }
    };
    let body = json!({"permission_mode": "plan", "model": "large", "directory": "/srv/app", "prompt": "go"});
    let made = begin(body).await.expect(201);
    assert_eq!((&made["directory"], &made["requested_mode"]), (&json!("/srv/app"), &json!("plan")));
    assert_eq!(made["queue"].as_array().expect("a queue").len(), 2, "the model, and then the prompt: {made:#}");
    assert_eq!(made["status"], "idle", "whoever holds the line is its worker");
    let shown = bench.get(&format!("/api/v1/environments/{environment}"), ALICE).await.expect(200);
    assert_eq!((&shown["work"], &shown["offers"]["directories"]), (&json!([]), &json!(["/srv/app"])));
    for (body, field) in [
        (json!({"permission_mode": "acceptEdits"}), "permission_mode"),
        (json!({"permission_mode": "odd"}), "permission_mode"),
        (json!({"permission_mode": "bypassPermissions"}), "permission_mode"),
        (json!({"model": "huge"}), "model"),
        (json!({"directory": "relative/path"}), "directory"),
        (json!({"directory": "/a\u{0}b"}), "directory"),
    ] {
        let problem = begin(body.clone()).await.problem(400, "bad-request");
        assert_eq!(problem["field"], field, "{body}: {problem}");
    }
    let own = begin(json!({"directory": "/src"})).await.expect(201);
    assert_eq!(own.get("directory"), None, "its own directory is no other one");
    begin(json!({"directory": "C:\\work"})).await.expect(201);
}

#[tokio::test]
async fn an_agent_that_told_nothing_offers_no_choice() {
    let bench = Bench::open().await;
    let environment = agent(&bench, false).await;
    let offered = offers(&bench, ADMIN, environment).await;
    assert_eq!((&offered["modes"], &offered["models"], &offered["any_model"]), (&json!([]), &json!([]), &json!(false)));
    for (name, field) in [("permission_mode", "permission_mode"), ("model", "model")] {
        let body = json!({"environment_id": environment, name: "plan"});
        let problem = bench.post("/api/v1/sessions", ADMIN, body).await.problem(400, "bad-request");
        assert_eq!(problem["field"], field);
    }
    bench.post("/api/v1/sessions", ALICE, json!({"environment_id": environment, "prompt": "hi"})).await.expect(201);
}

#[tokio::test]
async fn a_runner_of_one_session_takes_no_second() {
    let bench = Bench::open().await;
    let particulars = particulars(2, "claude_code", 1);
    let environment = particulars.environment;
    bench.submit(Actor::System, Command::RegisterEnvironment { particulars, reattach: None }).await;
    let offered = offers(&bench, ALICE, environment).await;
    assert_eq!((&offered["spawn"], offered.get("closed")), (&json!("single"), None));
    let body = json!({"environment_id": environment, "model": "opus", "permission_mode": "plan", "prompt": "go"});
    let made = bench.post("/api/v1/sessions", ALICE, body.clone()).await.expect(201);
    let kinds: Vec<_> = made["queue"].as_array().expect("a queue").iter().map(|item| item["kind"].clone()).collect();
    assert_eq!(kinds, ["control", "control", "message"], "its worker is told of mode and model before the prompt");
    assert_eq!(offers(&bench, ALICE, environment).await["closed"], "taken");
    let problem = bench.post("/api/v1/sessions", ALICE, body.clone()).await.problem(400, "bad-request");
    assert_eq!(problem["field"], "environment_id", "{problem}");
    let problem = bench.post("/api/v1/sessions", ALICE, json!({"directory": "/else", "environment_id": environment}));
    problem.await.problem(400, "bad-request");
    let id = made["id"].as_str().expect("an id");
    bench.post(&format!("/api/v1/sessions/{id}/archive"), ALICE, Value::Null).await.expect(200);
    bench.post("/api/v1/sessions", ALICE, body).await.expect(201);
}

#[tokio::test]
async fn a_runner_of_several_says_how_many_more_and_in_which_directory() {
    let bench = Bench::open().await;
    let environment = bench.environment(1).await;
    let body = json!({"environment_id": environment});
    let made = bench.post("/api/v1/sessions", ALICE, body).await.expect(201);
    let session: SessionId = made["id"].as_str().expect("an id").parse().expect("a session");
    assert_eq!(offers(&bench, ALICE, environment).await["free"], 4);
    let seen = bench.submit(Actor::Worker(session), Command::WorkerSeen { session }).await;
    assert_eq!(seen, Outcome::Done);
    let offered = offers(&bench, ALICE, environment).await;
    assert_eq!((&offered["free"], &offered["any_directory"]), (&json!(3), &json!(false)));
    assert_eq!(ids(&offered["modes"]), ["default", "acceptEdits", "plan", "dontAsk"]);
    let elsewhere = json!({"environment_id": environment, "directory": "/else"});
    let problem = bench.post("/api/v1/sessions", ALICE, elsewhere).await.problem(400, "bad-request");
    assert_eq!(problem["field"], "directory");
    assert!(problem["detail"].as_str().expect("words").contains("/src"), "{problem}");
    bench.get(&format!("/api/v1/environments/{environment}"), MALLORY).await.problem(404, "not-found");
}
