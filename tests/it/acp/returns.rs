//! Cuts and returns: the link comes back under a new id, the server comes back after its death, the program does not.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::{Agent, Talents, agent, link::Line, viewer::Viewer};
use crate::harness::{ALICE, Client, Server, Sse};

/// Waits until it is recorded that an agent is away: the socket's end is seen at once.
async fn offline(server: &Server, environment: &str) {
    let alice = Client::new(server, ALICE);
    for _ in 0..500 {
        let found = alice.get(&format!("/api/v1/environments/{environment}")).await.expect(200);
        if found["status"] == "offline" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{environment} is still there");
}

#[tokio::test]
async fn twenty_cuts_leave_one_agent_and_no_ghosts() {
    let server = Server::start();
    let one = agent();
    let alice = Client::new(&server, ALICE);
    let mut line = Line::open(&server, ALICE, "lab", &one).await;
    let (environment, session) = (line.environment.clone(), line.session.clone());
    for _ in 0..20 {
        line.cut(&one).await;
        offline(&server, &environment).await;
        line = Line::open(&server, ALICE, "lab", &one).await;
        assert_eq!((&line.environment, &line.session), (&environment, &session));
    }
    let listed = alice.get("/acp/agents").await.expect(200);
    assert_eq!(listed.as_array().expect("a list").len(), 1, "{listed:#}");
    for path in ["/api/v1/environments", "/api/v1/sessions?archived=any"] {
        let kept = alice.get(path).await.expect(200);
        assert_eq!(kept["items"].as_array().expect("a list").len(), 1, "{kept:#}");
    }
}

#[tokio::test]
async fn a_bookmark_of_any_earlier_id_leads_to_the_agent() {
    let server = Server::start();
    let one = agent();
    let line = Line::open(&server, ALICE, "lab", &one).await;
    let (environment, session) = (line.environment.clone(), line.session.clone());
    let (mut viewer, foreign) = Viewer::begin(&server, ALICE, &environment).await;
    line.cut(&one).await;
    assert_eq!(viewer.hear("status").await["payload"]["connected"], false, "viewers are told");
    offline(&server, &environment).await;
    let back = Line::open(&server, ALICE, "lab", &one).await;
    assert_eq!((&back.environment, &back.session), (&environment, &session));
    assert_eq!(viewer.hear("status").await["payload"]["connected"], true);
    // The relay socket that was open goes on, and so does the conversation in it.
    viewer.prompt("echo after").await;
    viewer.hear("prompt_complete").await;
    assert_eq!(viewer.text(), "echo after");
    assert_eq!(one.heard("new_session").len(), 1);
    let mut bookmark = Viewer::connected(&server, ALICE, &environment).await;
    bookmark.say("load_session", json!({"sessionId": foreign})).await;
    bookmark.hear("session_loaded").await;
    assert_eq!((bookmark.asked(), bookmark.text().as_str()), (vec!["echo after"], "echo after"));
    // A client that keeps its id comes back under it.
    back.cut(&one).await;
    offline(&server, &environment).await;
    let (identified, _task) = Line::identify(&server, ALICE, &environment, &one).await;
    assert_eq!(identified["agent_id"], environment.as_str());
    viewer.hear("status").await;
    viewer.prompt("echo again").await;
    viewer.hear("prompt_complete").await;
}

#[tokio::test]
async fn when_two_are_away_nobody_guesses_which_one_came_back() {
    let server = Server::start();
    let (one, two) = (agent(), agent());
    let first = Line::open(&server, ALICE, "lab", &one).await;
    let second = Line::open(&server, ALICE, "lab", &two).await;
    let known = [first.environment.clone(), second.environment.clone()];
    first.cut(&one).await;
    second.cut(&two).await;
    for environment in &known {
        offline(&server, environment).await;
    }
    let back = Line::open(&server, ALICE, "lab", &one).await;
    assert!(!known.contains(&back.environment));
    // One of another name, another group or another key is somebody else in any case.
    let other = Agent::new("gemini", Talents { load: true, resume: true, steered: false });
    let third = Line::open(&server, ALICE, "lab", &other).await;
    third.cut(&other).await;
    let elsewhere = Line::open(&server, ALICE, "another", &other).await;
    let listed = Client::new(&server, ALICE).get("/acp/agents").await.expect(200);
    assert_eq!(listed.as_array().expect("a list").len(), 5, "{listed:#}");
    drop((back, elsewhere));
}

#[tokio::test]
async fn a_server_killed_in_the_middle_of_a_turn_neither_loses_the_question_nor_asks_twice() {
    let mut server = Server::start();
    let one = agent();
    let line = Line::open(&server, ALICE, "lab", &one).await;
    let (mut viewer, foreign) = Viewer::begin(&server, ALICE, &line.environment).await;
    viewer.prompt("ask deploy").await;
    let question = viewer.hear("permission_request").await;
    viewer.prompt("echo queued").await;
    viewer.settle().await;
    server.kill_and_restart();
    let environment = line.environment.clone();
    line.cut(&one).await;
    // Decided while the agent is away.
    let alice = Client::new(&server, ALICE);
    let open = alice.get("/api/v1/permissions").await.expect(200);
    assert_eq!(open["items"][0]["request_id"], question["payload"]["requestId"]);
    let session = open["items"][0]["session_id"].as_str().expect("an id").to_owned();
    let request = question["payload"]["requestId"].as_str().expect("an id");
    let decide = format!("/api/v1/sessions/{session}/permissions/{request}");
    alice.post(&decide, json!({"decision": "allow"})).await.expect(200);
    let back = Line::open(&server, ALICE, "lab", &one).await;
    assert_eq!(back.environment, environment);
    let mut again = Viewer::connected(&server, ALICE, &environment).await;
    again.say("load_session", json!({"sessionId": foreign})).await;
    again.hear("session_loaded").await;
    while !again.text().contains("echo queued") {
        again.next().await.expect("open");
    }
    assert_eq!(one.heard("permission_response").len(), 1);
    assert_eq!(one.heard("prompt").len(), 2, "no prompt is written twice");
    assert_eq!(again.text(), "answered opt-becho queued");
    assert_eq!(again.asked(), ["ask deploy", "echo queued"]);
}

#[tokio::test]
async fn a_program_that_died_is_started_again_and_its_conversation_loaded() {
    let server = Server::start();
    let one = agent();
    let line = Line::open(&server, ALICE, "lab", &one).await;
    let (mut viewer, foreign) = Viewer::begin(&server, ALICE, &line.environment).await;
    viewer.prompt("hold").await;
    viewer.hear("session_update").await;
    one.die();
    assert!(viewer.hear("error").await.to_string().contains("program ended"), "an honest word");
    viewer.prompt("echo back").await;
    viewer.hear("prompt_complete").await;
    assert!(viewer.text().ends_with("echo back"), "{}", viewer.text());
    assert_eq!(one.heard("resume_session").last().expect("asked")["payload"]["sessionId"], foreign.as_str());
    assert_eq!(one.heard("connect").len(), 2);
    // One that can only load tells its history again, and nobody hears it twice.
    let other = Agent::new("loads", Talents { load: true, resume: false, steered: false });
    let line = Line::open(&server, ALICE, "lab", &other).await;
    let (mut viewer, _) = Viewer::begin(&server, ALICE, &line.environment).await;
    viewer.prompt("echo once").await;
    viewer.hear("prompt_complete").await;
    other.die();
    assert_eq!(viewer.hear("status").await["payload"]["connected"], false);
    viewer.prompt("echo twice").await;
    viewer.hear("prompt_complete").await;
    assert_eq!(viewer.text(), "echo onceecho twice");
    assert_eq!(other.heard("load_session").len(), 1);
}

#[tokio::test]
async fn a_line_that_broke_without_a_word_is_found_out_when_its_agent_comes_back() {
    let server = Server::start();
    let one = agent();
    let line = Line::open(&server, ALICE, "lab", &one).await;
    // Held open and deaf: what a cut network looks like from here.
    let mut deaf = super::link::dial(&server, "/acp/ws", ALICE).await;
    let environment = line.environment.clone();
    let hello = json!({"type": "identify", "agent_id": environment}).to_string();
    deaf.send(Message::text(hello)).await.expect("sent");
    let Some(Ok(Message::Text(text))) = deaf.next().await else { panic!("no answer") };
    assert!(text.contains("identified"), "{text}");
    line.cut(&one).await;
    let back = Line::open(&server, ALICE, "lab", &one).await;
    assert_eq!(back.environment, environment);
    let listed: Value = Client::new(&server, ALICE).get("/acp/agents").await.expect(200);
    assert_eq!(listed.as_array().expect("a list").len(), 1);
}

#[tokio::test]
async fn what_was_said_while_the_line_was_down_is_told_again_and_nothing_is_told_twice() {
    let mut server = Server::start();
    let one = agent();
    let line = Line::open(&server, ALICE, "lab", &one).await;
    let environment = line.environment.clone();
    let (mut viewer, foreign) = Viewer::begin(&server, ALICE, &environment).await;
    viewer.prompt("echo before").await;
    viewer.hear("prompt_complete").await;
    viewer.prompt("count 200").await;
    while !viewer.text().contains("5 ") {
        viewer.next().await.expect("open");
    }
    server.kill();
    line.cut(&one).await;
    one.said("15 ").await;
    server.launch();
    let back = Line::open(&server, ALICE, "lab", &one).await;
    let mut there = Viewer::connected(&server, ALICE, &environment).await;
    there.say("resume_session", json!({"sessionId": foreign})).await;
    there.hear("prompt_complete").await;
    assert!(there.hear("error").await.to_string().contains("Load the conversation again"), "those who were there");
    let whole = (0..200).map(|number| number.to_string()).collect::<Vec<_>>().join(" ") + " ";
    there.settle().await;
    let after: Vec<_> = there.text().split_whitespace().map(|word| word.parse::<u32>().expect("a number")).collect();
    assert!(after.is_sorted_by(|one, next| one < next), "nobody is told a word twice: {after:?}");
    assert_eq!(after.last(), Some(&199), "{after:?}");
    let mut late = Viewer::connected(&server, ALICE, &environment).await;
    late.say("load_session", json!({"sessionId": foreign})).await;
    late.hear("session_loaded").await;
    assert_eq!(late.text(), format!("echo before{whole}"), "whoever comes later hears it once and whole");
    assert_eq!(late.asked(), ["echo before", "count 200"]);
    assert_eq!(one.heard("prompt").len(), 2);
    // A cut in which nothing was said leaves nothing to tell.
    late.prompt("hold").await;
    late.hear("session_update").await;
    back.cut(&one).await;
    offline(&server, &environment).await;
    let _again = Line::open(&server, ALICE, "lab", &one).await;
    late.say("cancel", Value::Null).await;
    late.hear("prompt_complete").await;
    late.prompt("echo after").await;
    late.hear("prompt_complete").await;
    assert!(late.text().ends_with("holdingecho after"), "{}", late.text());
    // Nor is a reader of the group told the last word of that turn twice.
    let alice = Client::new(&server, ALICE);
    let mut events = Sse::open(&alice, "/acp/channel-groups/lab/events?from_sequence_num=1").await.expect("open");
    let mut told = String::new();
    while !told.contains("echo after") {
        told += &events.next().await.expect("an event").data;
    }
    assert_eq!(told.matches(r#""text":"59 ""#).count(), 1);
}

#[tokio::test]
async fn a_client_that_knows_cursors_goes_on_where_it_was_and_is_refused_where_nobody_was() {
    let mut server = Server::start();
    let one = agent();
    let line = Line::open(&server, ALICE, "lab", &one).await;
    let path = format!("{}?resumable=1", line.environment);
    let (mut viewer, foreign) = Viewer::begin(&server, ALICE, &path).await;
    viewer.prompt("count 5").await;
    let piece = viewer.hear("session_update").await;
    let cursor = piece["_meta"]["acp/cursor"].as_str().expect("a cursor").to_owned();
    viewer.hear("prompt_complete").await;
    let rest: Vec<Value> = viewer.frames.iter().skip_while(|frame| **frame != piece).skip(1).cloned().collect();
    server.kill_and_restart();
    line.cut(&one).await;
    let _back = Line::open(&server, ALICE, "lab", &one).await;
    let mut again = Viewer::open(&server, ALICE, &path).await;
    again.say("stream/resume", json!({"sessionId": foreign, "cursor": cursor})).await;
    again.hear("session_resumed").await;
    again.hear("prompt_complete").await;
    assert_eq!(again.frames[1..], rest, "what was missed, and nothing else");
    let (epoch, _) = cursor.split_once('.').expect("an epoch");
    for strange in [format!("{epoch}.99999"), "0000000000000000.1".into(), "nonsense".into()] {
        again.say("stream/resume", json!({"sessionId": foreign, "cursor": strange})).await;
        assert_eq!(again.hear("error").await["payload"]["code"], 409);
    }
}

#[tokio::test]
async fn a_question_that_was_lost_with_the_line_holds_nobody_up_for_ever() {
    let server = Server::start();
    let one = agent();
    let line = Line::open(&server, ALICE, "lab", &one).await;
    let environment = line.environment.clone();
    let (mut viewer, _) = Viewer::begin(&server, ALICE, &environment).await;
    viewer.prompt("later deploy").await;
    viewer.hear("session_update").await;
    line.cut(&one).await;
    offline(&server, &environment).await;
    one.asks().await;
    let back = Line::open(&server, ALICE, "lab", &one).await;
    assert_eq!(viewer.hear("status").await["payload"]["connected"], false);
    assert_eq!(viewer.hear("status").await["payload"]["connected"], true);
    let words = viewer.hear("error").await["payload"]["message"].to_string();
    assert!(words.contains("cut in the middle of a turn") && words.contains("stop it"), "{words}");
    let alice = Client::new(&server, ALICE);
    assert_eq!(alice.get("/api/v1/permissions").await.expect(200)["items"], json!([]), "nobody can answer it");
    let shown = alice.get(&format!("/api/v1/sessions/{}", back.session)).await.expect(200);
    assert_eq!(shown["status"], "working", "{shown:#}");
    viewer.prompt("echo next").await;
    viewer.say("cancel", Value::Null).await;
    assert_eq!(viewer.hear("prompt_complete").await["payload"]["stopReason"], "cancelled", "the one that waits");
    assert_eq!(viewer.hear("prompt_complete").await["payload"]["stopReason"], "cancelled", "the one that hung");
    viewer.prompt("echo after").await;
    viewer.hear("prompt_complete").await;
    assert!(viewer.text().ends_with("echo after"), "{}", viewer.text());
    let heard: Vec<_> =
        one.heard("prompt").iter().map(|frame| frame["payload"]["content"][0]["text"].clone()).collect();
    assert_eq!(heard, [json!("later deploy"), json!("echo after")]);
}

#[tokio::test]
async fn an_agent_is_offline_after_a_restart_until_its_link_is_back() {
    let mut server = Server::start();
    let one = agent();
    let line = Line::open(&server, ALICE, "lab", &one).await;
    let status = async |server: &Server| {
        let alice = Client::new(server, ALICE);
        let listed = alice.get("/acp/agents").await.expect(200);
        let group = alice.get("/acp/channel-groups/lab").await.expect(200);
        assert_eq!(listed[0], group["members"][0]);
        listed[0]["status"].as_str().expect("a status").to_owned()
    };
    assert_eq!(status(&server).await, "online");
    server.kill();
    line.cut(&one).await;
    server.kill_and_restart();
    assert_eq!(status(&server).await, "offline");
    let _back = Line::open(&server, ALICE, "lab", &one).await;
    assert_eq!(status(&server).await, "online");
}

#[tokio::test]
async fn a_torn_turn_of_a_long_conversation_is_not_told_as_what_was_said_long_before() {
    let server = Server::start();
    let one = agent();
    let line = Line::open(&server, ALICE, "lab", &one).await;
    let environment = line.environment.clone();
    let (mut viewer, foreign) = Viewer::begin(&server, ALICE, &environment).await;
    viewer.prompt("echo before").await;
    viewer.hear("prompt_complete").await;
    // More than is kept of a history, so that the end of it is not.
    one.talked(36);
    viewer.prompt("count 200").await;
    while !viewer.text().contains("5 ") {
        viewer.next().await.expect("open");
    }
    line.cut(&one).await;
    one.said("15 ").await;
    let _back = Line::open(&server, ALICE, "lab", &one).await;
    viewer.hear("prompt_complete").await;
    assert!(viewer.hear("error").await.to_string().contains("Load the conversation again"));
    let mut late = Viewer::connected(&server, ALICE, &environment).await;
    late.say("load_session", json!({"sessionId": foreign})).await;
    late.hear("session_loaded").await;
    let whole = (0..200).map(|number| number.to_string()).collect::<Vec<_>>().join(" ") + " ";
    assert!(late.text() == format!("echo before{whole}"), "{} bytes were told", late.text().len());
}
