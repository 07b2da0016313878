//! The journal in its own order, forwards and back, and the chain over it.

use std::{fmt::Write as _, sync::Arc};

use http::StatusCode;

use super::{caller::Caller, error::Failure, json, page, render};
use crate::{
    api::common::Response,
    domain::{Actor, EnvironmentId, Position, Record, SessionId, Stream, limits},
    relay::{Bounds, JournalError, JournalReader},
    wire::web::{AuditCommit, AuditCommits, AuditPage, AuditRecord, ProblemKind},
};

/// `?from=`: the first position to show.
fn from(caller: &Caller<'_>) -> Result<Position, Failure> {
    Ok(Position(caller.query::<u64>("from")?.unwrap_or(1).max(1)))
}

/// `?before=`, `?by=` and `?stream=`: backwards, of somebody, about something.
pub(super) async fn read(caller: &Caller<'_>) -> Result<Response, Failure> {
    let (limit, wanted) = (page::limit(caller)?, Wanted::of(caller)?);
    let journal = Arc::clone(caller.house.relay.journal());
    let before = caller.query::<u64>("before")?.map(Position);
    if before.is_some() && caller.call.query("from").is_some() {
        return Err(Failure::field("before", "and from are two directions: pass one of them"));
    }
    let (from, reader) = (from(caller)?, Arc::clone(&journal));
    // It may pass ten thousand records: not on a thread that others wait for.
    let looking = tokio::task::spawn_blocking(move || match before {
        None => forwards(reader.as_ref(), from, limit, &wanted),
        Some(before) => backwards(reader.as_ref(), before, limit, &wanted),
    });
    let looked = looking.await.map_err(|error| {
        tracing::error!(%error, "a page of the audit did not end");
        Failure::new(ProblemKind::Internal, "the audit did not end; look at the server's log")
    })?;
    let Found { records, next, previous } = looked?;
    let page = AuditPage {
        records,
        next: next.0,
        previous: previous.map(|position| position.0),
        tail: journal.tail().0,
        epoch: journal.epoch().to_string(),
    };
    Ok(json(StatusCode::OK, &page))
}

/// Which records are asked for.
#[derive(Debug, Default)]
struct Wanted {
    by: Option<Actor>,
    stream: Option<About>,
}

#[derive(Debug)]
enum About {
    System,
    /// What is said in it, and what its worker keeps of it.
    Session(SessionId),
    Environment(EnvironmentId),
}

impl Wanted {
    fn of(caller: &Caller<'_>) -> Result<Self, Failure> {
        let by = match caller.call.query("by").as_deref() {
            None => None,
            Some(id) => Some(actor(id).ok_or_else(|| {
                Failure::field("by", "must be the id of a key, device, session or environment, or system")
            })?),
        };
        let stream =
            match caller.call.query("stream").as_deref() {
                None => None,
                Some("system") => Some(About::System),
                Some(id) => {
                    let session = id.parse().map(About::Session);
                    let about = session.or_else(|_| id.parse().map(About::Environment));
                    Some(about.map_err(|_| {
                        Failure::field("stream", "must be the id of a session or environment, or system")
                    })?)
                }
            };
        Ok(Self { by, stream })
    }

    const fn is_everything(&self) -> bool {
        self.by.is_none() && self.stream.is_none()
    }

    fn includes(&self, record: &Record) -> bool {
        let is_about = match (&self.stream, record.stream) {
            (None, _) | (Some(About::System), Stream::System) => true,
            (Some(About::Session(id)), Stream::Session(found) | Stream::Transcript(found)) => *id == found,
            (Some(About::Environment(id)), Stream::Environment(found)) => *id == found,
            _ => false,
        };
        is_about && self.by.is_none_or(|by| record.actor == by)
    }
}

/// Whoever may be meant, under whichever of its names.
fn actor(id: &str) -> Option<Actor> {
    match id {
        "system" => Some(Actor::System),
        "anonymous" => Some(Actor::Anonymous),
        _ => {
            let keys = id.parse().map(Actor::Key).or_else(|_| id.parse().map(Actor::Device));
            keys.or_else(|_| id.parse().map(Actor::Worker)).or_else(|_| id.parse().map(Actor::Environment)).ok()
        }
    }
}

