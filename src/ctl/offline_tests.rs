//! Commands on a journal's file, from the command line to the exit code.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use clap::Parser;
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

use super::{Kind, cli::Cli, dispatch, error::CtlError, output::Out};
use crate::{
    domain::{
        Actor, Event, KeyId, MessageId, OwnerId, Position, Record, Sequence, SessionId, Stream, Timestamp,
        event::{Fingerprint, MessageKind, SessionCreated},
    },
    journal::{Journal, RedbJournal},
};

const SESSION: &str = "session_00000000000000000000000000000007";

/// Runs a command line; what it printed, or why it ended.
fn ctl(arguments: &[&str]) -> Result<String, CtlError> {
    // Nothing may be found by accident: neither a server nor a data directory.
    let everywhere = ["rcsctl", "--server", "http://127.0.0.1:9", "--key", "k", "--data", "/nonexistent"];
    let cli = Cli::try_parse_from(everywhere.iter().chain(arguments)).expect("is a command line");
    let mut printed = Vec::new();
    let out = Out::to(&mut printed, cli.global.json);
    dispatch(cli, out)?;
    Ok(String::from_utf8(printed).expect("text"))
}

/// A journal in which somebody wrote and an agent answered, and its directory.
fn journal() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("journal.redb");
    let session: SessionId = SESSION.parse().expect("an id");
    let key = Actor::Key(KeyId::from_uuid(Uuid::from_u128(1)));
    let message = MessageId::from_uuid(Uuid::from_u128(9));
    let created = SessionCreated {
        session,
        owner: OwnerId::from_uuid(Uuid::from_u128(2)),
        environment: None,
        title: Some("a title".into()),
        source: "api".into(),
        mode: None,
        model: None,
        directory: None,
    };
    let said = Event::MessageReceived { message: None, kind: MessageKind::Assistant, ephemeral: false };
    let events = [
        (key, Event::SessionCreated(created), ""),
        (key, Event::MessagePosted { session, message, fingerprint: Fingerprint::default() }, r#"{"content":"hello"}"#),
        (Actor::Worker(session), said, r#"{"message":{"content":"hello \u001b[31myou"}}"#),
    ];
    let mut journal = RedbJournal::open_or_create(&path).expect("begins");
    for (number, (actor, event, payload)) in (1..).zip(events) {
        let record = Record {
            position: Position(number),
            stream: Stream::Session(session),
            sequence: Sequence(number),
            at: Timestamp(1_763_719_200_007 + number),
            actor,
            key: None,
            event,
            payload: Bytes::from_static(payload.as_bytes()),
        };
        journal.append(&[Arc::new(record)]).expect("appends");
    }
    (directory, path)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

fn values(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).expect("is JSON")).collect()
}

