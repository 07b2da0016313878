//! A session's stream: pages, live, gaps, and its end.

use std::time::Duration;

use serde_json::{Value, json};

use super::bench::{ALICE, Bench};
use crate::{
    domain::{Actor, Command, KeyId, Sequence, Stream, limits},
    security::ThrottleConfig,
};

#[tokio::test]
async fn pages_put_together_are_the_stream() {
    let bench = Bench::open().await;
    let session = bench.session("long").await;
    for number in 1..=9 {
        bench.say(session, number, "x").await;
    }
    let whole = bench.get(&format!("/api/v1/sessions/{session}/events"), ALICE).await.expect(200);
    let all = whole["events"].as_array().expect("events").clone();
    let (mut seen, mut after) = (Vec::new(), 0);
    loop {
        let path = format!("/api/v1/sessions/{session}/events?after={after}&limit=4");
        let page = bench.get(&path, ALICE).await.expect(200);
        let events = page["events"].as_array().expect("events");
        if events.is_empty() {
            assert_eq!(page["next"], after);
            break;
        }
        after = page["next"].as_u64().expect("a number");
        seen.extend(events.iter().cloned());
    }
    assert_eq!(seen, all);
    for (index, event) in all.iter().enumerate() {
        assert_eq!(event["sequence"], index as u64 + 1);
    }
}

#[tokio::test]
async fn a_follower_sees_what_was_and_what_comes() {
    let bench = Bench::open().await;
    let session = bench.session("live").await;
    bench.submit(Actor::Worker(session), Command::WorkerSeen { session }).await;
    bench.say(session, 1, "before").await;
    let path = format!("/api/v1/sessions/{session}/events");
    let mut stream = bench.follow(&path, &[]).await;
    let mut last = 0;
    loop {
        let (id, event) = stream.event().await;
        assert_eq!((id, &event["sequence"]), (last + 1, &json!(id)));
        last = id;
        if event["kind"] == "message_received" {
            break;
        }
    }
    bench.say(session, 2, "after").await;
    let (id, event) = stream.event().await;
    let page = bench.get(&format!("{path}?after={last}"), ALICE).await.expect(200);
    assert_eq!(event, page["events"][0], "live and replay are the same");

    // A browser that comes back says where it was; that outranks the URL it was given first.
    let mut back = bench.follow(&format!("{path}?after=0"), &[("last-event-id", &(id - 1).to_string())]).await;
    assert_eq!(back.event().await.0, id);
    let mut live = bench.follow(&format!("{path}?after=latest"), &[]).await;
    bench.say(session, 3, "newest").await;
    assert_eq!(live.event().await.0, id + 1);
}

#[tokio::test]
async fn a_reader_behind_the_horizon_is_told_where_to_start_over() {
    let bench = Bench::open().await;
    let session = bench.session("trimmed").await;
    for number in 1..=5 {
        bench.say(session, number, "x").await;
    }
    bench.house.relay.trim(Stream::Session(session), Sequence(3)).await.expect("trimmed");
    let path = format!("/api/v1/sessions/{session}/events");
    for query in ["after=0", "after=1", "stream=sse&after=2"] {
        let problem = bench.get(&format!("{path}?{query}"), ALICE).await.problem(410, "gap");
        assert_eq!(problem["earliest"], 4, "{problem}");
        assert_eq!(problem["epoch"], "0000000000000001");
        assert!(problem["latest"].as_u64() >= Some(6));
    }
    let page = bench.get(&format!("{path}?after=3"), ALICE).await.expect(200);
    assert_eq!((&page["events"][0]["sequence"], &page["earliest"]), (&json!(4), &json!(4)));
}

#[tokio::test]
async fn offsets_of_another_history_are_a_gap_and_never_silence() {
    let bench = Bench::open().await;
    let session = bench.session("restored").await;
    let path = format!("/api/v1/sessions/{session}/events");
    bench.get(&format!("{path}?after=1000"), ALICE).await.problem(410, "gap");
    bench.get(&format!("{path}?stream=sse&after=1000"), ALICE).await.problem(410, "gap");
    bench.get(&format!("{path}?after=0&epoch=00000000000000ff"), ALICE).await.problem(410, "gap");
    bench.get(&format!("{path}?after=0&epoch=0000000000000001"), ALICE).await.expect(200);
}

#[tokio::test]
async fn a_reader_that_falls_behind_the_horizon_hears_of_the_gap_in_the_stream() {
    let bench = Bench::open().await;
    let session = bench.session("slow").await;
    let path = format!("/api/v1/sessions/{session}/events");
    let mut stream = bench.follow(&path, &[]).await;
    // Not read yet, and more than is held in memory for live readers: what comes next must come from the journal.
    for number in 1..=u32::try_from(limits::RING_RECORDS_MAX).expect("small") + 10 {
        bench.say(session, number, "x").await;
    }
    bench.house.relay.trim(Stream::Session(session), Sequence(8)).await.expect("trimmed");
    let frame = stream.frame().await.expect("a word");
    let data = frame.strip_prefix("event: gap\ndata: ").unwrap_or_else(|| panic!("{frame}"));
    let gap: Value = serde_json::from_str(data).expect("JSON");
    assert_eq!((&gap["kind"], &gap["earliest"], &gap["epoch"]), (&json!("gap"), &json!(9), &json!("0000000000000001")));
    assert_eq!(stream.frame().await, None, "after a gap, never silently live");
}

#[tokio::test]
async fn a_stream_ends_with_the_key_that_opened_it() {
    for keepalive in [Duration::from_millis(20), Duration::from_hours(1)] {
        let bench = Bench::with(|settings| settings.sse_keepalive = keepalive, ThrottleConfig::default()).await;
        let session = bench.session("watched").await;
        let mut stream = bench.follow(&format!("/api/v1/sessions/{session}/events?after=latest"), &[]).await;
        bench.say(session, 1, "while it is good").await;
        while !stream.frame().await.expect("goes on").contains("while it is good") {}
        let key = KeyId::from_uuid(uuid::Uuid::from_u128(1));
        bench.submit(Actor::System, Command::RevokeKey { key }).await;
        bench.say(session, 2, "afterwards").await;
        while let Some(frame) = stream.frame().await {
            assert!(!frame.contains("afterwards"), "nothing is shown any more: {frame}");
        }
    }
}

#[tokio::test]
async fn the_end_of_the_server_is_announced() {
    let bench = Bench::open().await;
    let session = bench.session("last").await;
    let mut stream = bench.follow(&format!("/api/v1/sessions/{session}/events?after=latest"), &[]).await;
    bench.house.relay.close();
    assert_eq!(stream.frame().await.as_deref(), Some("retry: 1000\n: the server is shutting down"));
    assert_eq!(stream.frame().await, None);
    let refused = bench.post("/api/v1/sessions", ALICE, json!({})).await;
    assert_eq!(refused.header("retry-after"), "2");
    refused.problem(503, "unavailable");
}
