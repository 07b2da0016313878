//! Where somebody is told: what is taken, what is refused and why, and what is shown.

use serde_json::{Value, json};

use super::{
    assert_shape,
    bench::{ADMIN, ALICE, Bench, MALLORY, RUNNER, VIEWER},
};

const TARGETS: &str = "/api/v1/notifications/targets";

fn hook() -> Value {
    json!({"kind": "webhook", "url": "https://hooks.test/hush", "name": "pager"})
}

#[tokio::test]
async fn a_target_is_shown_without_its_address() {
    let bench = Bench::open().await;
    let mut made = bench.post(TARGETS, ALICE, hook()).await.expect(201);
    assert!(made["secret"].as_str().expect("a secret").starts_with("whsec_"));
    made["secret"] = json!("[secret]");
    assert_shape!("target_made", made);
    // Ids of one moment stand in no order.
    bench.pass(1);
    let topic = json!({"kind": "ntfy", "url": "ntfy://ntfy.test/hush", "answers": true, "turns": true});
    bench.post(TARGETS, ALICE, topic).await.expect(201);
    let listed = bench.get(TARGETS, ALICE).await.expect(200);
    assert!(!listed.to_string().contains("hush"));
    assert_shape!("targets", listed);
    let id = listed["items"][0]["id"].as_str().expect("an id");
    let path = format!("{TARGETS}/{id}");
    let changed = bench.send("PATCH", &path, ALICE, json!({"turns": true})).await.expect(200);
    assert_eq!(changed["turns"], true);
    bench.send("DELETE", &path, ALICE, Value::Null).await.expect(204);
    bench.send("DELETE", &path, ALICE, Value::Null).await.problem(404, "not-found");
}

#[tokio::test]
async fn what_is_wrong_with_a_target_is_said_with_its_field() {
    let bench = Bench::open().await;
    for (field, wish) in [
        ("url", json!({"kind": "webhook"})),
        ("url", json!({"kind": "webhook", "url": "http://hooks.test/"})),
        ("url", json!({"kind": "webhook", "url": "https://10.0.0.1/"})),
        ("url", json!({"kind": "webhook", "url": "https://me:hunter2@hooks.test/"})),
        ("url", json!({"kind": "ntfy", "url": "https://ntfy.test"})),
        ("url", json!({"kind": "ntfy", "url": "ftp://ntfy.test/x"})),
        ("token", json!({"kind": "webhook", "url": "https://hooks.test/", "token": "x"})),
        ("answers", json!({"kind": "webhook", "url": "https://hooks.test/", "answers": true})),
        ("endpoint", json!({"kind": "ntfy", "url": "https://ntfy.test/x", "endpoint": "https://push.test/"})),
        ("name", json!({"kind": "webhook", "url": "https://hooks.test/", "name": "a\nb"})),
        ("kind", json!({"kind": "web_push", "endpoint": "https://push.test/", "p256dh": "", "auth": ""})),
    ] {
        let problem = bench.post(TARGETS, ALICE, wish.clone()).await.problem(400, "bad-request");
        assert_eq!(problem["field"], field, "{wish}: {problem}");
        assert!(!problem.to_string().contains("hunter2"), "{problem}");
    }
    for nonsense in [json!({}), json!({"kind": "pigeon"}), json!({"kind": "ntfy", "loud": true})] {
        bench.post(TARGETS, ALICE, nonsense).await.problem(400, "bad-request");
    }
}

