//! Webhooks and topics of ntfy servers: what they are sent, and that nothing of their addresses is seen again.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::hmac;

use super::{ALICE, Agent, Server, Service, Value, json};
use crate::harness::{Client, rcsctl, text};

fn with(more: &[(&str, &str)]) -> Server {
    let environment = [&[("RCS_WEBHOOK_PRIVATE_TARGETS", "loopback")], more].concat();
    Server::start_with(&environment)
}

#[tokio::test]
async fn a_webhook_hears_what_is_asked_signed_and_under_one_id() {
    let server = with(&[]);
    let mut service = Service::open().await;
    let alice = Client::new(&server, ALICE);
    let wish = json!({"kind": "webhook", "url": service.url("/hook?x=1"), "name": "pager"});
    let made = alice.post("/api/v1/notifications/targets", wish.clone()).await.expect(201);
    let secret = made["secret"].as_str().expect("a secret").to_owned();
    let again = alice.post("/api/v1/notifications/targets", wish).await.expect(200);
    assert_eq!((&again["target"]["id"], again.get("secret")), (&made["target"]["id"], None));

    let agent = Agent::begin(&server, "Fix the build").await;
    agent.ask("ask-1", "Bash", json!({"command": "git push"})).await;
    let first = service.next().await;
    let id = first.header("webhook-id").to_owned();
    assert_eq!((first.path(), first.header("idempotency-key")), ("/hook?x=1", id.as_str()));
    let signed = [format!("{id}.{}.", first.header("webhook-timestamp")).as_bytes(), &first.body].concat();
    let key = STANDARD.decode(secret.strip_prefix("whsec_").expect("a prefix")).expect("base64");
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &signed);
    assert_eq!(first.header("webhook-signature"), format!("v1,{}", STANDARD.encode(tag)));
    let body = first.json();
    assert_eq!(
        (&body["kind"], &body["tool"], &body["text"]),
        (&json!("permission"), &json!("Bash"), &json!("git push"))
    );
    assert_eq!((&body["session_title"], &body["request_id"]), (&json!("Fix the build"), &json!("ask-1")));
    assert_eq!(body["link"], format!("{}/code/{}", server.url, agent.session));
    assert!(!String::from_utf8_lossy(&first.body).contains("rcsq_"), "it is told, and cannot answer");
    first.answer("500 Internal Server Error");
    let repeated = service.next().await;
    assert_eq!(repeated.header("webhook-id"), id);
    repeated.answer("204 No Content");
    agent.decide(ALICE, "ask-1", "allow").await.expect(200);
    let ended = service.next().await;
    let body = ended.json();
    assert_eq!(
        (&body["kind"], &body["verdict"], &body["decided_by"]["type"]),
        (&json!("settled"), &json!("allow"), &json!("key"))
    );
    assert_ne!(ended.header("webhook-id"), id);
    ended.answer("204 No Content");
}

