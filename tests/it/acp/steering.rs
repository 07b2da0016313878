//! One conversation and many hands on it: viewers, the API, and an agent that has one turn at a time.

use serde_json::{Value, json};

use super::{Agent, Talents, agent, link::Line, viewer::Viewer};
use crate::harness::{ALICE, Client, Server};

/// The session's detail as soon as it says so.
async fn eventually(client: &Client, session: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let started = std::time::Instant::now();
    loop {
        let detail = client.get(&format!("/api/v1/sessions/{session}")).await.expect(200);
        if holds(&detail) {
            return detail;
        }
        assert!(started.elapsed().as_secs() < 20, "{detail:#}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn the_api_steers_an_agent_as_it_steers_any_other() {
    let server = Server::start();
    let one = agent();
    let line = Line::open(&server, ALICE, "lab", &one).await;
    let alice = Client::new(&server, ALICE);
    let session = format!("/api/v1/sessions/{}", line.session);
    let detail = alice.get(&session).await.expect(200);
    assert_eq!((&detail["source"], &detail["title"]), (&json!("acp"), &json!("node")));

    // Nobody looks on, the program does not run, no conversation was begun: the message does all of it.
    let body = json!({"content": "ask git push"});
    let posted = alice.post(&format!("{session}/messages"), body).await.expect(201);
    let asked = eventually(&alice, &line.session, |detail| detail["permissions_open"] == 1).await;
    assert_eq!((&asked["status"], &asked["model"]), (&json!("waiting"), &json!("small")));
    assert_eq!(one.heard("prompt").len(), 1);
    assert_eq!(one.heard("prompt")[0]["payload"], json!({"content": [{"type": "text", "text": "ask git push"}]}));
    let open = alice.get("/api/v1/permissions").await.expect(200);
    let question = &open["items"][0];
    assert_eq!((&question["tool"], &question["subject"]), (&json!("execute"), &json!("git push")));
    let decide = format!("{session}/permissions/{}", question["request_id"].as_str().expect("an id"));
    alice.post(&decide, json!({"decision": "allow"})).await.expect(200);
    alice.post(&decide, json!({"decision": "allow"})).await.expect(200);
    let loser = alice.post(&decide, json!({"decision": "deny"})).await.expect(409);
    assert_eq!(loser["winner"]["verdict"], "allow");
    eventually(&alice, &line.session, |detail| detail["status"] == "idle").await;
    // The option that allows once, although another one that allows stands before it.
    assert_eq!(one.heard("permission_response")[0]["payload"]["outcome"]["optionId"], "opt-b");
    let receipt = format!("{session}/messages/{}", posted["message_id"].as_str().expect("an id"));
    assert_eq!(alice.get(&receipt).await.expect(200)["state"], "consumed");

    alice.post(&format!("{session}/messages"), json!({"content": "ask rm"})).await.expect(201);
    eventually(&alice, &line.session, |detail| detail["permissions_open"] == 1).await;
    alice.post(&format!("{session}/interrupt"), json!({})).await.expect(202);
    eventually(&alice, &line.session, |detail| detail["status"] == "idle" && detail["queued"] == 0).await;
    let answers = one.heard("permission_response");
    assert_eq!(answers[1]["payload"]["outcome"], json!({"outcome": "cancelled"}), "taken back, not refused");
    assert_eq!(one.heard("cancel").len(), 1);

    alice.post(&format!("{session}/model"), json!({"model": "large"})).await.expect(202);
    eventually(&alice, &line.session, |detail| detail["model"] == "large").await;
    assert_eq!(one.heard("set_session_model")[0]["payload"], json!({"modelId": "large"}));
    let from = alice.get(&session).await.expect(200)["latest"].as_u64().expect("a number");
    // The common link has no word for modes, and answers none that it does not know.
    let refused = alice.post(&format!("{session}/mode"), json!({"mode": "plan"})).await.expect(422);
    assert_eq!(refused["type"], "urn:rcs:problem:not-supported");
    assert!(refused["detail"].as_str().expect("words").contains("no word for switching the mode"), "{refused}");
    alice.post(&format!("{session}/thinking"), json!({"max_thinking_tokens": 1000})).await.expect(422);
    let told = alice.history(&line.session, from).await;
    assert!(!told.iter().any(|event| event["kind"] == "control_requested"), "{told:#?}");
    let detail = alice.get(&session).await.expect(200);
    assert_eq!(detail["mode"], "default", "what was asked for is not what is");
}

#[tokio::test]
async fn a_session_that_the_api_begins_reaches_the_agent() {
    let server = Server::start();
    let one = agent();
    let line = Line::open(&server, ALICE, "lab", &one).await;
    let alice = Client::new(&server, ALICE);
    let body = json!({"environment_id": line.environment, "title": "from the phone", "prompt": "echo hi"});
    let session = alice.post("/api/v1/sessions", body).await.expect(201)["id"].as_str().expect("an id").to_owned();
    assert_ne!(session, line.session);
    eventually(&alice, &session, |detail| detail["status"] == "idle" && detail["queued"] == 0).await;
    let said = alice.history(&session, 0).await;
    assert!(
        said.iter().any(|event| event["payload"]["payload"]["update"]["content"]["text"] == "echo hi"),
        "{said:#?}"
    );
    let shown = alice.get(&format!("/api/v1/environments/{}", line.environment)).await.expect(200);
    assert_eq!(shown["work"], json!([]), "nothing waits for a runner that is no runner");
    let archived = alice.post(&format!("/api/v1/sessions/{session}/archive"), json!({})).await.expect(200);
    assert_eq!(archived["already"], false);
}

#[tokio::test]
async fn a_session_begins_in_the_directory_mode_and_model_that_its_agent_offers() {
    let server = Server::start();
    let one = agent();
    let line = Line::open(&server, ALICE, "lab", &one).await;
    let alice = Client::new(&server, ALICE);
    let (_viewer, _) = Viewer::begin(&server, ALICE, &line.environment).await;
    let shown = alice.get(&format!("/api/v1/environments/{}", line.environment)).await.expect(200);
    let offers = &shown["offers"];
    assert_eq!((&offers["spawn"], &offers["any_directory"]), (&json!("shared"), &json!(true)), "{offers:#}");
    assert_eq!(offers["models"], json!([{"id": "small"}, {"id": "large"}]));
    let body = json!({"environment_id": line.environment, "directory": "/srv/shop", "permission_mode": "plan",
        "model": "large", "prompt": "echo there"});
    let session = alice.post("/api/v1/sessions", body).await.expect(201)["id"].as_str().expect("an id").to_owned();
    eventually(&alice, &session, |detail| detail["model"] == "large" && detail["queued"] == 0).await;
    let begun = one.heard("new_session");
    assert_eq!(begun.last().expect("a beginning")["payload"], json!({"cwd": "/srv/shop", "permissionMode": "plan"}));
    assert_eq!(one.heard("set_session_model")[0]["payload"], json!({"modelId": "large"}));
    let shown = alice.get(&format!("/api/v1/environments/{}", line.environment)).await.expect(200);
    assert_eq!((&shown["work"], &shown["offers"]["directories"]), (&json!([]), &json!(["/srv/shop"])));
}

#[tokio::test]
async fn prompts_to_a_busy_agent_wait_their_turn_and_can_be_taken_back() {
    let server = Server::start();
    let one = agent();
    let line = Line::open(&server, ALICE, "lab", &one).await;
    let alice = Client::new(&server, ALICE);
    let (mut a, session_a) = Viewer::begin(&server, ALICE, &line.environment).await;
    a.prompt("hold").await;
    a.hear("session_update").await;
    let mut b = Viewer::connected(&server, ALICE, &line.environment).await;
    b.say("new_session", json!({})).await;
    a.prompt("echo second").await;
    let messages = format!("/api/v1/sessions/{}/messages", line.session);
    let third = alice.post(&messages, json!({"content": "echo third"})).await.expect(201);
    let detail =
        eventually(&alice, &line.session, |detail| detail["queue"].as_array().is_some_and(|q| q.len() >= 2)).await;
    assert!(detail["queue"].as_array().expect("a list").iter().all(|item| item["kind"] == "message"), "{detail:#}");
    let path = format!("{messages}/{}", third["message_id"].as_str().expect("an id"));
    assert_eq!(alice.send("DELETE", &path, None).await.expect(200)["state"], "cancelled");
    assert_eq!((one.heard("prompt").len(), one.heard("new_session").len()), (1, 1), "one thing at a time");

    alice.post(&format!("/api/v1/sessions/{}/interrupt", line.session), json!({})).await.expect(202);
    assert_eq!(a.hear("prompt_complete").await["payload"]["stopReason"], "cancelled");
    let session_b = b.hear("session_created").await["payload"]["sessionId"].as_str().expect("an id").to_owned();
    assert_ne!(session_a, session_b);
    assert_eq!(a.hear("prompt_complete").await["payload"]["stopReason"], "end_turn");
    assert!(a.text().ends_with("echo second"), "{}", a.text());
    b.prompt("echo from b").await;
    b.hear("prompt_complete").await;
    a.settle().await;
    assert!(!a.text().contains("from b") && !b.text().contains("second"));
    let heard: Vec<_> =
        one.heard("prompt").iter().map(|frame| frame["payload"]["content"][0]["text"].clone()).collect();
    assert_eq!(
        heard,
        [json!("hold"), json!("echo second"), json!("echo from b")],
        "each once, none that was taken back"
    );
    // A viewer takes back what it said itself.
    a.prompt("hold").await;
    a.hear("session_update").await;
    b.prompt("echo never").await;
    b.say("cancel", Value::Null).await;
    assert_eq!(b.hear("prompt_complete").await["payload"]["stopReason"], "cancelled");
    a.say("cancel", Value::Null).await;
    a.hear("prompt_complete").await;
    a.settle().await;
    assert!(!one.heard("prompt").iter().any(|frame| frame.to_string().contains("never")));
}

#[tokio::test]
async fn an_option_that_was_not_offered_is_refused_and_the_first_answer_wins() {
    let server = Server::start();
    let one = agent();
    let line = Line::open(&server, ALICE, "lab", &one).await;
    let (mut a, session) = Viewer::begin(&server, ALICE, &line.environment).await;
    a.prompt("ask sudo reboot").await;
    let question = a.hear("permission_request").await;
    // A late joiner gets the history and what is open.
    let mut late = Viewer::connected(&server, ALICE, &line.environment).await;
    late.say("load_session", json!({"sessionId": session})).await;
    late.hear("session_loaded").await;
    assert_eq!(late.hear("permission_request").await, question);
    assert_eq!(late.asked(), ["ask sudo reboot"]);
    let elsewhere = Viewer::begin(&server, ALICE, &line.environment);
    late.answer(&question, "opt-bogus").await;
    assert!(late.hear("error").await.to_string().contains("did not offer"));
    late.answer(&question, "opt-c").await;
    assert_eq!(late.hear("permission_resolved").await["payload"]["outcome"], "denied");
    assert_eq!(a.hear("permission_resolved").await["payload"]["requestId"], question["payload"]["requestId"]);
    a.hear("prompt_complete").await;
    assert_eq!(a.text(), "answered opt-c");
    a.answer(&question, "opt-b").await;
    assert!(a.hear("error").await.to_string().contains("already decided"));
    assert_eq!(one.heard("permission_response").len(), 1);
    // Nobody answers from another conversation.
    let (mut other, _) = elsewhere.await;
    a.prompt("ask again").await;
    let question = a.hear("permission_request").await;
    other.answer(&question, "opt-b").await;
    assert!(other.hear("error").await.to_string().contains("There is no permission request"));
    a.answer(&question, "opt-a").await;
    a.hear("prompt_complete").await;
    assert!(a.text().ends_with("answered opt-a"));
}

#[tokio::test]
async fn a_failed_prompt_ends_its_turn_and_an_agent_that_cannot_come_back_says_so() {
    let server = Server::start();
    let one = Agent::new("node", Talents { load: false, resume: false, steered: false });
    let line = Line::open(&server, ALICE, "lab", &one).await;
    let (mut a, _) = Viewer::begin(&server, ALICE, &line.environment).await;
    a.prompt("fail").await;
    assert_eq!(a.hear("error").await["payload"]["message"], "Prompt failed: the model says no");
    let (mut b, _) = Viewer::begin(&server, ALICE, &line.environment).await;
    b.prompt("echo b").await;
    b.hear("prompt_complete").await;
    a.prompt("echo a").await;
    assert!(a.hear("error").await.to_string().contains("cannot come back"));
    assert_eq!(a.hear("prompt_complete").await["payload"]["stopReason"], "cancelled");
    let alice = Client::new(&server, ALICE);
    eventually(&alice, &line.session, |detail| detail["queued"] == 0 && detail["status"] == "idle").await;
    assert_eq!(one.heard("prompt").len(), 2);
}

#[tokio::test]
async fn a_conversation_in_which_nothing_was_said_is_begun_anew_when_the_agent_forgot_it() {
    let server = Server::start();
    let one = agent();
    let line = Line::open(&server, ALICE, "lab", &one).await;
    let (mut a, first) = Viewer::begin(&server, ALICE, &line.environment).await;
    let (_b, _) = Viewer::begin(&server, ALICE, &line.environment).await;
    a.prompt("echo a").await;
    let again = a.hear("session_created").await;
    assert_ne!(again["payload"]["sessionId"], first.as_str());
    let said = a.hear("session_update").await;
    assert_eq!(said["payload"]["sessionId"], again["payload"]["sessionId"], "under the id that the client was told");
    a.hear("prompt_complete").await;
    assert_eq!((one.heard("resume_session").len(), one.heard("new_session").len()), (1, 3));
}

#[tokio::test]
async fn a_mode_or_model_that_the_agent_does_not_offer_is_refused_with_what_it_offers() {
    let server = Server::start();
    let one = agent();
    let line = Line::open(&server, ALICE, "lab", &one).await;
    let (mut viewer, _) = Viewer::begin(&server, ALICE, &line.environment).await;
    let alice = Client::new(&server, ALICE);
    let shown = alice.get(&format!("/api/v1/sessions/{}", line.session)).await.expect(200);
    assert_eq!((&shown["modes"], &shown["models"]), (&json!(["default", "plan", "yolo"]), &json!(["small", "large"])));
    for (what, offered) in [("mode", "default, plan, yolo"), ("model", "small, large")] {
        let path = format!("/api/v1/sessions/{}/{what}", line.session);
        let refused = alice.post(&path, json!({what: "nonsense"})).await.expect(400);
        assert_eq!(refused["field"], what);
        assert!(refused["detail"].as_str().expect("words").ends_with(&format!("it offers {offered}")), "{refused}");
        viewer.say(&format!("set_session_{what}"), json!({format!("{what}Id"): "nonsense"})).await;
        let words = viewer.hear("error").await["payload"]["message"].to_string();
        assert!(words.contains(offered), "{words}");
    }
    viewer.say("set_session_mode", json!({"modeId": "plan"})).await;
    assert!(viewer.hear("error").await.to_string().contains("no word for switching the mode"));
    viewer.settle().await;
    assert_eq!((one.heard("set_session_model").len(), one.heard("set_session_mode").len()), (0, 0));
}

#[tokio::test]
async fn a_link_that_has_the_words_switches_the_mode_and_the_model_in_the_middle_of_a_turn() {
    let server = Server::start();
    let one = Agent::new("node", Talents { load: true, resume: true, steered: true });
    let line = Line::open(&server, ALICE, "lab", &one).await;
    let (mut viewer, _) = Viewer::begin(&server, ALICE, &line.environment).await;
    let alice = Client::new(&server, ALICE);
    let session = format!("/api/v1/sessions/{}", line.session);
    viewer.prompt("hold").await;
    viewer.hear("session_update").await;
    alice.post(&format!("{session}/mode"), json!({"mode": "plan"})).await.expect(202);
    assert_eq!(viewer.hear("mode_changed").await["payload"], json!({"modeId": "plan"}));
    eventually(&alice, &line.session, |detail| detail["mode"] == "plan").await;
    // Its models are an option of its configuration.
    viewer.say("set_session_model", json!({"modelId": "tiny"})).await;
    viewer.hear("config_option_changed").await;
    assert_eq!(one.heard("set_config_option")[0]["payload"], json!({"configId": "model", "value": "tiny"}));
    eventually(&alice, &line.session, |detail| detail["model"] == "tiny").await;
    // A mode in which nothing is asked answers every question: that is an admin's.
    viewer.say("set_session_mode", json!({"modeId": "yolo"})).await;
    assert!(viewer.hear("error").await.to_string().contains("AdminAll"));
    alice.post(&format!("{session}/mode"), json!({"mode": "yolo"})).await.expect(403);
    let admin = Client::new(&server, &server.admin_key());
    admin.post(&format!("{session}/mode"), json!({"mode": "yolo"})).await.expect(202);
    assert_eq!(viewer.hear("mode_changed").await["payload"], json!({"modeId": "yolo"}));
    viewer.say("cancel", Value::Null).await;
    assert_eq!(viewer.hear("prompt_complete").await["payload"]["stopReason"], "cancelled");
}

#[tokio::test]
async fn a_mode_that_was_asked_for_before_the_conversation_began_goes_along_with_its_beginning() {
    let server = Server::start();
    let one = agent();
    let line = Line::open(&server, ALICE, "lab", &one).await;
    let alice = Client::new(&server, ALICE);
    let session = format!("/api/v1/sessions/{}", line.session);
    alice.post(&format!("{session}/mode"), json!({"mode": "nonsense"})).await.expect(400);
    alice.post(&format!("{session}/mode"), json!({"mode": "plan"})).await.expect(202);
    eventually(&alice, &line.session, |detail| detail["queued"] == 0).await;
    assert_eq!(one.heard("new_session")[0]["payload"], json!({"permissionMode": "plan"}));
    // This agent begins in its own mode all the same, and that is what is said.
    assert_eq!(alice.get(&session).await.expect(200)["mode"], "default");
    let told = alice.history(&line.session, 0).await;
    let answered = told.iter().find(|event| event["kind"] == "control_answered").expect("answered");
    assert_eq!(answered["data"]["ok"], false);
}

#[tokio::test]
async fn an_agent_returns_to_a_conversation_in_the_directory_that_it_was_begun_in() {
    let server = Server::start();
    let one = agent();
    let line = Line::open(&server, ALICE, "lab", &one).await;
    let alice = Client::new(&server, ALICE);
    let body = json!({"environment_id": line.environment, "directory": "/srv/app"});
    let made = alice.post("/api/v1/sessions", body).await.expect(201);
    let made = made["id"].as_str().expect("an id");
    let say = |words: &'static str| {
        let (alice, path) = (&alice, format!("/api/v1/sessions/{made}/messages"));
        async move { alice.post(&path, json!({"content": words})).await.expect(201) }
    };
    say("echo here").await;
    eventually(&alice, made, |detail| detail["queued"] == 0 && detail["status"] == "idle").await;
    let (mut b, _) = Viewer::begin(&server, ALICE, &line.environment).await;
    b.prompt("echo elsewhere").await;
    b.hear("prompt_complete").await;
    say("echo back").await;
    eventually(&alice, made, |_| one.heard("prompt").len() == 3).await;
    assert_eq!(one.heard("new_session")[0]["payload"]["cwd"], "/srv/app");
    let returned = one.heard("resume_session");
    assert_eq!(returned.last().expect("returned")["payload"]["cwd"], "/srv/app", "or it is another conversation");
}

#[tokio::test]
async fn whoever_comes_later_is_told_the_mode_and_the_model_that_are_in_force() {
    let mut server = Server::start();
    let one = agent();
    let line = Line::open(&server, ALICE, "lab", &one).await;
    let (mut a, session) = Viewer::begin(&server, ALICE, &line.environment).await;
    a.prompt("echo a").await;
    a.hear("prompt_complete").await;
    // By its own means, which no link has a word for: a tool of its own, or a choice with a permission.
    let update = json!({"sessionUpdate": "current_mode_update", "currentModeId": "plan"});
    one.say(json!({"type": "session_update", "payload": {"sessionId": session, "update": update}}));
    a.hear("session_update").await;
    a.say("set_session_model", json!({"modelId": "large"})).await;
    a.hear("model_changed").await;
    let alice = Client::new(&server, ALICE);
    let switched = |detail: &Value| detail["mode"] == "plan" && detail["model"] == "large";
    eventually(&alice, &line.session, switched).await;
    server.kill_and_restart();
    let alice = Client::new(&server, ALICE);
    eventually(&alice, &line.session, switched).await;
    let back = Line::open(&server, ALICE, "lab", &one).await;
    assert_eq!(back.environment, line.environment);
    for kind in ["load", "resume"] {
        let mut late = Viewer::connected(&server, ALICE, &back.environment).await;
        late.say(&format!("{kind}_session"), json!({"sessionId": session})).await;
        let there = late.hear(&format!("session_{}", if kind == "load" { "loaded" } else { "resumed" })).await;
        assert_eq!(there["payload"]["models"]["currentModelId"], "small", "the agent's words stay as they came");
        assert_eq!(there["payload"]["configOptions"], Value::Null, "they name a model that is not in force");
        assert_eq!(late.hear("session_update").await["payload"]["update"], update);
        assert_eq!(late.hear("model_changed").await["payload"], json!({"modelId": "large"}));
    }
}
