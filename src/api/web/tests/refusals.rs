//! What is refused, with which status, and that nothing sent here is ever more than a refusal.

use http::header;
use serde_json::{Value, json};

use super::bench::{ADMIN, ALICE, Bench};
use crate::{
    domain::limits,
    security::{ThrottleConfig, throttle::Rate},
};

#[tokio::test]
async fn a_bad_request_names_the_field() {
    let bench = Bench::open().await;
    let session = bench.session("fields").await;
    let at = |rest: &str| format!("/api/v1/sessions/{session}{rest}");
    for (method, path, body, field) in [
        ("POST", "/api/v1/sessions".to_owned(), json!({"title": 7}), "title"),
        ("POST", "/api/v1/sessions".into(), json!({"title": ""}), "title"),
        ("POST", "/api/v1/sessions".into(), json!({"titel": "x"}), "titel"),
        ("POST", "/api/v1/sessions".into(), json!({"environment_id": "env_1"}), "environment_id"),
        ("POST", "/api/v1/sessions".into(), json!({"prompt": 7}), "prompt"),
        ("POST", "/api/v1/sessions".into(), json!({"permission_mode": "x"}), "permission_mode"),
        ("POST", "/api/v1/sessions".into(), json!({"directory": "/x"}), "directory"),
        ("PATCH", at(""), json!({}), "title"),
        ("PATCH", at(""), json!({"pinned": "yes"}), "pinned"),
        ("PATCH", at(""), json!({"title": "a\u{7}b"}), "title"),
        ("PATCH", at(""), json!({"title": "x".repeat(600)}), "title"),
        ("POST", at("/messages"), json!({}), "content"),
        ("POST", at("/messages"), json!({"content": " "}), "content"),
        ("POST", at("/messages"), json!({"content": []}), "content"),
        ("POST", at("/messages"), json!({"content": ["x"]}), "content"),
        ("POST", at("/messages"), json!({"content": {"type": "text"}}), "content"),
        ("POST", at("/messages"), json!({"content": "x", "message_id": "1"}), "message_id"),
        (
            "POST",
            at("/messages"),
            json!({"content": "x", "file_attachments": [{"file_uuid": "1", "file_name": "x"}]}),
            "file_attachments",
        ),
        (
            "POST",
            at("/messages"),
            json!({"content": "x", "file_attachments":
            [{"file_uuid": "aaaaaaaa-0000-4000-8000-000000000001", "file_name": "x"}]}),
            "file_attachments",
        ),
        ("POST", at("/model"), json!({"model": ""}), "model"),
        ("POST", at("/thinking"), json!({"max_thinking_tokens": -1}), "max_thinking_tokens"),
        ("GET", "/api/v1/sessions?limit=0".into(), Value::Null, "limit"),
        ("GET", "/api/v1/sessions?limit=many".into(), Value::Null, "limit"),
        ("GET", "/api/v1/sessions?status=busy".into(), Value::Null, "status"),
        ("GET", "/api/v1/sessions?cursor=1".into(), Value::Null, "cursor"),
        ("GET", "/api/v1/sessions?environment=1".into(), Value::Null, "environment"),
        ("GET", "/api/v1/environments?status=x".into(), Value::Null, "status"),
        ("GET", at("/events?after=-1"), Value::Null, "after"),
        ("GET", at("/events?after=99999999999999999999999"), Value::Null, "after"),
        ("POST", "/api/v1/files".into(), json!("x"), "name"),
        ("POST", "/api/v1/files?name=..%2Fx".into(), json!("x"), "name"),
        ("POST", "/api/v1/files?name=x".into(), Value::Null, "body"),
        ("POST", "/api/v1/keys".into(), json!({"name": "x", "role": "root"}), "role"),
        ("POST", "/api/v1/keys".into(), json!({"name": "x", "expires_in": 0}), "expires_in"),
        ("GET", "/api/v1/audit?before=x".into(), Value::Null, "before"),
        ("GET", "/api/v1/audit?before=5&from=5".into(), Value::Null, "before"),
        ("GET", "/api/v1/audit?by=bob".into(), Value::Null, "by"),
        ("GET", "/api/v1/audit?stream=file_1".into(), Value::Null, "stream"),
        ("POST", "/api/v1/signing/rotate".into(), json!({"overlap": 99_999_999_999_u64}), "overlap"),
        ("POST", "/api/v1/signing/rotate".into(), json!({"overlap": -1}), "overlap"),
    ] {
        let problem = bench.send(method, &path, ADMIN, body.clone()).await.problem(400, "bad-request");
        assert_eq!(problem["field"], field, "{method} {path} {body}: {problem}");
    }
    let long = "k".repeat(300);
    let once = [("idempotency-key", long.as_str())];
    let problem = bench.raw("POST", "/api/v1/sessions", ALICE, &once, "{}").await.problem(400, "bad-request");
    assert_eq!(problem["field"], "Idempotency-Key");
}

