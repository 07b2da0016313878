//! What is refused, to whom, and with which code.

use serde_json::{Value, json};

use super::{ALICE, Bench, MALLORY, RUNNER, VIEWER};

const HOOK: &str = "http://127.0.0.1:1/hook";

#[tokio::test]
async fn a_wish_that_makes_no_sense_is_refused_by_name() {
    let bench = Bench::open().await;
    let hook = json!({"url": HOOK});
    for (wish, field) in [
        (json!({"type": "webhook", "webhook": hook}), "pattern"),
        (json!({"type": "webhook", "webhook": hook, "streams": []}), "pattern"),
        (json!({"type": "webhook", "pattern": "a/b*", "webhook": hook}), "pattern"),
        (json!({"type": "webhook", "pattern": "__ds/**", "webhook": hook}), "pattern"),
        (json!({"type": "webhook", "streams": ["a", "../b"], "webhook": hook}), "streams"),
        (json!({"type": "webhook", "streams": [7], "webhook": hook}), "streams"),
        (json!({"type": "webhook", "pattern": "a"}), "webhook"),
        (json!({"type": "webhook", "pattern": "a", "webhook": {}}), "webhook"),
        (json!({"type": "pull-wake", "pattern": "a"}), "wake_stream"),
        (json!({"type": "pull-wake", "pattern": "a", "wake_stream": "sessions/x"}), "wake_stream"),
        (json!({"type": "pull-wake", "streams": ["w"], "wake_stream": "w"}), "wake stream"),
        (json!({"type": "pigeon", "pattern": "a"}), "type"),
        (json!({"pattern": "a"}), "type"),
        (json!({"type": "webhook", "pattern": "a", "webhook": hook, "lease_ttl_ms": 999}), "lease_ttl_ms"),
        (json!({"type": "webhook", "pattern": "a", "webhook": hook, "lease_ttl_ms": 600_001}), "lease_ttl_ms"),
        (json!({"type": "webhook", "pattern": "a", "webhook": hook, "lease_ttl_ms": "1"}), "lease_ttl_ms"),
        (json!({"type": "webhook", "pattern": "a", "webhook": hook, "description": "x".repeat(1_025)}), "description"),
    ] {
        let refused = bench.sub("PUT", "s", wish.clone()).await.refused(400, "INVALID_REQUEST");
        let message = refused["error"]["message"].as_str().expect("words");
        assert!(message.contains(field), "{wish}: {message}");
    }
    bench.sub("GET", "s", Value::Null).await.refused(404, "SUBSCRIPTION_NOT_FOUND");
}

#[tokio::test]
async fn a_url_into_the_private_network_is_refused() {
    let bench = Bench::open().await;
    for url in [
        "http://10.0.0.1/hook",
        "https://10.0.0.1/hook",
        "https://169.254.169.254/latest/meta-data",
        "https://[fd00::1]/",
        "https://[::ffff:10.0.0.1]/",
        "http://93.184.215.14/",
        "https://user:secret@93.184.215.14/",
        "gopher://93.184.215.14/",
        "not a url",
    ] {
        let wish = json!({"type": "webhook", "pattern": "a", "webhook": {"url": url}});
        let refused = bench.sub("PUT", "s", wish).await.refused(400, "WEBHOOK_URL_REJECTED");
        assert!(!refused.to_string().contains("secret"), "{refused}");
    }
}

#[tokio::test]
async fn another_wish_under_the_name_is_a_conflict_whatever_it_changes() {
    let bench = Bench::open().await;
    let wish = json!({"type": "webhook", "pattern": "a/*", "streams": ["x", "/y/", "x"], "webhook": {"url": HOOK}});
    bench.sub("PUT", "s", wish.clone()).await.expect(201);
    let mut same = wish.clone();
    same["streams"] = json!(["y", "x"]);
    same["lease_ttl_ms"] = json!(30_000);
    same["wake_stream"] = json!("wake/pool");
    bench.sub("PUT", "s", same).await.expect(200);
    for (field, value) in [
        ("pattern", json!("a/**")),
        ("streams", json!(["x"])),
        ("webhook", json!({"url": format!("{HOOK}?2")})),
        ("lease_ttl_ms", json!(1_000)),
        ("description", json!("")),
    ] {
        let mut other = wish.clone();
        other[field] = value;
        bench.sub("PUT", "s", other).await.refused(409, "SUBSCRIPTION_ALREADY_EXISTS");
    }
    bench.sub("DELETE", "s", Value::Null).await.expect(204);
    bench.sub("DELETE", "s", Value::Null).await.expect(204);
    let mut other = wish;
    other["pattern"] = json!("b/*");
    bench.sub("PUT", "s", other).await.expect(201);
}

