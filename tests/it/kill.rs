//! The real server under load, killed with SIGKILL at random moments, again and again.
//!
//! What was acknowledged is there once and in order; what every follower saw, put together over all restarts, is the
//! log; a permission prompt that was open stays open and can be answered. `RCS_KILLS` sets how often (50), `RCS_SEED`
//! the moments.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinSet, time::timeout};
use uuid::Uuid;

use crate::harness::{ALICE, Client, Server, Sse, rcsctl, text};

const SESSIONS: usize = 4;
const WRITERS_PER_SESSION: usize = 3;
/// What writers say, and how long the longest round is.
#[derive(Clone, Copy)]
struct Load {
    text_bytes: usize,
    round_ms: u64,
}

const WORDS: Load = Load { text_bytes: 200, round_ms: 200 };
/// Fills the halves of the log several times in most rounds.
const FILES: Load = Load { text_bytes: 48 * 1024, round_ms: 1_000 };
/// A follower that hears nothing for so long connects again, as any client of a phone does.
const SILENCE: Duration = Duration::from_secs(30);

/// A small generator, so that a seed names a run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The uuid of a writer's nth message: the history alone tells who wrote what in which order.
fn message_id(writer: usize, number: u64) -> Uuid {
    Uuid::from_u128((0x4000_8000 << 64) | ((writer as u128) << 96) | u128::from(number))
}

/// Whether the server runs: clients that find it gone wait for this instead of spinning.
type Up = watch::Receiver<bool>;

async fn back(up: &mut Up) {
    // It may be up already: the connection broke before the signal came.
    tokio::task::yield_now().await;
    up.wait_for(|up| *up).await.expect("the test goes on");
}

/// Posts numbered messages, each until it is acknowledged, and returns how many were.
async fn write(
    client: Client,
    session: String,
    (writer, text_bytes): (usize, usize),
    stop: Arc<AtomicBool>,
    acked: Arc<AtomicU64>,
    mut up: Up,
) -> u64 {
    let path = format!("/v2/session_ingress/session/{session}/events");
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        let batch = 1 + number % 3;
        let events: Vec<Value> = (number..number + batch)
            .map(|number| {
                json!({"type": "assistant", "uuid": message_id(writer, number).to_string(),
                "message": {"role": "assistant", "content": [{"type": "text", "text": "x".repeat(text_bytes)}]}})
            })
            .collect();
        let body = json!({ "events": events });
        loop {
            match client.try_send("POST", &path, Some(&body)).await {
                Ok(answer) if answer.status < 300 => break,
                Ok(answer) => assert!(matches!(answer.status, 429 | 503), "{} {}", answer.status, answer.text),
                // The server is down; the retry with the same ids must not double anything.
                Err(_) => back(&mut up).await,
            }
        }
        number += batch;
        acked.fetch_add(batch, Ordering::Relaxed);
    }
    number
}

/// Follows a session over all restarts and returns everything it saw.
async fn follow(client: Client, session: String, until: watch::Receiver<Option<u64>>, mut up: Up) -> Vec<Value> {
    let mut seen: Vec<Value> = Vec::new();
    let last = |seen: &Vec<Value>| seen.last().map_or(0, |event| event["sequence"].as_u64().expect("sequence"));
    loop {
        if until.borrow().is_some_and(|until| last(&seen) >= until) {
            return seen;
        }
        let path = format!("/api/v1/sessions/{session}/events?after={}", last(&seen));
        let Ok(Ok(mut stream)) = timeout(SILENCE, Sse::open(&client, &path)).await else {
            back(&mut up).await;
            continue;
        };
        let mut until = until.clone();
        loop {
            if until.borrow().is_some_and(|until| last(&seen) >= until) {
                return seen;
            }
            let event = tokio::select! {
                event = timeout(SILENCE, stream.next()) => {
                    if event.is_err() {
                        check_silence(&client, &session).await;
                    }
                    event.unwrap_or(None)
                }
                _ = until.changed() => continue,
            };
            let Some(event) = event else { break };
            assert_ne!(event.event.as_deref(), Some("gap"), "{}", event.data);
            seen.push(serde_json::from_str(&event.data).expect("JSON"));
        }
    }
}

/// A follower heard nothing although messages are written all the time. Where the server holds all streams, it forgot
/// to tell one; a connection that was lost on the way here is the client's to open again.
async fn check_silence(client: &Client, session: &str) {
    const NAME: &str = "rcs_streams_open{kind=\"sse\"}";
    let metrics = client.try_send("GET", "/metrics", None).await.map(|answer| answer.text).unwrap_or_default();
    let open = metrics.lines().find_map(|line| line.strip_prefix(NAME)?.trim().parse::<usize>().ok());
    println!("a follower of {session} heard nothing for {SILENCE:?}; the server holds {open:?} streams");
    assert!(open.is_none_or(|open| open < SESSIONS), "a follower of {session} was not told what is in the log");
}

