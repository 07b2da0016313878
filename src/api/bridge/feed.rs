//! The worker's event stream (v2): `GET /v1/code/sessions/{id}/worker/events/stream`.
//!
//! Draws what [`Outflow`] hands out and records what was written: a control request before it
//! is written (a worker would carry it out twice), everything else when the server took the frame. May not know which
//! items there are, nor what they say.

use std::sync::Arc;

use bytes::Bytes;
use http::header::HeaderName;
use serde_json::value::RawValue;
use tokio::{
    sync::watch,
    time::{Duration, sleep},
};

use super::{Endpoint, Failure, outflow::Outflow, oversize, translate::Outgoing, worker::Speaker};
use crate::{
    api::common::{
        BadRequest, Call, House, Response,
        reply::{Feed, streamed},
        stream,
    },
    domain::{Actor, Command, Refusal, Sequence, SessionId, limits, session::check_epoch},
    relay::{Connection, Lease, RelayError},
    security::Principal,
    wire::bridge::worker::ClientEvent,
};

/// Bytes after which a piece is sent although more items are ready.
const PIECE_BYTES_TARGET: usize = 64 * 1024;
const OPENED: &[u8] = b": connected\n\n";
const KEEPALIVE: &[u8] = b": keepalive\n\n";
/// ccb comes back by itself; others are told when.
const GOODBYE: &[u8] = b"retry: 1000\n: the server is shutting down\n\n";
const TROUBLE: &[u8] = b"retry: 1000\n: the stream broke; connect again\n\n";
const ORPHANED: &[u8] = b": the keys of the session's owner were revoked\n\n";
const OVER: &[u8] = b": the session is archived\n\n";
/// ccb sends both when it resumes.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Answers this module's endpoint.
pub(super) async fn answer(
    house: &Arc<House>,
    call: &Call,
    principal: &Principal,
    endpoint: &Endpoint,
) -> Result<Response, Failure> {
    match endpoint {
        Endpoint::WorkerStream { session } => open(house, call, &Speaker::of(principal), *session).await,
        _ => Err(Failure::NotFound),
    }
}

async fn open(house: &Arc<House>, call: &Call, speaker: &Speaker, session: SessionId) -> Result<Response, Failure> {
    let Speaker { actor, epoch, .. } = *speaker;
    let after = resume_point(call)?;
    let closing = house.relay.closing();
    if *closing.borrow() {
        return Err(RelayError::Closing.into());
    }
    // A worker that was superseded must not push its successor off the session. ccb takes 409 or 410 here for a reason
    // to try again later, 401 for a reason to take the session back, and 403 or 404 for its end.
    match house.relay.world().session(session) {
        None => return Err(Refusal::NoSession(session).into()),
        Some(found) if found.archived_at.is_some() => return Err(Failure::Over(session)),
        Some(found) => check_epoch(found, epoch)?,
    }
    // In this order: the one before may still be writing a control request, and stops before it or has recorded it by
    // the time that the items are looked at.
    let connection = house.relay.connect_as(session, epoch);
    house.relay.announce(Lease::Worker(session)).await;
    let outflow = Outflow::open(house, session, after)?;
    let keepalive = house.settings.sse_keepalive;
    let house = Arc::clone(house);
    Ok(streamed(
        "text/event-stream",
        Follow {
            house,
            session,
            actor,
            connection,
            outflow,
            closing,
            keepalive,
            state: State::Opening,
            _open: stream::Open::new(stream::Open::SSE),
            written: Vec::new(),
        },
    ))
}

/// The last item that the worker has: the larger of the two places where it may say so.
fn resume_point(call: &Call) -> Result<Option<Sequence>, BadRequest> {
    let query: Option<u64> = call.query_as("from_sequence_num")?;
    let header = call.header(LAST_EVENT_ID).map(str::trim).filter(|text| !text.is_empty());
    let header: Option<u64> = header
        .map(str::parse)
        .transpose()
        .map_err(|_| BadRequest::parameter("Last-Event-ID", "must be the id of an event of this stream"))?;
    Ok(query.max(header).filter(|number| *number > 0).map(Sequence))
}

/// Where a stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Opening,
    Open,
    Ended,
}

/// The stream of one connection.
struct Follow {
    house: Arc<House>,
    session: SessionId,
    actor: Actor,
    connection: Connection,
    outflow: Outflow,
    closing: watch::Receiver<bool>,
    keepalive: Duration,
    state: State,
    _open: stream::Open,
    /// Items in the piece before, to be recorded once the server comes for the next one.
    written: Vec<Sequence>,
}

