//! Readers: lives that end, places that are gone, forks, sessions.

use std::{sync::Arc, time::Duration};

use uuid::Uuid;

use super::{ALICE, Bench, JSON, MALLORY, TEXT, VIEWER, owner};
use crate::{
    domain::{Actor, Command, Sequence, SessionId, Stream, WorkId, event::SessionCreated},
    security::ApiKey,
    wire::streams::header as name,
};

#[tokio::test]
async fn a_place_in_a_stream_that_was_deleted_is_none_in_the_next_one_of_its_name() {
    let bench = Bench::open().await;
    let before = bench.put("/v1/stream/a", &[TEXT], "old").await.expect(201).offset();
    bench.send("DELETE", "/v1/stream/a", ALICE, &[], "").await.expect(204);
    bench.get("/v1/stream/a").await.expect(404);
    bench.put("/v1/stream/a", &[TEXT], "new").await.expect(201);
    bench.post("/v1/stream/a", &[TEXT], "er").await.expect(204);
    let lost = bench.get(&format!("/v1/stream/a?offset={before}")).await.expect(410);
    let earliest = lost.header(name::EARLIEST_OFFSET).to_owned();
    let rest = bench.get(&format!("/v1/stream/a?offset={earliest}")).await.expect(200);
    assert_eq!(rest.text(), "newer");
}

#[tokio::test]
async fn a_reader_behind_the_horizon_is_told_where_the_stream_now_begins() {
    let bench = Bench::open().await;
    bench.put("/v1/stream/a", &[TEXT], "1").await.expect(201);
    let second = bench.post("/v1/stream/a", &[TEXT], "2").await.expect(204).offset();
    bench.post("/v1/stream/a", &[TEXT], "3").await.expect(204);
    let id = {
        let world = bench.house.relay.world();
        world.user_streams().named(owner(1), "a").expect("there").id
    };
    // The first record says that it was made; the next two hold 1 and 2.
    bench.house.relay.trim(Stream::User(id), Sequence(3)).await.expect("trimmed");
    for live in ["", "&live=long-poll", "&live=sse"] {
        let lost = bench.get(&format!("/v1/stream/a?offset=-1{live}")).await;
        assert_eq!(lost.status, 410, "{lost:?}");
        assert_eq!(lost.header(name::EARLIEST_OFFSET), second);
    }
    assert_eq!(bench.get(&format!("/v1/stream/a?offset={second}")).await.expect(200).text(), "3");
}

#[tokio::test]
async fn a_sliding_life_is_renewed_by_reading_and_not_by_looking() {
    let bench = Bench::open().await;
    let ttl = ("stream-ttl", "2");
    for read in ["", "?offset=now", "?offset=-1", "?offset=now&live=long-poll", "?offset=-1&live=sse"] {
        bench.put("/v1/stream/a", &[TEXT, ttl], "x").await.expect(201);
        for _ in 0..3 {
            bench.pass(1_500);
            bench.get(&format!("/v1/stream/a{read}")).await;
        }
        bench.pass(1_500);
        bench.send("HEAD", "/v1/stream/a", ALICE, &[], "").await.expect(200);
        bench.pass(500);
        bench.send("HEAD", "/v1/stream/a", ALICE, &[], "").await.expect(404);
        bench.post("/v1/stream/a", &[TEXT], "y").await.expect(404);
    }
}

#[tokio::test]
async fn a_fixed_end_is_an_end_whatever_happens_before() {
    let bench = Bench::open().await;
    let until = ("stream-expires-at", "2026-01-02T03:04:15Z");
    bench.put("/v1/stream/a", &[TEXT, until], "x").await.expect(201);
    let shown = bench.send("HEAD", "/v1/stream/a", ALICE, &[], "").await.expect(200);
    assert_eq!(shown.header("stream-expires-at"), "2026-01-02T03:04:15.000Z");
    bench.pass(9_999);
    bench.post("/v1/stream/a", &[TEXT], "y").await.expect(204);
    bench.pass(1);
    bench.get("/v1/stream/a").await.expect(404);
    // The name is free again.
    bench.put("/v1/stream/a", &[JSON], "").await.expect(201);
}

#[tokio::test]
async fn a_fork_is_read_as_one_stream_and_shares_the_offsets_of_its_source() {
    let bench = Bench::open().await;
    let first = bench.put("/v1/stream/a", &[JSON], "[1,2]").await.expect(201).offset();
    let second = bench.post("/v1/stream/a", &[JSON], "3").await.expect(204).offset();
    let from =
        [("stream-forked-from", "/v1/stream/a"), ("stream-fork-offset", &first), ("stream-fork-sub-offset", "1")];
    // A part of the second append, then its own.
    let fork = bench.put("/v1/stream/b", &from, "[4]").await.expect(201);
    assert_ne!(fork.offset(), second, "a place beyond the parting is the fork's own");
    assert_eq!(bench.get("/v1/stream/b").await.text(), "[1,2,3,4]");
    let tail = bench.get(&format!("/v1/stream/b?offset={first}")).await.expect(200);
    assert_eq!((tail.text(), tail.offset()), ("[3,4]", fork.offset()));
    bench.get(&format!("/v1/stream/b?offset={second}")).await.expect(410);
    bench.get(&format!("/v1/stream/a?offset={}", fork.offset())).await.expect(410);

    let sse = bench.get("/v1/stream/b?offset=-1&live=sse").await.expect(200);
    let data: String = sse.text().lines().filter_map(|line| line.strip_prefix("data:[")).collect();
    assert_eq!(data, "1,2,3,4]", "{}", sse.text());
    assert!(sse.text().contains("\"upToDate\":true"), "{}", sse.text());
}

