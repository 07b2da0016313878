//! Every shape that goes over the wire, on a page each.

use serde_json::{Value, json};

use super::{ALICE, Answer, Bench, receiver::Receiver};

/// Ids, tokens, keys and places differ from run to run.
fn calm(mut value: Value) -> Value {
    fn walk(value: &mut Value) {
        match value {
            Value::Object(members) => members.iter_mut().for_each(|(name, value)| match (name.as_str(), &*value) {
                ("wake_id" | "token" | "callback_token" | "kid" | "x" | "created_at" | "ts", _) => {
                    *value = json!(format!("[{name}]"));
                }
                ("url", Value::String(text)) if text.starts_with("http://127") => *value = json!("[url]"),
                ("acked_offset" | "tail_offset", Value::String(text)) => {
                    *value = json!(text.split_once('_').map(|(position, _)| format!("{position}_[life]")));
                }
                _ => walk(value),
            }),
            Value::Array(items) => items.iter_mut().for_each(walk),
            _ => {}
        }
    }
    walk(&mut value);
    value
}

#[tokio::test]
async fn subscriptions_and_what_they_send() {
    let (bench, mut receiver) = (Bench::open().await, Receiver::open().await);
    bench.stream("events/old").await;
    bench.send("PUT", "wake/pool", ALICE, &json!([])).await.expect(201);
    let wish = json!({"type": "webhook", "pattern": "events/*", "streams": ["manual/a"],
        "webhook": {"url": receiver.url()}, "lease_ttl_ms": 30_000, "description": "event processor"});
    insta::assert_json_snapshot!("webhook", calm(bench.sub("PUT", "a b", wish).await.expect(201)));
    let wish = json!({"type": "pull-wake", "pattern": "events/**", "wake_stream": "wake/pool"});
    insta::assert_json_snapshot!("pull_wake", calm(bench.sub("PUT", "p", wish).await.expect(201)));
    bench.stream("events/new").await;
    let heard = receiver.next().await;
    assert!(heard.text("wake_id").starts_with("w_") && heard.text("callback_token").starts_with("rcsw_"));
    insta::assert_json_snapshot!("notification", calm(heard.json()));
    let claimed = bench.sub("POST", "p/claim", json!({"worker": "w"})).await.expect(200);
    insta::assert_json_snapshot!("claimed", calm(claimed));
    let events = bench.send("GET", "wake/pool", ALICE, &Value::Null).await.expect(200);
    insta::assert_json_snapshot!("wake_event", calm(events));
    let keys = bench.send("GET", "__ds/jwks.json", "", &Value::Null).await.expect(200);
    insta::assert_json_snapshot!("keys", calm(keys));
}

#[tokio::test]
async fn every_refusal_on_one_page() {
    let bench = Bench::open().await;
    bench.send("PUT", "wake/pool", ALICE, &json!([])).await.expect(201);
    let wish = json!({"type": "pull-wake", "pattern": "events/*", "wake_stream": "wake/pool"});
    bench.sub("PUT", "p", wish).await.expect(201);
    let mut page = Vec::new();
    let mut note = |what: &str, answer: Answer| {
        let status = answer.status.as_u16();
        page.push(json!({"what": what, "status": status, "body": answer.expect(status)}));
    };
    note("absent", bench.sub("GET", "nope", Value::Null).await);
    note("method", bench.sub("PATCH", "p", Value::Null).await);
    note("no route", bench.sub("POST", "p/dance", Value::Null).await);
    note("idle", bench.sub("POST", "p/claim", json!({"worker": "w"})).await);
    note("no worker", bench.sub("POST", "p/claim", json!({"worker": ""})).await);
    note("other wish", {
        let wish = json!({"type": "pull-wake", "pattern": "events/**", "wake_stream": "wake/pool"});
        bench.sub("PUT", "p", wish).await
    });
    note("bad url", {
        let wish = json!({"type": "webhook", "pattern": "a", "webhook": {"url": "https://10.0.0.1/"}});
        bench.sub("PUT", "s", wish).await
    });
    bench.stream("events/a").await;
    let claimed = bench.sub("POST", "p/claim", json!({"worker": "w"})).await.expect(200);
    note("claimed", bench.sub("POST", "p/claim", json!({"worker": "v"})).await);
    note("no token", bench.sub("POST", "p/ack", json!({})).await);
    let token = claimed["token"].as_str().expect("a token");
    let word = |generation: u64, offset: &str| {
        json!({"wake_id": claimed["wake_id"], "generation": generation,
            "acks": [{"stream": "events/a", "offset": offset}]})
    };
    let ack = async |word: Value| bench.send("POST", "__ds/subscriptions/p/ack", token, &word).await;
    note("fenced", ack(word(7, "0000000000000000_0000000000000000")).await);
    note("bad offset", ack(word(1, "-1")).await);
    note("no word", ack(json!({"generation": 1})).await);
    insta::assert_json_snapshot!("refusals", page);
}
