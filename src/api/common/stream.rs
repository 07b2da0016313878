//! A subscription as server-sent events.
//!
//! Frames that are ready are sent as one piece; silence is filled with comments; the end of the server is announced
//! with a retry hint, so that clients come back by themselves.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use metrics::{gauge, histogram};
use tokio::sync::watch;

use super::reply::{Feed, Response, streamed};
use crate::{
    domain::Record,
    relay::{Relay, RelayError, Subscription},
    telemetry::{STREAMS_OPEN, SUBSCRIBER_LAG},
};

/// Bytes after which a piece is sent although more frames are ready: keeps a fast replay from growing a buffer.
const PIECE_BYTES_TARGET: usize = 64 * 1024;

/// An open stream, socket or poll, counted by its kind while it lives.
#[derive(Debug)]
pub struct Open(&'static str);

impl Open {
    /// Event streams.
    pub const SSE: &str = "sse";
    /// WebSockets.
    pub const SOCKET: &str = "socket";
    /// Polls for work.
    pub const POLL: &str = "poll";

    /// One more of this kind.
    pub fn new(kind: &'static str) -> Self {
        gauge!(STREAMS_OPEN, "kind" => kind).increment(1.0);
        Self(kind)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        gauge!(STREAMS_OPEN, "kind" => self.0).decrement(1.0);
    }
}

/// Records how far a reader was behind when it took the record in hand.
pub fn note_lag(subscription: &Subscription) {
    #[expect(clippy::cast_precision_loss, reason = "a stream has fewer than 2^52 records")]
    histogram!(SUBSCRIBER_LAG).record(subscription.lag() as f64 + 1.0);
}

/// How a room draws a record, and a gap.
pub trait Draw: Send + Sync + 'static {
    /// Appends the frame of this record, or nothing if its readers are not told of it.
    fn record(&mut self, record: &Arc<Record>, out: &mut Vec<u8>);

    /// Appends the frame that says why the stream cannot go on.
    fn failure(&mut self, error: &RelayError, out: &mut Vec<u8>);

    /// Whether the reader may still read. Asked before anything is told, so that whoever shows a credential that was
    /// revoked or ran out hears nothing of what came after.
    fn may_go_on(&self) -> bool {
        true
    }
}

/// The feed of one reader.
struct Follow<D> {
    subscription: Subscription,
    draw: D,
    closing: watch::Receiver<bool>,
    keepalive: Duration,
    opening: Option<Bytes>,
    ended: bool,
    _open: Open,
}

/// Follows `subscription` as server-sent events.
pub fn follow(relay: &Relay, subscription: Subscription, keepalive: Duration, draw: impl Draw) -> Response {
    let opening = Some(Bytes::from_static(b": connected\n\n"));
    let (closing, open) = (relay.closing(), Open::new(Open::SSE));
    let feed = Follow { subscription, draw, closing, keepalive, opening, ended: false, _open: open };
    streamed("text/event-stream", feed)
}

impl<D: Draw> Feed for Follow<D> {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(opening) = self.opening.take() {
            return Some(opening);
        }
        if self.ended {
            return None;
        }
        let mut piece = Vec::new();
        while piece.is_empty() {
            let next = tokio::select! {
                next = self.subscription.next() => Some(next),
                () = tokio::time::sleep(self.keepalive) => None,
                _ = self.closing.wait_for(|closing| *closing) => Some(Err(RelayError::Closing)),
            };
            if !self.draw.may_go_on() {
                self.ended = true;
                return Some(Bytes::from_static(b": the credential of this stream is no longer valid\n\n"));
            }
            let Some(next) = next else { return Some(Bytes::from_static(b": keepalive\n\n")) };
            if next.is_ok() {
                note_lag(&self.subscription);
            }
            self.draw_ready(next, &mut piece);
        }
        Some(piece.into())
    }
}

impl<D: Draw> Follow<D> {
    /// Draws this record and all that are ready behind it.
    fn draw_ready(&mut self, next: Result<Arc<Record>, RelayError>, piece: &mut Vec<u8>) {
        let mut next = next.map(Some);
        loop {
            match next {
                Ok(Some(record)) => self.draw.record(&record, piece),
                Ok(None) => return,
                Err(RelayError::Closing) => {
                    self.ended = true;
                    return piece.extend_from_slice(b"retry: 1000\n: the server is shutting down\n\n");
                }
                Err(error) => {
                    self.ended = true;
                    return self.draw.failure(&error, piece);
                }
            }
            if piece.len() >= PIECE_BYTES_TARGET {
                return;
            }
            next = self.subscription.ready();
        }
    }
}

/// Appends one frame. `data` must be a single line.
pub fn frame(out: &mut Vec<u8>, event: Option<&str>, id: Option<u64>, data: &[u8]) {
    if let Some(id) = id {
        out.extend_from_slice(format!("id: {id}\n").as_bytes());
    }
    if let Some(event) = event {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(event.as_bytes());
        out.push(b'\n');
    }
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(data);
    out.extend_from_slice(b"\n\n");
}

/// Foreign JSON on one line: line breaks in JSON text stand only between tokens, where a space says the same.
pub fn single_line(json: &[u8], out: &mut Vec<u8>) {
    out.extend(json.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
}