#[tokio::test]
async fn who_may_not_is_refused_and_what_is_not_yours_is_not_there() {
    let bench = Bench::open().await;
    let made = bench.post(TARGETS, ALICE, hook()).await.expect(201);
    let path = format!("{TARGETS}/{}", made["target"]["id"].as_str().expect("an id"));
    bench.get(TARGETS, "").await.problem(401, "unauthenticated");
    bench.get(TARGETS, RUNNER).await.problem(403, "forbidden");
    bench.post(TARGETS, VIEWER, hook()).await.problem(403, "forbidden");
    bench.send("DELETE", &path, VIEWER, Value::Null).await.problem(403, "forbidden");
    for stranger in [MALLORY, ADMIN] {
        assert_eq!(bench.get(TARGETS, stranger).await.expect(200)["items"], json!([]));
        bench.send("DELETE", &path, stranger, Value::Null).await.problem(404, "not-found");
        bench.send("PATCH", &path, stranger, json!({"turns": true})).await.problem(404, "not-found");
        bench.post(&format!("{path}/test"), stranger, Value::Null).await.problem(404, "not-found");
    }
    bench.get("/api/v1/notifications/vapid", VIEWER).await.expect(200);
    bench.get("/api/v1/notifications/vapid", "").await.problem(401, "unauthenticated");
}

/// The token was exchanged, the topic was added again, and everything still failed with the old one.
#[tokio::test]
async fn a_topic_that_is_added_again_with_another_token_is_refused_and_not_left_as_it_was_in_silence() {
    let bench = Bench::open().await;
    let topic =
        |token: &str, turns| json!({"kind": "ntfy", "url": "https://ntfy.test/hush", "token": token, "turns": turns});
    let made = bench.post(TARGETS, ALICE, topic("tk_old", false)).await.expect(201);
    let id = made["target"]["id"].as_str().expect("an id");
    assert_eq!(bench.post(TARGETS, ALICE, topic("tk_old", false)).await.expect(200)["target"]["id"], id);
    for changed in [topic("tk_new", false), topic("tk_old", true)] {
        let problem = bench.post(TARGETS, ALICE, changed).await.problem(409, "conflict");
        assert!(problem["detail"].as_str().expect("words").contains(id) && !problem.to_string().contains("tk_"));
    }
}

/// What a browser says that is signed in with this key.
async fn subscribe(bench: &Bench, key: &str) -> String {
    let page = [("origin", "http://rcs.test"), ("host", "rcs.test")];
    let login = bench.raw("POST", "/api/v1/login", "", &page, json!({ "key": key }).to_string()).await;
    let cookie = login.header("set-cookie").split(';').next().expect("a cookie").to_owned();
    let wish = json!({"kind": "web_push", "endpoint": "https://push.test/1", "auth": "BTBZMqHH6r4Tts7J_aSIgg",
        "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"});
    let headers = [page.as_slice(), &[("cookie", cookie.as_str())]].concat();
    let made = bench.raw("POST", TARGETS, "", &headers, wish.to_string()).await.expect(201);
    format!("{TARGETS}/{}", made["target"]["id"].as_str().expect("an id"))
}

#[tokio::test]
async fn who_may_only_look_does_not_switch_the_phone_off_that_answers() {
    let bench = Bench::open().await;
    let phone = subscribe(&bench, ALICE).await;
    bench.send("DELETE", &phone, VIEWER, Value::Null).await.problem(403, "forbidden");
    bench.send("PATCH", &phone, VIEWER, json!({"turns": true})).await.problem(403, "forbidden");
    bench.post(&format!("{phone}/test"), VIEWER, Value::Null).await.problem(403, "forbidden");
    bench.send("DELETE", &phone, ALICE, Value::Null).await.expect(204);
    let wall = subscribe(&bench, VIEWER).await;
    bench.send("DELETE", &wall, VIEWER, Value::Null).await.expect(204);
}

#[tokio::test]
async fn a_token_of_another_kind_answers_nothing_and_is_no_key() {
    let bench = Bench::open().await;
    for token in ["", ALICE, "rcsq_", "rcsq_AAAA", "rcsw_AAAA"] {
        let body = json!({"token": token, "decision": "allow"});
        bench.post("/api/v1/notifications/answer", "", body).await.problem(401, "unauthenticated");
    }
    let extra = json!({"token": "rcsq_", "decision": "allow", "scope": "session"});
    bench.post("/api/v1/notifications/answer", "", extra).await.problem(400, "bad-request");
    bench.get("/api/v1/me", "rcsq_AAAA").await.problem(401, "unauthenticated");
}
