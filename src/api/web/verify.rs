//! A walk along the whole chain: the verdict, or with `Accept: text/event-stream` how far it got and then the verdict.
//!
//! It runs on a thread of its own, and to its end even if nobody waits any more. So there is one at a time.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::StatusCode;
use tokio::{sync::watch, task::JoinHandle};

use super::{audit::hex, caller::Caller, error::Failure, events, json};
use crate::{
    api::common::{
        Response,
        reply::{Feed, streamed},
        stream,
    },
    domain::{Position, limits},
    relay::{JournalError, Verdict},
    wire::web::{Fault, ProblemKind, Verification, VerificationProgress},
};

pub(super) async fn verify(caller: &Caller<'_>) -> Result<Response, Failure> {
    let place = caller.house.throttle.open_audit()?;
    let journal = Arc::clone(caller.house.relay.journal());
    let (passed, progress) = watch::channel(Position::ZERO);
    let tail = journal.tail();
    let walk = tokio::task::spawn_blocking(move || {
        let _place = place;
        journal.verify(&mut |position| {
            passed.send_replace(position);
        })
    });
    if !events::streams(caller.call) {
        return Ok(json(StatusCode::OK, &verification(walk.await)?));
    }
    Ok(streamed(
        "text/event-stream",
        Walk { running: Some(walk), progress, tail, closing: caller.house.relay.closing() },
    ))
}

type Walked = Result<Result<Verdict, JournalError>, tokio::task::JoinError>;

fn verification(walked: Walked) -> Result<Verification, Failure> {
    let found = walked.map_err(|error| {
        tracing::error!(%error, "an audit did not end");
        Failure::new(ProblemKind::Internal, "the audit did not end; look at the server's log")
    })??;
    Ok(Verification {
        clean: found.fault.is_none(),
        records: found.records,
        commits: found.commits,
        trimmed: found.trimmed,
        head: hex(&found.head),
        fault: found.fault.map(|fault| Fault { position: fault.position.0, reason: fault.reason }),
    })
}

/// A walk that somebody watches.
struct Walk {
    /// Until its end was told.
    running: Option<JoinHandle<Result<Verdict, JournalError>>>,
    progress: watch::Receiver<Position>,
    tail: Position,
    closing: watch::Receiver<bool>,
}

impl Feed for Walk {
    async fn next(&mut self) -> Option<Bytes> {
        let walk = self.running.as_mut()?;
        let walked = tokio::select! {
            walked = walk => walked,
            () = tokio::time::sleep(Duration::from_millis(limits::AUDIT_PROGRESS_MS)) => {
                let position = self.progress.borrow_and_update().0;
                return frame("progress", &VerificationProgress { position, tail: self.tail.0 });
            }
            _ = self.closing.wait_for(|closing| *closing) => return None,
        };
        self.running = None;
        match verification(walked) {
            Ok(found) => frame("verified", &found),
            Err(failure) => frame("problem", &failure.problem),
        }
    }
}

fn frame<T: serde::Serialize>(event: &str, data: &T) -> Option<Bytes> {
    let mut out = Vec::new();
    stream::frame(&mut out, Some(event), None, &serde_json::to_vec(data).ok()?);
    Some(out.into())
}
