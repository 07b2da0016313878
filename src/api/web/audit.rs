//! The journal in its own order, the chain over it, and a walk along the whole chain.

use std::{fmt::Write as _, sync::Arc};

use http::StatusCode;

use super::{caller::Caller, error::Failure, json, page, render};
use crate::{
    api::common::Response,
    domain::{Position, limits},
    relay::Bounds,
    wire::web::{AuditCommit, AuditCommits, AuditPage, Fault, ProblemKind, Verification},
};

/// `?from=`: the first position to show.
fn from(caller: &Caller<'_>) -> Result<Position, Failure> {
    Ok(Position(caller.query::<u64>("from")?.unwrap_or(1).max(1)))
}

pub(super) fn read(caller: &Caller<'_>) -> Result<Response, Failure> {
    let (limit, from) = (page::limit(caller)?, from(caller)?);
    let journal = caller.house.relay.journal();
    let tail = journal.tail();
    let records = journal.read_all(from, Bounds { records_max: limit, bytes_max: limits::READ_BYTES_MAX })?;
    // Trimmed records are left out, so an empty page may still have passed some.
    let next = match records.last() {
        Some(last) => last.position.next(),
        None => from.max(tail.next()),
    };
    let records = records.iter().map(|record| render::audit(record)).collect();
    let page = AuditPage { records, next: next.0, tail: tail.0, epoch: journal.epoch().to_string() };
    Ok(json(StatusCode::OK, &page))
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

/// Reads every record there is, on a thread of its own: the others keep answering.
pub(super) async fn verify(caller: &Caller<'_>) -> Result<Response, Failure> {
    let journal = Arc::clone(caller.house.relay.journal());
    let walked = tokio::task::spawn_blocking(move || journal.verify(&mut |_| {})).await;
    let found = walked.map_err(|error| {
        tracing::error!(%error, "an audit did not end");
        Failure::new(ProblemKind::Internal, "the audit did not end; look at the server's log")
    })??;
    let verification = Verification {
        clean: found.fault.is_none(),
        records: found.records,
        commits: found.commits,
        trimmed: found.trimmed,
        head: hex(&found.head),
        fault: found.fault.map(|fault| Fault { position: fault.position.0, reason: fault.reason }),
    };
    Ok(json(StatusCode::OK, &verification))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to memory cannot fail.
        let _written = write!(text, "{byte:02x}");
        text
    })
}
