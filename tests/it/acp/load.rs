//! Many viewers of many agents at once: no frame is lost, none goes astray, and memory does not grow with them.
//!
//! `make e2e` has a hundred agents with ten viewers each (`RCS_ACP_AGENTS`, `RCS_ACP_VIEWERS`); by itself it is a few.

use std::{sync::Arc, time::Instant};

use futures_util::future::join_all;
use serde_json::json;
use tokio::sync::Semaphore;

use super::{agent, link::Line, viewer::Viewer};
use crate::harness::{ALICE, Server};

/// Words of each turn.
const WORDS: usize = 40;

fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// What the process holds, in KiB.
fn resident(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("is running");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("holds memory");
    line.split_whitespace().next().expect("a number").parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_viewer_of_every_agent_hears_every_word_of_its_own() {
    let (agents, viewers) = (number("RCS_ACP_AGENTS", 5), number("RCS_ACP_VIEWERS", 4));
    let server = Arc::new(Server::start());
    let started = Instant::now();
    // As many at a time as a machine of two cores opens without a backlog.
    let opening = Arc::new(Semaphore::new(32));
    let open = |index: usize| {
        let (server, opening) = (Arc::clone(&server), Arc::clone(&opening));
        tokio::spawn(async move {
            let one = agent();
            let permit = opening.acquire().await.expect("never closed");
            let line = Line::open(&server, ALICE, &format!("group-{index}"), &one).await;
            drop(permit);
            let (first, foreign) = Viewer::begin(&server, ALICE, &line.environment).await;
            let mut all = vec![first];
            for _ in 1..viewers {
                let permit = opening.acquire().await.expect("never closed");
                let mut viewer = Viewer::connected(&server, ALICE, &line.environment).await;
                drop(permit);
                viewer.say("load_session", json!({"sessionId": foreign})).await;
                viewer.hear("session_loaded").await;
                all.push(viewer);
            }
            (one, line, foreign, all)
        })
    };
    let opened = join_all((0..agents).map(open)).await;
    let quiet = resident(&server);
    let turns = opened.into_iter().map(|opened| {
        let (one, line, foreign, mut all) = opened.expect("opened");
        tokio::spawn(async move {
            all[0].prompt(&format!("count {WORDS}")).await;
            let whole = (0..WORDS).map(|word| word.to_string()).collect::<Vec<_>>().join(" ") + " ";
            for viewer in &mut all {
                viewer.hear("prompt_complete").await;
                assert_eq!(viewer.text(), whole);
                let ids = viewer.frames.iter().filter_map(|frame| frame["payload"]["sessionId"].as_str());
                assert!(ids.into_iter().all(|id| id == foreign), "a frame went astray");
            }
            assert_eq!(one.heard("prompt").len(), 1);
            drop(line);
        })
    });
    for turn in join_all(turns).await {
        turn.expect("heard");
    }
    let (busy, count) = (resident(&server), agents * viewers);
    println!("{count} viewers of {agents} agents: {quiet} KiB, then {busy} KiB, {:?}", started.elapsed());
    // Per viewer a socket and a cursor; the rest is the journal's cache and the allocator's habits.
    assert!(busy < 200 * 1024 + 100 * count as u64, "{busy} KiB for {count} viewers");
}