#[tokio::test]
async fn without_a_valid_credential_there_is_nothing() {
    let bench = Bench::open().await;
    for token in ["", "nobody-knows-this-key", "rcsi_x", "rcse_x", "eyJhbGciOiJIUzI1NiJ9.e30.x"] {
        let refused = bench.get("/api/v1/sessions", token).await;
        assert_eq!(refused.header("www-authenticate"), "Bearer");
        refused.problem(401, "unauthenticated");
    }
    // No secrets in URLs, and made-up ids are no credential.
    bench
        .get(&format!("/api/v1/sessions?token={ALICE}&uuid=x&api_key={ALICE}"), "")
        .await
        .problem(401, "unauthenticated");
    let basic = bench.raw("GET", "/api/v1/sessions", "", &[("authorization", "Basic eDp5")], "").await;
    basic.problem(401, "unauthenticated");
    bench.raw("GET", "/api/v1/status", "", &[("x-api-key", ALICE)], "").await.expect(200);
    bench.get("/api/v1/openapi.json", "").await.expect(200);
}

#[tokio::test]
async fn what_is_not_there_and_what_is_not_done_there() {
    let bench = Bench::open().await;
    for path in ["/api/v1", "/api/v1/nothing", "/api/v1/sessions/session_1", "/api/v1/sessions/x/y/z", "/api/v1/%ff"] {
        bench.get(path, ALICE).await.problem(404, "not-found");
    }
    let unknown = "/api/v1/sessions/session_00000000000000000000000000000009";
    bench.get(unknown, ALICE).await.problem(404, "not-found");
    bench.get(unknown, ADMIN).await.problem(404, "not-found");
    for (method, path, allow) in [
        ("DELETE", "/api/v1/sessions", "GET, POST"),
        ("PUT", unknown, "GET, PATCH"),
        ("GET", "/api/v1/audit/verify", "POST"),
        ("TRACE", "/api/v1/status", "GET"),
    ] {
        let refused = bench.raw(method, path, ALICE, &[], "").await;
        assert_eq!(refused.header("allow"), allow, "{method} {path}");
        refused.problem(405, "method-not-allowed");
    }
    let socket = format!("/api/v1/sessions/{}/socket", bench.session("x").await);
    let problem = bench.get(&socket, ALICE).await.problem(400, "bad-request");
    assert!(problem["detail"].as_str().expect("text").contains("WebSocket"));
}

#[tokio::test]
async fn other_media_types_are_refused_where_json_is_meant() {
    let bench = Bench::open().await;
    for media in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let headers = [("content-type", media)];
        bench.raw("POST", "/api/v1/sessions", ALICE, &headers, "{}").await.problem(415, "unsupported-media-type");
    }
    let headers = [("content-type", "application/json; charset=utf-8")];
    bench.raw("POST", "/api/v1/sessions", ALICE, &headers, "{}").await.expect(201);
}

#[tokio::test]
async fn too_often_says_when_to_come_back() {
    let hourly = Rate { interval: std::time::Duration::from_hours(1), burst: 2 };
    let config = ThrottleConfig { registration: hourly, login: hourly, ingestion: hourly, ..ThrottleConfig::default() };
    let bench = Bench::with(|_| {}, config).await;
    let session = bench.session("one").await;
    bench.session("two").await;
    let refused = bench.post("/api/v1/sessions", ALICE, json!({})).await;
    let wait: u64 = refused.header("retry-after").parse().expect("seconds");
    assert_eq!(refused.problem(429, "too-many-requests")["retry_after"], wait);
    assert!((3_500..=3_601).contains(&wait));
    let path = format!("/api/v1/sessions/{session}/messages");
    for expected in [201, 201, 429] {
        assert_eq!(bench.post(&path, ALICE, json!({"content": "x"})).await.status, expected);
    }
    for expected in [401, 401, 429] {
        assert_eq!(bench.get("/api/v1/status", "guess").await.status, expected);
    }
    bench.get("/api/v1/status", ALICE).await.expect(200);
}

#[tokio::test]
async fn a_full_queue_is_refused_before_it_grows() {
    let bench = Bench::open().await;
    let session = bench.session("full").await;
    let path = format!("/api/v1/sessions/{session}/messages");
    for _ in 0..limits::OUTBOX_ITEMS_MAX {
        bench.post(&path, ALICE, json!({"content": "x"})).await.expect(201);
    }
    bench.post(&path, ALICE, json!({"content": "x"})).await.problem(429, "full");
}

#[tokio::test]
async fn an_archived_session_takes_no_more_words() {
    let bench = Bench::open().await;
    let session = bench.session("over").await;
    bench.post(&format!("/api/v1/sessions/{session}/archive"), ALICE, Value::Null).await.expect(200);
    let said = bench.post(&format!("/api/v1/sessions/{session}/messages"), ALICE, json!({"content": "x"})).await;
    said.problem(409, "archived");
    bench
        .post(&format!("/api/v1/sessions/{session}/mode"), ALICE, json!({"mode": "plan"}))
        .await
        .problem(409, "archived");
}

