//! What those who run the server look at: the disk, the audit backwards and by somebody, a walk that is watched, and
//! who is woken.

use serde_json::{Value, json};

use super::bench::{ADMIN, ALICE, Bench, MALLORY, RUNNER, Stream, VIEWER, owner};
use crate::domain::{
    Actor, Command, SubscriptionId,
    event::Fingerprint,
    subscription::{Delivery, SubscriptionCreated},
};

#[tokio::test]
async fn only_those_who_run_the_server_see_its_disk() {
    let bench = Bench::open().await;
    let status = bench.get("/api/v1/status", ADMIN).await.expect(200);
    let storage = &status["storage"];
    assert_eq!(storage["kept"], json!({}), "all of it for ever");
    assert_eq!(storage["file_bytes"], Value::Null, "this journal lies in memory");
    let times = &storage["commit_times"];
    assert!(times["commits"].as_u64() > Some(0), "{storage}");
    assert!(times["median_micros"].as_u64() <= times["slow_micros"].as_u64());
    assert!(times["slow_micros"].as_u64() <= times["slowest_micros"].as_u64());
    assert!(storage["oldest_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{storage}");
    for key in [ALICE, VIEWER] {
        assert_eq!(bench.get("/api/v1/status", key).await.expect(200)["storage"], Value::Null);
    }
}

fn positions(page: &Value) -> Vec<u64> {
    let records = page["records"].as_array().expect("records");
    records.iter().map(|record| record["position"].as_u64().expect("a position")).collect()
}

#[tokio::test]
async fn the_audit_reads_backwards_without_a_hole() {
    let bench = Bench::open().await;
    // More than one window.
    for number in 0..300 {
        bench.session(&format!("session {number}")).await;
    }
    let tail = bench.house.relay.journal().tail().0;
    let (mut before, mut seen) = (tail + 1, Vec::new());
    loop {
        let page = bench.get(&format!("/api/v1/audit?before={before}&limit=70"), ADMIN).await.expect(200);
        assert_eq!((page["next"].as_u64(), page["tail"].as_u64()), (Some(before), Some(tail)));
        seen.extend(positions(&page));
        let Some(previous) = page["previous"].as_u64() else { break };
        before = previous;
    }
    assert_eq!(seen, (1..=tail).rev().collect::<Vec<_>>());
    let beyond = bench.get(&format!("/api/v1/audit?before={}&limit=1", u64::MAX), ADMIN).await.expect(200);
    assert_eq!(positions(&beyond), [tail], "beyond the end is the end");
    assert_eq!(positions(&bench.get("/api/v1/audit?before=1", ADMIN).await.expect(200)), [0_u64; 0]);
    let forward = bench.get("/api/v1/audit?from=5&limit=3", ADMIN).await.expect(200);
    assert_eq!((positions(&forward), forward["next"].as_u64()), (vec![5, 6, 7], Some(8)));
    assert_eq!(forward["previous"], Value::Null);
}

#[tokio::test]
async fn the_audit_tells_who_did_what_to_what() {
    let bench = Bench::open().await;
    let (mine, other) = (bench.session("mine").await, bench.session("other").await);
    bench.say(mine, 1, "hi").await;
    bench.say(other, 2, "ho").await;
    let environment = bench.environment(1).await;
    let list = |query: String| {
        let bench = &bench;
        async move {
            let page = bench.get(&format!("/api/v1/audit?{query}"), ADMIN).await.expect(200);
            page["records"].as_array().expect("records").clone()
        }
    };
    for direction in ["before=99999", "from=1"] {
        let about = list(format!("{direction}&stream={mine}")).await;
        let key = about.iter().map(|record| &record["by"]).find(|by| by["type"] == "key").expect("a key").clone();
        assert!(about.len() >= 2 && about.iter().all(|record| record["stream"] == mine.to_string()), "{about:?}");
        let about = list(format!("{direction}&stream={environment}")).await;
        assert!(!about.is_empty() && about.iter().all(|record| record["stream"] == environment.to_string()));
        let system = list(format!("{direction}&stream=system")).await;
        assert!(system.iter().any(|record| record["kind"] == "key_created"), "{system:?}");
        let by = list(format!("{direction}&by={}&limit=2", key["id"].as_str().expect("a key"))).await;
        assert!(by.len() <= 2 && !by.is_empty() && by.iter().all(|record| record["by"] == key), "{by:?}");
        let both = list(format!("{direction}&by=system&stream={mine}")).await;
        assert!(both.is_empty(), "{both:?}");
    }
    let one = bench.get(&format!("/api/v1/audit?from=1&limit=1&stream={other}"), ADMIN).await.expect(200);
    let next = one["next"].as_u64().expect("a place");
    let rest = list(format!("from={next}&stream={other}")).await;
    assert!(!rest.iter().any(|record| record == &one["records"][0]) && !rest.is_empty(), "it goes on behind it");
    for key in [ALICE, VIEWER, RUNNER] {
        bench.get("/api/v1/audit?before=5", key).await.problem(403, "forbidden");
    }
}

#[tokio::test]
async fn a_walk_that_is_watched_ends_with_its_verdict() {
    let bench = Bench::open().await;
    bench.session("audited").await;
    let headers = [("accept", "text/event-stream")];
    let mut stream = Stream::of(bench.call("POST", "/api/v1/audit/verify", ADMIN, &headers, "").await);
    let mut last = stream.frame().await.expect("a frame");
    while let Some(progress) = last.strip_prefix("event: progress\ndata: ") {
        let progress: Value = serde_json::from_str(progress).expect("JSON");
        assert!(progress["position"].as_u64() <= progress["tail"].as_u64());
        last = stream.frame().await.expect("a frame");
    }
    let verdict = last.strip_prefix("event: verified\ndata: ").unwrap_or_else(|| panic!("{last}"));
    let verdict: Value = serde_json::from_str(verdict).expect("JSON");
    assert_eq!(verdict, bench.post("/api/v1/audit/verify", ADMIN, Value::Null).await.expect(200));
    assert_eq!(verdict["clean"], true);
    assert_eq!(stream.frame().await, None, "and then it ends");
    bench.post("/api/v1/audit/verify", ALICE, Value::Null).await.problem(403, "forbidden");
}

/// Its other name was taken, and found nothing.
#[tokio::test]
async fn what_a_worker_did_is_found_under_both_names_of_its_session() {
    let bench = Bench::open().await;
    let session = bench.session("mine").await;
    bench.say(session, 1, "hi").await;
    let by = |id: String| {
        let bench = &bench;
        async move { bench.get(&format!("/api/v1/audit?from=1&by={id}"), ADMIN).await.expect(200)["records"].clone() }
    };
    let found = by(session.to_string()).await;
    assert_eq!(found[0]["by"]["type"], "worker");
    assert_eq!(by(session.worker_form()).await, found);
    bench.get("/api/v1/audit?from=1&by=nobody", ADMIN).await.problem(400, "bad-request");
}

/// Each walk reads the whole journal and goes on without whoever asked for it.
#[tokio::test]
async fn the_journal_is_walked_once_at_a_time_however_often_it_is_asked_for() {
    let bench = Bench::open().await;
    let walking = bench.house.throttle.open_audit().expect("nobody walks");
    let refused = bench.post("/api/v1/audit/verify", ADMIN, Value::Null).await;
    assert_ne!(refused.header("retry-after"), "");
    refused.problem(429, "too-many-requests");
    drop(walking);
    bench.post("/api/v1/audit/verify", ADMIN, Value::Null).await.expect(200);
}

#[tokio::test]
async fn who_is_woken_is_listed_without_what_is_secret_in_it() {
    let bench = Bench::open().await;
    let subscription = SubscriptionId::from_uuid(uuid::Uuid::from_u128(7));
    let created = SubscriptionCreated {
        subscription,
        owner: owner(1),
        name: "ci".parse().expect("a name"),
        delivery: Delivery::Webhook { url: "https://hooks.test/T0/secret?token=x".into() },
        pattern: Some("jobs/*".parse().expect("a pattern")),
        lease_ms: 30_000,
        description: None,
        fingerprint: Fingerprint([1; 16]),
    };
    bench.submit(Actor::System, Command::CreateSubscription { created, streams: Vec::new() }).await;
    let listed = bench.get("/api/v1/subscriptions", ALICE).await.expect(200);
    let shown = &listed["items"][0];
    assert_eq!(shown["delivery"], json!({"type": "webhook", "host": "hooks.test"}));
    assert_eq!((shown["name"].as_str(), shown["state"].as_str()), (Some("ci"), Some("idle")));
    assert!(!listed.to_string().contains("secret"), "{listed}");
    assert_eq!(bench.get("/api/v1/subscriptions", MALLORY).await.expect(200), json!({"items": []}));
    assert_eq!(bench.get("/api/v1/subscriptions", ADMIN).await.expect(200), listed);
    bench.get("/api/v1/subscriptions", "").await.problem(401, "unauthenticated");
    bench.get("/api/v1/subscriptions?limit=0", ALICE).await.problem(400, "bad-request");
}