#[tokio::test]
async fn a_topic_from_the_configuration_is_told_and_can_answer_if_it_says_so() {
    let mut service = Service::open().await;
    let url = format!("http+ntfy://tk_secret@{}/hush-hush#answers", service.address);
    let mut server = with(&[("RCS_NOTIFY_URLS", &url)]);
    let agent = Agent::begin(&server, "Fix the build").await;
    agent.ask("ask-1", "Bash", json!({"command": "git push"})).await;
    let told = service.next().await;
    assert_eq!((told.path(), told.header("authorization")), ("/", "Bearer tk_secret"));
    let body = told.json();
    assert_eq!((&body["topic"], &body["priority"]), (&json!("hush-hush"), &json!(4)));
    assert_eq!((&body["title"], &body["message"]), (&json!("Bash? Fix the build"), &json!("git push")));
    let actions = body["actions"].as_array().expect("actions");
    let labels: Vec<&str> = actions.iter().filter_map(|action| action["label"].as_str()).collect();
    assert_eq!(labels, ["Open", "Allow", "Deny"]);
    told.answer("200 OK");
    // As the ntfy app does it.
    let deny = &actions[2];
    let url = deny["url"].as_str().expect("a URL").replace("localhost", "127.0.0.1");
    let request = reqwest::Client::new().post(url).header("content-type", "application/json");
    let answer = request.body(deny["body"].as_str().expect("a body").to_owned()).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!(agent.question("ask-1").await["decision"]["by"]["type"], "key");
    let ended = service.next().await;
    assert_eq!(ended.json()["sequence_id"], body["sequence_id"], "it replaces the first");
    assert!(!ended.has("webhook-id"));
    ended.answer("200 OK");

    // The same configuration is the same target; without it there is none.
    let admin = Client::new(&server, &server.admin_key());
    let before = admin.get("/api/v1/notifications/targets").await.expect(200)["items"].clone();
    assert_eq!((&before[0]["configured"], &before[0]["kind"]), (&json!(true), &json!("ntfy")));
    let path = format!("/api/v1/notifications/targets/{}", before[0]["id"].as_str().expect("an id"));
    admin.send("DELETE", &path, None).await.expect(409);
    server.kill_and_restart();
    let admin = Client::new(&server, &server.admin_key());
    assert_eq!(admin.get("/api/v1/notifications/targets").await.expect(200)["items"][0]["id"], before[0]["id"]);
    server.set("RCS_NOTIFY_URLS", "");
    server.kill_and_restart();
    let admin = Client::new(&server, &server.admin_key());
    assert_eq!(admin.get("/api/v1/notifications/targets").await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn the_end_of_a_turn_is_told_to_those_who_want_to_hear_it() {
    let server = with(&[]);
    let (mut eager, mut calm) = (Service::open().await, Service::open().await);
    let alice = Client::new(&server, ALICE);
    let wish = |service: &Service, turns| json!({"kind": "webhook", "url": service.url("/"), "turns": turns});
    alice.post("/api/v1/notifications/targets", wish(&eager, true)).await.expect(201);
    alice.post("/api/v1/notifications/targets", wish(&calm, false)).await.expect(201);
    let agent = Agent::begin(&server, "Fix the build").await;
    agent.report("running").await;
    agent.report("idle").await;
    let told = eager.next().await;
    assert_eq!((&told.json()["kind"], &told.json()["session_title"]), (&json!("turn"), &json!("Fix the build")));
    told.answer("204 No Content");
    assert!(calm.is_silent().await && eager.is_silent().await);
}

#[tokio::test]
async fn rcsctl_adds_tries_lists_and_removes_and_addresses_are_seen_nowhere() {
    let mut server = with(&[]);
    let mut service = Service::open().await;
    let url = server.url.clone();
    let at = Some((url.as_str(), ALICE));
    let hook = service.url("/hush-hook");
    let adding = tokio::task::spawn_blocking({
        let (url, hook) = (server.url.clone(), hook.clone());
        move || rcsctl(&["notify", "add", "webhook", &hook, "--name", "pager"], Some((&url, ALICE)))
    });
    let (code, secret, complaint) = adding.await.expect("ran");
    assert_eq!(code, Some(0), "{complaint}");
    assert!(secret.starts_with("whsec_"), "{secret}");
    let topic = format!("http+ntfy://{}/hush-topic", service.address);
    let (code, _, complaint) = rcsctl(&["notify", "add", "ntfy", &topic, "--token", "tk_hush", "--answers"], at);
    assert_eq!(code, Some(0), "{complaint}");
    let (_, listed, _) = rcsctl(&["notify", "list"], at);
    assert!(listed.contains("pager") && listed.contains("ntfy") && !listed.contains("hush"), "{listed}");
    let (_, listed, _) = rcsctl(&["notify", "list", "--json"], at);
    let lines: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let id = lines[0]["id"].as_str().expect("an id").to_owned();
    let trying = tokio::task::spawn_blocking({
        let (url, id) = (server.url.clone(), id.clone());
        move || rcsctl(&["notify", "test", &id], Some((&url, ALICE)))
    });
    let heard = service.next().await;
    assert_eq!((heard.path(), &heard.json()["kind"]), ("/hush-hook", &json!("test")));
    heard.answer("503 Service Unavailable");
    let (code, _, complaint) = trying.await.expect("ran");
    assert!(code != Some(0) && complaint.contains("503"), "{complaint}");
    let (code, _, complaint) = rcsctl(&["notify", "remove", &id], at);
    assert_eq!(code, Some(0), "{complaint}");

    let admin = Client::new(&server, &server.admin_key());
    let audit = admin.get("/api/v1/audit?limit=1000").await.expect(200).to_string();
    assert!(audit.contains("target_added") && !audit.contains("hush") && !audit.contains("sealed"), "{audit}");
    assert!(server.stop().success());
    let (code, exported, complaint) = rcsctl(&["audit", "export", "--file", text(&server.journal())], None);
    assert_eq!(code, Some(0), "{complaint}");
    for hidden in ["hush", "sealed", "fingerprint"] {
        assert!(exported.contains("target_added") && !exported.contains(hidden), "{hidden}");
    }
    let journal = std::fs::read(server.journal()).expect("a journal");
    for secret in [&b"hush"[..], secret.trim().as_bytes()] {
        assert!(!journal.windows(secret.len()).any(|part| part == secret), "an address lies in the journal");
    }
}