#[test]
fn a_history_is_replayed_from_a_file() {
    let (_directory, path) = journal();
    insta::assert_snapshot!(ctl(&["session", "replay", SESSION, "--file", text(&path)]).expect("replays"), @r"
    == 2025-11-21 (UTC)
    == key 00000001 is key_00000000000000000000000000000001
          1  10:00:00.008  key 00000001    session created from api
            | a title
          2  10:00:00.009  key 00000001    wrote to the agent (message 00000000-0000-0000-0000-000000000009)
            | hello
          3  10:00:00.010  agent           says
            | hello \x1b[31myou
    ");
    let lines = ctl(&["--json", "session", "replay", SESSION, "--file", text(&path), "--from", "2", "--to", "2"]);
    let lines = values(&lines.expect("replays"));
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["payload"]["content"], "hello");
}

#[test]
fn an_export_is_whole_and_replaces_nothing() {
    let (directory, path) = journal();
    let place = directory.path().join("out.jsonl");
    let export = ["session", "export", SESSION, "--file", text(&path), "-o", text(&place)];
    ctl(&export).expect("exports");
    let lines = values(&fs::read_to_string(&place).expect("reads"));
    let sequences: Vec<u64> = lines.iter().filter_map(|line| line["sequence"].as_u64()).collect();
    assert_eq!(sequences, [1, 2, 3]);
    assert_eq!(ctl(&export).unwrap_err().kind, Kind::Conflict);
    let markdown = ctl(&["session", "export", SESSION, "--file", text(&path), "--format", "markdown"]);
    assert!(markdown.expect("exports").contains("> hello"));
}

#[test]
fn a_flipped_byte_is_found_wherever_it_is() {
    let (_directory, path) = journal();
    let clean = ctl(&["--json", "audit", "verify", "--file", text(&path)]).expect("is clean");
    let clean = values(&clean);
    assert_eq!((&clean[0]["clean"], &clean[0]["records"]), (&Value::Bool(true), &Value::from(3)));
    let head = clean[0]["head"].as_str().expect("a link");
    ctl(&["audit", "verify", "--file", text(&path), "--head", head]).expect("passes through its head");
    let other = "00".repeat(32);
    let error = ctl(&["audit", "verify", "--file", text(&path), "--head", &other]).unwrap_err();
    assert_eq!(error.kind.code(), 1, "the past was written anew");

    let whole = fs::read(&path).expect("reads");
    let needle = b"hello \\u001b[31myou";
    let at = whole.windows(needle.len()).position(|window| window == needle).expect("is stored as it came");
    let mut file = File::options().read(true).write(true).open(&path).expect("opens");
    let mut byte = [0];
    file.seek(SeekFrom::Start(at as u64)).expect("seeks");
    file.read_exact(&mut byte).expect("reads");
    file.seek(SeekFrom::Start(at as u64)).expect("seeks");
    file.write_all(&[byte[0] ^ 1]).expect("writes");
    drop(file);
    let error = ctl(&["audit", "verify", "--file", text(&path)]).unwrap_err();
    assert_eq!(error.kind.code(), 1, "{:?}", error.lines());
}

#[test]
fn an_audit_is_exported_without_what_was_said() {
    let (_directory, path) = journal();
    let lines = ctl(&["audit", "export", "--file", text(&path), "--from", "2"]).expect("exports");
    assert!(!lines.contains("hello") && !lines.contains("fingerprint"));
    let lines = values(&lines);
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["kind"], "message_posted");
    assert_eq!(lines[0]["payload_bytes"], 19);
}

#[test]
fn a_backup_is_verified_and_a_restore_is_another_journal() {
    let (directory, path) = journal();
    let (copy, restored) = (directory.path().join("backup.redb"), directory.path().join("restored.redb"));
    let said = ctl(&["--json", "db", "backup", "--file", text(&path), text(&copy)]).expect("copies");
    let backup = &values(&said)[0];
    assert_eq!((&backup["tail"], &backup["verified"]["clean"]), (&Value::from(3), &Value::Bool(true)));
    let said = ctl(&["--json", "db", "restore", text(&copy), "--file", text(&restored)]).expect("restores");
    let restored_as = &values(&said)[0];
    assert_eq!(restored_as["verified"]["clean"], true);
    assert_ne!(restored_as["epoch"], backup["epoch"], "whoever followed the old one starts over");
    let error = ctl(&["db", "restore", text(&copy), "--file", text(&path)]).unwrap_err();
    assert_eq!(error.kind, Kind::Conflict, "a restore takes no journal's place");
    ctl(&["db", "compact", "--file", text(&restored)]).expect("compacts");
    ctl(&["db", "reindex", "--file", text(&restored)]).expect("indexes");
    let stats = ctl(&["db", "stats", "--file", text(&restored)]).expect("measures");
    assert!(stats.contains("sessions") && stats.contains("events"), "{stats}");
}

#[test]
fn what_is_not_there_and_what_is_in_use_have_their_codes() {
    let (directory, path) = journal();
    let code = |arguments: &[&str]| ctl(arguments).unwrap_err().kind.code();
    let other = "session_00000000000000000000000000000008";
    assert_eq!(code(&["session", "replay", other, "--file", text(&path)]), 3);
    assert_eq!(code(&["audit", "verify", "--file", text(&directory.path().join("none"))]), 3);
    let foreign = directory.path().join("foreign");
    fs::write(&foreign, "not a journal").expect("writes");
    assert_eq!(code(&["audit", "verify", "--file", text(&foreign)]), 1);
    assert_eq!(code(&["db", "stats"]), 3, "the data directory has no journal");
    assert_eq!(code(&["status"]), 6, "nobody listens there");
    let _held = RedbJournal::open(&path).expect("opens");
    assert_eq!(code(&["audit", "verify", "--file", text(&path)]), 6, "a running server has it");
}
