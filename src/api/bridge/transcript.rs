//! The worker's private transcript: `…/worker/internal-events`. Written between turns, read back by a worker that
//! resumes.
//!
//! It is a stream of its own that people never see. A resuming worker gets each agent's entries from that agent's last
//! compaction on, because what is before it is summed up in it and would be in the model's context twice.

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;
use http::StatusCode;
use serde_json::value::RawValue;
use tokio::task::yield_now;

use super::{
    Endpoint, Failure,
    worker::{Speaker, bounded},
};
use crate::{
    api::common::{BadRequest, Call, House, Response, reply},
    domain::{
        Command, Event, MessageId, Outcome, Record, Refusal, Sequence, SessionId, Stream, command::TranscriptEntry,
        limits,
    },
    relay::{Lease, RelayError, page_bounds},
    security::{Principal, dedupe_key},
    wire::bridge::worker::{EventsTaken, InternalEvent, InternalEvents, InternalPage, InternalPeek, InternalRow},
};

/// Answers this module's endpoints.
pub(super) async fn answer(
    house: &Arc<House>,
    call: &Call,
    principal: &Principal,
    endpoint: &Endpoint,
) -> Result<Response, Failure> {
    match *endpoint {
        Endpoint::WorkerTranscriptAppend { session } => append(house, call, &Speaker::of(principal), session).await,
        Endpoint::WorkerTranscriptRead { session } => read(house, call, session).await,
        _ => Err(Failure::NotFound),
    }
}

async fn append(house: &House, call: &Call, speaker: &Speaker, session: SessionId) -> Result<Response, Failure> {
    let InternalEvents { worker_epoch, events } = call.json()?;
    bounded("events", events.len())?;
    speaker.admit(house, events.len())?;
    let epoch = speaker.epoch(house, session, worker_epoch);
    house.relay.renew(Lease::Worker(session));
    let entries = events.into_iter().map(entry).collect();
    let command = Command::AppendTranscript { session, epoch, entries };
    let mut taken = EventsTaken::default();
    if let Outcome::Received { fresh, known } = house.relay.submit(speaker.actor, command).await? {
        (taken.accepted, taken.duplicates) = (fresh, known);
    }
    Ok(reply::json(StatusCode::OK, &taken))
}

fn entry(event: InternalEvent) -> TranscriptEntry {
    let InternalEvent { payload, is_compaction, agent_id } = event;
    let uuid = peek(payload.get().as_bytes()).uuid;
    TranscriptEntry {
        key: uuid.as_deref().map(|uuid| dedupe_key("transcript", uuid.as_bytes())),
        message: uuid.as_deref().and_then(|uuid| uuid.parse().ok()),
        compaction: is_compaction,
        agent: agent_id.map(|id| id.chars().take(limits::REQUEST_ID_BYTES_MAX).collect()),
        payload: Bytes::copy_from_slice(payload.get().as_bytes()),
    }
}

/// An entry that is no object has neither kind nor id; it is kept all the same, for its worker.
fn peek(payload: &[u8]) -> InternalPeek<'_> {
    serde_json::from_slice(payload).unwrap_or_default()
}

async fn read(house: &House, call: &Call, session: SessionId) -> Result<Response, Failure> {
    if house.relay.world().session(session).is_none() {
        return Err(Refusal::NoSession(session).into());
    }
    let subagents = call.query("subagents").is_some_and(|value| value == "true");
    let after = call.query_as("cursor")?.map_or(Sequence::ZERO, Sequence);
    let stream = Stream::Transcript(session);
    let ends = house.relay.stream_tail(stream)?;
    // What retention took away is before a compaction or lost; a resume goes on with what there is.
    let from = ends.map_or(after.next(), |ends| after.next().max(ends.earliest));
    let page = house.relay.read(stream, from, page_bounds())?;
    let last = page.last().map_or(Sequence(from.0.saturating_sub(1)), |record| record.sequence);
    let compacted = compacted_later(house, stream, last).await?;
    let data = rows(&page, subagents, compacted)?;
    let more = ends.is_some_and(|ends| last < ends.latest);
    let next_cursor = more.then(|| last.to_string());
    Ok(reply::json(StatusCode::OK, &InternalPage { data, next_cursor }))
}

/// The agents that have a compaction after `after`: nothing of theirs up to it is wanted.
async fn compacted_later(
    house: &House,
    stream: Stream,
    after: Sequence,
) -> Result<HashSet<Option<String>>, RelayError> {
    let mut agents = HashSet::new();
    let mut from = after.next();
    loop {
        let records = house.relay.read(stream, from, page_bounds())?;
        let Some(last) = records.last() else { return Ok(agents) };
        from = last.sequence.next();
        agents.extend(records.iter().filter_map(|record| match &record.event {
            Event::TranscriptAppended { compaction: true, agent, .. } => Some(agent.clone()),
            _ => None,
        }));
        // A long transcript is read in slices, and others get their turn in between.
        yield_now().await;
    }
}

/// The rows of one page, from each agent's last compaction on.
fn rows(
    page: &[Arc<Record>],
    subagents: bool,
    mut compacted: HashSet<Option<String>>,
) -> Result<Vec<InternalRow>, BadRequest> {
    let mut rows = Vec::with_capacity(page.len());
    for record in page.iter().rev() {
        let Event::TranscriptAppended { message, compaction, agent, .. } = &record.event else { continue };
        if agent.is_some() != subagents || compacted.contains(agent) {
            continue;
        }
        if *compaction {
            compacted.insert(agent.clone());
        }
        rows.push(row(record, *message, *compaction, agent.clone())?);
    }
    rows.reverse();
    Ok(rows)
}

fn row(
    record: &Record,
    message: Option<MessageId>,
    is_compaction: bool,
    agent_id: Option<String>,
) -> Result<InternalRow, BadRequest> {
    let text = String::from_utf8_lossy(&record.payload).into_owned();
    let payload = RawValue::from_string(text).map_err(|error| {
        // Only JSON is ever appended.
        BadRequest::parameter("transcript", format!("entry {} is damaged: {error}", record.sequence))
    })?;
    let event_type = peek(&record.payload).kind.map_or_else(|| "unknown".to_owned(), std::borrow::Cow::into_owned);
    Ok(InternalRow {
        event_id: message.map_or_else(|| record.sequence.to_string(), |message| message.to_string()),
        event_type,
        payload,
        is_compaction,
        created_at: record.at.to_string(),
        agent_id,
    })
}
