//! Searching: what is found, whose, in which order, and that pages put together are the whole.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    assert_shape,
    bench::{ADMIN, ALICE, Bench, MALLORY, RUNNER, VIEWER, uuid},
};
use crate::{
    domain::{
        Actor, Command, Sequence, SessionId, Stream,
        command::{Incoming, Meaning, Said},
        event::MessageKind,
        limits,
    },
    security::Principal,
};

async fn search(bench: &Bench, key: &str, query: &str) -> Value {
    bench.get(&format!("/api/v1/search?{query}"), key).await.expect(200)
}

/// All hits of a query, page by page, as session and sequence.
async fn all(bench: &Bench, key: &str, query: &str) -> Vec<(String, u64)> {
    let (mut hits, mut after) = (Vec::new(), String::new());
    loop {
        let page = search(bench, key, &format!("{query}{after}")).await;
        hits.extend(places(&page));
        let Some(next) = page["next"].as_str() else { return hits };
        after = format!("&after={next}");
    }
}

fn places(page: &Value) -> Vec<(String, u64)> {
    let hits = page["hits"].as_array().expect("hits").iter();
    hits.map(|hit| (hit["session_id"].as_str().expect("id").to_owned(), hit["sequence"].as_u64().unwrap_or(0)))
        .collect()
}

fn snippets(page: &Value) -> Vec<String> {
    let hits = page["hits"].as_array().expect("hits").iter();
    hits.map(|hit| hit["snippet"].as_str().expect("text").to_owned()).collect()
}

fn said(payload: &Value) -> Incoming {
    let meaning = Meaning::Said(Said {
        message: None,
        kind: MessageKind::Assistant,
        ephemeral: false,
        status: None,
        mode: None,
        model: None,
        tool_results: Vec::new(),
    });
    Incoming { key: None, payload: payload.to_string().into(), meaning }
}

fn whole(text: &str) -> Value {
    json!({"type": "assistant", "message": {"content": [{"type": "text", "text": text}]}})
}

