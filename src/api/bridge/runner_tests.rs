//! Runners and the sessions they make, each test named after what people saw go wrong elsewhere.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::{Value, json};

use super::bench::{ALICE, Answer, Bench, MALLORY, read};
use crate::domain::{Sequence, SessionId, Stream};

/// A registered runner: its id and its secret.
async fn register(bench: &Bench, max_sessions: u32) -> (String, String) {
    let body = json!({"machine_name": "vm", "directory": "/src", "branch": "main", "git_repo_url": null,
        "max_sessions": max_sessions, "metadata": {"worker_type": "claude_code"}});
    let answer = bench.post("/v1/environments/bridge", ALICE, body).await.expect(200);
    (text(&answer, "environment_id"), text(&answer, "environment_secret"))
}

async fn session_in(bench: &Bench, environment: &str) -> String {
    let body = json!({"title": "test", "events": [], "session_context": {"model": "claude-sonnet-4-6"},
        "environment_id": environment, "source": "remote-control"});
    text(&bench.post("/v1/sessions", ALICE, body).await.expect(200), "id")
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}")).to_owned()
}

fn poll_path(environment: &str) -> String {
    format!("/v1/environments/{environment}/work/poll?reclaim_older_than_ms=1000")
}

async fn poll(bench: &Bench, environment: &str, secret: &str) -> Value {
    bench.get(&poll_path(environment), secret).await.expect(200)
}

/// The token inside a work item.
fn token_of(item: &Value) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let secret = URL_SAFE_NO_PAD.decode(text(item, "secret")).expect("base64url");
    let secret: Value = serde_json::from_slice(&secret).expect("JSON");
    assert_eq!((&secret["version"], &secret["use_code_sessions"]), (&json!(1), &json!(false)));
    text(&secret, "session_ingress_token")
}

async fn ack(bench: &Bench, environment: &str, item: &Value) -> Answer {
    let path = format!("/v1/environments/{environment}/work/{}/ack", text(item, "id"));
    bench.post(&path, &token_of(item), json!({})).await
}

fn quick(settings: &mut crate::api::common::Settings) {
    settings.poll_timeout = Duration::from_millis(50);
}

/// Waits until the environment's stream holds so many events of this kind.
async fn until(bench: &Bench, environment: &str, kind: &str, count: usize) {
    let stream = Stream::Environment(environment.parse().expect("an id"));
    let mut records = bench.house.relay.subscribe(stream, Sequence::ZERO).expect("a stream");
    let mut found = 0;
    while found < count {
        let record = tokio::time::timeout(Duration::from_secs(20), records.next()).await.expect("in time");
        found += usize::from(record.expect("a record").event.kind() == kind);
    }
}

/// Takes a future one step further and says whether it is done.
async fn step<F: Future>(mut future: std::pin::Pin<&mut F>) -> bool {
    std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context).is_ready())).await
}

#[tokio::test]
async fn a_runners_first_minute() {
    let bench = Bench::open().await;
    let (environment, secret) = register(&bench, 1).await;
    let session = session_in(&bench, &environment).await;
    let item = poll(&bench, &environment, &secret).await;
    insta::assert_json_snapshot!("work_item", item, {
        ".id" => "[work]", ".environment_id" => "[env]", ".data.id" => "[session]", ".secret" => "[secret]",
        ".created_at" => "[time]",
    });
    assert_eq!(text(&item["data"], "id"), session);
    assert_eq!(ack(&bench, &environment, &item).await.expect(200), json!({}));
    assert_eq!(ack(&bench, &environment, &item).await.expect(200), json!({}), "an ack may be repeated");
    let work = format!("/v1/environments/{environment}/work/{}", text(&item, "id"));
    let beat = bench.post(&format!("{work}/heartbeat"), &token_of(&item), json!({})).await.expect(200);
    insta::assert_json_snapshot!("work_heartbeat", beat, { ".last_heartbeat" => "[time]" });
    let shown = bench.get(&format!("/v1/sessions/{session}"), ALICE).await.expect(200);
    insta::assert_json_snapshot!("session", shown, {
        ".id" => "[session]", ".environment_id" => "[env]", ".created_at" => "[time]", ".updated_at" => "[time]",
    });
    bench.post(&format!("{work}/stop"), ALICE, json!({"force": true})).await.expect(200);
    bench.post(&format!("{work}/stop"), ALICE, json!({"force": true})).await.expect(200);
    let path = format!("/v1/environments/bridge/{environment}");
    assert_eq!(bench.send("DELETE", &path, ALICE, &Value::Null).await.expect(200), json!({}));
    assert_eq!(bench.send("DELETE", &path, ALICE, &Value::Null).await.expect(200), json!({}));
}

