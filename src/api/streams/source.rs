//! A stream as its readers see it: runs of positions in streams of the journal, a content type, an end.
//!
//! Streams of users and sessions look the same from here on. Knows where a position lies and how it is written; may not
//! know how an answer looks.

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::{caller::Caller, error::Failure};
use crate::{
    api::common::{House, render},
    domain::{
        Epoch, Event, OwnerId, Record, Sequence, SessionId, Stream, UserStreamId,
        event::Lifetime,
        limits,
        user_stream::{UserStream, UserStreams, essence},
    },
    relay::{Bounds, Relay, RelayError},
    wire::streams::Offset,
};

/// How payloads are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Messages; what a payload holds stands between the brackets of an array.
    Json,
    Text,
    Binary,
}

impl Format {
    pub(super) fn of(content_type: &str) -> Self {
        let essence = essence(content_type);
        if essence.eq_ignore_ascii_case("application/json") {
            Self::Json
        } else if essence.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("text/")) {
            Self::Text
        } else {
            Self::Binary
        }
    }
}

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// The latest first; it is the stream's own, where new records appear.
    runs: Vec<Run>,
    pub(super) content_type: Arc<str>,
    pub(super) format: Format,
    /// The last position when it was looked at.
    pub(super) tail: u64,
    pub(super) closed: bool,
    pub(super) lifetime: Lifetime,
    user: Option<UserStreamId>,
}

/// A run of positions within one stream of the journal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) stream: Stream,
    pub(super) after: u64,
    through: u64,
    /// The sequence of the first position.
    first: u64,
    life: u64,
}

impl Run {
    fn of_user(stream: UserStreamId, after: u64, through: u64, epoch: Epoch) -> Self {
        // A stream's first record says that it was made.
        Self { stream: Stream::User(stream), after, through, first: 2, life: life(stream.uuid(), epoch) }
    }

    pub(super) const fn sequence(&self, position: u64) -> Sequence {
        Sequence(position.saturating_sub(self.after).saturating_add(self.first).saturating_sub(1))
    }

    pub(super) const fn position(&self, sequence: Sequence) -> u64 {
        self.after.saturating_add(sequence.0).saturating_add(1).saturating_sub(self.first)
    }
}

/// What tells lives apart: 53 bits of the id, and of the numbering that a restore changes.
fn life(id: Uuid, epoch: Epoch) -> u64 {
    let (high, low) = id.as_u64_pair();
    let folded = high ^ low ^ epoch.0.rotate_left(32);
    folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11
}

/// The offset of a position of a user's stream that parts from its source at `base`.
pub(super) fn offset(house: &House, stream: UserStreamId, base: u64, position: u64) -> Offset {
    let epoch = house.relay.epoch();
    if position > base {
        return Offset::new(position, life(stream.uuid(), epoch));
    }
    let world = house.relay.world();
    let owning = world.user_streams().segments(stream).into_iter().find(|run| run.after < position);
    owning.map_or(Offset::START, |run| Offset::new(position, life(run.stream.uuid(), epoch)))
}

/// The offset of a position of a session.
pub(super) fn session_offset(house: &House, session: SessionId, position: u64) -> Offset {
    Offset::new(position, life(session.uuid(), house.relay.epoch()))
}

/// Looks at the stream that has this name. One whose time is over is ended first.
pub(super) async fn look<T>(
    caller: &Caller<'_>,
    owner: OwnerId,
    name: &str,
    at: impl Fn(&UserStreams, &UserStream) -> T,
) -> Result<T, Failure> {
    let relay = &caller.house.relay;
    loop {
        let over = {
            let world = relay.world();
            let found = world.user_streams().named(owner, name).ok_or(Failure::NotFound)?;
            if !found.is_live() {
                return Err(Failure::Gone);
            }
            if !relay.is_over(found) {
                return Ok(at(world.user_streams(), found));
            }
            found.id
        };
        relay.expire(over).await?;
    }
}

impl Source {
    /// The caller's stream of this name.
    pub(super) async fn user(caller: &Caller<'_>, name: &str) -> Result<Self, Failure> {
        let epoch = caller.house.relay.epoch();
        look(caller, caller.namespace()?, name, |all, found| Self::of(all, found, epoch)).await
    }

    /// As it is in the world.
    pub(super) fn of(all: &UserStreams, found: &UserStream, epoch: Epoch) -> Self {
        let runs = if found.fork.is_none() {
            vec![Run::of_user(found.id, 0, u64::MAX, epoch)]
        } else {
            let segments = all.segments(found.id).into_iter();
            segments.map(|run| Run::of_user(run.stream, run.after, run.through, epoch)).collect()
        };
        Self {
            runs,
            content_type: Arc::clone(&found.content_type),
            format: Format::of(&found.content_type),
            tail: found.tail(),
            closed: found.closed.is_some(),
            lifetime: found.lifetime,
            user: Some(found.id),
        }
    }

