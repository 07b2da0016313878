//! What real links and viewers sent, read, and every frame of ours as they see it.

use std::fmt::Write as _;

use serde_json::value::RawValue;

use super::{
    answer::{Choice, Meaning, Outcome, choices, choose},
    link::{self, Known, Told},
    listing::{Agent, Group, GroupEvent, Register, Registered, is_agent},
    text,
    viewer::{self, ModeSaid, ModeUpdate, Returned, Stopped, UserChunk, UserSaid},
    *,
};

const LINK: &str = include_str!("../../../fixtures/acp/link.jsonl");
const VIEWER: &str = include_str!("../../../fixtures/acp/viewer.jsonl");

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.into()).expect("JSON")
}

#[test]
fn every_frame_of_a_real_link_is_understood() {
    let mut page = String::new();
    for line in LINK.lines() {
        let said = match link::read(line) {
            Ok(said) => format!("{said:?}").chars().take(260).collect(),
            Err(error) => format!("refused: {error}"),
        };
        writeln!(page, "{said}").expect("a string takes everything");
    }
    insta::assert_snapshot!(page);
}

#[test]
fn every_word_of_a_real_viewer_is_understood_or_refused_in_the_words_of_the_link() {
    let mut page = String::new();
    for line in VIEWER.lines() {
        let said = match viewer::read(line) {
            Ok(said) => format!("{said:?}"),
            Err(error) => format!("refused: {error}"),
        };
        writeln!(page, "{said}").expect("a string takes everything");
    }
    assert_eq!(viewer::read("not json").unwrap_err(), viewer::Refused::NotJson);
    insta::assert_snapshot!(page);
}

#[test]
fn our_frames_look_as_clients_read_them() {
    let content = raw(r#"[{"type":"text","text":"hi"}]"#);
    let empty = viewer::empty();
    let block = raw(r#"{"type":"text","text":"hi"}"#);
    let returned = || Returned { session: "s1", prompts: Some(&empty), models: None, modes: None, options: None };
    let once = Outcome::Selected { option: "opt".into() };
    let page = [
        KEEP_ALIVE.to_owned(),
        PING.to_owned(),
        DISCONNECTED.to_owned(),
        error("words"),
        flat_error("words"),
        text(&Known::Identified { agent_id: "env_1", channel_group_id: "lab" }),
        text(&Known::Registered { agent_id: "env_1", channel_group_id: "lab" }),
        text(&Told::Connect),
        text(&Told::Cancel),
        text(&Told::NewSession(&empty)),
        text(&Told::ListSessions(&empty)),
        text(&Told::LoadSession(&raw(&text(&link::Target { session: "s1", cwd: None })))),
        text(&Told::LoadSession(&raw(&text(&link::Target { session: "s1", cwd: Some("/srv") })))),
        text(&Told::ResumeSession(&empty)),
        text(&Told::Prompt { content: &content }),
        text(&Told::PermissionResponse { request: "perm_1", outcome: once }),
        text(&Told::PermissionResponse { request: "perm_1", outcome: Outcome::Cancelled }),
        text(&Told::SetSessionModel { model: "m" }),
        text(&viewer::Told::SessionUpdate(UserSaid {
            session: "s1",
            update: UserChunk { kind: "user_message_chunk", content: &block },
        })),
        text(&viewer::Told::Mode(ModeSaid { session: "s1", update: ModeUpdate { mode: "plan" } })),
        text(&viewer::Told::ModelChanged { model: "m" }),
        text(&viewer::Told::SessionLoaded(returned())),
        text(&viewer::Told::SessionResumed(returned())),
        text(&viewer::Told::PromptComplete(Stopped { reason: "cancelled" })),
    ];
    insta::assert_snapshot!(page.join("\n"));
}

#[test]
fn answers_over_http_look_as_clients_read_them() {
    let registered = Registered {
        environment_id: "env_1".into(),
        environment_secret: "rcse_x".into(),
        status: "active",
        session_id: "session_1".into(),
    };
    insta::assert_json_snapshot!(registered);
    assert_eq!(format!("{registered:?}"), "Registered(..)");
    let agent = Agent {
        id: "env_1".into(),
        agent_name: "node".into(),
        channel_group_id: Some("lab".into()),
        status: "online",
        max_sessions: 1,
        last_seen_at: 1_795_255_752.014,
        created_at: 1_795_255_751.997,
    };
    insta::assert_json_snapshot!(Group { channel_group_id: "lab".into(), member_count: 1, members: vec![agent] });
    let frame = raw(r#"{"type":"pong"}"#);
    insta::assert_snapshot!(text(&GroupEvent {
        kind: "pong",
        payload: &frame,
        direction: "inbound",
        number: 61,
        channel_group_id: "lab",
        agent_id: "env_1",
    }));
    insta::assert_json_snapshot!(ErrorBody::new("not_found", "Channel group not found"));
}

#[test]
fn a_registration_is_told_from_that_of_another_runner() {
    let body = include_bytes!("../../../fixtures/acp/register.json");
    assert!(is_agent(body));
    let register: Register = serde_json::from_slice(body).expect("a captured body");
    assert_eq!((register.machine_name.as_str(), register.bridge_id.as_deref()), ("node", Some("lab-group")));
    assert!(is_agent(br#"{"machine_name":"x","metadata":{"worker_type":"acp"}}"#));
    assert!(!is_agent(include_bytes!("../../../fixtures/bridge/register.json")));
    assert!(!is_agent(b"not json") && !is_agent(b""));
}

#[test]
fn a_yes_takes_the_option_with_the_least_reach_and_a_no_never_takes_a_yes() {
    let asked = LINK.lines().find(|line| line.contains("permission_request")).expect("one");
    let offered = choices(asked.as_bytes());
    assert!(!offered.is_empty());
    let meaning = |outcome: &Outcome<'_>| match outcome {
        Outcome::Selected { option } => offered.iter().find(|choice| choice.id == *option).map(|choice| choice.kind),
        Outcome::Cancelled => None,
    };
    assert_eq!(meaning(&choose(&offered, true)), Some(Meaning::AllowOnce));
    assert_eq!(meaning(&choose(&offered, false)), Some(Meaning::RejectOnce));
    let odd =
        [Choice { id: "x".into(), kind: Meaning::Unknown }, Choice { id: "y".into(), kind: Meaning::AllowAlways }];
    assert_eq!(choose(&odd, false), Outcome::Cancelled, "nothing that was offered says no");
    assert_eq!(choose(&odd, true), Outcome::Selected { option: "y".into() });
    assert!(!Meaning::Unknown.allows());
    assert_eq!(choices(b"{}"), []);
}

#[test]
fn a_link_with_nothing_to_start_says_only_the_word_of_its_command() {
    let status = |json: &'static str| match link::read(json) {
        Ok(link::Said::Status(status)) => status,
        other => panic!("{other:?}"),
    };
    let ran = r#"{"type":"status","payload":{"connected":true,"agentInfo":{"name":"node"},"capabilities":{}}}"#;
    assert!(status(ran).ran_before("node"));
    assert!(!status(ran).ran_before("qwen"));
    let fresh = r#"{"type":"status","payload":{"connected":true,"agentInfo":{"name":"node","version":"1"}}}"#;
    assert!(!status(fresh).ran_before("node"));
    assert!(!status(r#"{"type":"status","payload":{"connected":true}}"#).ran_before("node"));
    let able = status(LINK.lines().nth(1).expect("a status")).capabilities.expect("some");
    assert_eq!(able.load, Some(true));
    assert!(able.session.is_some_and(|session| session.resume.is_some() && session.list.is_some()));
}