impl Feed for Follow {
    async fn next(&mut self) -> Option<Bytes> {
        match self.state {
            State::Opening => {
                self.state = State::Open;
                return Some(Bytes::from_static(OPENED));
            }
            State::Ended => return None,
            State::Open => {}
        }
        self.record_written().await;
        let mut piece = Vec::new();
        while piece.is_empty() && self.state == State::Open {
            let next = tokio::select! {
                biased;
                () = self.connection.replaced() => return None,
                _ = self.closing.wait_for(|closing| *closing) => Err(RelayError::Closing),
                next = self.outflow.next() => next.map(Some),
                () = sleep(self.keepalive) => Ok(None),
            };
            let drawn = match next {
                Ok(None) => return Some(self.keep_alive()),
                Ok(Some(first)) => self.draw_ready(first, &mut piece).await,
                Err(error) => Err(error),
            };
            if let Err(error) = drawn {
                self.end(&error, &mut piece);
            }
        }
        (!piece.is_empty()).then(|| piece.into())
    }
}

impl Follow {
    /// What is said into a silence. A worker that nobody answers for any more is told when it comes back.
    fn keep_alive(&mut self) -> Bytes {
        if self.house.is_answered_for(self.session) {
            return Bytes::from_static(KEEPALIVE);
        }
        self.state = State::Ended;
        Bytes::from_static(ORPHANED)
    }

    /// Draws this item and those that are ready behind it.
    async fn draw_ready(&mut self, first: Outgoing, piece: &mut Vec<u8>) -> Result<(), RelayError> {
        let mut next = Some(first);
        while let Some(outgoing) = next.take() {
            let (sequence, is_control) = (outgoing.sequence, outgoing.is_control);
            if is_control {
                self.mark(vec![sequence]).await?;
                if !self.connection.is_current() {
                    // The newer connection looked either before the mark and writes it, or after and must not.
                    self.state = State::Ended;
                    return Ok(());
                }
            }
            if self.draw(outgoing, piece).await? && !is_control {
                self.written.push(sequence);
            }
            if piece.len() < PIECE_BYTES_TARGET {
                next = self.outflow.ready()?;
            }
        }
        Ok(())
    }

    /// Draws one item. What cannot be sent in any form stays in the outbox, where the web shows it as undelivered.
    async fn draw(&self, outgoing: Outgoing, piece: &mut Vec<u8>) -> Result<bool, RelayError> {
        let sequence = outgoing.sequence;
        let start = piece.len();
        let drawn = match draw(&outgoing, piece) {
            Ok(()) if piece.len() - start > limits::WORKER_FRAME_BYTES_MAX => {
                piece.truncate(start);
                match oversize::fit(&self.house, self.session, outgoing).await {
                    Ok(fitting) => draw(&fitting, piece).map_err(oversize::Unsendable::from),
                    Err(oversize::Unsendable::Relay(error)) => return Err(error),
                    Err(unsendable) => Err(unsendable),
                }
            }
            drawn => drawn.map_err(oversize::Unsendable::from),
        };
        match drawn {
            Ok(()) if piece.len() - start <= limits::WORKER_FRAME_BYTES_MAX => return Ok(true),
            Ok(()) => tracing::error!(session = %self.session, %sequence, "an item is too large in every form"),
            Err(error) => tracing::error!(session = %self.session, %sequence, %error, "an item was not sent"),
        }
        piece.truncate(start);
        Ok(false)
    }

    /// Records what the server took. A busy writer is no reason to hold items back: without the record a prompt can be
    /// taken back although it was delivered, and that is all.
    async fn record_written(&mut self) {
        if self.written.is_empty() {
            return;
        }
        let items = std::mem::take(&mut self.written);
        let command = Command::MarkDelivered { session: self.session, items };
        if let Err(error) = self.house.relay.submit(self.actor, command).await {
            tracing::debug!(session = %self.session, %error, "delivered items were not recorded");
        }
    }

    /// Records items before they are written, however busy the writer is.
    async fn mark(&self, items: Vec<Sequence>) -> Result<(), RelayError> {
        loop {
            let command = Command::MarkDelivered { session: self.session, items: items.clone() };
            match self.house.relay.submit(self.actor, command).await {
                Err(RelayError::Busy { .. }) => sleep(Duration::from_millis(limits::BUSY_RETRY_MS)).await,
                other => return other.map(drop),
            }
        }
    }

    /// Ends the stream. The worker connects again from where it was, and is told then if the session is over.
    fn end(&mut self, error: &RelayError, piece: &mut Vec<u8>) {
        self.state = State::Ended;
        match error {
            RelayError::Closing => piece.extend_from_slice(GOODBYE),
            RelayError::Refused(Refusal::Archived(_)) => piece.extend_from_slice(OVER),
            error => {
                tracing::warn!(session = %self.session, %error, "a worker's stream ended early");
                piece.extend_from_slice(TROUBLE);
            }
        }
    }
}

fn draw(outgoing: &Outgoing, piece: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    let payload: &RawValue = serde_json::from_str(&outgoing.json)?;
    let json = serde_json::to_vec(&ClientEvent {
        event_id: &outgoing.event_id,
        sequence_num: outgoing.sequence.0,
        event_type: outgoing.event_type,
        source: "client",
        payload,
        created_at: outgoing.at.to_string(),
    })?;
    let mut line = Vec::with_capacity(json.len());
    stream::single_line(&json, &mut line);
    stream::frame(piece, Some("client_event"), Some(outgoing.sequence.0), &line);
    Ok(())
}
