//! The long poll for work.
//!
//! It answers at once when there is work, before the client's patience ends when there is none, and is let go when the
//! client goes. Work that was taken for a client which hung up meanwhile goes back into the queue; a reply that was
//! lost on the wire is handed out again by age.

use std::sync::Arc;

use http::StatusCode;
use tokio::{
    sync::oneshot,
    time::{Duration, Instant, sleep_until},
};

use super::Failure;
use crate::{
    api::common::{Call, House, Response, reply, stream::Open},
    domain::{Actor, Command, EnvironmentId, Outcome, Refusal, Stream, WorkId, command::WorkGrant, limits},
    relay::{Lease, Relay, RelayError},
    security::Principal,
    wire::bridge::environment::{WorkItem, WorkSecret},
};

/// Answers `GET /v1/environments/{env}/work/poll`.
pub(super) async fn answer(
    house: &Arc<House>,
    call: &Call,
    principal: &Principal,
    environment: EnvironmentId,
) -> Result<Response, Failure> {
    let reclaim_after_ms = call.query_as::<u64>("reclaim_older_than_ms")?.unwrap_or(limits::WORK_RECLAIM_MS_DEFAULT);
    let reclaim_after_ms = reclaim_after_ms.max(limits::WORK_RECLAIM_MS_MIN);
    // A runner whose environment is gone must be told: with an eternal 204 it would look connected and be invisible.
    active(house, environment)?;
    let _open = Open::new(Open::POLL);
    let _place = house.throttle.open_poll(principal.throttle_key())?;
    house.relay.announce(Lease::Environment(environment)).await;
    let until = Instant::now() + house.settings.poll_timeout;
    let mut closing = house.relay.closing();
    let stream = Stream::Environment(environment);
    let latest = house.relay.stream_tail(stream)?.map(|tail| tail.latest).unwrap_or_default();
    let mut changes = house.relay.subscribe(stream, latest)?;
    loop {
        if let Some(hand) = take(house, principal.actor(), environment, reclaim_after_ms).await? {
            return Ok(hand_over(house, environment, hand));
        }
        let due = due_by(house, environment, reclaim_after_ms)?.map_or(until, |due| due.min(until));
        tokio::select! {
            () = changes.grown() => {}
            () = sleep_until(due) => {}
            _ = closing.wait_for(|closing| *closing) => return Ok(reply::empty(StatusCode::NO_CONTENT)),
        }
        if Instant::now() >= until {
            return Ok(reply::empty(StatusCode::NO_CONTENT));
        }
    }
}

fn active(house: &House, environment: EnvironmentId) -> Result<(), Refusal> {
    let world = house.relay.world();
    let found = world.environment(environment).filter(|found| !found.deregistered);
    found.map(|_| ()).ok_or(Refusal::NoEnvironment(environment))
}

/// The next moment when there may be work without anybody doing anything.
fn due_by(house: &House, environment: EnvironmentId, reclaim_after_ms: u64) -> Result<Option<Instant>, Refusal> {
    let now = house.relay.now();
    let world = house.relay.world();
    let found = world.environment(environment).ok_or(Refusal::NoEnvironment(environment))?;
    let due = found.work.next_due(now, reclaim_after_ms);
    Ok(due.map(|due| Instant::now() + Duration::from_millis(due.since_ms(now))))
}

/// Takes an item, if there is one. The submission runs in a task of its own: when the client hangs up while it is under
/// way, whatever it took is dropped there, and so goes back.
async fn take(
    house: &House,
    actor: Actor,
    environment: EnvironmentId,
    reclaim_after_ms: u64,
) -> Result<Option<Hand>, Failure> {
    let command = Command::LeaseWork { environment, reclaim_after_ms, fresh: WorkId::from_uuid(house.fresh()?) };
    let relay = house.relay.clone();
    let (sender, taken) = oneshot::channel();
    tokio::spawn(async move {
        let taken = relay.submit(actor, command).await.map(|outcome| match outcome {
            Outcome::Work { item } => item.map(|grant| Hand { relay, actor, environment, grant, held: true }),
            _ => None,
        });
        // The client hung up: what could not be sent is dropped here.
        let _unheard = sender.send(taken);
    });
    Ok(taken.await.unwrap_or(Err(RelayError::Closing))?)
}

/// Work that was taken and is not handed over yet. Dropping it gives it back.
struct Hand {
    relay: Relay,
    actor: Actor,
    environment: EnvironmentId,
    grant: WorkGrant,
    held: bool,
}

impl Drop for Hand {
    fn drop(&mut self) {
        if !self.held {
            return;
        }
        let (relay, actor) = (self.relay.clone(), self.actor);
        let command = Command::ReturnWork { environment: self.environment, work: self.grant.work };
        tokio::spawn(async move {
            // It is handed out again by age if this fails.
            if let Err(error) = relay.submit(actor, command).await {
                tracing::debug!(%error, "work that was not handed over waits for its age");
            }
        });
    }
}

fn hand_over(house: &House, environment: EnvironmentId, mut hand: Hand) -> Response {
    hand.held = false;
    let WorkGrant { work, session, queued_at, .. } = hand.grant;
    let token = house.ingress_token(session);
    let secret = WorkSecret::v1(token.expose(), &house.settings.base_url);
    let item = WorkItem::session(
        work.to_string(),
        environment.to_string(),
        session.to_string(),
        &secret,
        queued_at.to_string(),
    );
    reply::json(StatusCode::OK, &item)
}
