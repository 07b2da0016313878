//! What the room shows of records beside the event that every room shows: a payload by itself, a line of the audit.

use serde_json::value::RawValue;

pub(super) use crate::api::common::render::{author, event};
use crate::{api::common::render::fields, domain::Record, wire::web::AuditRecord};

/// The payload as it came, if it is JSON: chunks of files are not.
pub(super) fn payload(record: &Record) -> Option<Box<RawValue>> {
    let text = std::str::from_utf8(&record.payload).ok()?;
    RawValue::from_string(text.to_owned()).ok()
}

/// The record for an audit: who did what to which stream, without what was said.
pub(super) fn audit(record: &Record) -> AuditRecord {
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