struct Found {
    records: Vec<AuditRecord>,
    next: Position,
    previous: Option<Position>,
}

fn forwards(journal: &dyn JournalReader, from: Position, limit: usize, wanted: &Wanted) -> Result<Found, JournalError> {
    let tail = journal.tail();
    let (mut records, mut next, mut looked, mut bytes) = (Vec::new(), from, 0, 0);
    loop {
        let left = if wanted.is_everything() { limit - records.len() } else { limits::READ_RECORDS_MAX };
        let part = journal.read_all(next, Bounds { records_max: left, bytes_max: limits::READ_BYTES_MAX })?;
        // Trimmed records are left out, so an empty page may still have passed some.
        let Some(last) = part.last() else { return Ok(Found { records, next: next.max(tail.next()), previous: None }) };
        looked += part.len() as u64;
        bytes += payload_bytes(&part);
        next = last.position.next();
        for record in part.iter().filter(|record| wanted.includes(record)) {
            records.push(render::audit(record));
            if records.len() == limit {
                next = record.position.next();
                break;
            }
        }
        // Who asks for all of it gets what one read holds: the next page is as cheap.
        let is_enough = looked >= limits::AUDIT_SCAN_RECORDS_MAX || bytes >= limits::AUDIT_SCAN_BYTES_MAX;
        if wanted.is_everything() || records.len() == limit || is_enough {
            return Ok(Found { records, next, previous: None });
        }
    }
}

/// The newest first. The journal reads one way only: a window at a time, each turned around.
fn backwards(
    journal: &dyn JournalReader,
    before: Position,
    limit: usize,
    wanted: &Wanted,
) -> Result<Found, JournalError> {
    let next = Position(before.0.clamp(1, journal.tail().next().0));
    let (mut records, mut upper, mut bytes) = (Vec::new(), next, 0);
    while upper.0 > 1 && next.0 - upper.0 < limits::AUDIT_SCAN_RECORDS_MAX && bytes < limits::AUDIT_SCAN_BYTES_MAX {
        let lower = Position(upper.0.saturating_sub(limits::AUDIT_WINDOW_RECORDS).max(1));
        let (mut part, mut at) = (Vec::new(), lower);
        while at < upper {
            let records_max = usize::try_from(upper.0 - at.0).unwrap_or(usize::MAX);
            let read = journal.read_all(at, Bounds { records_max, bytes_max: limits::READ_BYTES_MAX })?;
            let Some(last) = read.last() else { break };
            at = last.position.next();
            bytes += payload_bytes(&read);
            let found = read.iter().filter(|record| record.position < upper && wanted.includes(record));
            part.extend(found.map(|record| render::audit(record)));
        }
        for record in part.into_iter().rev() {
            upper = Position(record.position);
            records.push(record);
            if records.len() == limit {
                return Ok(Found { records, next, previous: (upper.0 > 1).then_some(upper) });
            }
        }
        upper = lower;
    }
    Ok(Found { records, next, previous: (upper.0 > 1).then_some(upper) })
}

fn payload_bytes(records: &[Arc<Record>]) -> usize {
    records.iter().map(|record| record.payload.len()).sum()
}

pub(super) fn commits(caller: &Caller<'_>) -> Result<Response, Failure> {
    let (limit, from) = (page::limit(caller)?, from(caller)?);
    let found = caller.house.relay.journal().commits(from, limit)?;
    let next = found.last().map_or(from, |last| last.last.next());
    let shown = found.iter().map(|commit| AuditCommit {
        first: commit.first.0,
        last: commit.last.0,
        at: commit.at.to_string(),
        link: hex(&commit.link),
    });
    Ok(json(StatusCode::OK, &AuditCommits { commits: shown.collect(), next: next.0 }))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to memory cannot fail.
        let _written = write!(text, "{byte:02x}");
        text
    })
}
