//! Webhooks over real sockets: called, believed, called again, and never where they must not be.

use serde_json::{Value, json};

use super::{super::render::place, ALICE, ALICES_PHONE, Bench, receiver::Receiver, turncoat};
use crate::domain::{Actor, Command, KeyId};

#[tokio::test]
async fn a_webhook_is_called_signed_and_done_at_once() {
    let (bench, mut receiver) = (Bench::open().await, Receiver::open().await);
    bench.subscribe("s", &receiver.url(), 1_000).await;
    bench.stream("events/a").await;
    let heard = receiver.next().await;
    let keys = bench.send("GET", "__ds/jwks.json", "no key at all", &Value::Null).await;
    assert_eq!(keys.headers["cache-control"], "public, max-age=300");
    assert_eq!(keys.headers["content-type"], "application/jwk-set+json");
    assert!(heard.is_signed_by(&keys.expect(200)), "{}", heard.header("webhook-signature"));
    let tail = heard.json()["streams"][0]["tail_offset"].clone();
    heard.answer("200 OK", r#"{"done":true}"#);
    bench.until("s", |shown| shown["streams"][0]["acked_offset"] == tail).await;
    bench.append("events/a").await;
    assert_eq!(receiver.next().await.generation(), 2);
}

#[tokio::test]
async fn news_that_came_while_the_receiver_was_at_work_is_the_next_wake() {
    let (bench, mut receiver) = (Bench::open().await, Receiver::open().await);
    bench.subscribe("s", &receiver.url(), 1_000).await;
    bench.stream("events/a").await;
    let first = receiver.next().await;
    bench.append("events/a").await;
    bench.stream("events/b").await;
    first.answer("200 OK", r#"{"done":true}"#);
    let second = receiver.next().await.json();
    let pending: Vec<&Value> = second["streams"].as_array().expect("streams").iter().collect();
    assert_eq!(pending.len(), 2);
    assert!(pending.iter().all(|stream| stream["has_pending"] == true));
}

#[tokio::test]
async fn a_handler_calls_back_with_the_token_of_the_wake_and_no_other() {
    let (bench, mut receiver) = (Bench::open().await, Receiver::open().await);
    bench.subscribe("s", &receiver.url(), 1_000).await;
    bench.subscribe("t", &receiver.url(), 1_000).await;
    bench.stream("events/a").await;
    let (first, second) = (receiver.next().await, receiver.next().await);
    let (s, t) = if first.text("subscription_id") == "s" { (first, second) } else { (second, first) };
    let word = |done: bool| {
        json!({"wake_id": s.text("wake_id"), "generation": 1, "done": done,
            "acks": [{"stream": "events/a", "offset": s.json()["streams"][0]["tail_offset"]}]})
    };
    assert_eq!(s.text("callback_url"), "http://rcs.test/v1/stream/__ds/subscriptions/s/callback");
    let token = s.text("callback_token");
    let callback =
        async |token: &str, word: &Value| bench.send("POST", "__ds/subscriptions/s/callback", token, word).await;
    for bad in [&t.text("callback_token"), ALICE, "", &format!("{token}A"), &token.to_uppercase()] {
        callback(bad, &word(true)).await.refused(401, "TOKEN_INVALID");
    }
    let mut other = word(true);
    other["wake_id"] = t.json()["wake_id"].clone();
    callback(&token, &other).await.refused(409, "FENCED");
    other = word(true);
    other["generation"] = json!(2);
    callback(&token, &other).await.refused(409, "FENCED");
    let mut ahead = word(true);
    ahead["acks"][0]["offset"] = json!("0000000000000009_0000000000000009");
    callback(&token, &ahead).await.refused(409, "INVALID_OFFSET");
    let ack = bench.send("POST", "__ds/subscriptions/s/ack", &token, &word(true)).await;
    ack.refused(400, "INVALID_REQUEST");
    assert_eq!(callback(&token, &word(false)).await.expect(200), json!({"ok": true, "next_wake": false}));
    assert_eq!(callback(&token, &word(true)).await.expect(200), json!({"ok": true, "next_wake": false}));
    callback(&token, &word(true)).await.refused(409, "FENCED");
    // The answer to the request that woke it comes last and changes nothing.
    s.answer("500 Internal Server Error", "");
    bench.append("events/a").await;
    let again = receiver.next().await;
    assert_eq!((again.text("subscription_id"), again.generation()), ("s".into(), 2));
    bench.sub("DELETE", "s", Value::Null).await.expect(204);
    let late = json!({"wake_id": again.text("wake_id"), "generation": 2});
    callback(&again.text("callback_token"), &late).await.refused(404, "SUBSCRIPTION_NOT_FOUND");
}

#[tokio::test]
async fn a_receiver_that_fails_is_called_again_with_the_same_wake() {
    let (bench, mut receiver) = (Bench::open().await, Receiver::open().await);
    bench.subscribe("s", &receiver.url(), 60_000).await;
    bench.stream("events/a").await;
    for failure in ["500 Internal Server Error", "307 Temporary Redirect"] {
        let heard = receiver.next().await;
        assert_eq!(heard.generation(), 1);
        heard.answer(failure, "");
        bench.until("s", |shown| shown["status"] == "failed").await;
    }
    receiver.next().await.answer("200 OK", "not JSON");
    bench.until("s", |shown| shown["status"] == "active").await;
    assert!(!receiver.was_called(), "it has the wake");
}

#[tokio::test]
async fn a_handler_that_falls_silent_is_fenced_off_and_the_work_given_out_again() {
    let (bench, mut receiver) = (Bench::open().await, Receiver::open().await);
    bench.subscribe("s", &receiver.url(), 1_000).await;
    bench.stream("events/a").await;
    let first = receiver.next().await;
    let (token, word) = (first.text("callback_token"), json!({"wake_id": first.text("wake_id"), "generation": 1}));
    first.answer("202 Accepted", "");
    let second = receiver.next().await;
    assert_eq!(second.generation(), 2);
    bench.send("POST", "__ds/subscriptions/s/callback", &token, &word).await.refused(409, "FENCED");
}

#[tokio::test]
async fn who_may_no_longer_read_is_no_longer_told() {
    let (bench, mut receiver) = (Bench::open().await, Receiver::open().await);
    bench.subscribe("s", &receiver.url(), 1_000).await;
    let key = KeyId::from_uuid(uuid::Uuid::from_u128(1));
    bench.house.relay.submit(Actor::System, Command::RevokeKey { key }).await.expect("revoked");
    let put = bench.send("PUT", "events/a", ALICES_PHONE, &json!({"n": 0})).await;
    put.expect(201);
    let phone = async |method: &str, body: Value| {
        bench.send(method, "__ds/subscriptions/s", ALICES_PHONE, &body).await.expect(200)
    };
    let mut changed = bench.house.relay.subscriptions_changed();
    while phone("GET", Value::Null).await["status"] != "failed" {
        changed.changed().await.expect("the relay lives");
    }
    assert!(!receiver.was_called());
    // Somebody who may confirms it: from now on it rests on their key.
    let wish = json!({"type": "webhook", "pattern": "events/*", "webhook": {"url": receiver.url()},
        "lease_ttl_ms": 1_000});
    phone("PUT", wish).await;
    receiver.next().await.answer("200 OK", r#"{"done":true}"#);
}

#[tokio::test]
async fn a_name_that_was_harmless_when_it_was_registered_is_looked_at_again_for_each_call() {
    let mut receiver = Receiver::open().await;
    let harmless = "93.184.215.14:443".parse().expect("an address");
    let bench = Bench::with(turncoat(harmless, receiver.address), "").await;
    bench.subscribe("s", "https://worker.example/hook", 1_000).await;
    bench.stream("events/a").await;
    bench.until("s", |shown| shown["status"] == "failed").await;
    assert!(!receiver.was_called());
    drop(bench);
    // The same receiver, where it may be called.
    let bench = Bench::open().await;
    bench.subscribe("s", &receiver.url(), 1_000).await;
    bench.stream("events/a").await;
    receiver.next().await.answer("200 OK", r#"{"done":true}"#);
}

#[tokio::test]
async fn an_offset_of_an_earlier_life_of_the_stream_is_no_offset() {
    let (bench, mut receiver) = (Bench::open().await, Receiver::open().await);
    bench.subscribe("s", &receiver.url(), 1_000).await;
    bench.stream("events/a").await;
    let first = receiver.next().await;
    let old = first.json()["streams"][0]["tail_offset"].clone();
    first.answer("200 OK", r#"{"done":true}"#);
    bench.until("s", |shown| shown["streams"][0]["acked_offset"] == old).await;
    bench.send("DELETE", "events/a", ALICE, &Value::Null).await.expect(204);
    bench.stream("events/a").await;
    let second = receiver.next().await;
    let word =
        json!({"wake_id": second.text("wake_id"), "generation": 2, "acks": [{"stream": "events/a", "offset": old}]});
    let token = second.text("callback_token");
    bench.send("POST", "__ds/subscriptions/s/callback", &token, &word).await.refused(409, "INVALID_OFFSET");
    assert_eq!(place(&bench.house, None, "0000000000000000_0000000000000000"), Some(0));
    assert_eq!(place(&bench.house, None, "-1"), None);
}