#[tokio::test]
async fn an_idle_poll_is_empty_before_the_clients_patience_ends() {
    let bench = Bench::with(quick).await;
    let (environment, secret) = register(&bench, 1).await;
    assert_eq!(bench.get(&poll_path(&environment), &secret).await.expect(204), Value::Null);
}

#[tokio::test]
async fn a_waiting_poll_wakes_for_new_work() {
    let bench = Arc::new(Bench::open().await);
    let (environment, secret) = register(&bench, 1).await;
    let waiting = {
        let (bench, environment) = (Arc::clone(&bench), environment.clone());
        tokio::spawn(async move { poll(&bench, &environment, &secret).await })
    };
    let session = session_in(&bench, &environment).await;
    let item = tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("woken").expect("no panic");
    assert_eq!(text(&item["data"], "id"), session);
}

#[tokio::test]
async fn a_poll_whose_client_hung_up_does_not_swallow_the_next_session() {
    let bench = Bench::open().await;
    let (environment, secret) = register(&bench, 1).await;
    // Nothing comes back by its age here.
    let path = format!("/v1/environments/{environment}/work/poll?reclaim_older_than_ms=600000");
    {
        let mut hung_up = Box::pin(bench.get(&path, &secret));
        assert!(!step(hung_up.as_mut()).await, "there is no work");
        // What it asked of the writer is asked before the session is there.
        tokio::task::yield_now().await;
    }
    let session = session_in(&bench, &environment).await;
    for times in 1..4 {
        let mut hung_up = Box::pin(bench.get(&path, &secret));
        assert!(!step(hung_up.as_mut()).await, "the writer did not answer yet");
        until(&bench, &environment, "work_leased", times).await;
        drop(hung_up);
        until(&bench, &environment, "work_returned", times).await;
    }
    let item = bench.get(&path, &secret).await.expect(200);
    assert_eq!(text(&item["data"], "id"), session);
}

#[tokio::test]
async fn a_work_item_whose_reply_was_lost_is_handed_out_again() {
    let bench = Bench::open().await;
    let (environment, secret) = register(&bench, 1).await;
    session_in(&bench, &environment).await;
    let lost = poll(&bench, &environment, &secret).await;
    let again = poll(&bench, &environment, &secret).await;
    assert_eq!(lost["id"], again["id"]);
    ack(&bench, &environment, &again).await.expect(200);
    until(&bench, &environment, "work_leased", 2).await;
}

#[tokio::test]
async fn an_unknown_environment_is_told_so_and_never_an_eternal_204() {
    let bench = Bench::open().await;
    let (environment, secret) = register(&bench, 1).await;
    let path = format!("/v1/environments/bridge/{environment}");
    bench.send("DELETE", &path, ALICE, &Value::Null).await.expect(200);
    bench.get(&poll_path(&environment), &secret).await.expect(404);
    let unknown = "env_00000000000000000000000000000001".parse().expect("an id");
    let forgotten = bench.house.environment_secret(unknown);
    bench.get(&poll_path(&unknown.to_string()), forgotten.expose()).await.expect(404);
    bench.get(&poll_path(&environment), "rcse_forged").await.expect(401);
}

#[tokio::test]
async fn a_resumed_runner_keeps_its_id_its_secret_and_its_sessions() {
    let bench = Bench::open().await;
    let (environment, secret) = register(&bench, 1).await;
    let session = session_in(&bench, &environment).await;
    let item = poll(&bench, &environment, &secret).await;
    ack(&bench, &environment, &item).await.expect(200);
    let path = format!("/v1/environments/bridge/{environment}");
    bench.send("DELETE", &path, ALICE, &Value::Null).await.expect(200);
    let body = json!({"machine_name": "vm", "directory": "/src", "max_sessions": 1, "environment_id": environment});
    let back = bench.post("/v1/environments/bridge", ALICE, body.clone()).await.expect(200);
    assert_eq!(
        (text(&back, "environment_id"), text(&back, "environment_secret")),
        (environment.clone(), secret.clone())
    );
    let reconnect = format!("/v1/environments/{environment}/bridge/reconnect");
    let worker_form = session.replace("session_", "cse_");
    bench.post(&reconnect, ALICE, json!({"session_id": worker_form})).await.expect(200);
    let again = poll(&bench, &environment, &secret).await;
    assert_eq!(text(&again["data"], "id"), session);
    assert_ne!(again["id"], item["id"]);
    // Somebody else's id, and one of another server, are as good as none.
    let foreign = bench.post("/v1/environments/bridge", MALLORY, body).await.expect(200);
    assert_ne!(text(&foreign, "environment_id"), environment);
    let odd = json!({"machine_name": "vm", "environment_id": "environment-7"});
    bench.post("/v1/environments/bridge", ALICE, odd).await.expect(200);
}

