//! From a record to the event that clients see, written without a detour: a history of a hundred thousand is one copy
//! of each payload. Every room that shows records shows them like this; `wire::web::Event` is the same shape, and a
//! test holds the two together.

use std::io::Write as _;

use serde_json::{Map, Value, value::RawValue};

use super::stream::single_line;
use crate::{
    domain::{Actor, Event, Record},
    wire::web::{AuditRecord, Author},
};

/// Members of events that are ours alone: digests, which would let a reader test guesses, and what is sealed.
const WITHHELD: [&str; 4] = ["digest", "fingerprint", "link", "sealed"];

/// Appends the event as JSON on one line.
pub fn event(record: &Record, out: &mut Vec<u8>) {
    let Record { position, sequence, at, event, .. } = record;
    let kind = event.kind();
    // Writing to memory cannot fail.
    let _written = write!(out, r#"{{"sequence":{sequence},"position":{position},"at":"{at}","kind":"{kind}","by":"#);
    json(&author(record.actor), out);
    out.extend_from_slice(br#","data":"#);
    data(event, out);
    out.extend_from_slice(br#","payload":"#);
    if record.payload.is_empty() {
        out.extend_from_slice(b"null");
    } else {
        single_line(&record.payload, out);
    }
    out.push(b'}');
}

/// Appends an event's own fields as an object.
fn data(event: &Event, out: &mut Vec<u8>) {
    let withholds = matches!(
        event,
        Event::KeyCreated(_)
            | Event::LoginLinkCreated(_)
            | Event::DeviceSignedIn(_)
            | Event::TargetAdded(_)
            | Event::MessagePosted { .. }
            | Event::PermissionDecided(_)
            | Event::CommandDone { .. }
    );
    if withholds {
        return json(&fields(event), out);
    }
    // The journal's form is `{"<kind>":{<fields>}}`: what is wanted is the inside.
    let outer = serde_json::to_vec(event).unwrap_or_default();
    let inner = outer.get(event.kind().len() + 4..outer.len().saturating_sub(1));
    out.extend_from_slice(inner.unwrap_or(b"{}"));
}

/// An event's own fields, without those that are ours alone.
fn fields(event: &Event) -> Map<String, Value> {
    let Ok(Value::Object(outer)) = serde_json::to_value(event) else { return Map::new() };
    let Some(Value::Object(mut fields)) = outer.into_iter().next().map(|(_, fields)| fields) else { return Map::new() };
    for name in WITHHELD {
        fields.remove(name);
    }
    fields
}

/// Our own types serialise; if one did not, the reader gets null rather than a broken stream.
fn json<T: serde::Serialize>(value: &T, out: &mut Vec<u8>) {
    let start = out.len();
    if let Err(error) = serde_json::to_writer(&mut *out, value) {
        tracing::error!(%error, "an event could not be written");
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}

/// Who caused it.
pub const fn author(actor: Actor) -> Author {
    match actor {
        Actor::Key(id) => Author::Key(id),
        Actor::Worker(id) => Author::Worker(id),
        Actor::Environment(id) => Author::Environment(id),
        Actor::System => Author::System,
        Actor::Anonymous => Author::Anonymous,
        Actor::Woken(id) => Author::Woken(id),
        Actor::Device(id) => Author::Device(id),
    }
}

/// The payload as it came, if it is JSON: chunks of files are not.
pub fn payload(record: &Record) -> Option<Box<RawValue>> {
    let text = std::str::from_utf8(&record.payload).ok()?;
    RawValue::from_string(text.to_owned()).ok()
}

/// The record for an audit: who did what to which stream, without what was said.
pub fn audit(record: &Record) -> AuditRecord {
    AuditRecord {
        position: record.position.0,
        stream: record.stream.to_string(),
        sequence: record.sequence.0,
        at: record.at.to_string(),
        kind: record.event.kind().to_owned(),
        by: author(record.actor),
        data: fields(&record.event),
        payload_bytes: record.payload.len() as u64,
    }
}
