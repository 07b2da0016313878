//! Pull-wake: workers race, one has it, and its lease is what counts.

use serde_json::{Value, json};

use super::{ALICE, Bench, RUNNER};

async fn pulled(bench: &Bench, lease_ttl_ms: u64) {
    bench.send("PUT", "wake/pool", ALICE, &json!([])).await.expect(201);
    let wish = json!({"type": "pull-wake", "pattern": "**", "wake_stream": "wake/pool", "lease_ttl_ms": lease_ttl_ms});
    bench.sub("PUT", "p", wish).await.expect(201);
}

async fn told(bench: &Bench) -> Vec<u64> {
    let events = bench.send("GET", "wake/pool", ALICE, &Value::Null).await.expect(200);
    events.as_array().expect("events").iter().map(|event| event["generation"].as_u64().expect("a number")).collect()
}

async fn claim(bench: &Bench, worker: &str) -> super::Answer {
    bench.send("POST", "__ds/subscriptions/p/claim", RUNNER, &json!({"worker": worker})).await
}

/// Acks everything of a claim, or only shows a sign of life.
async fn ack(bench: &Bench, claimed: &Value, done: bool) -> super::Answer {
    let streams = claimed["streams"].as_array().expect("streams");
    let acks: Vec<Value> =
        streams.iter().map(|stream| json!({"stream": stream["path"], "offset": stream["tail_offset"]})).collect();
    let acks = if done { acks } else { Vec::new() };
    let word = json!({"wake_id": claimed["wake_id"], "generation": claimed["generation"], "acks": acks, "done": done});
    let token = claimed["token"].as_str().expect("a token");
    bench.send("POST", "__ds/subscriptions/p/ack", token, &word).await
}

#[tokio::test]
async fn a_wake_is_told_claimed_acked_and_told_again_for_what_came_meanwhile() {
    let bench = Bench::open().await;
    pulled(&bench, 30_000).await;
    claim(&bench, "w").await.refused(409, "NO_PENDING_WORK");
    bench.stream("events/a").await;
    assert_eq!(told(&bench).await, [1], "before the append was answered");
    let claimed = claim(&bench, "w").await.expect(200);
    let refused = claim(&bench, "v").await.refused(409, "ALREADY_CLAIMED");
    assert_eq!((&refused["error"]["current_holder"], &refused["error"]["generation"]), (&json!("w"), &json!(1)));
    bench.append("events/a").await;
    assert_eq!(ack(&bench, &claimed, true).await.expect(200), json!({"ok": true, "next_wake": true}));
    ack(&bench, &claimed, true).await.refused(409, "FENCED");
    assert_eq!(told(&bench).await, [1, 2]);
    let claimed = claim(&bench, "v").await.expect(200);
    assert_eq!(ack(&bench, &claimed, true).await.expect(200), json!({"ok": true, "next_wake": false}));
    claim(&bench, "w").await.refused(409, "NO_PENDING_WORK");
}

#[tokio::test]
async fn what_is_released_is_told_again_and_cursors_stay() {
    let bench = Bench::open().await;
    pulled(&bench, 30_000).await;
    bench.stream("events/a").await;
    let claimed = claim(&bench, "w").await.expect(200);
    let word = json!({"wake_id": claimed["wake_id"], "generation": 1});
    let release = async || {
        let token = claimed["token"].as_str().expect("a token");
        bench.send("POST", "__ds/subscriptions/p/release", token, &word).await
    };
    release().await.expect(204);
    release().await.refused(409, "FENCED");
    assert_eq!(told(&bench).await, [1, 2]);
    let again = claim(&bench, "v").await.expect(200);
    assert_eq!(again["streams"], claimed["streams"]);
}

#[tokio::test]
async fn a_worker_that_shows_no_sign_of_life_loses_the_wake_and_one_that_does_keeps_it() {
    let bench = Bench::open().await;
    pulled(&bench, 3_000).await;
    bench.stream("events/a").await;
    let lost = claim(&bench, "w").await.expect(200);
    let mut changed = bench.house.relay.subscriptions_changed();
    changed.mark_unchanged();
    while told(&bench).await != [1, 2] {
        tokio::time::timeout(super::PATIENCE, changed.changed()).await.expect("in time").expect("lives");
    }
    ack(&bench, &lost, false).await.refused(409, "FENCED");
    let kept = claim(&bench, "v").await.expect(200);
    let started = std::time::Instant::now();
    let mut beats = tokio::time::interval(std::time::Duration::from_millis(250));
    while started.elapsed() < std::time::Duration::from_millis(4_500) {
        beats.tick().await;
        ack(&bench, &kept, false).await.expect(200);
    }
    assert_eq!(ack(&bench, &kept, true).await.expect(200), json!({"ok": true, "next_wake": false}));
}

#[tokio::test]
async fn a_runner_sees_streams_in_a_wake_and_no_sessions() {
    use uuid::Uuid;

    use crate::domain::{Actor, Command, OwnerId, SessionId, WorkId, event::SessionCreated};
    let bench = Bench::open().await;
    pulled(&bench, 30_000).await;
    let particulars = SessionCreated {
        session: SessionId::from_uuid(Uuid::from_u128(7)),
        owner: OwnerId::from_uuid(Uuid::from_u128(1)),
        environment: None,
        title: None,
        source: "test".into(),
        mode: None,
        model: None,
        directory: None,
    };
    let work = WorkId::from_uuid(Uuid::from_u128(8));
    let create = Command::CreateSession { particulars, work, course: Vec::new(), prompt: None };
    bench.house.relay.submit(Actor::System, create).await.expect("a session");
    bench.stream("events/a").await;
    let claimed = claim(&bench, "w").await.expect(200);
    let paths = |streams: &Value| -> Vec<String> {
        let streams = streams.as_array().expect("streams").iter();
        streams.map(|stream| stream["path"].as_str().expect("a path").to_owned()).collect()
    };
    assert_eq!(paths(&claimed["streams"]), ["events/a"]);
    let shown = bench.sub("GET", "p", Value::Null).await.expect(200);
    let session = "sessions/session_00000000000000000000000000000007";
    assert_eq!(paths(&shown["streams"]), ["events/a", session], "its owner sees both");
    let tail = bench.send("HEAD", session, ALICE, &Value::Null).await.headers["stream-next-offset"].clone();
    let word = json!({"wake_id": claimed["wake_id"], "generation": claimed["generation"], "done": true,
        "acks": [{"stream": session, "offset": tail.to_str().expect("text")}]});
    let token = claimed["token"].as_str().expect("a token");
    bench.send("POST", "__ds/subscriptions/p/ack", token, &word).await.expect(200);
}