#[tokio::test]
async fn reconnecting_one_session_leaves_the_others_alone() {
    let bench = Bench::with(quick).await;
    let (environment, secret) = register(&bench, 4).await;
    let mut sessions = Vec::new();
    for _ in 0..3 {
        sessions.push(session_in(&bench, &environment).await);
        let item = poll(&bench, &environment, &secret).await;
        ack(&bench, &environment, &item).await.expect(200);
    }
    let reconnect = format!("/v1/environments/{environment}/bridge/reconnect");
    bench.post(&reconnect, ALICE, json!({"session_id": sessions[1]})).await.expect(200);
    let item = poll(&bench, &environment, &secret).await;
    assert_eq!(text(&item["data"], "id"), sessions[1]);
    ack(&bench, &environment, &item).await.expect(200);
    assert_eq!(bench.get(&poll_path(&environment), &secret).await.expect(204), Value::Null);
    let (other, _) = register(&bench, 1).await;
    let elsewhere = session_in(&bench, &other).await;
    bench.post(&reconnect, ALICE, json!({"session_id": elsewhere})).await.expect(404);
    let named = bench.post(&reconnect, ALICE, json!({"session_id": "nonsense"})).await.expect(400);
    assert!(text(&named["error"], "message").contains("session_id"));
    bench.post(&format!("/v1/sessions/{}/archive", sessions[2]), ALICE, json!({})).await.expect(200);
    bench.post(&reconnect, ALICE, json!({"session_id": sessions[2]})).await.expect(410);
}

#[tokio::test]
async fn a_terminal_that_let_go_of_its_session_is_given_it_again_and_a_finished_child_is_not() {
    let bench = Bench::open().await;
    for archived in [false, true] {
        let (environment, secret) = register(&bench, 1).await;
        let session = session_in(&bench, &environment).await;
        let item = poll(&bench, &environment, &secret).await;
        ack(&bench, &environment, &item).await.expect(200);
        let stop = format!("/v1/environments/{environment}/work/{}/stop", text(&item, "id"));
        bench.post(&stop, ALICE, json!({"force": false})).await.expect(200);
        if archived {
            bench.post(&format!("/v1/sessions/{session}/archive"), ALICE, json!({})).await.expect(200);
            let second = session_in(&bench, &environment).await;
            assert_eq!(text(&poll(&bench, &environment, &secret).await["data"], "id"), second);
        } else {
            let again = poll(&bench, &environment, &secret).await;
            assert_eq!(text(&again["data"], "id"), session);
        }
    }
}

#[tokio::test]
async fn a_healthy_terminal_that_polls_every_ten_minutes_is_there_while_its_worker_speaks() {
    let bench = Bench::open().await;
    let (environment, secret) = register(&bench, 1).await;
    let session: SessionId = session_in(&bench, &environment).await.parse().expect("an id");
    let item = poll(&bench, &environment, &secret).await;
    ack(&bench, &environment, &item).await.expect(200);
    let id = environment.parse().expect("an id");
    let lost = crate::domain::Command::EnvironmentLost { environment: id };
    bench.house.relay.submit(crate::domain::Actor::System, lost).await.expect("lost");
    let path = format!("/v1/session_ingress/session/{session}/events");
    bench.post(&path, &bench.ingress(session), json!({"events": [{"type": "keep_alive"}]})).await.expect(200);
    let world = bench.house.relay.world();
    assert!(world.session(session).expect("there").worker.online);
    assert!(world.environment(id).expect("there").online, "a worker that speaks means that its runner is there");
}

#[tokio::test]
async fn archiving_twice_is_the_one_conflict_of_this_api() {
    let bench = Bench::open().await;
    let (environment, _) = register(&bench, 1).await;
    let session = session_in(&bench, &environment).await.replace("session_", "cse_");
    let path = format!("/v1/sessions/{session}/archive");
    bench.post(&path, ALICE, json!({})).await.expect(200);
    let again = bench.post(&path, ALICE, json!({})).await.expect(409);
    assert_eq!(text(&again["error"], "type"), "already_archived");
    let shown = bench.get(&format!("/v1/sessions/{session}"), ALICE).await.expect(200);
    assert_eq!(text(&shown, "status"), "archived");
}

