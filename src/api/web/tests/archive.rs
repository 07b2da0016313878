//! Lists as people use them: filters, order, pages, and putting away many at once.

use serde_json::{Value, json};

use super::bench::{ALICE, Bench, MALLORY};
use crate::domain::{Actor, Command, SessionId};

async fn titles(bench: &Bench, query: &str) -> Vec<String> {
    let page = bench.get(&format!("/api/v1/sessions?{query}"), ALICE).await.expect(200);
    let items = page["items"].as_array().expect("items");
    items.iter().map(|item| item["title"].as_str().expect("a title").to_owned()).collect()
}

#[tokio::test]
async fn sessions_are_filtered_by_what_they_are_up_to() {
    let bench = Bench::open().await;
    let mut made: Vec<SessionId> = Vec::new();
    for title in ["asks", "idle", "offline", "away", "Archived"] {
        made.push(bench.session(title).await);
        bench.pass(1_000);
    }
    for session in &made[..2] {
        bench.submit(Actor::Worker(*session), Command::WorkerSeen { session: *session }).await;
    }
    bench.ask(made[0], "ask-1", "Bash", json!({"command": "ls"})).await;
    bench.post(&format!("/api/v1/sessions/{}/archive", made[4]), ALICE, Value::Null).await.expect(200);
    assert_eq!(titles(&bench, "status=waiting").await, ["asks"]);
    assert_eq!(titles(&bench, "status=idle").await, ["idle"]);
    assert_eq!(titles(&bench, "status=working").await, [""; 0]);
    assert_eq!(titles(&bench, "status=offline").await, ["away", "offline"]);
    assert_eq!(titles(&bench, "status=archived").await, ["Archived"]);
    assert_eq!(titles(&bench, "archived=true").await, ["Archived"]);
    assert_eq!(titles(&bench, "archived=any").await.len(), 5);
    assert_eq!(titles(&bench, "q=ARCH&archived=any").await, ["Archived"]);
    assert_eq!(titles(&bench, "").await.len(), 4);
}

#[tokio::test]
async fn a_question_waits_also_while_its_worker_is_away() {
    let bench = Bench::open().await;
    let session = bench.session("asks").await;
    bench.ask(session, "ask-1", "Bash", json!({"command": "ls"})).await;
    bench.submit(Actor::System, Command::WorkerLost { session }).await;
    assert_eq!(titles(&bench, "status=waiting").await, ["asks"]);
}

#[tokio::test]
async fn pages_neither_skip_nor_repeat_while_sessions_come() {
    let bench = Bench::open().await;
    for number in 0..7 {
        bench.session(&format!("s{number}")).await;
        // Two at a time share a moment, so that the cursor must tell them apart.
        bench.pass(number % 2);
    }
    let (mut seen, mut query) = (Vec::new(), "limit=3".to_owned());
    loop {
        let page = bench.get(&format!("/api/v1/sessions?{query}"), ALICE).await.expect(200);
        seen.extend(page["items"].as_array().expect("items").iter().map(|item| item["id"].clone()));
        bench.pass(1);
        bench.session("a late one").await;
        let Some(next) = page["next"].as_str() else { break };
        query = format!("limit=3&cursor={next}");
    }
    assert_eq!(seen.len(), 7);
    seen.sort_by_key(ToString::to_string);
    seen.dedup();
    assert_eq!(seen.len(), 7);
}

#[tokio::test]
async fn environments_are_filtered_by_presence() {
    let bench = Bench::open().await;
    let (here, gone, off) = (bench.environment(1).await, bench.environment(2).await, bench.environment(3).await);
    bench.submit(Actor::System, Command::EnvironmentLost { environment: gone }).await;
    bench.submit(Actor::System, Command::DeregisterEnvironment { environment: off }).await;
    for (query, expected) in [
        ("", vec![gone.to_string(), here.to_string()]),
        ("status=online", vec![here.to_string()]),
        ("status=offline", vec![gone.to_string()]),
        ("status=deregistered", vec![off.to_string()]),
    ] {
        let page = bench.get(&format!("/api/v1/environments?{query}"), ALICE).await.expect(200);
        let ids: Vec<_> = page["items"].as_array().expect("items").iter().map(|item| item["id"].clone()).collect();
        assert_eq!(ids, expected, "{query}");
    }
    assert_eq!(bench.get("/api/v1/environments", MALLORY).await.expect(200), json!({"items": []}));
}

#[tokio::test]
async fn one_session_that_cannot_be_put_away_keeps_no_other_from_it() {
    let bench = Bench::open().await;
    let (one, two) = (bench.session("one").await, bench.session("two").await);
    let foreign = bench.post("/api/v1/sessions", MALLORY, json!({})).await.expect(201)["id"].clone();
    let body = json!({"ids": [one, foreign, two, one]});
    let done = bench.post("/api/v1/sessions/archive", ALICE, body).await.expect(200);
    let archived: Vec<_> =
        done["results"].as_array().expect("results").iter().map(|one| one["archived"].clone()).collect();
    assert_eq!(archived, [json!(true), json!(false), json!(true), json!(true)]);
    assert_eq!(done["results"][1]["problem"]["status"], 404, "{done}");
    assert!(titles(&bench, "").await.is_empty());
    bench.post("/api/v1/sessions/archive", ALICE, json!({"ids": []})).await.problem(400, "bad-request");
}