#[tokio::test]
async fn a_subscription_is_its_owners_and_needs_the_right_to_make_things() {
    let bench = Bench::open().await;
    let wish = json!({"type": "webhook", "pattern": "**", "webhook": {"url": HOOK}});
    bench.sub("PUT", "s", wish.clone()).await.expect(201);
    let path = "__ds/subscriptions/s";
    bench.send("GET", path, MALLORY, &Value::Null).await.refused(404, "SUBSCRIPTION_NOT_FOUND");
    let claim = json!({"worker": "m"});
    bench.send("POST", &format!("{path}/claim"), MALLORY, &claim).await.refused(404, "SUBSCRIPTION_NOT_FOUND");
    let streams = json!({"streams": ["a"]});
    bench.send("POST", &format!("{path}/streams"), MALLORY, &streams).await.refused(404, "SUBSCRIPTION_NOT_FOUND");
    bench.send("DELETE", path, MALLORY, &Value::Null).await.expect(204);
    bench.sub("GET", "s", Value::Null).await.expect(200);
    bench.send("PUT", path, MALLORY, &wish).await.expect(201);
    bench.stream("secret/plans").await;
    let theirs = bench.send("GET", path, MALLORY, &Value::Null).await.expect(200);
    assert_eq!(theirs["streams"], json!([]), "a pattern means one's own streams");
    for (key, method, below, status) in [
        (VIEWER, "GET", "", 200),
        (VIEWER, "PUT", "", 403),
        (VIEWER, "DELETE", "", 403),
        (VIEWER, "POST", "/streams", 403),
        (VIEWER, "POST", "/claim", 403),
        (RUNNER, "PUT", "", 403),
        (RUNNER, "DELETE", "", 403),
        (RUNNER, "POST", "/streams", 403),
        ("nobody", "GET", "", 401),
    ] {
        let answer = bench.send(method, &format!("{path}{below}"), key, &wish).await;
        assert_eq!(answer.status.as_u16(), status, "{key} {method} {below}");
    }
}

#[tokio::test]
async fn links_come_and_go_by_name_and_the_pattern_stays() {
    let bench = Bench::open().await;
    bench.stream("events/a").await;
    bench.stream("other/b").await;
    let wish = json!({"type": "webhook", "pattern": "events/*", "webhook": {"url": HOOK}});
    bench.sub("PUT", "s", wish).await.expect(201);
    bench.sub("POST", "s/streams", json!({"streams": ["events/a", "other/b", "not/yet"]})).await.expect(204);
    bench.sub("POST", "s/streams", json!({"streams": []})).await.refused(400, "INVALID_REQUEST");
    let links = async || {
        let shown = bench.sub("GET", "s", Value::Null).await.expect(200);
        let streams = shown["streams"].as_array().expect("streams").clone();
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        streams.iter().map(|link| format!("{} {}", text(&link["path"]), text(&link["link_type"]))).collect::<Vec<_>>()
    };
    assert_eq!(links().await, ["events/a explicit", "not/yet explicit", "other/b explicit"]);
    let tail = bench.send("HEAD", "other/b", ALICE, &Value::Null).await.headers["stream-next-offset"].clone();
    let shown = bench.sub("GET", "s", Value::Null).await.expect(200);
    assert_eq!(shown["streams"][2]["acked_offset"], tail.to_str().expect("text"), "from its tail on");
    for path in ["events%2Fa", "other/b", "not/yet", "never/was"] {
        bench.sub("DELETE", &format!("s/streams/{path}"), Value::Null).await.expect(204);
    }
    assert_eq!(links().await, ["events/a glob"]);
}
