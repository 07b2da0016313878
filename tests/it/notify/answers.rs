//! Answers straight from a notification: once, by whom it was sent to, and only for what was shown whole.

use super::{ALICE, Agent, Answer, Browser, Heard, Server, Service, Value, json, server};

/// Without cookie and key, as the notification's own worker asks.
async fn answer(server: &Server, token: &str, decision: &str) -> Answer {
    let request = reqwest::Client::new().post(format!("{}/api/v1/notifications/answer", server.url));
    let request = request.header("origin", &server.url).json(&json!({"token": token, "decision": decision}));
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, text: response.text().await.expect("text") }
}

fn token(told: &Heard, service: &Service) -> String {
    told.message(service)["token"].as_str().expect("a token").to_owned()
}

/// A phone that was told of a question.
async fn told(command: &str) -> (Server, Service, Browser, Agent, Heard) {
    let server = server();
    let mut service = Service::open().await;
    let phone = Browser::sign_in(&server).await;
    phone.subscribe(&service).await;
    let agent = Agent::begin(&server, "Fix the build").await;
    agent.ask("ask-1", "Bash", json!({ "command": command })).await;
    let told = service.next().await;
    (server, service, phone, agent, told)
}

#[tokio::test]
async fn a_tap_on_the_notification_decides_once_and_as_that_phone() {
    let (server, mut service, phone, agent, told) = told("git push").await;
    let token = token(&told, &service);
    told.answer("201 Created");
    let decided = answer(&server, &token, "allow").await.expect(200);
    assert_eq!((&decided["decision"], &decided["request_id"]), (&json!("allow"), &json!("ask-1")));
    let device = phone.get("/api/v1/me").await.expect(200)["device"]["id"].clone();
    let question = agent.question("ask-1").await;
    assert_eq!(question["decision"]["by"], json!({"type": "device", "id": device}));
    for decision in ["allow", "deny"] {
        let again = answer(&server, &token, decision).await.expect(409);
        assert_eq!(again["type"], "urn:rcs:problem:already-decided");
        assert_eq!((&again["winner"]["verdict"], &again["winner"]["by"]["id"]), (&json!("allow"), &device));
    }
    assert!(service.is_silent().await, "who answered there need not be told there");
}

#[tokio::test]
async fn who_taps_second_hears_of_the_winner_over_a_kill() {
    let (mut server, service, _phone, agent, told) = told("git push").await;
    let token = token(&told, &service);
    told.answer("201 Created");
    agent.decide(ALICE, "ask-1", "deny").await.expect(200);
    server.kill_and_restart();
    let late = answer(&server, &token, "allow").await.expect(409);
    assert_eq!((&late["winner"]["verdict"], &late["winner"]["by"]["type"]), (&json!("deny"), &json!("key")));
}

#[tokio::test]
async fn a_question_that_was_taken_back_is_closed_and_cannot_be_answered() {
    let (server, mut service, _phone, agent, told) = told("ls").await;
    let token = token(&told, &service);
    told.answer("201 Created");
    agent.takes_back("ask-1").await;
    let ended = service.next().await;
    assert_eq!(ended.message(&service)["verdict"], Value::Null);
    ended.answer("201 Created");
    assert_eq!(answer(&server, &token, "allow").await.expect(410)["type"], "urn:rcs:problem:taken-back");
    assert_eq!(agent.question("ask-1").await["state"], "cancelled");
}

#[tokio::test]
async fn what_was_not_shown_whole_can_be_denied_and_not_allowed() {
    let long = format!("echo {}; rm -rf ~", "x".repeat(300));
    let (server, service, _phone, _agent, told) = told(&long).await;
    let message = told.message(&service);
    assert_eq!(message["may_allow"], false);
    assert!(!message["text"].as_str().expect("text").contains("rm -rf"));
    let token = token(&told, &service);
    told.answer("201 Created");
    assert_eq!(answer(&server, &token, "allow").await.expect(403)["type"], "urn:rcs:problem:forbidden");
    answer(&server, &token, "deny").await.expect(200);
}

#[tokio::test]
async fn a_token_that_was_made_up_or_whose_phone_was_put_out_opens_nothing() {
    let (server, service, phone, agent, told) = told("ls").await;
    let token = token(&told, &service);
    told.answer("201 Created");
    let another = if &token[20..21] == "A" { "B" } else { "A" };
    let forged = format!("{}{another}{}", &token[..20], &token[21..]);
    for bad in [forged.as_str(), "rcsq_AAAA", "", ALICE] {
        answer(&server, bad, "allow").await.expect(401);
    }
    assert_eq!(answer(&server, &token, "maybe").await.status, 400);
    phone.send("POST", "/api/v1/logout", Value::Null).await.expect(204);
    answer(&server, &token, "allow").await.expect(401);
    assert_eq!(agent.question("ask-1").await["state"], "open");
}

#[tokio::test]
async fn who_may_only_look_is_told_and_cannot_answer() {
    let server = server();
    let mut service = Service::open().await;
    let alice = crate::harness::Client::new(&server, ALICE);
    let made = alice.post("/api/v1/keys", json!({"name": "wall", "role": "viewer"})).await.expect(201);
    let wall = Browser::sign_in_as(&server, made["secret"].as_str().expect("a secret")).await;
    wall.subscribe(&service).await;
    let hook = json!({"kind": "webhook", "url": service.url("/hook")});
    wall.send("POST", "/api/v1/notifications/targets", hook).await.expect(403);
    let agent = Agent::begin(&server, "Fix the build").await;
    agent.ask("ask-1", "Bash", json!({"command": "ls"})).await;
    let told = service.next().await;
    assert_eq!(told.message(&service)["token"], Value::Null);
    told.answer("201 Created");
}
