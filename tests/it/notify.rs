//! Being told that an agent waits, over real sockets: a push service that decrypts what it is sent, kills in between,
//! and answers straight from there.

use serde_json::{Value, json};

use crate::{
    harness::{ALICE, Answer, Client, MALLORY, Server},
    notify::{
        agent::Agent,
        browser::{Browser, look},
        service::{Heard, Service},
    },
};

mod agent;
mod answers;
mod browser;
mod outgoing;
mod service;

/// Longer than anything takes; a test that waits so long has failed.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

fn server() -> Server {
    Server::start_with(&[("RCS_WEBHOOK_PRIVATE_TARGETS", "loopback"), ("RCS_PUSH_CONTACT", "mailto:op@rcs.example")])
}

#[tokio::test]
async fn a_question_is_pushed_once_and_replaced_when_it_was_answered_elsewhere() {
    let server = server();
    let mut service = Service::open().await;
    let phone = Browser::sign_in(&server).await;
    phone.subscribe(&service).await;
    let agent = Agent::begin(&server, "Fix the build").await;
    agent.ask("ask-1", "Bash", json!({"command": "git push", "description": "publish"})).await;

    let told = service.next().await;
    assert_eq!(told.header("content-encoding"), "aes128gcm");
    assert_eq!((told.header("urgency"), told.header("ttl")), ("high", "43200"));
    let vapid = phone.get("/api/v1/notifications/vapid").await.expect(200);
    told.is_signed_for(&service, vapid["public_key"].as_str().expect("a key"), "mailto:op@rcs.example");
    let message = told.message(&service);
    for (name, expected) in [
        ("kind", json!("permission")),
        ("session_title", json!("Fix the build")),
        ("tool", json!("Bash")),
        ("text", json!("git push")),
        ("may_allow", json!(true)),
        ("path", json!(format!("/code/{}", agent.session))),
        ("waiting", json!(1)),
    ] {
        assert_eq!(message[name], expected, "{name}");
    }
    let topic = told.header("topic").to_owned();
    told.answer("201 Created");

    agent.ask("ask-2", "Bash", json!({"command": "ls"})).await;
    let second = service.next().await;
    assert_ne!(second.header("topic"), topic);
    assert_eq!(second.message(&service)["waiting"], 2);
    second.answer("201 Created");

    // At the laptop, by somebody with the key.
    agent.decide(ALICE, "ask-1", "deny").await.expect(200);
    let ended = service.next().await;
    assert_eq!(ended.header("topic"), topic, "it replaces what is not fetched yet");
    let end = ended.message(&service);
    assert_eq!((&end["kind"], &end["tag"], &end["verdict"]), (&json!("settled"), &message["tag"], &json!("deny")));
    assert_eq!((&end["waiting"], &end["token"]), (&json!(1), &Value::Null));
    ended.answer("201 Created");
    assert!(service.is_silent().await, "one of each and no more");
}

#[tokio::test]
async fn nobody_is_told_who_looks_and_they_are_when_they_leave() {
    let server = server();
    let mut service = Service::open().await;
    let phone = Browser::sign_in(&server).await;
    phone.subscribe(&service).await;
    let laptop = Browser::sign_in(&server).await;
    // A program that follows looks at nothing, nor does a page in the background.
    let background = look(&laptop, "/api/v1/overview").await;
    let page = look(&laptop, "/api/v1/overview?looking=true").await;
    let agent = Agent::begin(&server, "Fix the build").await;
    agent.ask("ask-1", "Bash", json!({"command": "ls"})).await;
    assert!(service.is_silent().await);
    // What is answered while they look was never told.
    agent.ask("ask-2", "Bash", json!({"command": "pwd"})).await;
    agent.decide(ALICE, "ask-2", "allow").await.expect(200);
    drop(page);
    let told = service.next().await;
    assert_eq!(told.message(&service)["text"], "ls");
    told.answer("201 Created");
    assert!(service.is_silent().await);
    drop(background);
}

