//! What is the same after the server was killed and started again: data, places, producers, forks, lives, ends.

use std::time::Instant;

use super::{JSON, PATIENCE, Streams, TEXT};
use crate::harness::{Client, Server};

fn producer(seq: &str) -> [(&str, &str); 4] {
    [TEXT, ("producer-id", "p"), ("producer-epoch", "3"), ("producer-seq", seq)]
}

#[tokio::test]
async fn everything_about_a_stream_is_the_same_after_the_server_was_killed() {
    let mut server = Server::start();
    let streams = Streams::new(&server);
    let first = streams.send("PUT", "a", &[TEXT, ("stream-ttl", "3600")], "one").await.expect(201).offset();
    streams.send("POST", "a", &producer("0"), "two").await.expect(200);
    streams.send("POST", "a", &[TEXT, ("stream-seq", "m")], "three").await.expect(204);
    let from =
        [("stream-forked-from", "/v1/stream/a"), ("stream-fork-offset", &*first), ("stream-fork-sub-offset", "2")];
    streams.send("PUT", "dir/fork", &from, "!").await.expect(201);
    streams.send("PUT", "gone", &[JSON], "[1,2]").await.expect(201);
    streams.send("PUT", "fork-of-gone", &[("stream-forked-from", "/v1/stream/gone")], "").await.expect(201);
    streams.send("DELETE", "gone", &[], "").await.expect(204);
    streams.send("PUT", "done", &[TEXT, ("stream-closed", "true")], "all").await.expect(201);
    let before = streams.get("a").await.expect(200);

    server.kill_and_restart();
    let streams = Streams::new(&server);
    let after = streams.get("a").await.expect(200);
    assert_eq!(after.text, "onetwothree");
    for name in ["stream-next-offset", "etag", "content-type"] {
        assert_eq!(before.header(name), after.header(name), "{name}");
    }
    assert_eq!(streams.get(&format!("a?offset={first}")).await.text, "twothree");
    assert_eq!(streams.send("HEAD", "a", &[], "").await.header("stream-ttl"), "3600");
    // Producers and writers are where they were.
    let again = streams.send("POST", "a", &producer("0"), "two").await.expect(204);
    assert_eq!(again.offset(), before.offset(), "a repetition adds nothing");
    let gap = streams.send("POST", "a", &producer("2"), "four").await.expect(409);
    assert_eq!(gap.header("producer-expected-seq"), "1");
    streams.send("POST", "a", &[TEXT, ("stream-seq", "m")], "four").await.expect(409);
    streams.send("POST", "a", &producer("1"), "four").await.expect(200);
    // So are forks, the deleted source of one, and what was closed.
    assert_eq!(streams.get("dir/fork").await.text, "onetw!");
    streams.get("gone").await.expect(410);
    assert_eq!(streams.get("fork-of-gone").await.text, "[1,2]");
    let closed = streams.send("POST", "done", &[TEXT], "more").await.expect(409);
    assert_eq!(closed.header("stream-closed"), "true");
    streams.send("DELETE", "fork-of-gone", &[], "").await.expect(204);
    streams.until("gone", 404).await;
}

#[tokio::test]
async fn a_stream_ends_in_its_time_also_when_the_server_was_killed_meanwhile() {
    let mut server = Server::start();
    let streams = Streams::new(&server);
    streams.send("PUT", "short", &[TEXT, ("stream-ttl", "1")], "x").await.expect(201);
    streams.send("PUT", "long", &[TEXT, ("stream-ttl", "3600")], "x").await.expect(201);
    server.kill_and_restart();
    let streams = Streams::new(&server);
    // A sliding life begins anew with the server.
    streams.until("short", 404).await;
    streams.send("HEAD", "long", &[], "").await.expect(200);
}

#[tokio::test]
async fn the_bytes_of_a_deleted_stream_are_forgotten_by_themselves() {
    let mut server = Server::start();
    let streams = Streams::new(&server);
    streams.send("PUT", "a", &[TEXT], "secret").await.expect(201);
    streams.send("DELETE", "a", &[], "").await.expect(204);
    // Whether it was done before the kill or comes after it: it is done.
    server.kill_and_restart();
    let admin = Client::new(&server, &server.admin_key());
    let started = Instant::now();
    loop {
        let page = admin.get("/api/v1/audit?limit=1000").await;
        if page.text.contains("user_stream_forgotten") {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "the stream was never forgotten: {}", page.text);
        tokio::task::yield_now().await;
    }
    let (code, out, error) = crate::harness::rcsctl(&["audit", "verify"], Some((&server.url, &server.admin_key())));
    assert_eq!(code, Some(0), "{out}{error}");
}
