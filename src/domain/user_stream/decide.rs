//! What may be done with a user stream, and what comes of it.

use std::sync::Arc;

use bytes::Bytes;

use super::{UserStream, same_content_type};
use crate::domain::{
    command::{Outcome, Refusal},
    decide::{Context, Decided},
    envelope::{Draft, Timestamp},
    event::{Event, ForkPoint, Lifetime, ProducerStamp, UserAppended, UserStreamClosed, UserStreamCreated},
    id::{OwnerId, UserStreamId},
    limits,
    stream::Stream,
    world::World,
};

/// A stream to be, under an id drawn by the caller.
#[derive(Debug, Clone)]
pub struct NewUserStream {
    pub stream: UserStreamId,
    pub owner: OwnerId,
    pub name: Arc<str>,
    /// `None` is the source's for a fork, and bytes for others.
    pub content_type: Option<Arc<str>>,
    /// `None` is the source's for a fork, and for ever for others.
    pub lifetime: Option<Lifetime>,
    pub closed: bool,
    pub fork: Option<NewFork>,
    /// What it begins with; empty for nothing.
    pub content: Bytes,
}

/// Where a fork parts from its source.
#[derive(Debug, Clone)]
pub struct NewFork {
    pub source: UserStreamId,
    /// `None` is the source's tail.
    pub position: Option<u64>,
    /// How much of the append after `position` the fork has too, as it was asked for: bytes, or messages.
    pub part: u64,
    /// That part itself. What stands at a position never changes, so the caller could read it.
    pub prefix: Bytes,
}

/// Something to write at the end of a stream. Without a payload it only closes.
#[derive(Debug, Clone)]
pub struct UserAppend {
    pub stream: UserStreamId,
    pub payload: Bytes,
    /// Whether the content type that came with it is the stream's.
    pub type_matches: bool,
    pub producer: Option<ProducerStamp>,
    pub stream_seq: Option<Arc<str>>,
    pub closes: bool,
}

/// What became of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Appended {
    /// The position of the stream's last append.
    pub tail: u64,
    pub closed: bool,
    /// It had been done before, and nothing happened now.
    pub known: bool,
    /// The last number accepted of the producer, in this epoch.
    pub producer: Option<(u64, u64)>,
}

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamRefusal {
    #[error("there is no stream {0}")]
    Absent(UserStreamId),
    #[error("stream {0} was deleted; forks still read from it")]
    Gone(UserStreamId),
    #[error("there is a stream of this name already, with another content type, lifetime, source or state")]
    Exists,
    #[error("a deleted stream of this name still has forks that read from it: delete those first")]
    NameTaken,
    #[error("the source was deleted: fork it while it is there")]
    SourceGone,
    #[error("the source ends before this offset")]
    BeyondTail,
    #[error("a stream may stand on at most {max} others: fork an earlier one")]
    TooDeep { max: usize },
    #[error("the stream is closed: nothing can be added")]
    Closed { tail: u64 },
    #[error("the content type is not the stream's")]
    ContentType,
    #[error("Stream-Seq must be greater than the last one, {last:?}")]
    StreamSeq { last: Arc<str> },
    #[error("the producer has epoch {current}: a later one has taken over")]
    StaleEpoch { current: u64 },
    #[error("a new epoch begins with Producer-Seq 0")]
    EpochStart,
    #[error("Producer-Seq {received} came where {expected} was expected")]
    ProducerGap { expected: u64, received: u64 },
}

fn refuse<T>(refusal: StreamRefusal) -> Result<T, Refusal> {
    Err(Refusal::Stream(refusal))
}

fn live(world: &World, id: UserStreamId) -> Result<&UserStream, Refusal> {
    match world.user_streams.get(id) {
        Some(stream) if stream.is_live() => Ok(stream),
        Some(stream) if stream.forks > 0 => refuse(StreamRefusal::Gone(id)),
        _ => refuse(StreamRefusal::Absent(id)),
    }
}

