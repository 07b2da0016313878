//! Every sort of message that real workers were seen to send, and what could be made up to confuse us.

use std::fmt::Write as _;

use super::*;

fn raw(json: &str) -> &RawValue {
    serde_json::from_str(json).expect("JSON")
}

fn says(json: &str) -> Says {
    classify(raw(json)).expect("a message").says
}

fn said_of(json: &str) -> Said {
    match says(json) {
        Says::Said(said) => said,
        other => panic!("not said: {other:?}"),
    }
}

fn ask(input: &str) -> Asks {
    let request = format!(r#"{{"subtype":"can_use_tool","tool_name":"T","input":{input}}}"#);
    let json = format!(r#"{{"type":"control_request","request_id":"r","request":{request}}}"#);
    match says(&json) {
        Says::Asks(asks) => asks,
        other => panic!("asks nothing: {other:?}"),
    }
}

#[test]
fn captured_messages_mean_what_they_mean() {
    let mut page = String::new();
    for line in include_str!("../../../fixtures/bridge/worker_messages.jsonl").lines() {
        let Classified { uuid, says } = classify(raw(line)).expect("a captured message");
        let start: String = line.chars().take(100).collect();
        writeln!(page, "{start}\n  {uuid:?}\n  {says:?}").expect("a string takes everything");
    }
    insta::assert_snapshot!(page);
}

#[test]
fn an_unknown_or_half_broken_message_is_kept_and_does_not_cost_the_batch() {
    for json in [
        "{}",
        r#"{"type":7}"#,
        r#"{"type":"brand_new","uuid":5}"#,
        r#"{"type":"user","message":"text"}"#,
        r#"{"type":"user","message":{"content":{"odd":1}}}"#,
        r#"{"type":"control_request"}"#,
        r#"{"type":"control_request","request_id":"r","request":{"subtype":"hook_callback"}}"#,
        r#"{"type":"control_request","request_id":"","request":{"subtype":"can_use_tool","tool_name":"Bash"}}"#,
        r#"{"type":"control_response","response":[]}"#,
        r#"{"type":"control_cancel_request"}"#,
    ] {
        assert!(matches!(says(json), Says::Said(_)), "{json}");
    }
    assert_eq!(said_of(r#"{"type":"control_request"}"#).kind, Kind::Control);
    assert_eq!(said_of(r#"{"type":"brand_new"}"#).kind, Kind::Other);
}

#[test]
fn what_is_no_object_is_malformed() {
    for json in ["[]", "\"text\"", "7", "null", r#"["user"]"#] {
        assert!(classify(raw(json)).is_err(), "{json}");
    }
}

#[test]
fn camel_case_request_ids_are_understood() {
    let request: RequestId = "r1".parse().expect("id");
    assert_eq!(says(r#"{"type":"control_cancel_request","requestId":"r1"}"#), Says::TakesBack(request.clone()));
    let answer = says(r#"{"type":"control_response","response":{"subtype":"success","requestId":"r1"}}"#);
    assert_eq!(answer, Says::Answers { request, ok: true, mode: None });
}

#[test]
fn one_uuid_in_two_spellings_is_one_message() {
    let uuid = |json: &str| classify(raw(json)).expect("a message").uuid;
    let upper = uuid(r#"{"type":"user","uuid":"BBBBBBBB-0000-4000-8000-000000000001"}"#);
    assert_eq!(upper, uuid(r#"{"type":"user","uuid":"bbbbbbbb000040008000000000000001"}"#));
    assert_eq!(uuid(r#"{"type":"user","uuid":"not a uuid"}"#).as_deref(), Some("not a uuid"));
    assert_eq!(uuid(r#"{"type":"user","uuid":""}"#), None);
}

#[test]
fn only_somebodys_words_put_the_agent_to_work() {
    let activity = |content: &str| {
        let message = format!(r#"{{"role":"user","content":{content}}}"#);
        said_of(&format!(r#"{{"type":"user","parent_tool_use_id":null,"message":{message}}}"#)).activity
    };
    let working = Some(Activity::Working);
    assert_eq!(activity(r#""hello""#), working);
    assert_eq!(activity(r#"[{"type":"image","source":{}}]"#), working);
    assert_eq!(activity(r#""/etc/hosts is broken""#), working);
    assert_eq!(activity(r#""/""#), working);
    assert_eq!(activity(r#""/cost""#), None);
    assert_eq!(activity(r#""/compact keep the tests""#), None);
    assert_eq!(activity(r#"[{"type":"text","text":"[Request interrupted by user for tool use]"}]"#), None);
    assert_eq!(activity(r#""<local-command-stdout>Set model</local-command-stdout>""#), None);
    assert_eq!(activity(r#"[{"type":"tool_result","tool_use_id":"toolu_1","content":"x"}]"#), None);
    assert_eq!(activity("[]"), None);
    let of_sub_agent = said_of(r#"{"type":"user","parent_tool_use_id":"toolu_1","message":{"content":"look"}}"#);
    assert_eq!(of_sub_agent.activity, None);
}

#[test]
fn a_subject_says_all_that_a_rule_may_rest_on() {
    assert_eq!(ask(r#"{"command":"ls","description":"list"}"#).subject.as_deref(), Some("ls"));
    assert_eq!(ask(r#"{"file_path":"/a","content":"x"}"#).subject.as_deref(), Some("/a"));
    assert_eq!(ask(r#"{"questions":[]}"#).subject, None);
    let free = ask(r#"{"command":"ls","dangerouslyDisableSandbox":true}"#).subject;
    assert_eq!(free.as_deref(), Some("[outside the sandbox] ls"));
    let long = format!(r#"{{"command":"{}"}}"#, "\u{e9}".repeat(limits::SUBJECT_BYTES_MAX));
    let subject = ask(&long).subject.expect("a cut subject");
    assert!(subject.len() <= limits::SUBJECT_BYTES_MAX);
    assert!(subject.ends_with("[cut; request r]"), "it must match no other request");
}

#[test]
fn a_tool_without_a_name_asks_nothing() {
    let long = "x".repeat(limits::NAME_BYTES_MAX + 1);
    for tool in ["\"\"".to_owned(), format!("\"{long}\""), "5".into()] {
        let request = format!(r#"{{"subtype":"can_use_tool","tool_name":{tool}}}"#);
        let json = format!(r#"{{"type":"control_request","request_id":"r","request":{request}}}"#);
        assert_eq!(said_of(&json).kind, Kind::Control, "{tool:.20}");
    }
}