fn check_session(history: &[Value], seen: &[Value], acked: &HashMap<usize, u64>) {
    for (index, event) in history.iter().enumerate() {
        assert_eq!(event["sequence"], index as u64 + 1, "the history has a hole");
    }
    assert_eq!(seen.len(), history.len(), "a follower saw another number of events than there are");
    for (seen, kept) in seen.iter().zip(history) {
        assert_eq!(seen, kept, "a follower saw something else than the log");
    }
    let mut next: HashMap<usize, u64> = HashMap::new();
    for event in history.iter().filter(|event| event["kind"] == "message_received") {
        let id: Uuid = event["payload"]["uuid"].as_str().expect("uuid").parse().expect("uuid");
        let writer = usize::try_from((id.as_u128() >> 96) & 0xffff).expect("small");
        let expected = next.entry(writer).or_default();
        assert_eq!(
            id,
            message_id(writer, *expected),
            "a message of writer {writer} is missing, doubled or out of order"
        );
        *expected += 1;
    }
    for (writer, acked) in acked {
        let kept = next.get(writer).copied().unwrap_or_default();
        assert!(kept >= *acked, "writer {writer} had {acked} messages acknowledged and {kept} were kept");
    }
}

/// Kills of one server's life. A journal that grew through a thousand kills would spend the run on being verified.
const KILLS_PER_LIFE: u64 = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_or_repeated_when_the_server_is_killed_again_and_again() {
    let kills = setting("RCS_KILLS", 50);
    let seed = setting("RCS_SEED", u64::from(std::process::id()));
    println!("RCS_SEED={seed} RCS_KILLS={kills}");
    let mut dice = Dice(seed);
    let mut messages = 0;
    for life in 0..kills.div_ceil(KILLS_PER_LIFE) {
        let rounds = KILLS_PER_LIFE.min(kills - life * KILLS_PER_LIFE);
        messages += live(rounds, WORDS, &mut dice).await;
        println!("{} kills, {messages} messages acknowledged", life * KILLS_PER_LIFE + rounds);
    }
}

/// Some of these kills meet the server while what its log held is on its way into the tables.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_server_is_killed_while_its_log_goes_into_the_tables() {
    let seed = setting("RCS_SEED", u64::from(std::process::id()));
    println!("RCS_SEED={seed}");
    let messages = live(10, FILES, &mut Dice(seed)).await;
    println!("10 kills, {} MiB acknowledged", messages * FILES.text_bytes as u64 / 1024 / 1024);
}

/// One server from its first start over so many kills, checked at the end. Returns how many messages it acknowledged.
async fn live(kills: u64, load: Load, dice: &mut Dice) -> u64 {
    let mut server = Server::start();
    let client = Client::new(&server, ALICE);
    let (environment, _) = client.register(8).await;
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS {
        sessions.push(client.session_in(&environment).await);
    }
    let asked = json!({"events": [{"type": "control_request", "request_id": "ask-1", "request": {
        "subtype": "can_use_tool", "tool_name": "Bash", "input": {"command": "ls"}, "tool_use_id": "toolu_1"}}]});
    for session in &sessions {
        client.post(&format!("/v2/session_ingress/session/{session}/events"), asked.clone()).await.expect(200);
    }

    let stop = Arc::new(AtomicBool::new(false));
    let progress = Arc::new(AtomicU64::new(0));
    let mut untils = Vec::new();
    let up = watch::Sender::new(true);
    let mut writers = JoinSet::new();
    let mut followers = JoinSet::new();
    for (index, session) in sessions.iter().enumerate() {
        for lane in 0..WRITERS_PER_SESSION {
            let writer = index * WRITERS_PER_SESSION + lane;
            let task = write(
                client.clone(),
                session.clone(),
                (writer, load.text_bytes),
                Arc::clone(&stop),
                Arc::clone(&progress),
                up.subscribe(),
            );
            writers.spawn(async move { (index, writer, task.await) });
        }
        let (sender, receiver) = watch::channel(None);
        untils.push(sender);
        let task = follow(client.clone(), session.clone(), receiver, up.subscribe());
        followers.spawn(async move { (index, task.await) });
    }

    for round in 0..kills {
        // Not a synchronisation: the moment of the kill is what is varied.
        tokio::time::sleep(Duration::from_millis(20 + dice.roll(load.round_ms))).await;
        let before = progress.load(Ordering::Relaxed);
        up.send_replace(false);
        server.kill();
        let (code, out, error) = rcsctl(&["audit", "verify", "--file", text(&server.journal())], None);
        assert_eq!(code, Some(0), "round {round}: {out}{error}");
        server.launch();
        up.send_replace(true);
        // The next round kills a server that has work: at least one message was acknowledged since.
        while progress.load(Ordering::Relaxed) == before {
            assert!(writers.try_join_next().is_none(), "round {round}: a writer gave up");
            tokio::task::yield_now().await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    let mut acked: HashMap<usize, HashMap<usize, u64>> = HashMap::new();
    while let Some(done) = writers.join_next().await {
        let (index, writer, count) = done.expect("a writer's own assertions");
        acked.entry(index).or_default().insert(writer, count);
    }

    for (index, session) in sessions.iter().enumerate() {
        let pending = client.get("/api/v1/permissions").await.expect(200).to_string();
        assert!(pending.contains(session.as_str()), "the prompt of {session} is gone: {pending}");
        let path = format!("/api/v1/sessions/{session}/permissions/ask-1");
        client.post(&path, json!({"decision": "deny", "message": "after all that"})).await.expect(200);
        let detail = client.get(&format!("/api/v1/sessions/{session}")).await.expect(200);
        untils[index].send_replace(Some(detail["latest"].as_u64().expect("a sequence")));
    }
    while let Some(done) = followers.join_next().await {
        let (index, seen) = done.expect("a follower's own assertions");
        check_session(&client.history(&sessions[index], 0).await, &seen, &acked[&index]);
    }
    progress.load(Ordering::Relaxed)
}
