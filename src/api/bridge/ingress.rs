//! What a v1 worker says: `POST /v{1,2}/session_ingress/session/{id}/events`.
//!
//! The client drops a batch for good when it is refused with anything but 429, so nothing is refused that a real client
//! sends: unknown messages are kept, repetitions are known by their ids, and an archived session still takes the last
//! words of its worker.

use std::sync::Arc;

use http::StatusCode;
use serde_json::value::RawValue;

use super::{Failure, sessions::bounded, translate};
use crate::{
    api::common::{BadRequest, Call, House, Response, reply},
    domain::{
        Command, Outcome, SessionId,
        command::{Incoming, Meaning},
        event::{MessageKind, Status},
    },
    relay::{Lease, RelayError},
    security::Principal,
    wire::bridge::{session::Events, worker::EventsTaken},
};

/// Answers this module's endpoint.
pub(super) async fn answer(
    house: &Arc<House>,
    call: &Call,
    principal: &Principal,
    session: SessionId,
) -> Result<Response, Failure> {
    let Events { events } = call.json()?;
    bounded(events.len())?;
    house.throttle.check_messages(principal.throttle_key(), events.len())?;
    let taken = receive(house, principal, session, &events).await?;
    Ok(reply::json(StatusCode::OK, &taken))
}

/// Records what a worker said, all of it or nothing.
pub(super) async fn receive(
    house: &House,
    principal: &Principal,
    session: SessionId,
    events: &[&RawValue],
) -> Result<EventsTaken, Failure> {
    let mut messages = Vec::with_capacity(events.len());
    for (index, event) in events.iter().enumerate() {
        let incoming = translate::incoming(session, event).map_err(|error| match error {
            BadRequest::Parameter { reason, .. } => BadRequest::parameter(format!("events[{index}]"), reason),
            other => other,
        })?;
        messages.extend(incoming);
    }
    if is_history(&messages) {
        messages.iter_mut().for_each(forget_work);
    }
    let mut taken = EventsTaken::default();
    if !messages.is_empty() {
        let command = Command::Receive { session, epoch: epoch_of(principal), messages };
        if let Outcome::Received { fresh, known } = house.relay.submit(principal.actor(), command).await? {
            (taken.accepted, taken.duplicates) = (fresh, known);
        }
    }
    // A worker that speaks is there; one that speaks its last words after the archive is not.
    if house.relay.world().session(session).is_some_and(|found| found.archived_at.is_none()) {
        house.relay.announce(Lease::Worker(session)).await;
    }
    Ok(taken)
}

/// Whether a batch tells of turns that are over. A terminal that connects in the middle of a conversation sends what
/// was said before, without the ends of turns; nobody is at work on it.
fn is_history(messages: &[Incoming]) -> bool {
    let mut replied = false;
    let mut asked = false;
    for Incoming { meaning, .. } in messages {
        let Meaning::Said(said) = meaning else { continue };
        match (said.kind, said.status) {
            (MessageKind::Result, _) => (asked, replied) = (false, false),
            (_, Some(Status::Working)) if replied => return true,
            (_, Some(Status::Working)) => asked = true,
            (MessageKind::Assistant, _) => replied = asked,
            _ => {}
        }
    }
    false
}

fn forget_work(message: &mut Incoming) {
    if let Meaning::Said(said) = &mut message.meaning {
        said.status = None;
    }
}

/// The epoch that the token names, if it names one. Workers of v1 have none.
pub(super) const fn epoch_of(principal: &Principal) -> Option<u64> {
    match principal {
        Principal::Worker { epoch, .. } => *epoch,
        Principal::Key { .. } | Principal::Environment(_) => None,
    }
}

/// What came over the socket, where one frame may hold several lines. Clients send nothing but signs of life there.
pub(super) async fn receive_frame(
    house: &House,
    principal: &Principal,
    session: SessionId,
    frame: &str,
) -> Result<(), RelayError> {
    let lines = frame.lines().map(str::trim).filter(|line| !line.is_empty());
    let Ok(events) = lines.map(serde_json::from_str::<&RawValue>).collect::<Result<Vec<_>, _>>() else {
        tracing::warn!(%session, "a worker's frame is not JSON and was left out");
        return Ok(());
    };
    match receive(house, principal, session, &events).await {
        Ok(_) => Ok(()),
        Err(Failure::Relay(error)) => Err(error),
        Err(error) => {
            tracing::warn!(%session, %error, "a worker's frame was left out");
            Ok(())
        }
    }
}
