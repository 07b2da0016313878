//! What may be said to a worker: a prompt, the answer to its question, one of four changes of course, and nothing else.
//!
//! Everything is one line of JSON without its line end: the client parses line by line, and a spawned child dies of a
//! line that it cannot parse. Nothing here passes a message through: a raw one could run commands on the worker's
//! machine.

use serde::Serialize;
use serde_json::value::RawValue;

/// What keeps a socket awake; ignored by every client.
pub const KEEP_ALIVE: &str = r#"{"type":"keep_alive"}"#;

/// A change of course, in the worker's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "subtype", rename_all = "snake_case")]
pub enum Control<'a> {
    Interrupt,
    SetModel { model: &'a str },
    SetPermissionMode { mode: &'a str },
    SetMaxThinkingTokens { max_thinking_tokens: Option<u32> },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Message<'a> {
    User {
        uuid: &'a str,
        session_id: &'a str,
        parent_tool_use_id: Option<&'a str>,
        message: UserMessage<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_attachments: Option<&'a RawValue>,
    },
    ControlResponse {
        response: Response<'a>,
    },
    ControlRequest {
        request_id: &'a str,
        request: Control<'a>,
    },
}

/// A child exits when the role is missing.
#[derive(Serialize)]
struct UserMessage<'a> {
    role: &'static str,
    content: &'a RawValue,
}

#[derive(Serialize)]
struct Response<'a> {
    subtype: &'static str,
    request_id: &'a str,
    #[serde(rename = "response")]
    answer: Answer<'a>,
}

#[derive(Serialize)]
#[serde(tag = "behavior", rename_all = "snake_case")]
enum Answer<'a> {
    Allow {
        #[serde(rename = "updatedInput")]
        input: Option<&'a RawValue>,
        #[serde(rename = "updatedPermissions", skip_serializing_if = "Option::is_none")]
        permissions: Option<&'a RawValue>,
        #[serde(rename = "toolUseID", skip_serializing_if = "Option::is_none")]
        tool_use: Option<&'a str>,
    },
    Deny {
        message: &'a str,
        interrupt: bool,
        #[serde(rename = "toolUseID", skip_serializing_if = "Option::is_none")]
        tool_use: Option<&'a str>,
    },
}

/// A prompt. `content` is text or a list of blocks, `attachments` a list of files that the worker fetches.
pub fn user_message(
    session: &str,
    uuid: impl std::fmt::Display,
    content: &RawValue,
    attachments: Option<&RawValue>,
) -> String {
    let uuid = uuid.to_string();
    line(&Message::User {
        uuid: &uuid,
        session_id: session,
        parent_tool_use_id: None,
        message: UserMessage { role: "user", content },
        file_attachments: attachments,
    })
}

/// The answer to a permission request, in the one form that every flavour takes.
///
/// A denial is a success of the protocol with words for the agent: without them a REPL aborts the whole turn, and under
/// `subtype: error` a child never shows them. An allowance carries the full input: a child refuses it otherwise, and a
/// REPL would run the tool with an empty one.
pub fn permission_answer(
    request_id: &str,
    allow: bool,
    message: Option<&str>,
    updated_input: Option<&RawValue>,
    updated_permissions: Option<&RawValue>,
    tool_use_id: Option<&str>,
) -> String {
    let answer = if allow {
        let input = updated_input.or(Some(empty_object()));
        Answer::Allow { input, permissions: updated_permissions, tool_use: tool_use_id }
    } else {
        let message = message.map(str::trim).filter(|words| !words.is_empty()).unwrap_or("Denied by the user.");
        Answer::Deny { message, interrupt: false, tool_use: tool_use_id }
    };
    line(&Message::ControlResponse { response: Response { subtype: "success", request_id, answer } })
}

/// A change of course.
pub fn control_request(request_id: &str, control: Control<'_>) -> String {
    line(&Message::ControlRequest { request_id, request: control })
}

fn empty_object() -> &'static RawValue {
    serde_json::from_str("{}").expect("an empty object is JSON")
}

/// One line: raw JSON of others may be spread over several, where line breaks stand only between tokens and a space
/// says the same.
fn line(message: &Message<'_>) -> String {
    let text = serde_json::to_string(message).expect("text and raw JSON always serialise");
    if text.contains(['\n', '\r']) { text.replace(['\n', '\r'], " ") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> &RawValue {
        serde_json::from_str(json).expect("JSON")
    }

    #[test]
    fn a_prompt_has_its_role_so_that_no_child_dies_of_it() {
        insta::assert_snapshot!(user_message(
            "session_1",
            "aaaaaaaa-0000-4000-8000-000000000001",
            raw("\"hello\""),
            None
        ));
        let blocks = raw(r#"[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBOR="}}]"#);
        let files = raw(r#"[{"file_uuid":"abcdef12","file_name":"notes v1.txt"}]"#);
        insta::assert_snapshot!(user_message("session_1", "aaaaaaaa-0000-4000-8000-000000000002", blocks, Some(files)));
    }

    #[test]
    fn an_allowance_always_carries_the_input() {
        let input = raw(r#"{"command":"touch x1.tmp && ls"}"#);
        let rules = raw(r#"[{"type":"setMode","mode":"acceptEdits","destination":"session"}]"#);
        insta::assert_snapshot!(permission_answer("4c371bcf", true, None, Some(input), Some(rules), Some("toolu_1")));
        insta::assert_snapshot!(permission_answer("4c371bcf", true, Some("unused"), None, None, None));
    }

    #[test]
    fn a_denial_is_a_success_with_words() {
        insta::assert_snapshot!(permission_answer(
            "4c371bcf",
            false,
            Some("use another file"),
            None,
            None,
            Some("toolu_1")
        ));
        insta::assert_snapshot!(permission_answer("4c371bcf", false, Some("  "), Some(raw("{}")), None, None));
    }

    #[test]
    fn every_change_of_course_in_the_workers_words() {
        let all = [
            Control::Interrupt,
            Control::SetModel { model: "default" },
            Control::SetPermissionMode { mode: "acceptEdits" },
            Control::SetMaxThinkingTokens { max_thinking_tokens: Some(1024) },
            Control::SetMaxThinkingTokens { max_thinking_tokens: None },
        ];
        insta::assert_snapshot!(all.map(|control| control_request("r1", control)).join("\n"));
    }

    #[test]
    fn a_message_is_one_line_however_it_was_written() {
        let text = user_message("session_1", "u", raw("[\n  \"a\\nb\",\r\n  1 ]"), None);
        assert!(!text.contains(['\n', '\r']));
        let value: serde_json::Value = serde_json::from_str(&text).expect("still JSON");
        assert_eq!(value["message"]["content"][0], "a\nb");
    }
}
