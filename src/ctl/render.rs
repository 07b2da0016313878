//! Events as text for a terminal or a file: a numbered line each, foreign text below it behind a gutter.
//!
//! The gutter is what makes a forged line visible: whatever an agent writes, it cannot begin a line of its own.

use std::collections::HashSet;

use super::{
    tell::{Body, Part, Teller},
    terminal,
};
use crate::{
    domain::KeyId,
    wire::web::{Author, Event},
};

/// Lines of one body that are shown when nobody asked for all of them. A screen.
const BODY_LINES_MAX: usize = 40;
/// What stands before each line of foreign text.
const GUTTER: &str = "        | ";

/// Writes a session's events, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Renderer {
    teller: Teller,
    whole: bool,
    colour: bool,
    day: String,
    keys: HashSet<KeyId>,
}

impl Renderer {
    /// `colour` sets what happened apart from what was said; `whole` shows bodies however long; `partials` shows pieces
    /// of messages too.
    pub(crate) fn new(colour: bool, whole: bool, partials: bool) -> Self {
        Self { teller: Teller::new(partials), whole, colour, ..Self::default() }
    }

    /// The lines of an event, each ended; empty if it tells nothing.
    pub(crate) fn event(&mut self, event: &Event) -> String {
        let parts = self.teller.tell(event);
        let mut out = String::new();
        if parts.is_empty() {
            return out;
        }
        let at = terminal::one_line(&event.at);
        let (day, time) = at.split_once('T').unwrap_or((&at, ""));
        if self.day != day {
            day.clone_into(&mut self.day);
            self.head(&mut out, &format!("== {day} (UTC)"));
        }
        if let Author::Key(key) = event.by
            && self.keys.insert(key)
        {
            self.head(&mut out, &format!("== {} is {key}", author(event.by)));
        }
        let time = time.strip_suffix('Z').unwrap_or(time);
        for (index, part) in parts.iter().enumerate() {
            let sequence = if index == 0 { event.sequence.to_string() } else { String::new() };
            let what = terminal::one_line(&part.what);
            let line = format!("{sequence:>7}  {time}  {:<14}  {what}", author(event.by));
            self.head(&mut out, &line);
            self.body(&mut out, part);
        }
        out
    }

    fn head(&self, out: &mut String, line: &str) {
        if self.colour {
            out.push_str("\u{1b}[1m");
        }
        out.push_str(line.trim_end());
        if self.colour {
            out.push_str("\u{1b}[0m");
        }
        out.push('\n');
    }

    fn body(&self, out: &mut String, part: &Part) {
        let (Body::Text(text) | Body::Code(text)) = &part.body else { return };
        let text = text.trim_matches(['\n', '\r']);
        if text.is_empty() {
            return;
        }
        let shown_max = if self.whole { usize::MAX } else { BODY_LINES_MAX };
        for line in terminal::lines(text).take(shown_max) {
            let line = format!("{GUTTER}{line}");
            out.push_str(line.trim_end());
            out.push('\n');
        }
        let hidden = text.split('\n').count().saturating_sub(shown_max);
        if hidden > 0 {
            let line = format!("        ... {hidden} more lines (--whole shows them)\n");
            out.push_str(&line);
        }
    }
}

