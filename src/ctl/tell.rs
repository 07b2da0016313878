//! What an event says, in words: who said what, which tool was called, what was asked, decided and received.
//!
//! The words are ours; names and bodies are foreign and still raw. Whoever prints them must neutralise them: see
//! [`render`](super::render). May not know where events come from nor where words go.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::message;
use crate::wire::web::Event;

/// One thing that an event tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) what: String,
    pub(crate) body: Body,
}

/// What goes below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    None,
    /// Prose, perhaps Markdown.
    Text(String),
    /// Commands, outputs, JSON: every space counts.
    Code(String),
}

impl Part {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), body: Body::None }
    }

    #[must_use]
    pub(crate) fn text(mut self, text: impl Into<String>) -> Self {
        self.body = Body::Text(text.into());
        self
    }

    #[must_use]
    pub(crate) fn code(mut self, code: impl Into<String>) -> Self {
        self.body = Body::Code(code.into());
        self
    }
}

/// Tells one session's events in order, and remembers what later ones refer to.
#[derive(Debug, Default)]
pub(crate) struct Teller {
    /// Message id to the sequence it was posted under.
    prompts: HashMap<String, u64>,
    /// Request id to what was asked, and under which sequence.
    asked: HashMap<String, (u64, String)>,
    /// Tool use id to the tool's name.
    tools: message::Tools,
    /// Pieces of messages that come whole later are told too.
    partials: bool,
}

impl Teller {
    /// One that tells pieces of messages too, if `partials`.
    pub(crate) fn new(partials: bool) -> Self {
        Self { partials, ..Self::default() }
    }

    /// What the event tells; nothing for a piece of a message that comes whole later.
    pub(crate) fn tell(&mut self, event: &Event) -> Vec<Part> {
        let fields = Fields(&event.data);
        let payload: Option<Value> = event.payload.as_ref().and_then(|raw| serde_json::from_str(raw.get()).ok());
        let payload = payload.as_ref();
        match event.kind.as_str() {
            "message_received" => self.received(fields, payload),
            "message_posted" => vec![self.posted(event.sequence, fields, payload)],
            "message_delivered" => vec![Part::new(format!("delivered {}", self.prompt(fields)))],
            // Its echo, which tells the same, is still to come.
            "message_consumed" if fields.is_true("reported") => {
                vec![Part::new(format!("the worker reports that it has {}", self.prompt(fields)))]
            }
            "message_consumed" => vec![Part::new(format!("the agent took {}", self.prompt(fields)))],
            "message_cancelled" => vec![Part::new(format!("took {} back", self.prompt(fields)))],
            "permission_requested" => vec![self.asks(event.sequence, fields, payload)],
            "permission_decided" => vec![self.decided(fields, payload)],
            "permission_delivered" => {
                vec![Part::new(format!("the worker has the answer to {}", self.question(fields)))]
            }
            "permission_cancelled" => vec![Part::new(format!("{} was taken back", self.question(fields)))],
            "rule_added" => vec![rule(fields)],
            "transcript_appended" => vec![Part::new("wrote to its private transcript")],
            _ => vec![plain(event, fields, payload)],
        }
    }

    fn received(&mut self, fields: Fields<'_>, payload: Option<&Value>) -> Vec<Part> {
        let kind = fields.text("kind");
        if (fields.is_true("ephemeral") || kind == "partial") && !self.partials {
            return Vec::new();
        }
        match payload {
            Some(payload) => message::parts(kind, payload, &mut self.tools),
            None => vec![Part::new(format!("sent a message of kind {kind} whose body is gone"))],
        }
    }

    fn posted(&mut self, sequence: u64, fields: Fields<'_>, payload: Option<&Value>) -> Part {
        self.prompts.insert(fields.text("message").to_owned(), sequence);
        let part = Part::new(format!("wrote to the agent (message {})", fields.text("message")));
        let Some(payload) = payload else { return part };
        let mut text = message::content_text(payload.get("content").unwrap_or(&Value::Null));
        for file in payload.get("file_attachments").and_then(Value::as_array).into_iter().flatten() {
            let name = file.get("file_name").and_then(Value::as_str).unwrap_or("a file");
            text.push_str("\n[attached: ");
            text.push_str(name);
            text.push(']');
        }
        part.text(text)
    }

    fn prompt(&self, fields: Fields<'_>) -> String {
        let message = fields.text("message");
        match self.prompts.get(message) {
            Some(sequence) => format!("message #{sequence}"),
            None => format!("message {message}"),
        }
    }

    fn asks(&mut self, sequence: u64, fields: Fields<'_>, payload: Option<&Value>) -> Part {
        let (request, tool) = (fields.text("request"), fields.text("tool"));
        self.asked.insert(request.to_owned(), (sequence, tool.to_owned()));
        let part = Part::new(format!("asks permission to use {tool} (request {request})"));
        match payload.and_then(|payload| payload.pointer("/request/input").or_else(|| payload.get("input"))) {
            Some(input) => part.code(message::input_text(input)),
            None if fields.text("subject").is_empty() => part,
            None => part.code(fields.text("subject")),
        }
    }

