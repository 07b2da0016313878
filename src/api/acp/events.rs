//! What the agents of a group say, as server-sent events: `/acp/channel-groups/{id}/events`.
//!
//! The events of a group come from as many streams as its agents have conversations, so their offset is the position
//! in the journal: it grows, has gaps, and outlives the server. A reader sees its owner's agents and no others.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::{error::Failure, may_go_on, show};
use crate::{
    api::common::{
        BadRequest, Call, House, Response,
        reply::{Feed, streamed},
        stream,
    },
    domain::{EnvironmentId, Event, Position, Record, Stream},
    relay::{RelayError, page_bounds},
    security::Principal,
    wire::acp::{listing::GroupEvent, text},
};

const KEEPALIVE: &[u8] = b": keepalive\n\n";
const GOODBYE: &[u8] = b"retry: 1000\n: the server is shutting down\n\n";

/// Follows a group from where its reader was, or from now on.
pub(super) fn follow(
    house: &Arc<House>,
    call: &Call,
    principal: Principal,
    group: String,
) -> Result<Response, Failure> {
    let tail = house.relay.journal().tail();
    let after = cursor(call)?.map_or(tail, Position);
    let ahead = after > tail;
    let feed = Follow {
        house: Arc::clone(house),
        principal,
        group,
        next: after.next(),
        retold: HashMap::new(),
        committed: house.relay.committed(),
        closing: house.relay.closing(),
        spoke_at: None,
        // A number that was never reached is of another journal: going on from here would hide what was missed.
        state: if ahead { State::Lost { tail } } else { State::Open },
    };
    Ok(streamed("text/event-stream", feed))
}

/// Where the reader was: the query wins, and 0 is nowhere.
fn cursor(call: &Call) -> Result<Option<u64>, BadRequest> {
    let query: Option<u64> = call.query_as("from_sequence_num")?;
    let header = call.header("last-event-id").map(str::trim).filter(|text| !text.is_empty());
    let header = header.map(str::parse).transpose();
    let header = header.map_err(|_| BadRequest::parameter("Last-Event-ID", "must be the id of an event"))?;
    Ok(query.or(header).filter(|number| *number > 0))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Lost { tail: Position },
    Ended,
}

struct Follow {
    house: Arc<House>,
    principal: Principal,
    group: String,
    next: Position,
    /// The second accounts of turns, by conversation: so many records are told in one already.
    retold: HashMap<Stream, u64>,
    committed: watch::Receiver<Position>,
    closing: watch::Receiver<bool>,
    /// When something was written last.
    spoke_at: Option<Instant>,
    state: State,
}

impl Feed for Follow {
    async fn next(&mut self) -> Option<Bytes> {
        match self.state {
            State::Open => {}
            State::Ended => return None,
            State::Lost { tail } => {
                self.state = State::Ended;
                let mut piece = Vec::new();
                let gap = format!(r#"{{"earliest":1,"latest":{tail},"detail":"start over: there is no such event"}}"#);
                stream::frame(&mut piece, Some("gap"), None, gap.as_bytes());
                return Some(piece.into());
            }
        }
        if self.spoke_at.is_none() {
            self.spoke_at = Some(Instant::now());
            return Some(Bytes::from_static(KEEPALIVE));
        }
        loop {
            let piece = match self.read() {
                Ok(piece) => piece,
                Err(error) => {
                    tracing::error!(%error, "a group's event stream broke");
                    self.state = State::Ended;
                    return Some(Bytes::from_static(b"retry: 1000\n: the stream broke; connect again\n\n"));
                }
            };
            if !piece.is_empty() {
                self.spoke_at = Some(Instant::now());
                return Some(piece.into());
            }
            let rest = self.house.settings.sse_keepalive.saturating_sub(self.spoke_at.map_or(Duration::ZERO, passed));
            tokio::select! {
                // The writer is gone only when everything ends.
                Ok(()) = self.committed.changed() => {}
                () = sleep(rest) => {
                    self.spoke_at = Some(Instant::now());
                    if !may_go_on(&self.house, &self.principal, None) {
                        self.state = State::Ended;
                        return Some(Bytes::from_static(b": the credential of this stream is no longer valid\n\n"));
                    }
                    return Some(Bytes::from_static(KEEPALIVE));
                }
                _ = self.closing.wait_for(|closing| *closing) => {
                    self.state = State::Ended;
                    return Some(Bytes::from_static(GOODBYE));
                }
            }
        }
    }
}

fn passed(since: Instant) -> Duration {
    since.elapsed()
}

impl Follow {
    /// What came since the last look, up to one read's bounds.
    fn read(&mut self) -> Result<Vec<u8>, RelayError> {
        let mut piece = Vec::new();
        // Before the look, so that what comes during it wakes the next one.
        self.committed.mark_unchanged();
        while piece.is_empty() && self.next <= self.house.relay.journal().tail() {
            let records = self.house.relay.journal().read_all(self.next, page_bounds())?;
            let Some(last) = records.last() else {
                // The rest up to the tail was forgotten.
                self.next = self.house.relay.journal().tail().next();
                break;
            };
            self.next = last.position.next();
            for record in &records {
                self.draw(record, &mut piece);
            }
        }
        Ok(piece)
    }

    fn draw(&mut self, record: &Record, piece: &mut Vec<u8>) {
        if self.is_second_account(record) {
            return;
        }
        let is_frame = matches!(
            record.event,
            Event::MessageReceived { .. } | Event::PermissionRequested(_) | Event::AgentReported(_)
        );
        let Some(agent) = is_frame.then(|| self.agent(record.stream)).flatten() else { return };
        let Some(kind) = show::kind(&record.payload) else { return };
        let Ok(payload) = serde_json::from_slice::<&RawValue>(&record.payload) else { return };
        let event = GroupEvent {
            kind: &kind,
            payload,
            direction: "inbound",
            number: record.position.0,
            channel_group_id: &self.group,
            agent_id: &agent.to_string(),
        };
        let mut line = Vec::new();
        stream::single_line(text(&event).as_bytes(), &mut line);
        stream::frame(piece, Some("message"), Some(record.position.0), &line);
    }

    /// Whether a record tells again what its reader was told as it happened.
    fn is_second_account(&mut self, record: &Record) -> bool {
        match &record.event {
            Event::TurnRetold { pieces, .. } if *pieces > 0 => {
                self.retold.insert(record.stream, *pieces);
                false
            }
            Event::MessageReceived { .. } if !self.retold.is_empty() => {
                let Some(left) = self.retold.get_mut(&record.stream) else { return false };
                *left -= 1;
                if *left == 0 {
                    self.retold.remove(&record.stream);
                }
                true
            }
            _ => false,
        }
    }

    /// The agent that a stream is about, if it is of this group and its owner's is the reader's to see.
    fn agent(&self, stream: Stream) -> Option<EnvironmentId> {
        let world = self.house.relay.world();
        let id = match stream {
            Stream::Session(session) => world.session(session)?.environment?,
            Stream::Environment(environment) => environment,
            _ => return None,
        };
        let found = world.environment(id).filter(|found| found.agent.is_some())?;
        let visible = self.principal.scope().includes(found.particulars.owner);
        (visible && found.particulars.group.as_ref() == Some(&self.group)).then_some(id)
    }
}