pub(in crate::domain) fn create(world: &World, new: NewUserStream) -> Result<Decided, Refusal> {
    let source = match &new.fork {
        None => None,
        Some(fork) => {
            let source = world.user_streams.get(fork.source).filter(|source| source.owner == new.owner);
            Some(source.ok_or(Refusal::Stream(StreamRefusal::Absent(fork.source)))?)
        }
    };
    let given = new.content_type.as_ref();
    if let (Some(source), Some(given)) = (source, given)
        && !same_content_type(&source.content_type, given)
    {
        return refuse(StreamRefusal::ContentType);
    }
    let octets = || Arc::from("application/octet-stream");
    let content_type = given.or(source.map(|source| &source.content_type)).map_or_else(octets, Arc::clone);
    let lifetime = new.lifetime.or(source.map(|source| source.lifetime)).unwrap_or(Lifetime::Forever);
    if let Some(found) = world.user_streams.named(new.owner, &new.name) {
        return existing(found, &new, &content_type, lifetime);
    }
    if world.user_streams.is_full() {
        return Err(Refusal::Full { what: "the list of streams", max: limits::USER_STREAMS_MAX });
    }
    let fork = match (source, &new.fork) {
        (Some(source), Some(fork)) => Some(part(world, source, fork)?),
        _ => None,
    };
    let stream = Stream::User(new.stream);
    let NewUserStream { stream: id, owner, name, closed, content, .. } = new;
    let created = UserStreamCreated { stream: id, owner, name, content_type, lifetime, fork };
    let mut drafts = vec![Draft::new(stream, Event::UserStreamCreated(created))];
    let append = |payload, closes| {
        let event = UserAppended { closes, ..UserAppended::default() };
        Draft::new(stream, Event::UserAppended(event)).with_payload(payload)
    };
    if let Some(fork) = new.fork.filter(|fork| !fork.prefix.is_empty()) {
        drafts.push(append(fork.prefix, closed && content.is_empty()));
    }
    if !content.is_empty() {
        drafts.push(append(content, closed));
    }
    let tail = fork.map_or(0, |fork| fork.position) + drafts.len() as u64 - 1;
    if closed && drafts.len() == 1 {
        drafts.push(Draft::new(stream, Event::UserStreamClosed(UserStreamClosed::default())));
    }
    Ok(Decided { drafts, outcome: Outcome::UserStream { stream: id, created: true, tail, closed } })
}

/// Creating what is there already as it is there changes nothing.
fn existing(
    found: &UserStream,
    new: &NewUserStream,
    content_type: &str,
    lifetime: Lifetime,
) -> Result<Decided, Refusal> {
    if !found.is_live() {
        return refuse(StreamRefusal::NameTaken);
    }
    let same_fork = match (&found.fork, &new.fork) {
        (None, None) => true,
        (Some(has), Some(wants)) => {
            let position = wants.position.is_none_or(|position| position == has.position);
            has.source == wants.source && has.part == wants.part && position
        }
        _ => false,
    };
    let same = same_fork
        && found.lifetime == lifetime
        && found.closed.is_some() == new.closed
        && same_content_type(&found.content_type, content_type);
    if !same {
        return refuse(StreamRefusal::Exists);
    }
    let (stream, tail, closed) = (found.id, found.tail(), found.closed.is_some());
    Ok(Decided::nothing(Outcome::UserStream { stream, created: false, tail, closed }))
}

fn part(world: &World, source: &UserStream, fork: &NewFork) -> Result<ForkPoint, Refusal> {
    if !source.is_live() {
        return refuse(StreamRefusal::SourceGone);
    }
    let position = fork.position.unwrap_or_else(|| source.tail());
    if position > source.tail() {
        return refuse(StreamRefusal::BeyondTail);
    }
    if world.user_streams.depth(source.id) >= limits::FORK_DEPTH_MAX {
        return refuse(StreamRefusal::TooDeep { max: limits::FORK_DEPTH_MAX });
    }
    Ok(ForkPoint { source: source.id, position, part: fork.part })
}

