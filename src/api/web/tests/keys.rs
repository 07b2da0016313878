//! Keys, and what is whose.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::bench::{ADMIN, ALICE, Bench, MALLORY, RUNNER, VIEWER};

#[tokio::test]
async fn nobody_makes_a_key_that_may_more_than_they_do() {
    let bench = Bench::open().await;
    bench.post("/api/v1/keys", ALICE, json!({"name": "root", "role": "admin"})).await.problem(403, "forbidden");
    bench.post("/api/v1/keys", ALICE, json!({"name": "x", "owner": "new"})).await.problem(403, "forbidden");
    bench.post("/api/v1/keys", VIEWER, json!({"name": "x"})).await.problem(403, "forbidden");
    let made = bench.post("/api/v1/keys", ALICE, json!({"name": "phone", "role": "viewer"})).await.expect(201);
    let secret = made["secret"].as_str().expect("a secret").to_owned();
    bench.session("mine").await;
    let seen = bench.get("/api/v1/sessions", &secret).await.expect(200);
    assert_eq!(seen["items"].as_array().expect("items").len(), 1, "a key of the same owner sees the same");
    bench.post("/api/v1/sessions", &secret, json!({})).await.problem(403, "forbidden");
    let other = bench.post("/api/v1/keys", ADMIN, json!({"name": "bob", "owner": "new"})).await.expect(201);
    let bob = other["secret"].as_str().expect("a secret").to_owned();
    assert_eq!(bench.get("/api/v1/sessions", &bob).await.expect(200), json!({"items": []}));
}

#[tokio::test]
async fn a_revoked_or_expired_key_opens_nothing() {
    let bench = Bench::open().await;
    let made = bench.post("/api/v1/keys", ALICE, json!({"name": "short", "expires_in": 10})).await.expect(201);
    let secret = made["secret"].as_str().expect("a secret").to_owned();
    bench.get("/api/v1/status", &secret).await.expect(200);
    bench.pass(10_000);
    bench.get("/api/v1/status", &secret).await.problem(401, "unauthenticated");

    let made = bench.post("/api/v1/keys", ALICE, json!({"name": "lost"})).await.expect(201);
    let secret = made["secret"].as_str().expect("a secret").to_owned();
    let path = format!("/api/v1/keys/{}", made["key"]["id"].as_str().expect("an id"));
    bench.send("DELETE", &path, MALLORY, Value::Null).await.problem(404, "not-found");
    bench.send("DELETE", &path, ALICE, Value::Null).await.expect(204);
    bench.send("DELETE", &path, ALICE, Value::Null).await.expect(204);
    bench.get("/api/v1/status", &secret).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_repeated_request_for_a_key_does_not_pretend_to_know_its_secret() {
    let bench = Bench::open().await;
    let body = r#"{"name":"ci"}"#;
    let once = [("idempotency-key", "make-ci")];
    bench.raw("POST", "/api/v1/keys", ALICE, &once, body).await.expect(201);
    bench.raw("POST", "/api/v1/keys", ALICE, &once, body).await.problem(409, "key-reused");
}

#[tokio::test]
async fn what_others_own_is_not_there() {
    let bench = Bench::open().await;
    let environment = bench.environment(1).await;
    let session = bench.session("secret plans").await;
    bench.ask(session, "ask-1", "Bash", json!({"command": "ls"})).await;
    let before = bench.house.relay.journal().tail();
    let mut words = BTreeSet::new();
    for (method, path, body) in [
        ("GET", format!("/api/v1/sessions/{session}"), Value::Null),
        ("PATCH", format!("/api/v1/sessions/{session}"), json!({"title": "mine now"})),
        ("POST", format!("/api/v1/sessions/{session}/archive"), Value::Null),
        ("GET", format!("/api/v1/sessions/{session}/events"), Value::Null),
        ("GET", format!("/api/v1/sessions/{session}/events?stream=sse"), Value::Null),
        ("POST", format!("/api/v1/sessions/{session}/messages"), json!({"content": "hi"})),
        ("GET", format!("/api/v1/sessions/{session}/permissions/ask-1"), Value::Null),
        ("POST", format!("/api/v1/sessions/{session}/permissions/ask-1"), json!({"decision": "allow"})),
        ("POST", format!("/api/v1/sessions/{session}/interrupt"), Value::Null),
        ("POST", format!("/api/v1/sessions/{session}/mode"), json!({"mode": "plan"})),
        ("POST", format!("/api/v1/files?name=x&session={session}"), json!("x")),
        ("GET", format!("/api/v1/environments/{environment}"), Value::Null),
        ("POST", "/api/v1/sessions".into(), json!({"environment_id": environment})),
    ] {
        let problem = bench.send(method, &path, MALLORY, body).await.problem(404, "not-found");
        words.insert(problem["detail"].to_string());
    }
    assert_eq!(words.len(), 2, "one sentence for each id, the same as for an id that never was: {words:?}");
    assert_eq!(bench.house.relay.journal().tail(), before, "nothing happened");
    assert_eq!(bench.get("/api/v1/permissions", MALLORY).await.expect(200), json!({"items": []}));
    assert_eq!(bench.get("/api/v1/status", MALLORY).await.expect(200)["counts"]["sessions"], 0);
    bench.get(&format!("/api/v1/sessions/{session}"), ADMIN).await.expect(200);
}

#[tokio::test]
async fn a_key_on_a_machine_does_not_read_what_its_owner_does_elsewhere() {
    let bench = Bench::open().await;
    let session = bench.session("elsewhere").await;
    for path in
        ["/api/v1/sessions".to_owned(), format!("/api/v1/sessions/{session}/events"), "/api/v1/audit".to_owned()]
    {
        bench.get(&path, RUNNER).await.problem(403, "forbidden");
    }
    // A worker's own token is for its worker's endpoints.
    let token = bench.house.ingress_token(session).expose().to_owned();
    bench.get(&format!("/api/v1/sessions/{session}"), &token).await.problem(403, "forbidden");
}
