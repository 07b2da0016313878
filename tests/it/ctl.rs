//! `rcsctl` against a real server: what an operator types, and what scripts see.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::harness::{ALICE, Client, MALLORY, Server, rcsctl, text};

/// Runs a command that must succeed and returns what it printed.
#[track_caller]
fn done(server: &Server, key: &str, arguments: &[&str]) -> String {
    let (code, out, error) = rcsctl(arguments, Some((&server.url, key)));
    assert_eq!(code, Some(0), "{arguments:?}: {error}");
    out
}

/// Runs a command that must fail and returns its exit code and its complaint.
fn failed(server: &Server, key: &str, arguments: &[&str]) -> (i32, String) {
    let (code, out, error) = rcsctl(arguments, Some((&server.url, key)));
    assert_ne!(code, Some(0), "{arguments:?}: {out}");
    (code.expect("an exit code"), error)
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// A session with a worker's question in it.
async fn asking(server: &Server, request: &str) -> String {
    let session = done(server, ALICE, &["session", "create", "--title", "ask me", "--prompt", "make a file"]);
    let session = session.trim().to_owned();
    let question = json!({"events": [{"type": "control_request", "request_id": request, "request": {
        "subtype": "can_use_tool", "tool_name": "Bash", "input": {"command": "touch \u{1b}[31ma"},
        "tool_use_id": "toolu_1"}}]});
    let client = Client::new(server, ALICE);
    let answer = client.post(&format!("/v2/session_ingress/session/{session}/events"), question).await;
    assert!(answer.status < 300, "{} {}", answer.status, answer.text);
    session
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_from_creation_to_archive() {
    let server = Server::start();
    let session = done(&server, ALICE, &["session", "create", "--title", "a title", "--prompt", "one"]);
    let session = session.trim();
    done(&server, ALICE, &["session", "send", session, "two"]);
    done(&server, ALICE, &["session", "rename", session, "another title"]);
    done(&server, ALICE, &["session", "mode", session, "plan"]);
    assert!(done(&server, ALICE, &["session", "list"]).contains("another title"));
    assert!(done(&server, ALICE, &["session", "show", session]).contains("waiting for the worker"));
    assert!(done(&server, ALICE, &["status"]).contains("1 (0 working"));
    let replay = done(&server, ALICE, &["session", "replay", session]);
    assert!(
        replay.contains("| one") && replay.contains("| two") && replay.contains("permission mode plan"),
        "{replay}"
    );
    let some = lines(&done(&server, ALICE, &["--json", "session", "replay", session, "--from", "2", "--to", "3"]));
    assert_eq!(some.iter().map(|event| event["sequence"].as_u64()).collect::<Vec<_>>(), [Some(2), Some(3)]);
    let export = lines(&done(&server, ALICE, &["session", "export", session]));
    assert_eq!(export.iter().filter(|event| event["kind"] == "message_posted").count(), 2);

    let (code, error) = failed(&server, ALICE, &["session", "interrupt", session]);
    assert_eq!(code, 5, "{error}");
    assert_eq!(failed(&server, ALICE, &["session", "mode", session, "nonsense"]).0, 2);
    assert_eq!(failed(&server, MALLORY, &["session", "show", session]).0, 3, "what is not yours is not there");
    assert_eq!(failed(&server, "wrong", &["session", "list"]).0, 4);
    done(&server, ALICE, &["session", "archive", session]);
    done(&server, ALICE, &["session", "archive", session]);
    assert_eq!(failed(&server, ALICE, &["session", "send", session, "three"]).0, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_has_one_winner_and_the_loser_is_told_who() {
    let server = Server::start();
    let session = asking(&server, "r1").await;
    let pending = done(&server, ALICE, &["permission", "list"]);
    assert!(pending.contains("r1") && pending.contains("touch \\x1b[31ma"), "{pending}");
    done(&server, ALICE, &["permission", "deny", &session, "r1", "-m", "use b"]);
    done(&server, ALICE, &["permission", "deny", &session, "r1", "-m", "use b"]);
    let (code, error) = failed(&server, ALICE, &["permission", "allow", &session, "r1"]);
    assert_eq!(code, 5);
    assert!(error.contains("deny by key") && error.contains("use b"), "{error}");
    let replay = done(&server, ALICE, &["session", "replay", &session]);
    assert!(replay.contains("DENIED question") && !replay.contains('\u{1b}'), "{replay}");
    assert!(done(&server, ALICE, &["permission", "list"]).contains("nobody waits"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_goes_on_where_it_was_when_the_server_comes_back() {
    let mut server = Server::start();
    let session = done(&server, ALICE, &["session", "create", "--prompt", "one"]).trim().to_owned();
    let mut tail = Command::new(env!("CARGO_BIN_EXE_rcsctl"))
        .args(["--json", "session", "tail", &session])
        .env("RCS_SERVER", &server.url)
        .env("RCS_API_KEY", ALICE)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("rcsctl starts");
    let mut shown = BufReader::new(tail.stdout.take().expect("piped")).lines();
    let mut next = || -> Value {
        let line = shown.next().expect("another line").expect("text");
        serde_json::from_str(&line).expect("a line of JSON")
    };
    assert_eq!((next()["sequence"].clone(), next()["sequence"].clone()), (json!(1), json!(2)));
    server.kill_and_restart();
    done(&server, ALICE, &["session", "send", &session, "two"]);
    let event = next();
    assert_eq!((&event["sequence"], &event["payload"]["content"]), (&json!(3), &json!("two")));
    tail.kill().expect("killed");
    tail.wait().expect("reaped");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_made_listed_and_revoked() {
    let server = Server::start();
    let admin = server.admin_key();
    let secret = done(&server, &admin, &["key", "create", "phone", "--role", "viewer", "--expires", "1d"]);
    let secret = secret.trim();
    done(&server, secret, &["session", "list"]);
    let (code, _) = failed(&server, secret, &["session", "create"]);
    assert_eq!(code, 4, "a viewer makes nothing");
    let listed = done(&server, &admin, &["--json", "key", "list"]);
    assert!(!listed.contains(secret), "a secret is shown once");
    let listed = lines(&listed);
    let id = listed.iter().find(|key| key["name"] == "phone").and_then(|key| key["id"].as_str()).expect("is listed");
    done(&server, &admin, &["key", "revoke", id]);
    assert!(done(&server, &admin, &["status"]).contains("us one in a hundred"), "an admin sees the disk");
    assert!(!done(&server, ALICE, &["status"]).contains("MB free"), "nobody else does");
    assert_eq!(failed(&server, secret, &["session", "list"]).0, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_are_listed_renamed_and_signed_out() {
    let server = Server::start();
    let alice = Client::new(&server, ALICE);
    alice.post("/api/v1/login", json!({"key": ALICE, "name": "phone"})).await.expect(200);
    let listed = lines(&done(&server, ALICE, &["--json", "device", "list"]));
    let id = listed[0]["id"].as_str().expect("is listed");
    assert!(done(&server, ALICE, &["device", "rename", id, "Kitchen phone"]).contains("Kitchen phone"));
    assert_eq!(failed(&server, MALLORY, &["device", "rename", id, "mine"]).0, 3, "it is not theirs");
    done(&server, ALICE, &["device", "sign-out", id]);
    let table = done(&server, ALICE, &["device", "list"]);
    assert!(table.contains("Kitchen phone") && table.contains("signed out"), "{table}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_rotated_key_signed_is_good_for_a_while_or_refused_at_once() {
    let mut server = Server::start_with(&[("RCS_POLL_TIMEOUT", "1")]);
    let (admin, alice) = (server.admin_key(), Client::new(&server, ALICE));
    let (environment, before) = alice.register(1).await;
    let poll = async |server: &Server, environment: &str, secret: &str| {
        Client::new(server, secret).get(&format!("/v1/environments/{environment}/work/poll")).await.status
    };
    assert!(poll(&server, &environment, &before).await < 300);
    assert_eq!(failed(&server, ALICE, &["key", "rotate-signing"]).0, 4, "this is the operator's");

    let told = done(&server, &admin, &["key", "rotate-signing", "--overlap", "1d"]);
    assert!(told.starts_with("tokens signed before are good until 2"), "{told}");
    assert!(poll(&server, &environment, &before).await < 300, "nobody is cut off");
    server.kill_and_restart();
    assert!(poll(&server, &environment, &before).await < 300, "nor by a restart");
    let (other, after) = alice.register(1).await;

    let told = lines(&done(&server, &admin, &["--json", "key", "rotate-signing", "--overlap", "0s"]));
    assert_eq!(told[0]["keys"], 1);
    for (environment, secret) in [(&environment, &before), (&other, &after)] {
        assert_eq!(poll(&server, environment, secret).await, 401, "a key that leaked opens nothing");
    }
    server.kill_and_restart();
    assert_eq!(poll(&server, &other, &after).await, 401);
    let (fresh, secret) = alice.register(1).await;
    assert!(poll(&server, &fresh, &secret).await < 300, "who registers again is in again");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_is_looked_after_when_the_server_is_stopped() {
    let mut server = Server::start();
    let session = asking(&server, "r1").await;
    assert!(done(&server, &server.admin_key(), &["audit", "verify"]).starts_with("clean"));
    let online = lines(&done(&server, &server.admin_key(), &["audit", "export"]));
    let journal = server.journal();
    let file = text(&journal);
    assert_eq!(rcsctl(&["audit", "verify", "--file", file], None).0, Some(6), "the server has it");
    assert!(server.stop().success());

    let (code, offline, error) = rcsctl(&["audit", "export", "--file", file], None);
    assert_eq!(code, Some(0), "{error}");
    let offline = lines(&offline);
    assert_eq!(offline[..online.len()], online, "both ways tell the same");
    let (code, replay, _) = rcsctl(&["session", "replay", &session, "--file", file], None);
    assert!(code == Some(0) && replay.contains("asks permission to use Bash"), "{replay}");
    let copy = journal.with_file_name("copy.redb");
    assert_eq!(rcsctl(&["db", "backup", "--file", file, text(&copy)], None).0, Some(0));
    assert_eq!(rcsctl(&["audit", "verify", "--file", text(&copy)], None).0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_load_generator_measures_and_leaves_nothing_open() {
    let server = Server::start();
    let admin = server.admin_key();
    let data = server.data.clone();
    let small = [
        "--seconds",
        "1",
        "--connections",
        "2",
        "--subscribers",
        "3",
        "--history",
        "1500",
        "--stream",
        "1",
        "--disk",
        text(&data),
    ];
    let mut arguments = vec!["--json", "bench"];
    arguments.extend(small);
    let rows = lines(&done(&server, &admin, &arguments));
    for what in [
        "append over HTTP",
        "queued work to a waiting poll",
        "append seen by every follower",
        "history in pages, events",
        "append to a server that does nothing",
        "append to a stream over HTTP",
        "the same bytes over loopback, MB",
        "catch-up with a stream, MB",
        "append to a stream seen by every reader",
    ] {
        let row = rows.iter().find(|row| row["what"] == what).unwrap_or_else(|| panic!("{what}: {rows:#?}"));
        assert_eq!(row["failures"], 0, "{row}");
        assert!(row["per_second"].as_f64().is_some_and(|rate| rate > 0.0), "{row}");
    }
    assert!(done(&server, &admin, &["session", "list"]).contains("there are no such sessions"));
    assert!(done(&server, &admin, &["env", "list"]).lines().all(|line| !line.contains("online")));
}

#[test]
fn a_rival_has_a_row_beside_each_of_ours_and_no_stream_is_left() {
    let server = Server::start();
    let other = Server::start_with(&[("RCS_STREAMS_ANONYMOUS", "read,append,create,delete")]);
    let (admin, rival) = (server.admin_key(), format!("other={}", other.url));
    let arguments =
        ["--json", "bench", "--only", "streams", "--seconds", "1", "--connections", "2", "--subscribers", "3"];
    let data = server.data.clone();
    let arguments = [&arguments[..], &["--stream", "1", "--disk", text(&data), "--rival", &rival]].concat();
    let rows = lines(&done(&server, &admin, &arguments));
    for (what, by) in [
        ("append to a stream over HTTP", "per_second"),
        ("catch-up with a stream, MB", "per_second"),
        ("append to a stream seen by every reader", "p99"),
    ] {
        let both: Vec<_> = rows.iter().filter(|row| row["what"] == what).collect();
        assert_eq!(both.len(), 2, "{what}: {rows:#?}");
        assert!(both[0].get("rival").is_none(), "{}", both[0]);
        assert_eq!((&both[1]["rival"]["name"], &both[1]["rival"]["by"]), (&"other".into(), &by.into()), "{}", both[1]);
        assert!(both[1]["rival"]["ours_times"].as_f64().is_some_and(|times| times > 0.0), "{}", both[1]);
        assert_eq!(both[1]["failures"], 0, "{}", both[1]);
    }
    for server in [&server, &other] {
        // Records of a deleted stream are given up soon, so the audit says nothing for certain.
        let status: Value =
            serde_json::from_str(&done(server, &server.admin_key(), &["--json", "status"])).expect("JSON");
        assert_eq!(status["storage"]["streams"], 0, "{status}");
        assert!(status["tail"].as_u64().is_some_and(|tail| tail > 10), "there were some: {status}");
    }
    let (code, _, errors) = rcsctl(&["bench", "--rival", "nonsense"], Some((&server.url, &admin)));
    assert!(code == Some(2) && errors.contains("NAME=URL"), "{code:?} {errors}");
}