#[tokio::test]
async fn another_persons_key_finds_nothing_of_mine() {
    let bench = Bench::with(quick).await;
    let (environment, secret) = register(&bench, 1).await;
    let session = session_in(&bench, &environment).await;
    let item = poll(&bench, &environment, &secret).await;
    let work = format!("/v1/environments/{environment}/work/{}", text(&item, "id"));
    let prompt = json!({"events": [{"type": "user", "message": {"role": "user", "content": "rm -rf ~"}}]});
    let peer = json!({"type": "peer_message", "from": "session_1", "content": "x"});
    let title = json!({"title": "mine now"});
    let create = json!({"environment_id": environment, "events": []});
    for token in ["", "uuid-i-made-up", MALLORY] {
        let refused = if token == MALLORY { 404 } else { 401 };
        for (method, path, body) in [
            ("GET", format!("/v1/sessions/{session}"), Value::Null),
            ("PATCH", format!("/v1/sessions/{session}"), title.clone()),
            ("POST", format!("/v1/sessions/{session}/archive"), json!({})),
            ("POST", format!("/v1/sessions/{session}/events"), prompt.clone()),
            ("POST", format!("/v1/sessions/{session}/messages"), peer.clone()),
            ("POST", format!("/v2/session_ingress/session/{session}/events"), json!({"events": []})),
            ("POST", "/v1/sessions".into(), create.clone()),
            ("GET", poll_path(&environment), Value::Null),
            ("POST", format!("{work}/ack"), json!({})),
            ("POST", format!("{work}/stop"), json!({"force": true})),
            ("POST", format!("{work}/heartbeat"), json!({})),
            ("DELETE", format!("/v1/environments/bridge/{environment}"), Value::Null),
        ] {
            let answer = bench.send(method, &path, token, &body).await;
            assert_eq!(answer.status.as_u16(), refused, "{method} {path} with {token:?}");
        }
    }
    assert!(bench.house.relay.world().session(session.parse().expect("id")).expect("there").archived_at.is_none());
}

#[tokio::test]
async fn the_token_that_the_agents_shell_can_read_is_no_api_key() {
    let bench = Bench::with(quick).await;
    let (environment, secret) = register(&bench, 1).await;
    let session = session_in(&bench, &environment).await;
    let item = poll(&bench, &environment, &secret).await;
    let other = session_in(&bench, &environment).await;
    let token = token_of(&item);
    assert!(!token.contains(ALICE) && !secret.contains(ALICE) && !token.starts_with("sk-ant-sid"));
    for stolen in [token.as_str(), secret.as_str()] {
        let create = bench.post("/v1/sessions", stolen, json!({"events": []})).await;
        assert_eq!(create.status, 403);
        bench.post("/v1/environments/bridge", stolen, json!({"machine_name": "x"})).await.expect(403);
        bench.get(&format!("/v1/sessions/{session}"), stolen).await.expect(403);
        let prompt = json!({"events": []});
        bench.post(&format!("/v1/sessions/{session}/events"), stolen, prompt).await.expect(403);
    }
    let foreign = format!("/v1/session_ingress/session/{other}/events");
    bench.post(&foreign, &token, json!({"events": []})).await.expect(404);
    bench.get(&poll_path(&environment), &token).await.expect(403);
    let path = format!("/v1/session_ingress/session/{session}/events");
    bench.post(&path, &secret, json!({"events": []})).await.expect(403);
    bench.post(&path, &token, json!({"events": []})).await.expect(200);
    bench.post(&path, ALICE, json!({"events": []})).await.expect(200);
}

#[tokio::test]
async fn bad_bodies_are_named_and_never_a_fault_of_ours() {
    let bench = Bench::open().await;
    let (environment, _) = register(&bench, 1).await;
    let session = session_in(&bench, &environment).await;
    let send = |path: &str, body: &'static str, media_type: &'static str| {
        let (bench, path) = (&bench, path.to_owned());
        async move {
            let headers = [("content-type", media_type)];
            read(bench.call("POST", &path, ALICE, &headers, Bytes::from_static(body.as_bytes())).await).await
        }
    };
    let events = format!("/v1/session_ingress/session/{session}/events");
    let json = "application/json";
    for (path, body, words) in [
        (events.as_str(), "{\"events\":[", "line 1"),
        (&events, "{\"events\":[{\"type\":\"user\"},7]}", "events[1]"),
        (&events, "{\"events\":{}}", "sequence"),
        (&events, "{}", "events"),
        ("/v1/environments/bridge", "{}", "machine_name"),
        ("/v1/environments/bridge", "[]", "JSON"),
        ("/v1/sessions", "{\"environment_id\":\"../etc\"}", "environment_id"),
    ] {
        let answer = send(path, body, json).await.expect(400);
        assert!(text(&answer["error"], "message").contains(words), "{body}: {answer}");
    }
    send(&events, "events=1", "application/x-www-form-urlencoded").await.expect(415);
    let long = json!({"machine_name": "x".repeat(5_000)});
    let answer = bench.post("/v1/environments/bridge", ALICE, long).await.expect(400);
    assert!(text(&answer["error"], "message").starts_with("machine_name"));
    bench.get(&format!("/v2/session_ingress/ws/{session}"), ALICE).await.expect(426);
    let refused = bench.get("/v1/sessions", ALICE).await;
    assert_eq!((refused.status.as_u16(), &refused.headers["allow"]), (405, &"POST".parse().expect("a header")));
    bench.get("/v1/nowhere", ALICE).await.expect(404);
}