/// The order of the checks is the protocol's: a producer's repetition, then closed, then the content type, then the
/// producer's order, then `Stream-Seq`.
pub(in crate::domain) fn append(world: &World, context: &Context<'_>, append: UserAppend) -> Result<Decided, Refusal> {
    let UserAppend { stream: id, payload, type_matches, producer, stream_seq, closes } = append;
    let found = live(world, id)?;
    let known = producer.as_ref().and_then(|stamp| found.producer(&stamp.id));
    let answer = |tail, closed, known, producer| Outcome::Appended(Appended { tail, closed, known, producer });
    if let (Some(stamp), Some(state)) = (&producer, known) {
        if stamp.epoch < state.epoch {
            return refuse(StreamRefusal::StaleEpoch { current: state.epoch });
        }
        if stamp.epoch == state.epoch && stamp.seq <= state.seq {
            // Also when the stream was closed since: what was accepted once stays accepted.
            let reached = Some((state.epoch, state.seq));
            return Ok(Decided::nothing(answer(found.tail(), found.closed.is_some(), true, reached)));
        }
    }
    if found.closed.is_some() {
        if payload.is_empty() && closes && producer.is_none() {
            return Ok(Decided::nothing(answer(found.tail(), true, true, None)));
        }
        return refuse(StreamRefusal::Closed { tail: found.tail() });
    }
    if !payload.is_empty() && !type_matches {
        return refuse(StreamRefusal::ContentType);
    }
    if let Some(stamp) = &producer {
        in_order(world, found, context.now, stamp)?;
    }
    if let (Some(last), Some(given)) = (&found.stream_seq, &stream_seq)
        && given.as_bytes() <= last.as_bytes()
    {
        return refuse(StreamRefusal::StreamSeq { last: Arc::clone(last) });
    }
    let reached = producer.as_ref().map(|stamp| (stamp.epoch, stamp.seq));
    let stream = Stream::User(id);
    if payload.is_empty() {
        let draft = Draft::new(stream, Event::UserStreamClosed(UserStreamClosed { producer, stream_seq }));
        return Ok(Decided::one(draft, answer(found.tail(), true, false, reached)));
    }
    let event = Event::UserAppended(UserAppended { producer, stream_seq, closes });
    let draft = Draft::new(stream, event).with_payload(payload);
    Ok(Decided::one(draft, answer(found.tail() + 1, closes, false, reached)))
}

/// Whether this is the next thing to expect of the producer.
fn in_order(world: &World, found: &UserStream, now: Timestamp, stamp: &ProducerStamp) -> Result<(), Refusal> {
    match found.producer(&stamp.id) {
        Some(state) if stamp.epoch == state.epoch => {
            let expected = state.seq.saturating_add(1);
            if stamp.seq != expected {
                return refuse(StreamRefusal::ProducerGap { expected, received: stamp.seq });
            }
            return Ok(());
        }
        Some(_) if stamp.seq != 0 => return refuse(StreamRefusal::EpochStart),
        Some(_) => return Ok(()),
        None if stamp.seq != 0 => {
            return refuse(StreamRefusal::ProducerGap { expected: 0, received: stamp.seq });
        }
        None => {}
    }
    if found.producers.len() >= limits::PRODUCERS_PER_STREAM_MAX {
        // Forgetting one that may still repeat itself would break its promise.
        let quiet = |at: Timestamp| now.since_ms(at) >= limits::PRODUCER_QUIET_MS;
        if !found.producers.values().any(|producer| quiet(producer.at)) {
            let max = limits::PRODUCERS_PER_STREAM_MAX;
            return Err(Refusal::Full { what: "the stream's list of producers", max });
        }
    } else if world.user_streams.producers >= limits::PRODUCERS_MAX {
        return Err(Refusal::Full { what: "the list of producers", max: limits::PRODUCERS_MAX });
    }
    Ok(())
}

pub(in crate::domain) fn delete(world: &World, id: UserStreamId) -> Result<Decided, Refusal> {
    live(world, id)?;
    Ok(end(id, false))
}

/// Ends a stream whose time is over, by what the caller knows of when it was last read.
pub(in crate::domain) fn expire(
    world: &World,
    context: &Context<'_>,
    id: UserStreamId,
    used_at: Timestamp,
) -> Result<Decided, Refusal> {
    let found = live(world, id)?;
    let over = found.ends_at(used_at).is_some_and(|end| end <= context.now);
    Ok(if over { end(id, true) } else { Decided::nothing(Outcome::Unchanged) })
}

fn end(stream: UserStreamId, expired: bool) -> Decided {
    Decided::one(Draft::new(Stream::User(stream), Event::UserStreamDeleted { stream, expired }), Outcome::Done)
}

/// Its bytes are gone.
pub(in crate::domain) fn forget(world: &World, stream: UserStreamId) -> Decided {
    if !world.user_streams.garbage.contains(&stream) {
        return Decided::nothing(Outcome::Unchanged);
    }
    Decided::one(Draft::new(Stream::User(stream), Event::UserStreamForgotten { stream }), Outcome::Done)
}