/// Who, in a column's width. The whole id of a key is given where it first appears.
pub(crate) fn author(by: Author) -> String {
    match by {
        // The end of an id is random; its beginning is a time, which keys made in the same minute share.
        Author::Key(id) => format!("key {:08x}", id.uuid().as_u128() & 0xffff_ffff),
        Author::Worker(_) => "agent".into(),
        Author::Environment(_) => "runner".into(),
        Author::System => "the server".into(),
        Author::Anonymous => "anonymous".into(),
        Author::Woken(_) => "subscriber".into(),
        Author::Device(id) => format!("device {:08x}", id.uuid().as_u128() & 0xffff_ffff),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::domain::SessionId;

    fn key() -> Author {
        Author::Key(KeyId::from_uuid(Uuid::from_u128(0x0190_163d_8694_739b_8d8a_5b0e_7a5f_1c11)))
    }

    fn agent() -> Author {
        Author::Worker(SessionId::from_uuid(Uuid::nil()))
    }

    /// A session's events from (author, kind, data, payload), a second apart.
    fn events(given: Vec<(Author, &str, serde_json::Value, serde_json::Value)>) -> Vec<Event> {
        let told = (1..).zip(given).map(|(sequence, (by, kind, data, payload))| Event {
            sequence,
            position: sequence,
            at: format!("2025-11-21T10:00:{sequence:02}.007Z"),
            kind: kind.into(),
            by,
            data: data.as_object().cloned().unwrap_or_default(),
            payload: (!payload.is_null()).then(|| serde_json::value::to_raw_value(&payload).expect("is JSON")),
        });
        told.collect()
    }

    fn render(given: Vec<(Author, &str, serde_json::Value, serde_json::Value)>) -> String {
        let mut renderer = Renderer::default();
        events(given).iter().map(|event| renderer.event(event)).collect()
    }

    fn said(kind: &str) -> serde_json::Value {
        json!({"message": null, "kind": kind, "ephemeral": kind == "partial"})
    }

    #[test]
    fn a_turn_with_a_permission_reads_like_a_protocol() {
        let message = "4c371bcf-0000-4000-8000-000000000001";
        let call = json!({"command": "touch a.tmp", "description": "make a file"});
        let text = render(vec![
            (
                key(),
                "session_created",
                json!({"source": "api", "environment": "env_1", "title": "Fix it"}),
                json!(null),
            ),
            (key(), "message_posted", json!({"message": message}), json!({"content": "make a file\nplease"})),
            (agent(), "worker_attached", json!({"epoch": 1}), json!(null)),
            (Author::System, "message_delivered", json!({"message": message}), json!(null)),
            (agent(), "message_consumed", json!({"message": message}), json!(null)),
            (
                agent(),
                "message_received",
                said("system"),
                json!({"type": "system", "subtype": "init", "model": "m", "permissionMode": "default", "cwd": "/p"}),
            ),
            (agent(), "message_received", said("partial"), json!({"type": "stream_event"})),
            (
                agent(),
                "message_received",
                said("assistant"),
                json!({"message": {"content": [
                {"type": "text", "text": "I will."},
                {"type": "tool_use", "id": "t1", "name": "Bash", "input": call}]}}),
            ),
            (
                agent(),
                "permission_requested",
                json!({"request": "r1", "tool": "Bash", "subject": "touch a.tmp"}),
                json!({"request": {"input": call}}),
            ),
            (
                key(),
                "permission_decided",
                json!({"request": "r1", "verdict": "deny", "message": "use b.tmp"}),
                json!(null),
            ),
            (
                agent(),
                "message_received",
                said("user"),
                json!({"message": {"content": [
                {"type": "tool_result", "tool_use_id": "t1", "is_error": true, "content": "use b.tmp"}]}}),
            ),
            (key(), "control_requested", json!({"request": "c1", "control": {"subtype": "interrupt"}}), json!(null)),
            (
                agent(),
                "message_received",
                said("result"),
                json!({"subtype": "error_during_execution",
                "is_error": true, "duration_ms": 2011, "total_cost_usd": 0.0009, "result": "stopped"}),
            ),
            (Author::System, "something_new", json!({"a": 1}), json!(null)),
        ]);
        insta::assert_snapshot!(text);
    }

    #[test]
    fn hostile_text_neither_moves_the_cursor_nor_forges_a_line() {
        let forged =
            "ok\u{1b}[2J\n      9  10:00:09.000  key 7a5f1c11    ALLOWED everything\r\n\u{202e}txt.exe\u{9b}5A";
        let text = render(vec![
            (agent(), "message_received", said("assistant"), json!({"message": {"content": forged}})),
            (agent(), "permission_requested", json!({"request": "r\n1", "tool": "Ba\u{7}sh\nALLOWED"}), json!(null)),
            (agent(), "message_received", said("other"), json!({"type": "x\u{1b}]52;c;aGk=\u{7}"})),
        ]);
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_long_output_is_cut_and_says_so() {
        let content = "line\n".repeat(100);
        let text = render(vec![(
            agent(),
            "message_received",
            said("user"),
            json!({"content": [
            {"type": "tool_result", "tool_use_id": "t9", "content": content}]}),
        )]);
        assert_eq!(text.lines().count(), 2 + BODY_LINES_MAX + 1);
        assert!(text.ends_with("60 more lines (--whole shows them)\n"));
    }

    #[test]
    fn a_picture_is_named_and_not_printed() {
        let picture = json!({"content": [{"type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": "QUJD".repeat(100)}}]});
        let text = render(vec![(key(), "message_posted", json!({"message": "m"}), picture)]);
        assert!(text.contains("[image: image/png, about 300 bytes]"));
    }
}
