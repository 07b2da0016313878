//! A backup made while the server works: what is in it, who may have it, and that nobody waits for it.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use serde_json::{Value, json};

use crate::harness::{ALICE, Client, Server, rcsctl, text};

/// Enough that a copy takes longer than many commits.
const SESSIONS: usize = 40;
const PER_SESSION: usize = 25;

async fn fill(alice: &Client) {
    let words = "w".repeat(40_000);
    for number in 0..SESSIONS {
        let made = alice.post("/api/v1/sessions", json!({ "title": format!("s{number}") })).await.expect(201);
        let path = format!("/api/v1/sessions/{}/messages", made["id"].as_str().expect("an id"));
        for _ in 0..PER_SESSION {
            alice.post(&path, json!({ "content": words })).await.expect(201);
        }
    }
}

/// Renames one session until told to stop: what can be done any number of times. Tells the number of the last name that
/// was acknowledged.
fn keep_writing(alice: &Client, session: &str) -> (Arc<AtomicU64>, Arc<AtomicBool>, tokio::task::JoinHandle<()>) {
    let (acknowledged, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let (told, stopped, alice) = (Arc::clone(&acknowledged), Arc::clone(&stop), alice.clone());
    let path = format!("/api/v1/sessions/{session}");
    let writing = tokio::spawn(async move {
        for number in 1.. {
            if stopped.load(Ordering::Relaxed) {
                return;
            }
            alice.send("PATCH", &path, Some(&json!({ "title": number.to_string() }))).await.expect(200);
            told.store(number, Ordering::SeqCst);
        }
    });
    (acknowledged, stop, writing)
}

fn copies_left(data: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(data).expect("lists").map(|entry| entry.expect("an entry").path());
    entries.filter(|path| text(path).contains("backup")).collect()
}

fn control(arguments: &[&str], server: Option<(&str, &str)>) -> Value {
    let arguments: Vec<&str> = ["--json"].iter().chain(arguments).copied().collect();
    let (code, out, error) = rcsctl(&arguments, server);
    assert_eq!(code, Some(0), "{arguments:?}: {error}");
    serde_json::from_str(out.lines().next().unwrap_or("null")).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_busy_server_is_all_that_was_acknowledged_before_it() {
    let mut server = Server::start();
    let alice = Client::new(&server, ALICE);
    fill(&alice).await;
    let made = alice.post("/api/v1/sessions", json!({"title": "busy"})).await.expect(201);
    let session = made["id"].as_str().expect("an id").to_owned();
    let (acknowledged, stop, writing) = keep_writing(&alice, &session);
    while acknowledged.load(Ordering::SeqCst) < 3 {
        tokio::task::yield_now().await;
    }

    let before = acknowledged.load(Ordering::SeqCst);
    let copy = server.data.join("../copy.redb");
    let (url, admin) = (server.url.clone(), server.admin_key());
    let to = copy.clone();
    let backup = move || control(&["db", "backup", text(&to)], Some((&url, &admin)));
    let told = tokio::task::spawn_blocking(backup).await.expect("ran");
    let after = acknowledged.load(Ordering::SeqCst);
    assert!(after > before, "writes go on while it is copied");
    stop.store(true, Ordering::Relaxed);
    writing.await.expect("every write was acknowledged");
    assert_eq!(copies_left(&server.data), Vec::<PathBuf>::new());
    assert_eq!(told["verified"]["clean"], true, "{told}");
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&copy).expect("is there").permissions());
        assert_eq!(mode & 0o777, 0o600, "what people said is nobody else's business");
    }

    // The copy holds a prefix: everything that was acknowledged before, and of what came later nothing with a hole.
    let whole = alice.history(&session, 0).await;
    let (code, kept, error) = rcsctl(&["session", "export", &session, "--file", text(&copy)], None);
    assert_eq!(code, Some(0), "{error}");
    let kept: Vec<Value> = kept.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(kept[..], whole[..kept.len()]);
    let names = kept.iter().filter(|event| event["kind"] == "session_renamed").count() as u64;
    assert!((before..=after).contains(&names), "{before} <= {names} <= {after}");

    // And a server goes on from it, under another identity.
    let epoch = told["epoch"].clone();
    assert!(server.stop().success());
    fs::remove_file(server.journal()).expect("the disk died");
    let restored = control(&["db", "restore", text(&copy), "--file", text(&server.journal())], None);
    assert_ne!(restored["epoch"], epoch);
    server.launch();
    assert_eq!(alice.history(&session, 0).await.len(), kept.len());
    let verified = control(&["audit", "verify"], Some((&server.url, &server.admin_key())));
    assert_eq!((&verified["clean"], &verified["records"]), (&json!(true), &restored["tail"]));
}

#[tokio::test]
async fn a_backup_is_an_operators_and_one_at_a_time() {
    let server = Server::start();
    let admin = Client::new(&server, &server.admin_key());
    let refused = Client::new(&server, ALICE).get("/api/v1/backup").await;
    assert_eq!(refused.expect(403)["type"], "urn:rcs:problem:forbidden");
    Client::new(&server, "guess").get("/api/v1/backup").await.expect(401);

    // Larger than what lies in buffers between us, so that it is still on its way while its reader reads nothing.
    fill(&Client::new(&server, ALICE)).await;
    let request = admin.http.get(format!("{}/api/v1/backup", server.url)).bearer_auth(&admin.token);
    let first = request.send().await.expect("an answer");
    assert_eq!(first.headers()["content-type"], "application/octet-stream");
    assert!(first.headers()["content-disposition"].to_str().expect("text").ends_with(".redb\""));
    let length = first.content_length().expect("a length");
    let second = admin.get("/api/v1/backup").await;
    assert_eq!(second.headers["retry-after"], "10");
    assert_eq!(second.expect(429)["type"], "urn:rcs:problem:too-many-requests");
    assert_eq!(first.bytes().await.expect("all of it").len() as u64, length);

    // Whoever goes away in the middle gives the place back.
    let again = loop {
        let request = admin.http.get(format!("{}/api/v1/backup", server.url)).bearer_auth(&admin.token);
        let answer = request.send().await.expect("an answer");
        if answer.status() == 200 {
            break answer;
        }
    };
    drop(again);
    while admin.get("/api/v1/status").await.status == 200 {
        let request = admin.http.get(format!("{}/api/v1/backup", server.url)).bearer_auth(&admin.token);
        if request.send().await.expect("an answer").status() == 200 {
            break;
        }
    }
    assert_eq!(copies_left(&server.data), Vec::<PathBuf>::new());
}
