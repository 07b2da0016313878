//! What the agents of a group say, as server-sent events: `/acp/channel-groups/{id}/events`.
//!
//! The events of a group come from as many streams as its agents have conversations, so their offset is the position
//! in the journal: it grows, has gaps, and outlives the server. A reader sees its owner's agents and no others.

use std::{collections::HashMap, future::pending, sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::{
    sync::watch,
    task::yield_now,
    time::{Instant, sleep, sleep_until},
};

use super::{error::Failure, may_go_on, retold, show};
use crate::{
    api::common::{
        BadRequest, Call, House, Response,
        reply::{Feed, streamed},
        stream,
    },
    domain::{EnvironmentId, Event, Position, Record, Sequence, Stream, limits},
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
        looked_at: Instant::now(),
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
    /// The second accounts of turns that were begun to be read, by conversation: up to where they go.
    retold: HashMap<Stream, Sequence>,
    committed: watch::Receiver<Position>,
    closing: watch::Receiver<bool>,
    looked_at: Instant,
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
        let keepalive = self.house.settings.sse_keepalive;
        loop {
            if !may_go_on(&self.house, &self.principal, None) {
                self.state = State::Ended;
                return Some(Bytes::from_static(b": the credential of this stream is no longer valid\n\n"));
            }
            let (piece, more) = match self.read() {
                Ok(read) => read,
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
            if more && !*self.closing.borrow() {
                // A whole journal may be others': nobody else on this thread waits for its end.
                yield_now().await;
                continue;
            }
            let rest = keepalive.saturating_sub(self.spoke_at.map_or(Duration::ZERO, |at| at.elapsed()));
            let again_at = self.looked_at + Duration::from_millis(limits::GROUP_LOOK_MS);
            let committed = &mut self.committed;
            tokio::select! {
                () = async {
                    // The writer is gone only when everything ends.
                    if committed.changed().await.is_err() {
                        pending::<()>().await;
                    }
                    sleep_until(again_at).await;
                } => {}
                () = sleep(rest) => {
                    self.spoke_at = Some(Instant::now());
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

impl Follow {
    /// The next page behind what was read, and whether there is more behind it.
    fn read(&mut self) -> Result<(Vec<u8>, bool), RelayError> {
        let mut piece = Vec::new();
        self.looked_at = Instant::now();
        // Before the look, so that what comes during it wakes the next one.
        self.committed.mark_unchanged();
        let tail = self.house.relay.journal().tail();
        if self.next > tail {
            return Ok((piece, false));
        }
        let records = self.house.relay.journal().read_all(self.next, page_bounds())?;
        // None: the rest up to the tail was forgotten.
        let last = records.last().map_or(tail, |last| last.position);
        self.next = last.next();
        for record in &records {
            self.draw(record, &mut piece);
        }
        Ok((piece, last < tail))
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
        if let Some(last) = retold::account(record) {
            self.retold.insert(record.stream, last);
            return false;
        }
        let Some(last) = self.retold.get(&record.stream).copied() else { return false };
        if record.sequence >= last {
            self.retold.remove(&record.stream);
        }
        record.sequence <= last
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
