//! What is told, before it is known how: the question in a few words, or how it ended.
//!
//! Words of agents are hostile, and a notification is where people answer without a second look. So what is asked is
//! either there whole, in plain characters, or it says that it was cut and cannot be allowed from there.

use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use super::super::decide::ASKED_EACH_TIME;
use crate::{
    api::common::{House, render},
    domain::{
        Actor, DeviceId, RequestId, Sequence, SessionId, Stream, Timestamp, World,
        event::Verdict,
        limits::{NOTICE_TEXT_CHARS_MAX, NOTICE_TEXT_LINES_MAX, NOTICE_TITLE_CHARS_MAX},
        permission::Settlement,
        session::Session,
    },
    relay::{Bounds, RelayError},
    security::principal::Scope,
    wire::web::{Author, PushedKind},
};

/// Something to be told.
#[derive(Debug, Clone)]
pub(super) struct Notice {
    pub(super) kind: PushedKind,
    /// The same for all that is told of one question.
    pub(super) tag: String,
    pub(super) at: Timestamp,
    pub(super) session: Option<SessionId>,
    /// Where the question stands there.
    pub(super) asked: Option<Sequence>,
    pub(super) title: Option<String>,
    pub(super) request: Option<RequestId>,
    pub(super) tool: Option<String>,
    pub(super) text: Option<String>,
    /// The text is all that is asked.
    pub(super) is_whole: bool,
    pub(super) verdict: Option<Verdict>,
    pub(super) by: Option<Author>,
    /// What whoever decided is called.
    pub(super) by_name: Option<String>,
    /// The browser in which they did.
    pub(super) by_device: Option<DeviceId>,
    /// Questions that wait for whoever is told.
    pub(super) waiting: u64,
}

/// The tag of a question: short, and says nothing.
pub(super) fn tag(session: SessionId, asked: Sequence) -> String {
    format!("{session}/{asked}")
}

impl Notice {
    fn new(kind: PushedKind, tag: String, at: Timestamp) -> Self {
        Self {
            kind,
            tag,
            at,
            session: None,
            asked: None,
            title: None,
            request: None,
            tool: None,
            text: None,
            is_whole: false,
            verdict: None,
            by: None,
            by_name: None,
            by_device: None,
            waiting: 0,
        }
    }

    fn about(mut self, session: &Session) -> Self {
        self.session = Some(session.id);
        self.title = session.title.as_deref().map(|title| cut(title, NOTICE_TITLE_CHARS_MAX, 1).0);
        self
    }

    /// Somebody tries whether it arrives.
    pub(super) fn test(at: Timestamp) -> Self {
        Self::new(PushedKind::Test, "test".into(), at)
    }

    /// A turn ended.
    pub(super) fn turn(house: &House, session: SessionId) -> Option<Self> {
        let world = house.relay.world();
        let found = world.session(session)?;
        let notice = Self::new(PushedKind::Turn, format!("{session}/turn"), house.relay.now());
        Some(notice.about(found))
    }

    /// An agent asks, if it still does.
    pub(super) fn question(house: &House, session: SessionId, asked: Sequence, scope: Scope) -> Option<Self> {
        let (mut notice, subject) = {
            let world = house.relay.world();
            let found = world.session(session)?;
            let open = found.permissions.open_at(asked)?;
            let mut notice = Self::new(PushedKind::Permission, tag(session, asked), open.asked_at).about(found);
            notice.asked = Some(asked);
            notice.request = Some(open.request.clone());
            notice.tool = Some(cut(&open.tool, NOTICE_TITLE_CHARS_MAX, 1).0);
            notice.waiting = waiting(&world, scope);
            (notice, open.subject.clone())
        };
        let one = Bounds { records_max: 1, bytes_max: 1 };
        let record = match house.relay.read(Stream::Session(session), asked, one) {
            Ok(found) => found.into_iter().next(),
            // Retention was here. What it is about is known all the same, and that it is asked matters more.
            Err(RelayError::Gap { .. }) => None,
            Err(error) => {
                tracing::error!(%error, %session, %asked, "a question could not be read");
                None
            }
        };
        let input = record.as_ref().and_then(|record| input(&record.payload));
        let is_asked_each_time = notice.tool.as_deref().is_some_and(|tool| ASKED_EACH_TIME.contains(&tool));
        match input.filter(|_| !is_asked_each_time) {
            Some(input) => {
                let (text, is_whole) = cut(&told(&input), NOTICE_TEXT_CHARS_MAX, NOTICE_TEXT_LINES_MAX);
                (notice.text, notice.is_whole) = (Some(text), is_whole);
            }
            None => notice.text = subject.map(|text| cut(&text, NOTICE_TEXT_CHARS_MAX, NOTICE_TEXT_LINES_MAX).0),
        }
        Some(notice)
    }

    /// How a question ended. It may have been forgotten since; then only that it did.
    pub(super) fn end(house: &House, session: SessionId, asked: Sequence, scope: Scope) -> Self {
        let world = house.relay.world();
        let mut notice = Self::new(PushedKind::Settled, tag(session, asked), house.relay.now());
        notice.session = Some(session);
        notice.waiting = waiting(&world, scope);
        let Some(found) = world.session(session) else { return notice };
        let mut notice = notice.about(found);
        let Some(settled) = found.permissions.settled_at(asked) else { return notice };
        notice.request = Some(settled.request.clone());
        if let Settlement::Decided { verdict, by, at, .. } = &settled.how {
            (notice.verdict, notice.by, notice.at) = (Some(*verdict), Some(render::author(*by)), *at);
            notice.by_device = if let Actor::Device(id) = by { Some(*id) } else { None };
            notice.by_name = name(&world, *by).map(|name| cut(&name, NOTICE_TITLE_CHARS_MAX, 1).0);
        }
        notice
    }
}