#[tokio::test]
async fn foreign_pages_change_nothing() {
    let bench = Bench::open().await;
    let call = async |method: &str, origin: &str| {
        let headers = [("origin", origin), ("host", "127.0.0.1:3000")];
        bench.raw(method, "/api/v1/sessions", ALICE, &headers, "").await
    };
    call("POST", "https://evil.test").await.problem(403, "foreign-origin");
    call("POST", "null").await.problem(403, "foreign-origin");
    for origin in ["http://127.0.0.1:3000", "http://rcs.test", "https://phone.test"] {
        call("POST", origin).await.expect(201);
    }
    // Reading is for the browser to hide: it sees no permission for a foreign page.
    let foreign = call("GET", "https://evil.test").await;
    assert_eq!(foreign.headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN), None);
    let phone = call("GET", "https://phone.test").await;
    assert_eq!(phone.header("access-control-allow-origin"), "https://phone.test");
    assert_eq!(phone.header("vary"), "origin");

    call("OPTIONS", "https://evil.test").await.problem(403, "foreign-origin");
    let asked = call("OPTIONS", "https://phone.test").await;
    assert_eq!(asked.status, 204);
    assert!(asked.header("access-control-allow-headers").contains("idempotency-key"));
    assert!(asked.header("access-control-allow-methods").contains("PATCH"));
}

#[tokio::test]
async fn hostile_bodies_are_refused_and_break_nothing() {
    let bench = Bench::open().await;
    let session = bench.session("target").await;
    bench.ask(session, "ask-1", "AskUserQuestion", json!({"questions": []})).await;
    let before = bench.house.relay.journal().tail();
    let paths = [
        ("POST", "/api/v1/sessions".to_owned()),
        ("PATCH", format!("/api/v1/sessions/{session}")),
        ("POST", "/api/v1/sessions/archive".into()),
        ("POST", format!("/api/v1/sessions/{session}/messages")),
        ("POST", format!("/api/v1/sessions/{session}/permissions/ask-1")),
        ("POST", format!("/api/v1/sessions/{session}/mode")),
        ("POST", format!("/api/v1/sessions/{session}/thinking")),
        ("POST", "/api/v1/keys".into()),
        ("POST", format!("/web/sessions/{session}/events")),
        ("POST", format!("/web/sessions/{session}/control")),
        ("POST", "/web/bind".into()),
    ];
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(100_000), close.repeat(100_000));
    let bodies: Vec<Vec<u8>> = vec![
        b"{".to_vec(),
        b"[]".to_vec(),
        b"7".to_vec(),
        b"null".to_vec(),
        b"\"\"".to_vec(),
        b"{\"content\":\"\xff\xfe\"}".to_vec(),
        b"{\"content\":\"\\ud800\"}".to_vec(),
        b"\xef\xbb\xbf{}".to_vec(),
        b"{\"title\":1e999999,\"content\":1e999999,\"mode\":1e999999,\"ids\":1e99999,\"name\":1e99999}".to_vec(),
        b"{\"max_thinking_tokens\":123456789012345678901234567890}".to_vec(),
        b"{\"decision\":\"allow\",\"answers\":{\"a\":{\"b\":1}}}".to_vec(),
        deep("[", "]").into_bytes(),
        format!("{{\"content\":{}}}", deep("[", "]")).into_bytes(),
        format!("{{\"decision\":\"allow\",\"updated_input\":{}}}", deep("{\"a\":", "}")).into_bytes(),
        format!("{{\"prompt\":{}}}", deep("[", "]")).into_bytes(),
    ];
    for (method, path) in &paths {
        for body in &bodies {
            let answer = bench.raw(method, path, ALICE, &[], body.clone()).await;
            let text = String::from_utf8_lossy(body).chars().take(40).collect::<String>();
            assert!((400..410).contains(&answer.status.as_u16()), "{method} {path} {text}: {}", answer.status);
        }
    }
    assert_eq!(bench.house.relay.journal().tail(), before, "nothing of it was kept");
}

#[tokio::test]
async fn hostile_paths_and_queries_are_refused_and_break_nothing() {
    let bench = Bench::open().await;
    let session = bench.session("target").await;
    for path in [
        format!("/api/v1/sessions/{session}/permissions/%00%ff%zz"),
        format!("/api/v1/sessions/{session}/permissions/{}", "x".repeat(5_000)),
        format!("/api/v1/sessions/{session}/messages/../../keys"),
        format!("/api/v1/sessions/{session}%2Fevents"),
        "/api/v1/sessions/session_\u{fffd}".to_owned(),
        format!("/api/v1/sessions/{}", "a".repeat(100_000)),
    ] {
        bench.get(&path, ALICE).await.problem(404, "not-found");
    }
    for query in ["limit=%ff", "cursor=%00.%00", "q=%ff%fe&limit=1", "=&&&=", "archived=%"] {
        let status = bench.get(&format!("/api/v1/sessions?{query}"), ALICE).await.status.as_u16();
        assert!(status == 200 || status == 400, "{query}: {status}");
    }
    bench.get("/api/v1/audit?from=18446744073709551615", ADMIN).await.expect(200);
    bench.get("/api/v1/audit/commits?from=18446744073709551615", ADMIN).await.expect(200);
    bench
        .get(&format!("/api/v1/sessions/{session}/events?after=18446744073709551615"), ALICE)
        .await
        .problem(410, "gap");
}
