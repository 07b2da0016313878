//! A session's stream in the stock server's shapes: the whole history at once, and server-sent events.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    super::{
        caller::Caller,
        error::Failure,
        events::{self, Reader},
    },
    render,
};
use crate::{
    api::common::{
        House, Response,
        reply::{self, Feed},
        stream::{self, Draw},
    },
    domain::{Record, Sequence, SessionId, Stream},
    relay::{RelayError, page_bounds},
    wire::web::{
        ProblemKind,
        peer::{PeerError, PeerErrorBody},
    },
};

/// Everything up to now. The stock server has no pages, so it is written out as it is read: a long history takes no
/// more memory than a short one.
pub(super) fn history(caller: &Caller<'_>, session: SessionId) -> Result<Response, Failure> {
    let tail = caller.house.relay.stream_tail(Stream::Session(session))?.ok_or_else(|| Failure::absent(session))?;
    let feed = History {
        house: Arc::clone(caller.house),
        session,
        next: tail.earliest,
        last: tail.latest,
        stage: Stage::Opening,
        first: true,
    };
    Ok(reply::streamed("application/json", feed))
}

enum Stage {
    Opening,
    Events,
    Closed,
}

struct History {
    house: Arc<House>,
    session: SessionId,
    next: Sequence,
    last: Sequence,
    stage: Stage,
    first: bool,
}

impl Feed for History {
    async fn next(&mut self) -> Option<Bytes> {
        match self.stage {
            Stage::Opening => {
                self.stage = Stage::Events;
                Some(Bytes::from_static(br#"{"events":["#))
            }
            Stage::Events => Some(self.page()),
            Stage::Closed => None,
        }
    }
}

impl History {
    /// The next stretch, or the end. When reading fails the text stops unfinished, which no reader takes for all of it.
    fn page(&mut self) -> Bytes {
        let mut out = Vec::new();
        while out.is_empty() && self.next <= self.last {
            let read = self.house.relay.read(Stream::Session(self.session), self.next, page_bounds());
            let records = match read {
                Ok(records) if !records.is_empty() => records,
                Ok(_) => break,
                Err(error) => {
                    tracing::error!(%error, session = %self.session, "a history could not be read to its end");
                    self.stage = Stage::Closed;
                    return Bytes::from_static(b" ");
                }
            };
            for record in records.iter().filter(|record| record.sequence <= self.last) {
                self.next = record.sequence.next();
                let Some(event) = render::event(self.session, record) else { continue };
                let Ok(json) = serde_json::to_vec(&event) else { continue };
                if !std::mem::take(&mut self.first) {
                    out.push(b',');
                }
                stream::single_line(&json, &mut out);
            }
            if records.last().is_some_and(|record| record.sequence > self.last) {
                break;
            }
        }
        if out.is_empty() {
            self.stage = Stage::Closed;
            return Bytes::from_static(b"]}");
        }
        out.into()
    }
}

/// Follows from `Last-Event-ID`, or from the first event that is kept: a reader that connects first and reads the
/// history then, or the other way round, misses nothing. It tells repetitions by `seqNum`.
pub(super) fn follow(caller: &Caller<'_>, session: SessionId) -> Result<Response, Failure> {
    let subscription = events::subscribe_anyhow(caller, session)?;
    let (house, principal) = (Arc::clone(caller.house), caller.principal.clone());
    let reader = Reader { house, principal, session, _looking: None };
    let house = caller.house;
    Ok(stream::follow(&house.relay, subscription, house.settings.sse_keepalive, Frames(reader)))
}

struct Frames(Reader);

impl Draw for Frames {
    fn record(&mut self, record: &Arc<Record>, out: &mut Vec<u8>) {
        let Some(event) = render::stream_event(record) else { return };
        let Ok(json) = serde_json::to_vec(&event) else { return };
        let mut line = Vec::with_capacity(json.len());
        stream::single_line(&json, &mut line);
        stream::frame(out, Some("message"), Some(record.sequence.0), &line);
    }

    fn failure(&mut self, error: &RelayError, out: &mut Vec<u8>) {
        let body = PeerErrorBody { kind: super::error_type(ProblemKind::Gap), message: error.to_string() };
        if let Ok(json) = serde_json::to_vec(&PeerError { error: body }) {
            stream::frame(out, Some("gap"), None, &json);
        }
    }

    fn may_go_on(&self) -> bool {
        self.0.may_go_on()
    }
}