fn name(world: &World, actor: Actor) -> Option<String> {
    match actor {
        Actor::Device(id) => world.devices().get(id).map(|device| device.signed_in.name.clone()),
        Actor::Key(id) => world.key(id).map(|key| key.created.name.clone()),
        _ => None,
    }
}

fn waiting(world: &World, scope: Scope) -> u64 {
    let asking = world.asking().filter(|session| session.archived_at.is_none() && scope.includes(session.owner));
    asking.map(|session| session.permissions.open().count() as u64).sum()
}

/// A question as a worker or an agent's link sent it, as far as its input.
#[derive(Deserialize)]
struct Question<'a> {
    #[serde(borrow, default)]
    request: Option<Asked<'a>>,
    #[serde(borrow, default)]
    payload: Option<Linked<'a>>,
}

#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Linked<'a> {
    #[serde(borrow, default, rename = "toolCall")]
    call: Option<LinkedCall<'a>>,
}

#[derive(Deserialize)]
struct LinkedCall<'a> {
    #[serde(borrow, default, rename = "rawInput")]
    input: Option<&'a RawValue>,
}

/// What the tool would be used on. What is much longer than a notification need not be read.
fn input(payload: &[u8]) -> Option<Map<String, Value>> {
    let question: Question<'_> = serde_json::from_slice(payload).ok()?;
    let linked = || question.payload.and_then(|payload| payload.call).and_then(|call| call.input);
    let input = question.request.and_then(|asked| asked.input).or_else(linked)?;
    serde_json::from_str(input.get()).ok()
}

/// What stands first, without a name: everybody knows what it is.
const MAIN: [&str; 6] = ["command", "file_path", "path", "url", "pattern", "query"];
/// The agent's own words about it, which are no part of what happens.
const WORDS: &str = "description";

/// All of an input, a line for each member.
fn told(input: &Map<String, Value>) -> String {
    let main = MAIN.iter().find(|name| input.get(**name).is_some_and(Value::is_string)).copied();
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let mut lines: Vec<String> = main.iter().filter_map(|name| input.get(*name)).map(shown).collect();
    let rest = input.iter().filter(|(name, _)| Some(name.as_str()) != main && (main.is_none() || *name != WORDS));
    lines.extend(rest.map(|(name, value)| format!("{name}: {}", shown(value))));
    lines.join("\n")
}

/// A text in plain characters and within its bounds, and whether that is all of it as it was.
fn cut(text: &str, chars_max: usize, lines_max: usize) -> (String, bool) {
    let mut is_whole = true;
    let (mut out, mut lines, mut count) = (String::new(), 1, 0);
    for c in text.trim_end().chars() {
        let c = match c {
            '\n' if lines_max > 1 => c,
            c if c.is_control() || is_hidden(c) => {
                is_whole = false;
                ' '
            }
            c => c,
        };
        lines += usize::from(c == '\n');
        if count == chars_max || lines > lines_max {
            out.push('\u{2026}');
            return (out, false);
        }
        out.push(c);
        count += 1;
    }
    (out, is_whole)
}

/// Characters that change what others look like, or look like nothing: what Unicode calls default-ignorable, its
/// separators of lines and paragraphs, notes between the lines, and a Braille cell without dots.
const fn is_hidden(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(input_json: &str) -> (String, bool) {
        let payload = format!(r#"{{"type":"control_request","request":{{"tool_name":"Bash","input":{input_json}}}}}"#);
        cut(&told(&input(payload.as_bytes()).expect("an input")), NOTICE_TEXT_CHARS_MAX, NOTICE_TEXT_LINES_MAX)
    }

    #[test]
    fn a_command_is_there_whole_or_it_says_that_it_is_not() {
        assert_eq!(shown(r#"{"command":"git status","description":"look"}"#), ("git status".into(), true));
        let background = shown(r#"{"command":"make","timeout":5,"run_in_background":true}"#);
        assert_eq!(background, ("make\nrun_in_background: true\ntimeout: 5".into(), true));
        let long = shown(&format!(r#"{{"command":"{}; rm -rf /"}}"#, "x".repeat(240)));
        assert!(!long.1 && long.0.ends_with('\u{2026}') && long.0.chars().count() == 241);
        let many = shown(r#"{"command":"a\nb\nc\nd\ne\nf"}"#);
        assert_eq!(many, ("a\nb\nc\nd\ne\n\u{2026}".replace("\n\u{2026}", "\u{2026}"), false));
    }

    #[test]
    fn what_hides_something_cannot_be_allowed_unseen() {
        for hidden in [
            "\\u202e",
            "\\u200b",
            "\\r",
            "\\u001b[8m",
            "\\t",
            "\\ufeff",
            "\\u034f",
            "\\u2800",
            "\\u180d",
            "\\ud834\\udd73",
        ] {
            let (text, is_whole) = shown(&format!(r#"{{"command":"ls {hidden} rm"}}"#));
            assert!(!is_whole && !text.chars().any(|c| c.is_control() || is_hidden(c)), "{hidden}");
        }
    }

    #[test]
    fn a_link_asks_in_another_shape() {
        let line =
            br#"{"type":"permission_request","payload":{"requestId":"1","toolCall":{"rawInput":{"command":"ls"}}}}"#;
        assert_eq!(told(&input(line).expect("an input")), "ls");
        assert_eq!(input(br#"{"payload":{}}"#), None);
        assert_eq!(input(b"nonsense"), None);
    }
}