#[tokio::test]
async fn who_looks_at_one_session_is_told_of_the_others() {
    let server = server();
    let mut service = Service::open().await;
    let phone = Browser::sign_in(&server).await;
    phone.subscribe(&service).await;
    let (here, there) = (Agent::begin(&server, "here").await, Agent::begin(&server, "there").await);
    let page = look(&phone, &format!("/api/v1/sessions/{}/events?stream=sse&looking=true", here.session)).await;
    here.ask("ask-1", "Bash", json!({"command": "ls"})).await;
    there.ask("ask-1", "Bash", json!({"command": "pwd"})).await;
    let told = service.next().await;
    assert_eq!(told.message(&service)["session_title"], "there");
    told.answer("201 Created");
    assert!(service.is_silent().await);
    drop(page);
}

#[tokio::test]
async fn what_a_rule_or_a_quick_hand_answers_is_told_to_nobody() {
    let server = server();
    let mut service = Service::open().await;
    Browser::sign_in(&server).await.subscribe(&service).await;
    let agent = Agent::begin(&server, "Fix the build").await;
    agent.ask("ask-1", "Bash", json!({"command": "ls"})).await;
    agent.decide(ALICE, "ask-1", "allow").await.expect(200);
    assert!(service.is_silent().await);
}

#[tokio::test]
async fn a_kill_between_question_and_push_tells_it_once_after_the_restart() {
    let mut server = server();
    let mut service = Service::open().await;
    let phone = Browser::sign_in(&server).await;
    phone.subscribe(&service).await;
    let agent = Agent::begin(&server, "Fix the build").await;
    agent.ask("ask-1", "Bash", json!({"command": "ls"})).await;
    // Within the grace: nothing was sent yet.
    server.kill();
    assert!(service.is_silent().await);
    server.launch();
    let told = service.next().await;
    assert_eq!(told.message(&service)["text"], "ls");
    told.answer("201 Created");
    phone.until_told(&server).await;

    server.kill_and_restart();
    assert!(service.is_silent().await, "what was told is not told again");
    // Nor is it forgotten that it was: its end is told.
    let agent = agent.at(&server);
    server.kill_and_restart();
    agent.decide(ALICE, "ask-1", "allow").await.expect(200);
    let ended = service.next().await;
    assert_eq!(ended.message(&service)["kind"], "settled");
    ended.answer("201 Created");
}

#[tokio::test]
async fn a_push_service_that_is_busy_is_asked_again_and_one_that_says_gone_never() {
    let server = server();
    let mut service = Service::open().await;
    let phone = Browser::sign_in(&server).await;
    phone.subscribe(&service).await;
    let agent = Agent::begin(&server, "Fix the build").await;
    agent.ask("ask-1", "Bash", json!({"command": "ls"})).await;
    let first = service.next().await;
    let tag = first.message(&service)["tag"].clone();
    first.answer("429 Too Many Requests\r\nretry-after: 1");
    let again = service.next().await;
    assert_eq!(again.message(&service)["tag"], tag);
    let failing = phone.targets().await;
    assert_eq!(failing[0]["failing"], "status 429");
    again.answer("410 Gone");
    phone.until(<[Value]>::is_empty).await;
    agent.ask("ask-2", "Bash", json!({"command": "pwd"})).await;
    assert!(service.is_silent().await);
}

#[tokio::test]
async fn others_and_those_who_were_put_out_are_told_nothing() {
    let server = server();
    let (mut hers, mut mine) = (Service::open().await, Service::open().await);
    let mallory = Browser::sign_in_as(&server, MALLORY).await;
    mallory.subscribe(&hers).await;
    let phone = Browser::sign_in(&server).await;
    phone.subscribe(&mine).await;
    let agent = Agent::begin(&server, "Fix the build").await;
    agent.ask("ask-1", "Bash", json!({"command": "ls"})).await;
    mine.next().await.answer("201 Created");
    assert!(hers.is_silent().await);
    // Her list is hers.
    let target = phone.targets().await[0]["id"].as_str().expect("an id").to_owned();
    let path = format!("/api/v1/notifications/targets/{target}");
    mallory.send("DELETE", &path, Value::Null).await.expect(404);
    mallory.send("POST", &format!("{path}/test"), Value::Null).await.expect(404);
    phone.send("POST", "/api/v1/logout", Value::Null).await.expect(204);
    agent.ask("ask-2", "Bash", json!({"command": "pwd"})).await;
    assert!(mine.is_silent().await);
    let left = Client::new(&server, ALICE).get("/api/v1/notifications/targets").await.expect(200);
    assert_eq!(left["items"], json!([]));
}