    /// A session: its events as JSON messages. It never closes: late events of an archived one are still kept.
    pub(super) fn session(house: &House, session: SessionId) -> Result<Self, Failure> {
        let stream = Stream::Session(session);
        let ends = house.relay.stream_tail(stream)?.ok_or(Failure::NotFound)?;
        let life = life(session.uuid(), house.relay.epoch());
        Ok(Self {
            runs: vec![Run { stream, after: 0, through: u64::MAX, first: 1, life }],
            content_type: Arc::from("application/json"),
            format: Format::Json,
            tail: ends.latest.0,
            closed: false,
            lifetime: Lifetime::Forever,
            user: None,
        })
    }

    /// The user's stream behind it, if it is one.
    pub(super) const fn user_stream(&self) -> Option<UserStreamId> {
        self.user
    }

    /// The run to which new records are added.
    pub(super) fn own(&self) -> Option<&Run> {
        self.runs.first()
    }

    /// The name of its life, for entity tags.
    pub(super) fn life(&self) -> u64 {
        self.own().map_or(0, |run| run.life)
    }

    /// How clients hold a position.
    pub(super) fn offset(&self, position: u64) -> Offset {
        let run = self.runs.iter().find(|run| run.after < position && position <= run.through);
        run.map_or(Offset::START, |run| Offset::new(position, run.life))
    }

    /// The position that a client means, if it is one of this stream.
    pub(super) fn place(&self, relay: &Relay, offset: Offset) -> Result<u64, Failure> {
        let known = offset.position <= self.tail && self.offset(offset.position).life == offset.life;
        if known { Ok(offset.position) } else { Err(self.lost(relay, &offset)?) }
    }

    /// That a reader cannot go on from where they are, and where they can.
    pub(super) fn lost(&self, relay: &Relay, asked: &Offset) -> Result<Failure, Failure> {
        let mut earliest = 0;
        // The oldest run first: what is left begins after the last hole.
        for run in self.runs.iter().rev() {
            if let Some(ends) = relay.stream_tail(run.stream)?
                && ends.earliest.0 > run.first
            {
                earliest = run.position(ends.earliest).saturating_sub(1).min(self.tail);
            }
        }
        Ok(Failure::Lost { asked: asked.to_string(), earliest: self.offset(earliest) })
    }

    /// The records after a position, up to the tail, as many as one answer takes.
    pub(super) fn read(&self, relay: &Relay, after: u64) -> Result<Slice, Failure> {
        let mut slice = Slice { records: Vec::new(), end: after };
        let mut bytes = 0;
        for run in self.runs.iter().rev() {
            let last = run.through.min(self.tail);
            while slice.end >= run.after && slice.end < last {
                let bounds = Bounds {
                    records_max: limits::READ_RECORDS_MAX.saturating_sub(slice.records.len()),
                    bytes_max: limits::READ_BYTES_MAX.saturating_sub(bytes),
                };
                if bounds.records_max == 0 || bounds.bytes_max == 0 {
                    return Ok(slice);
                }
                let records = relay.read(run.stream, run.sequence(slice.end + 1), bounds);
                let records = match records {
                    Err(RelayError::Gap { .. }) => return Err(self.lost(relay, &self.offset(slice.end))?),
                    other => other?,
                };
                let before = slice.end;
                for record in records {
                    let position = run.position(record.sequence);
                    if position > last {
                        break;
                    }
                    bytes += record.payload.len();
                    slice.end = position;
                    slice.records.push(record);
                }
                if slice.end == before {
                    tracing::error!(stream = %run.stream, position = before, "a stream ends before its tail");
                    return Err(Failure::Unexpected);
                }
            }
        }
        Ok(slice)
    }

    /// What a record holds for readers; `None` for one that only marks something.
    pub(super) fn payload(&self, record: &Record) -> Option<Bytes> {
        if self.user.is_none() {
            let mut out = Vec::with_capacity(record.payload.len() + 256);
            render::event(record, &mut out);
            return Some(out.into());
        }
        matches!(record.event, Event::UserAppended(_)).then(|| record.payload.clone())
    }

    /// The records as one body.
    pub(super) fn body(&self, records: &[Arc<Record>]) -> Bytes {
        let mut payloads = records.iter().filter_map(|record| self.payload(record));
        if self.format == Format::Json {
            let mut out = vec![b'['];
            for payload in payloads {
                if out.len() > 1 {
                    out.push(b',');
                }
                out.extend_from_slice(&payload);
            }
            out.push(b']');
            return out.into();
        }
        let Some(first) = payloads.next() else { return Bytes::new() };
        let Some(second) = payloads.next() else { return first };
        let mut out = [first, second].concat();
        payloads.for_each(|payload| out.extend_from_slice(&payload));
        out.into()
    }
}

/// Some records, and the position of the last one.
#[derive(Debug)]
pub(super) struct Slice {
    pub(super) records: Vec<Arc<Record>>,
    pub(super) end: u64,
}
