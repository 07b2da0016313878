//! The budgets that need a server of their own: how soon it answers after a crash with a long history, what that costs
//! in memory, and what ten thousand idle followers cost. Before them, everything that `rcsctl bench` measures.
//!
//! `RCS_BENCH_EVENTS` (1,000,000), `RCS_BENCH_SESSIONS` (1,000) and `RCS_BENCH_IDLE` (10,000) make it smaller.
//! `RCS_BENCH_ELECTRIC` and `RCS_BENCH_REDB_STREAMS` name binaries of other stream servers, to be measured beside ours.

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};
use uuid::Uuid;

use harness::{ALICE, Client, Server};

#[path = "../it/harness.rs"]
#[expect(dead_code, reason = "shared with the integration tests, which use all of it")]
mod harness;
mod rivals;

const BATCH: usize = 500;
const FILLERS: usize = 8;

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[tokio::main]
async fn main() {
    load();
    let (events, sessions) = (setting("RCS_BENCH_EVENTS", 1_000_000), setting("RCS_BENCH_SESSIONS", 1_000));
    let mut server = Server::start();
    fill(&server, events, sessions).await;
    cold_start(&mut server, events, sessions).await;
    drop(server);
    idle(setting("RCS_BENCH_IDLE", 10_000)).await;
}

/// What `rcsctl bench` measures, on a server and a disk of its own.
fn load() {
    let server = Server::start();
    let mut rivals = rivals::start();
    let status = Command::new(env!("CARGO_BIN_EXE_rcsctl"))
        .args(["bench", "--disk", harness::text(&server.data)])
        .args(rivals.iter().flat_map(|rival| ["--rival".to_owned(), rival.argument()]))
        .env("RCS_SERVER", &server.url)
        // An admin may see how large commits were, which says what the disk could have done.
        .env("RCS_API_KEY", server.admin_key())
        .status()
        .expect("rcsctl runs");
    rivals.iter_mut().for_each(rivals::Rival::expect_running);
    assert!(status.success(), "rcsctl bench failed: {status}");
}

/// Long histories in many sessions, as workers would have made them.
async fn fill(server: &Server, events: usize, sessions: usize) {
    let client = Client::new(server, ALICE);
    let mut ids = Vec::with_capacity(sessions);
    for _ in 0..sessions {
        loop {
            // The registration throttle is part of the server; a bench waits like anybody else.
            let made = client.post("/api/v1/sessions", json!({"title": "bench"})).await;
            if made.status == 429 {
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
            ids.push(made.expect(201)["id"].as_str().expect("id").to_owned());
            break;
        }
    }
    let ids = Arc::new(ids);
    let next = Arc::new(AtomicUsize::new(0));
    let batches = events.div_ceil(BATCH);
    let started = Instant::now();
    let mut fillers = JoinSet::new();
    for _ in 0..FILLERS {
        let (client, ids, next) = (client.clone(), Arc::clone(&ids), Arc::clone(&next));
        fillers.spawn(async move {
            loop {
                let batch = next.fetch_add(1, Ordering::Relaxed);
                if batch >= batches {
                    return;
                }
                post_batch(&client, &ids[batch % ids.len()], batch).await;
            }
        });
    }
    while let Some(filler) = fillers.join_next().await {
        filler.expect("a filler's own assertions");
    }
    let took = started.elapsed();
    println!("fill: {} events in batches of {BATCH}: {:.0}/s", batches * BATCH, rate(batches * BATCH, took));
}

async fn post_batch(client: &Client, session: &str, batch: usize) {
    let event = |index: usize| {
        let uuid = Uuid::from_u128((0x4000_8000 << 64) | ((batch as u128) << 96) | index as u128).to_string();
        json!({"type": "assistant", "uuid": uuid, "message": {"role": "assistant",
            "content": [{"type": "text", "text": "x".repeat(300)}]}})
    };
    let body = json!({"events": (0..BATCH).map(event).collect::<Vec<_>>()});
    let path = format!("/v2/session_ingress/session/{session}/events");
    loop {
        let answer = client.post(&path, body.clone()).await;
        match answer.status {
            200 => return,
            429 | 503 => tokio::time::sleep(Duration::from_millis(200)).await,
            other => panic!("{other} {}", answer.text),
        }
    }
}

/// From the launch of the process to its first 200, after SIGKILL.
async fn cold_start(server: &mut Server, events: usize, sessions: usize) {
    let mut times = Vec::new();
    let mut resident = 0;
    for _ in 0..5 {
        server.kill();
        let started = Instant::now();
        server.launch();
        let client = Client::new(server, ALICE);
        client.get("/api/v1/sessions?limit=1").await.expect(200);
        times.push(started.elapsed());
        resident = resident_kib(server);
    }
    times.sort_unstable();
    println!(
        "cold start: {events} events in {sessions} sessions, first 200 after SIGKILL: median {:?}, worst {:?} \
         (budget 500 ms); resident {} MiB (budget 100 MiB)",
        times[times.len() / 2],
        times[times.len() - 1],
        resident / 1024
    );
}

/// Followers that have nothing to follow.
async fn idle(count: usize) {
    let server = Server::start();
    let client = Client::new(&server, ALICE);
    let session = client.post("/api/v1/sessions", json!({"title": "idle"})).await.expect(201);
    let session = session["id"].as_str().expect("id");
    let before = resident_kib(&server);
    let address = server.url.trim_start_matches("http://").to_owned();
    let request = format!(
        "GET /api/v1/sessions/{session}/events?after=latest HTTP/1.1\r\nhost: {address}\r\n\
         authorization: Bearer {ALICE}\r\naccept: text/event-stream\r\n\r\n"
    );
    let mut open = Vec::with_capacity(count);
    let started = Instant::now();
    for _ in 0..count {
        match connect(&address, &request).await {
            Ok(stream) => open.push(stream),
            Err(error) => {
                println!("idle: stopped at {} connections: {error} (see `ulimit -n`)", open.len());
                break;
            }
        }
    }
    let after = resident_kib(&server);
    println!(
        "idle: {} SSE connections opened in {:?}; resident {} MiB in all (budget 250 MiB), {:.1} KiB each",
        open.len(),
        started.elapsed(),
        after / 1024,
        per_connection(after.saturating_sub(before), open.len())
    );
}

async fn connect(address: &str, request: &str) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut head = [0; 512];
    let read = stream.read(&mut head).await?;
    let head = String::from_utf8_lossy(&head[..read]);
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    Ok(stream)
}

fn resident_kib(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("a running process");
    let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("VmRSS");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number of KiB")
}

#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark")]
fn per_connection(kib: u64, count: usize) -> f64 {
    kib as f64 / count.max(1) as f64
}

#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark")]
fn rate(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}
