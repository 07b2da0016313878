//! The shape of every answer: what the protocol's own client sends is answered as the snapshot says, and so is every
//! refusal.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::Deserialize;

use super::{ALICE, Bench, JSON, TEXT};

/// One request as the client sent it. `$OFFSET` stands for the last offset that it had been given.
#[derive(Deserialize)]
struct Sent {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    body: String,
}

#[tokio::test]
async fn what_the_real_client_sends_is_answered_like_this() {
    let bench = Bench::open().await;
    let mut page = String::new();
    let mut offset = String::new();
    for line in include_str!("../../../../fixtures/streams/client.jsonl").lines() {
        let sent: Sent = serde_json::from_str(line).expect("a request");
        let headers: Vec<(&str, &str)> = sent.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let path = sent.path.replace("$OFFSET", &offset);
        let answer = bench.send(&sent.method, &path, ALICE, &headers, sent.body.clone()).await;
        if answer.status.is_success() && !answer.offset().is_empty() {
            offset = answer.offset();
        }
        write!(page, "{} {}\n{}\n", sent.method, sent.path, answer.shown()).expect("a string takes everything");
    }
    insta::assert_snapshot!(page);
}

#[tokio::test]
async fn every_refusal_has_the_same_shape_and_the_headers_of_its_kind() {
    let bench = Bench::open().await;
    let closed = ("stream-closed", "true");
    let producer = |epoch, seq| [TEXT, ("producer-id", "p"), ("producer-epoch", epoch), ("producer-seq", seq)];
    bench.put("/v1/stream/text", &[TEXT], "x").await.expect(201);
    bench.put("/v1/stream/json", &[JSON], "").await.expect(201);
    bench.put("/v1/stream/done", &[TEXT, closed], "x").await.expect(201);
    bench.post("/v1/stream/text", &producer("1", "0"), "x").await.expect(200);
    bench.post("/v1/stream/text", &[TEXT, ("stream-seq", "b")], "x").await.expect(204);
    bench.put("/v1/stream/fork", &[("stream-forked-from", "/v1/stream/gone")], "").await.expect(404);
    bench.put("/v1/stream/gone", &[TEXT], "x").await.expect(201);
    bench.put("/v1/stream/fork", &[("stream-forked-from", "/v1/stream/gone")], "").await.expect(201);
    bench.send("DELETE", "/v1/stream/gone", ALICE, &[], "").await.expect(204);

    let mut page = String::new();
    let mut note = |what: &str, answer: super::Answer| {
        assert!(answer.status.is_client_error(), "{what}: {answer:?}");
        write!(page, "{what}\n{}\n", answer.shown()).expect("a string takes everything");
    };
    note("no credential", bench.send("GET", "/v1/stream/text", "", &[], "").await);
    note("a wrong credential", bench.send("GET", "/v1/stream/text", "nobody", &[], "").await);
    note("no such stream", bench.get("/v1/stream/nothing").await);
    note("a name that is none", bench.get("/v1/stream/a/../b").await);
    note("a method that is none", bench.send("PATCH", "/v1/stream/text", ALICE, &[], "").await);
    note("an offset that is none", bench.get("/v1/stream/text?offset=1,2").await);
    note("two offsets", bench.get("/v1/stream/text?offset=-1&offset=-1").await);
    note("live without an offset", bench.get("/v1/stream/text?live=sse").await);
    note("live in no known way", bench.get("/v1/stream/text?offset=-1&live=ws").await);
    note("a place beyond the end", bench.get("/v1/stream/text?offset=0000000000000009_0000000000000001").await);
    note("nothing to append", bench.post("/v1/stream/text", &[TEXT], "").await);
    note("no content type", bench.post("/v1/stream/text", &[], "x").await);
    note("another content type", bench.post("/v1/stream/text", &[JSON], "1").await);
    note("no JSON", bench.post("/v1/stream/json", &[JSON], "{").await);
    note("an empty batch", bench.post("/v1/stream/json", &[JSON], "[]").await);
    note("closed", bench.post("/v1/stream/done", &[TEXT], "x").await);
    note("an older Stream-Seq", bench.post("/v1/stream/text", &[TEXT, ("stream-seq", "a")], "x").await);
    note("an older epoch", bench.post("/v1/stream/text", &producer("0", "1"), "x").await);
    note("a gap of a producer", bench.post("/v1/stream/text", &producer("1", "5"), "x").await);
    note("an epoch that begins late", bench.post("/v1/stream/text", &producer("2", "1"), "x").await);
    note("half a producer", bench.post("/v1/stream/text", &[TEXT, ("producer-id", "p")], "x").await);
    note("a number that is none", bench.post("/v1/stream/text", &producer("01", "0"), "x").await);
    note("there already, otherwise", bench.put("/v1/stream/text", &[JSON], "").await);
    note("two lifetimes", bench.put("/v1/stream/new", &[("stream-ttl", "1"), ("stream-expires-at", "x")], "").await);
    note("a lifetime that is none", bench.put("/v1/stream/new", &[("stream-expires-at", "tomorrow")], "").await);
    note("deleted, with forks", bench.get("/v1/stream/gone").await);
    note("its name", bench.put("/v1/stream/gone", &[TEXT], "").await);
    note("forked too late", bench.put("/v1/stream/new", &[("stream-forked-from", "/v1/stream/gone")], "").await);
    let beyond = [
        ("stream-forked-from", "/v1/stream/text"),
        ("stream-fork-offset", "0000000000000000_0000000000000000"),
        ("stream-fork-sub-offset", "2"),
    ];
    note("a part that is too long", bench.put("/v1/stream/new", &beyond, "").await);
    insta::assert_snapshot!(page);
}

#[tokio::test]
async fn a_body_without_data_moves_no_reader_and_is_not_kept_by_caches() {
    let bench = Bench::open().await;
    let made = bench.put("/v1/stream/a", &[TEXT], "one").await.expect(201);
    assert_eq!(made.header("location"), "http://rcs.test/v1/stream/a");
    let all = bench.get("/v1/stream/a").await.expect(200);
    assert_eq!(all.header("cache-control"), "private, max-age=60, stale-while-revalidate=300");
    let tag = all.header("etag").to_owned();
    let same = bench.send("GET", "/v1/stream/a", ALICE, &[("if-none-match", &tag)], "").await.expect(304);
    assert!(same.body.is_empty());
    let path = format!("/v1/stream/a?offset={}", all.offset());
    let nothing = bench.get(&path).await.expect(200);
    assert_eq!((nothing.text(), nothing.header("cache-control")), ("", "no-store"));
    assert_eq!(nothing.offset(), all.offset());

    // Closing changes no byte, but what was kept must not hide it.
    bench.post("/v1/stream/a", &[("stream-closed", "true")], "").await.expect(204);
    let closed = bench.send("GET", "/v1/stream/a", ALICE, &[("if-none-match", &tag)], "").await.expect(200);
    assert_eq!((closed.text(), closed.header("stream-closed")), ("one", "true"));
}
