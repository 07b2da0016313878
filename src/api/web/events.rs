//! A session's stream: pages of its history, and all of it and what follows as server-sent events.

use std::sync::Arc;

use bytes::Bytes;
use http::{StatusCode, header};

use super::{caller::Caller, error::Failure, overview, page, render};
use crate::{
    api::common::{
        Call, House, Response,
        presence::Looking,
        reply,
        stream::{self, Draw},
    },
    domain::{Record, Sequence, SessionId, Stream, limits},
    relay::{Bounds, RelayError, Subscription},
    security::{Grant, Principal},
    wire::web::{Gap, GapTag},
};

/// A page, or a stream for those who ask for one.
pub(super) fn read(caller: &Caller<'_>, session: SessionId) -> Result<Response, Failure> {
    if streams(caller.call) { follow(caller, session) } else { history(caller, session) }
}

/// Whether the caller asked for a stream.
pub(super) fn streams(call: &Call) -> bool {
    let accepts = call.header(header::ACCEPT).unwrap_or_default();
    accepts.contains("text/event-stream") || call.query("stream").as_deref() == Some("sse")
}

/// Where the reader is: `Last-Event-ID`, which a browser sends when it connects again, outranks the `?after=` of the
/// URL that it connects to.
fn after(caller: &Caller<'_>, latest: Sequence) -> Result<Sequence, Failure> {
    if let Some(last) = caller.call.header("last-event-id") {
        let parsed = last.parse().map_err(|_| Failure::field("Last-Event-ID", "must be the sequence of an event"))?;
        return Ok(Sequence(parsed));
    }
    match caller.call.query("after").as_deref() {
        None | Some("") => Ok(Sequence::ZERO),
        Some("latest") => Ok(latest),
        Some(text) => text.parse().map(Sequence).map_err(|_| Failure::field("after", "must be a sequence, or latest")),
    }
}

/// The ends of the stream, after a look at whether the reader's offsets are of this numbering at all.
fn ends(caller: &Caller<'_>, session: SessionId) -> Result<(Sequence, Sequence), Failure> {
    let relay = &caller.house.relay;
    let tail = relay.stream_tail(Stream::Session(session))?.ok_or_else(|| Failure::absent(session))?;
    if let Some(epoch) = caller.call.query("epoch")
        && epoch != relay.epoch().to_string()
    {
        let detail = format!("the events of {session} were numbered anew since epoch {epoch}: start over");
        return Err(Failure::gap(detail, tail.earliest.0, tail.latest.0));
    }
    Ok((tail.earliest, tail.latest))
}

fn gap(session: SessionId, after: Sequence, earliest: Sequence, latest: Sequence) -> Failure {
    let error = RelayError::Gap { stream: Stream::Session(session), asked: after, earliest, latest };
    error.into()
}

fn history(caller: &Caller<'_>, session: SessionId) -> Result<Response, Failure> {
    let limit = page::limit(caller)?;
    let (earliest, latest) = ends(caller, session)?;
    let after = after(caller, latest)?;
    if after > latest || after.next() < earliest {
        return Err(gap(session, after, earliest, latest));
    }
    let bounds = Bounds { records_max: limit, bytes_max: limits::READ_BYTES_MAX };
    let records = caller.house.relay.read(Stream::Session(session), after.next(), bounds)?;
    let next = records.last().map_or(after, |record| record.sequence);
    // The stream may have grown since its ends were read.
    let latest = latest.max(next);
    let mut body = br#"{"events":["#.to_vec();
    for (index, record) in records.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        render::event(record, &mut body);
    }
    let epoch = caller.house.relay.epoch();
    let end = format!(r#"],"next":{next},"latest":{latest},"earliest":{earliest},"epoch":"{epoch}"}}"#);
    body.extend_from_slice(end.as_bytes());
    Ok(reply::bytes_as(StatusCode::OK, "application/json", Bytes::from(body)))
}

/// A cursor from where the reader is, or for those who say nothing of it, from the first event that there is.
pub(super) fn subscribe_anyhow(caller: &Caller<'_>, session: SessionId) -> Result<Subscription, Failure> {
    if caller.call.header("last-event-id").is_some() || caller.call.query("after").is_some() {
        return subscribe(caller, session);
    }
    let (earliest, _) = ends(caller, session)?;
    let before = Sequence(earliest.0.saturating_sub(1));
    Ok(caller.house.relay.subscribe(Stream::Session(session), before)?)
}

/// A cursor from where the reader is.
pub(super) fn subscribe(caller: &Caller<'_>, session: SessionId) -> Result<Subscription, Failure> {
    let (_, latest) = ends(caller, session)?;
    Ok(caller.house.relay.subscribe(Stream::Session(session), after(caller, latest)?)?)
}

fn follow(caller: &Caller<'_>, session: SessionId) -> Result<Response, Failure> {
    let subscription = subscribe(caller, session)?;
    let house = caller.house;
    let looking = overview::looking(caller).and_then(|()| house.looks(&caller.principal, Some(session)));
    let reader = Reader { house: Arc::clone(house), principal: caller.principal.clone(), session, _looking: looking };
    Ok(stream::follow(&house.relay, subscription, house.settings.sse_keepalive, Frames(reader)))
}

/// Somebody who follows a session.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) house: Arc<House>,
    pub(super) principal: Principal,
    pub(super) session: SessionId,
    /// Somebody has it before their eyes.
    pub(super) _looking: Option<Looking>,
}

impl Reader {
    /// Whether they still may: a key can be revoked or run out while its streams are open.
    pub(super) fn may_go_on(&self) -> bool {
        let Principal::Key { key, device, .. } = &self.principal else { return false };
        self.house.is_valid(*key, *device) && self.house.may(&self.principal, Grant::SessionRead, self.session).is_ok()
    }

    /// What they are told when the stream cannot go on from where they are.
    pub(super) fn gap(&self, error: &RelayError) -> Option<Gap> {
        let RelayError::Gap { earliest, latest, .. } = error else { return None };
        Some(Gap {
            kind: GapTag::Gap,
            earliest: earliest.0,
            latest: latest.0,
            epoch: self.house.relay.epoch().to_string(),
            detail: error.to_string(),
        })
    }
}

/// Events as frames.
struct Frames(Reader);

impl Draw for Frames {
    fn record(&mut self, record: &Arc<Record>, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("id: {}\ndata: ", record.sequence).as_bytes());
        render::event(record, out);
        out.extend_from_slice(b"\n\n");
    }

    fn failure(&mut self, error: &RelayError, out: &mut Vec<u8>) {
        if let Some(gap) = self.0.gap(error).and_then(|gap| serde_json::to_vec(&gap).ok()) {
            return stream::frame(out, Some("gap"), None, &gap);
        }
        tracing::error!(%error, session = %self.0.session, "a stream broke");
        out.extend_from_slice(b"retry: 1000\n: the stream broke; connect again\n\n");
    }

    fn may_go_on(&self) -> bool {
        self.0.may_go_on()
    }
}