/// A piece, as agents behind links write.
fn piece(text: &str) -> Value {
    json!({"type": "session_update", "payload": {"sessionId": "s", "update": {
        "sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}}}})
}

async fn tell(bench: &Bench, session: SessionId, payloads: &[Value]) {
    for some in payloads.chunks(limits::INGRESS_MESSAGES_MAX) {
        let command = Command::Receive { session, epoch: None, messages: some.iter().map(said).collect() };
        bench.submit(Actor::Worker(session), command).await;
    }
}

#[tokio::test]
async fn what_people_and_agents_said_is_found_the_newest_first() {
    let bench = Bench::open().await;
    let session = bench.session("Checkout").await;
    let path = format!("/api/v1/sessions/{session}/messages");
    let body = json!({"content": "The checkout total is \u{9519}\u{8bef}", "message_id": uuid(1)});
    bench.post(&path, ALICE, body).await.expect(201);
    bench.pass(1_000);
    bench.say(session, 2, "I fixed the TOTAL of the Checkout.").await;
    let runs = json!({"type": "assistant", "message": {"content": [
        {"type": "thinking", "thinking": "total checkout"},
        {"type": "tool_use", "name": "Bash", "input": {"command": "npm test -- checkout total"}}]}});
    let printed = json!({"type": "user", "message": {"content": [
        {"type": "tool_result", "content": "checkout total"}]}});
    tell(&bench, session, &[runs, printed]).await;
    bench.pass(1_000);
    assert_shape!("search", search(&bench, ALICE, "q=total+checkout").await);
    let found = search(&bench, VIEWER, "q=%E9%94%99%E8%AF%AF").await;
    assert_eq!(snippets(&found), ["The checkout total is \u{9519}\u{8bef}"]);
    assert_eq!(found["hits"][0]["marks"], json!([[22, 24]]));
    assert_eq!(found["hits"][0]["from"], "person");
    assert_eq!(places(&search(&bench, ALICE, "q=thinking").await), []);
    let title = search(&bench, ALICE, "q=CHECK&limit=1").await;
    assert_eq!((&title["hits"][0]["from"], &title["hits"][0]["sequence"]), (&json!("title"), &Value::Null));
    assert_eq!(all(&bench, ALICE, "q=check&limit=1").await.len(), 4);
}

#[tokio::test]
async fn nobody_finds_what_is_not_theirs() {
    let bench = Bench::open().await;
    let session = bench.session("a secret title").await;
    bench.say(session, 1, "a secret word").await;
    for query in ["q=secret", "q=secret&archived=true", "q=a", "q=word&limit=100"] {
        let found = search(&bench, MALLORY, query).await;
        assert_eq!(found, json!({"hits": [], "sessions_left": 0}), "{query}");
    }
    assert_eq!(places(&search(&bench, ADMIN, "q=secret+word").await).len(), 1, "an admin sees all, as in lists");
    bench.get("/api/v1/search?q=secret", RUNNER).await.problem(403, "forbidden");
    bench.get("/api/v1/search?q=secret", "").await.problem(401, "unauthenticated");
    // A cursor is no key: with somebody else's session in it, it opens nothing.
    for through in [0, 1, 2, u64::MAX] {
        let at = bench.house.relay.now().0;
        let forged = format!("q=secret&after=99.{at}.{at}.{}.{through}", session.uuid().as_simple());
        assert_eq!(places(&search(&bench, MALLORY, &forged).await), [], "{forged}");
    }
}

#[tokio::test]
async fn archived_sessions_are_searched_when_asked_for() {
    let bench = Bench::open().await;
    let session = bench.session("put away").await;
    bench.say(session, 1, "needle").await;
    bench.post(&format!("/api/v1/sessions/{session}/archive"), ALICE, Value::Null).await.expect(200);
    assert_eq!(places(&search(&bench, ALICE, "q=needle").await), []);
    let found = search(&bench, ALICE, "q=needle&archived=true").await;
    assert_eq!((places(&found).len(), &found["hits"][0]["archived"]), (1, &json!(true)));
}

#[tokio::test]
async fn what_retention_took_is_not_found_and_breaks_nothing() {
    let bench = Bench::open().await;
    let session = bench.session("long").await;
    for number in 1..=9 {
        bench.say(session, number, &format!("needle {number}")).await;
    }
    let first = search(&bench, ALICE, "q=needle&limit=2").await;
    assert_eq!(snippets(&first), ["needle 9", "needle 8"]);
    let next = first["next"].as_str().expect("more");
    let eighth = first["hits"][1]["sequence"].as_u64().expect("a sequence");
    bench.house.relay.trim(Stream::Session(session), Sequence(eighth - 2)).await.expect("trims");
    let rest = search(&bench, ALICE, &format!("q=needle&after={next}")).await;
    assert_eq!((snippets(&rest), rest.get("next")), (vec!["needle 7".to_owned()], None));
    bench.house.relay.trim(Stream::Session(session), Sequence(eighth + 1)).await.expect("trims");
    assert_eq!(all(&bench, ALICE, "q=needle").await, []);
    assert_eq!(places(&search(&bench, ALICE, "q=LONG").await).len(), 1, "the title is still there");
}

#[tokio::test]
async fn a_word_in_pieces_is_found_where_it_began() {
    let bench = Bench::open().await;
    let session = bench.session("pieces").await;
    let count = usize::try_from(limits::SEARCH_BLOCK_RECORDS).expect("small") * 3;
    let mut pieces = vec![whole("before"), piece("a nee")];
    pieces.extend(std::iter::repeat_n(piece("."), count));
    pieces.extend([piece(" and one dle"), whole("after"), piece("nee"), piece("dle")]);
    tell(&bench, session, &pieces).await;
    for limit in [1, 20] {
        let found = all(&bench, ALICE, &format!("q=needle&limit={limit}")).await;
        let both = all(&bench, ALICE, &format!("q=nee+dle&limit={limit}")).await;
        let sequences = |found: Vec<(String, u64)>| found.into_iter().map(|(_, at)| at).collect::<Vec<_>>();
        // Behind the record of the session's beginning.
        let last = pieces.len() as u64;
        assert_eq!(sequences(found), [last]);
        assert_eq!(sequences(both), [last, 3]);
    }
}

#[tokio::test]
async fn a_query_that_cannot_be_is_refused_by_name_and_a_hostile_one_finds_nothing() {
    let bench = Bench::open().await;
    let session = bench.session("x").await;
    bench.say(session, 1, "<script>alert(1)</script> 100% a.b \u{202e}txt").await;
    let long = "x".repeat(limits::SEARCH_QUERY_BYTES_MAX + 1);
    let many = (0..=limits::SEARCH_WORDS_MAX).map(|n| format!("w{n}")).collect::<Vec<_>>().join("+");
    for (query, field) in [
        (String::new(), "q"),
        ("q=+%09".into(), "q"),
        (format!("q={long}"), "q"),
        (format!("q={many}"), "q"),
        ("q=x&limit=0".into(), "limit"),
        ("q=x&limit=-1".into(), "limit"),
        ("q=x&archived=maybe".into(), "archived"),
        ("q=x&after=1".into(), "after"),
        ("q=x&after=1.1.1.zz.1".into(), "after"),
    ] {
        let problem = bench.get(&format!("/api/v1/search?{query}"), ALICE).await.problem(400, "bad-request");
        assert_eq!(problem["field"], field, "{query}");
    }
    for query in [".*", "%00", "%ff%fe", "'; DROP TABLE", "(((((", "%5Cu0000", "%F0%9F%98%80"] {
        assert_eq!(places(&search(&bench, ALICE, &format!("q={query}")).await), [], "{query}");
    }
    assert_eq!(snippets(&search(&bench, ALICE, "q=%3Cscript%3E").await).len(), 1);
    for after in ["0.0.0", "18446744073709551615.18446744073709551615.18446744073709551615"] {
        let id = session.uuid().simple();
        let _any = search(&bench, ALICE, &format!("q=script&after={after}.{id}.18446744073709551615")).await;
    }
}

#[tokio::test]
async fn one_principal_cannot_take_all_threads() {
    let bench = Bench::open().await;
    let key = Principal::throttle_key(&bench.house.identify_token(ALICE).expect("alice"));
    let places: Vec<_> =
        (0..limits::SEARCHES_PER_PRINCIPAL_MAX).map(|_| bench.house.throttle.open_search(key)).collect();
    bench.get("/api/v1/search?q=x", ALICE).await.problem(429, "too-many-requests");
    bench.get("/api/v1/search?q=x", MALLORY).await.expect(200);
    drop(places);
    bench.get("/api/v1/search?q=x", ALICE).await.expect(200);
}

/// What happens in one session: how many words, which, in pieces or whole.
fn stories() -> impl Strategy<Value = Vec<(usize, Vec<(u8, bool)>)>> {
    let words = prop::collection::vec((0_u8..4, any::<bool>()), 0..420);
    prop::collection::vec((0_usize..4, words), 1..8)
}

const WORDS: [&str; 4] = ["alpha ", "be", "ta ", "gamma "];

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Pages of any size, put together while sessions grow, come and go on, are what a reader with patience finds in
    /// what the log held when the search began: the same sequences, each once.
    #[test]
    fn pages_put_together_are_what_the_log_held(stories in stories(), limit in 1_usize..40, grows in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("runs");
        runtime.block_on(async {
            let bench = Bench::open().await;
            let mut sessions = Vec::new();
            for number in 0..4 {
                sessions.push(bench.session(&format!("s{number}")).await);
            }
            for (which, words) in &stories {
                bench.pass(70_000 * (*which as u64));
                let payloads: Vec<Value> = words.iter().map(|(word, cut)| {
                    let text = WORDS[usize::from(*word)];
                    if *cut { piece(text) } else { whole(text) }
                }).collect();
                tell(&bench, sessions[*which], &payloads).await;
            }
            for query in ["beta", "alpha gamma"] {
                let expected = naive(&bench, &sessions, query);
                let mut seen = Vec::new();
                let mut after = String::new();
                loop {
                    let asked = query.replace(' ', "+");
                    let page = search(&bench, ALICE, &format!("q={asked}&limit={limit}{after}")).await;
                    seen.extend(places(&page));
                    if grows {
                        bench.pass(17);
                        let late = [whole(" beta alpha gamma "), piece("ta alpha gamma beta")];
                        tell(&bench, sessions[seen.len() % 4], &late).await;
                    }
                    let Some(next) = page["next"].as_str() else { break };
                    after = format!("&after={next}");
                }
                let once: BTreeSet<_> = seen.iter().cloned().collect();
                assert_eq!(once.len(), seen.len(), "each once");
                assert_eq!(once, expected);
                for pair in seen.windows(2) {
                    assert!(pair[0].0 != pair[1].0 || pair[0].1 > pair[1].1, "the newest of a session first");
                }
            }
        });
    }
}

/// Every place that has all words, found by reading everything from the beginning.
fn naive(bench: &Bench, sessions: &[SessionId], query: &str) -> BTreeSet<(String, u64)> {
    let mut found = BTreeSet::new();
    for session in sessions {
        let mut texts: Vec<(u64, bool, String)> = Vec::new();
        let mut next = Sequence(1);
        loop {
            let records =
                bench.house.relay.read(Stream::Session(*session), next, crate::relay::page_bounds()).expect("reads");
            let Some(last) = records.last() else { break };
            next = last.sequence.next();
            for record in &records {
                let payload: Value = serde_json::from_slice(&record.payload).unwrap_or_default();
                if let Some(text) = payload["message"]["content"][0]["text"].as_str() {
                    texts.push((record.sequence.0, false, text.to_owned()));
                } else if let Some(text) = payload["payload"]["update"]["content"]["text"].as_str() {
                    match texts.last_mut() {
                        Some((_, true, whole)) => whole.push_str(text),
                        _ => texts.push((record.sequence.0, true, text.to_owned())),
                    }
                }
            }
        }
        let hits = texts.iter().filter(|(_, _, text)| query.split(' ').all(|word| text.contains(word)));
        found.extend(hits.map(|(sequence, ..)| (session.to_string(), *sequence)));
    }
    found
}