#[tokio::test]
async fn a_session_is_a_stream_for_whoever_may_read_it() {
    let bench = Bench::with(|settings| settings.streams_anonymous = "read".parse().expect("rights")).await;
    let session = SessionId::from_uuid(Uuid::from_u128(0x5e55));
    let created = SessionCreated {
        session,
        owner: owner(1),
        environment: None,
        title: Some("one".into()),
        source: "test".into(),
        mode: None,
        model: None,
        directory: None,
    };
    let work = WorkId::from_uuid(Uuid::nil());
    let create = Command::CreateSession { particulars: created, work, course: Vec::new(), prompt: None };
    bench.house.relay.submit(Actor::System, create).await.expect("new");
    let path = format!("/v1/stream/sessions/{session}");
    let head = bench.send("HEAD", &path, VIEWER, &[], "").await.expect(200);
    assert_eq!(head.header("content-type"), "application/json");

    let all = bench.get(&path).await.expect(200);
    let messages: serde_json::Value = serde_json::from_slice(&all.body).expect("JSON");
    assert_eq!(messages.as_array().map(Vec::len), Some(1));
    assert_eq!((&messages[0]["kind"], &messages[0]["sequence"]), (&"session_created".into(), &1.into()));
    assert_eq!(all.offset(), head.offset());

    // A long poll hears of what happens while it waits.
    let waiting = bench.get(&format!("{path}?offset={}&live=long-poll", all.offset())).await.expect(204);
    assert_eq!(waiting.offset(), all.offset());
    let rename = Command::ArrangeSession { session, title: Some("two".into()), pinned: None };
    bench.house.relay.submit(Actor::System, rename).await.expect("renamed");
    let sse = bench.get(&format!("{path}?offset={}&live=sse", all.offset())).await.expect(200);
    assert!(sse.text().starts_with("event: data\ndata:[{\"sequence\":2,"), "{}", sse.text());

    // Somebody else's session looks like one that does not exist; nothing is written to one.
    bench.send("GET", &path, MALLORY, &[], "").await.expect(404);
    bench.send("GET", &path, "", &[], "").await.expect(401);
    for method in ["PUT", "POST", "DELETE"] {
        let refused = bench.send(method, &path, ALICE, &[JSON], "{}").await.expect(405);
        assert_eq!(refused.header("allow"), "GET, HEAD");
    }
}

#[tokio::test]
async fn a_long_poll_is_answered_by_the_append_that_it_waited_for_and_by_a_close() {
    let bench = Arc::new(Bench::with(|settings| settings.streams_poll = Duration::from_mins(1)).await);
    let tail = bench.put("/v1/stream/a", &[TEXT], "").await.expect(201).offset();
    let wait = |offset: String| {
        let bench = Arc::clone(&bench);
        tokio::spawn(async move { bench.get(&format!("/v1/stream/a?offset={offset}&live=long-poll")).await })
    };
    let waiting = wait(tail);
    while bench.house.relay.streams_followed() == 0 {
        tokio::task::yield_now().await;
    }
    bench.post("/v1/stream/a", &[TEXT], "now").await.expect(204);
    let answer = waiting.await.expect("answered").expect(200);
    assert_eq!((answer.text(), answer.header("stream-up-to-date")), ("now", "true"));
    assert!(answer.header("stream-cursor").parse::<u64>().is_ok());

    let waiting = wait(answer.offset());
    bench.post("/v1/stream/a", &[("stream-closed", "true")], "").await.expect(204);
    let answer = waiting.await.expect("answered").expect(204);
    assert_eq!((answer.header("stream-closed"), answer.header("stream-cursor")), ("true", ""));
}

#[tokio::test]
async fn a_long_poll_tells_nothing_to_a_key_that_was_revoked_while_it_waited() {
    let bench = Arc::new(Bench::with(|settings| settings.streams_poll = Duration::from_mins(1)).await);
    bench.put("/v1/stream/a", &[TEXT], "").await.expect(201);
    let waiting = tokio::spawn({
        let bench = Arc::clone(&bench);
        async move { bench.send("GET", "/v1/stream/a?offset=now&live=long-poll", VIEWER, &[], "").await }
    });
    while bench.house.relay.streams_followed() == 0 {
        tokio::task::yield_now().await;
    }
    let digest = ApiKey::parse(VIEWER).expect("a key").digest();
    let key = bench.house.relay.world().key_by_digest(&digest).expect("is known").created.key;
    bench.house.relay.submit(Actor::System, Command::RevokeKey { key }).await.expect("revoked");
    bench.post("/v1/stream/a", &[TEXT], "not for everybody").await.expect(204);
    let refused = waiting.await.expect("answered").expect(401);
    assert!(!refused.text().contains("not for everybody"));
}