    fn question(&self, fields: Fields<'_>) -> String {
        let request = fields.text("request");
        match self.asked.get(request) {
            Some((sequence, tool)) => format!("question #{sequence} ({tool})"),
            None => format!("request {request}"),
        }
    }

    fn decided(&self, fields: Fields<'_>, payload: Option<&Value>) -> Part {
        let verdict = if fields.text("verdict") == "allow" { "ALLOWED" } else { "DENIED" };
        let mut what = format!("{verdict} {}", self.question(fields));
        if !fields.text("rule").is_empty() {
            what.push_str(" by the rule ");
            what.push_str(fields.text("rule"));
        }
        let part = Part::new(what);
        let changed = payload.and_then(|payload| payload.get("updated_input")).filter(|input| !input.is_null());
        match (fields.text("message"), changed) {
            ("", None) => part,
            ("", Some(input)) => Part::new(part.what + ", with changed input").code(message::input_text(input)),
            (words, _) => part.text(words),
        }
    }
}

fn rule(fields: Fields<'_>) -> Part {
    let rule = Fields(fields.0.get("rule").and_then(Value::as_object).unwrap_or(fields.0));
    let on = match rule.text("subject") {
        "" => String::new(),
        subject => format!(" on {subject}"),
    };
    Part::new(format!("from now on {}{on} is allowed without asking", rule.text("tool")))
}

/// Events whose fields say it all.
fn plain(event: &Event, fields: Fields<'_>, payload: Option<&Value>) -> Part {
    let words = match event.kind.as_str() {
        "session_created" => return created(fields),
        "session_renamed" => format!("named the session \"{}\"", fields.text("title")),
        "session_pinned" if fields.is_true("pinned") => "pinned the session".into(),
        "session_pinned" => "unpinned the session".into(),
        "session_bound" => format!("the agent has it as {}", fields.text("foreign")),
        "turn_torn" => "the agent's line was cut in the middle of the turn: something may be missing".into(),
        "turn_retold" if fields.shown("through") == "0" => "the agent told nothing more of that turn".into(),
        "turn_retold" => "the agent tells that turn again".into(),
        "session_archived" => "archived the session".into(),
        "worker_attached" => format!("a worker took the session (epoch {})", fields.shown("epoch")),
        "worker_online" => "the worker is online".into(),
        "worker_offline" => "the worker is offline".into(),
        "status_changed" => format!("the agent is {}", fields.text("status")),
        "metadata_patched" => {
            let patch = payload.map(Value::to_string).unwrap_or_default();
            return Part::new("the worker changed what it says of itself").code(patch);
        }
        "mode_confirmed" => format!("permission mode is {}", fields.text("mode")),
        "model_confirmed" => format!("model is {}", fields.text("model")),
        "control_requested" => format!("asked for {} (request {})", control(fields), fields.text("request")),
        "control_delivered" => format!("handed request {} to the worker", fields.text("request")),
        "control_answered" => {
            let answer = if fields.is_true("ok") { "did" } else { "refused" };
            format!("the worker {answer} what request {} asked", fields.text("request"))
        }
        "control_dropped" => format!("request {} will not be answered", fields.text("request")),
        "trimmed" => format!("everything up to #{} was forgotten", fields.shown("through")),
        "superseded" => {
            let (from, to) = (fields.shown("from"), fields.shown("to"));
            format!("#{from} to #{to} were forgotten: #{} says the same", fields.shown("by"))
        }
        "file_stored" => format!("stored the file {} ({} bytes)", fields.text("name"), fields.shown("size_bytes")),
        kind => return Part::new(kind.replace('_', " ")).code(Value::Object(event.data.clone()).to_string()),
    };
    Part::new(words)
}

fn created(fields: Fields<'_>) -> Part {
    let mut what = format!("session created from {}", fields.text("source"));
    for (name, words) in [("environment", "on"), ("mode", "in mode"), ("model", "with model"), ("directory", "in")] {
        if !fields.text(name).is_empty() {
            what = format!("{what} {words} {}", fields.text(name));
        }
    }
    let part = Part::new(what);
    if fields.text("title").is_empty() { part } else { part.text(fields.text("title")) }
}

fn control(fields: Fields<'_>) -> String {
    let control = Fields(fields.0.get("control").and_then(Value::as_object).unwrap_or(fields.0));
    match control.text("subtype") {
        "interrupt" => "an interrupt".into(),
        "set_model" => format!("model {}", control.text("model")),
        "set_permission_mode" => format!("permission mode {}", control.text("mode")),
        "set_max_thinking_tokens" => format!("at most {} tokens of thinking", control.shown("max_thinking_tokens")),
        other => other.replace('_', " "),
    }
}

/// An event's fields, with an empty text for what is not there: a later release may have changed it.
#[derive(Debug, Clone, Copy)]
struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    fn text(self, name: &str) -> &'a str {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn is_true(self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or_default()
    }

    fn shown(self, name: &str) -> String {
        match self.0.get(name) {
            None | Some(Value::Null) => "?".into(),
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        }
    }
}
