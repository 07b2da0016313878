//! The worker of a code session (v2): it registers, says what it does, sends what the agent said, and confirms what it
//! got. Everything under `/v1/code/sessions/{id}/worker` but the stream and the transcript.
//!
//! Two answers are dangerous. 409 ends the worker's process or its bridge, so only a worker that was really superseded
//! gets one. And every other refusal makes it send the same again for ever, so what is merely odd is taken or passed
//! over, with a word about it.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Map, Value};
use tokio::time::{Duration, Instant, sleep};
use uuid::Uuid;

use super::{Endpoint, Failure, outflow::item_meant, partials, translate};
use crate::{
    api::common::{BadRequest, Call, House, Response, reply},
    domain::{
        Actor, Command, Outcome, Refusal, SessionId,
        command::{DeliveryStage, DeliveryUpdate, Incoming, Meaning, WorkerReport},
        event::Status,
        limits,
        session::check_epoch,
    },
    relay::{Lease, RelayError},
    security::{Principal, RetryAfter, ThrottleKey},
    wire::bridge::worker::{
        DeliveryReport, EpochNumber, EventRejected, EventsTaken, Heartbeat, PutWorker, WorkerEvent, WorkerEvents,
        WorkerRegistered, WorkerState, WorkerView,
    },
};

/// A metadata value that is kept when the whole no longer fits: modes, models and states are far smaller, inputs of
/// tools are not and come with the question as well.
const METADATA_SMALL_BYTES: usize = 4 * 1024;

/// Answers this module's endpoints.
pub(super) async fn answer(
    house: &Arc<House>,
    call: &Call,
    principal: &Principal,
    endpoint: &Endpoint,
) -> Result<Response, Failure> {
    let speaker = Speaker::of(principal);
    match *endpoint {
        Endpoint::WorkerRegister { session } => register(house, &speaker, session).await,
        Endpoint::WorkerShow { session } => show(house, session),
        Endpoint::WorkerReport { session } => report(house, call, &speaker, session).await,
        Endpoint::WorkerHeartbeat { session } => heartbeat(house, call, &speaker, session).await,
        Endpoint::WorkerEvents { session } => events(house, call, &speaker, session).await,
        Endpoint::WorkerDelivery { session } => delivery(house, call, &speaker, session).await,
        _ => Err(Failure::NotFound),
    }
}

/// Who speaks for the worker, and under which epoch as far as the token says.
pub(super) struct Speaker {
    pub(super) actor: Actor,
    pub(super) epoch: Option<u64>,
    counted_as: ThrottleKey,
}

impl Speaker {
    pub(super) const fn of(principal: &Principal) -> Self {
        let epoch = match principal {
            Principal::Worker { epoch, .. } => *epoch,
            Principal::Key { .. } | Principal::Environment(_) => None,
        };
        Self { actor: principal.actor(), epoch, counted_as: principal.throttle_key() }
    }

    /// The epoch that a write is checked against: what the body says, else what the token says.
    ///
    /// A terminal that renews its token gets a new epoch and only then lets go of its old connection, so what it wrote
    /// meanwhile arrives with the old epoch; 409 would make it archive the session. While the stream of that old
    /// epoch is still the open one, nobody has taken over, and its writes are taken. The new stream replaces it.
    pub(super) fn epoch(&self, house: &House, session: SessionId, given: Option<EpochNumber>) -> Option<u64> {
        let epoch = given.map(|EpochNumber(number)| number).or(self.epoch)?;
        let not_yet_replaced = house.relay.connected_epoch(session) == Some(epoch) && self.epoch == Some(epoch);
        (!not_yet_replaced).then_some(epoch)
    }

    /// Counts so many messages against the caller's allowance.
    pub(super) fn admit(&self, house: &House, messages: usize) -> Result<(), RetryAfter> {
        house.throttle.check_messages(self.counted_as, messages)
    }
}

/// Refuses a list that no worker sends.
pub(super) fn bounded(name: &str, length: usize) -> Result<(), BadRequest> {
    if length > limits::WORKER_EVENTS_MAX {
        let reason = format!("has {length} entries; at most {} are taken at once", limits::WORKER_EVENTS_MAX);
        return Err(BadRequest::parameter(name, reason));
    }
    Ok(())
}

async fn register(house: &House, speaker: &Speaker, session: SessionId) -> Result<Response, Failure> {
    let worker_epoch = attach(house, speaker.actor, session).await?;
    Ok(reply::json(StatusCode::OK, &WorkerRegistered { worker_epoch }))
}

/// Makes the caller the session's worker: whoever was before is superseded.
pub(super) async fn attach(house: &House, actor: Actor, session: SessionId) -> Result<u64, Failure> {
    match house.relay.submit(actor, Command::AttachWorker { session }).await? {
        Outcome::Attached { epoch } => Ok(epoch),
        other => Err(Failure::unexpected("AttachWorker", &other)),
    }
}

fn show(house: &House, session: SessionId) -> Result<Response, Failure> {
    let world = house.relay.world();
    let found = world.session(session).ok_or(Refusal::NoSession(session))?;
    let external_metadata = (!found.metadata.is_empty()).then_some(&found.metadata);
    Ok(reply::json(StatusCode::OK, &WorkerState { worker: WorkerView { external_metadata } }))
}

async fn report(house: &House, call: &Call, speaker: &Speaker, session: SessionId) -> Result<Response, Failure> {
    let PutWorker { worker_epoch, worker_status, external_metadata } = call.json()?;
    let epoch = speaker.epoch(house, session, worker_epoch);
    house.relay.renew(Lease::Worker(session));
    let status = worker_status.as_deref().and_then(status);
    let mut patch = external_metadata.filter(|patch| !patch.is_empty());
    let named = |name: &str| patch.as_ref()?.get(name)?.as_str().filter(|text| fits(text)).map(str::to_owned);
    let (mode, model) = (named("permission_mode"), named("model"));
    let deadline = Instant::now() + Duration::from_millis(limits::WORKER_REPORT_WAIT_MS);
    loop {
        let metadata = patch.as_ref().map(as_patch).transpose()?;
        let report = WorkerReport { status, metadata, mode: mode.clone(), model: model.clone() };
        let command = Command::ReportWorker { session, epoch, report };
        match house.relay.submit(speaker.actor, command).await {
            Ok(_) => return Ok(reply::json(StatusCode::OK, &Value::Object(Map::new()))),
            // The first report is tried once and its failure ends the worker: it waits for a busy writer.
            Err(RelayError::Busy { .. }) if Instant::now() < deadline => {
                sleep(Duration::from_millis(limits::BUSY_RETRY_MS)).await;
            }
            // Refusing it would make the worker send it for ever, and it is there to be looked at: less of it will do.
            Err(RelayError::Refused(Refusal::Full { what, max })) if patch.is_some() => {
                tracing::warn!(%session, what, max, "a worker's metadata is too large and was shortened");
                patch = shortened(patch);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn fits(name: &str) -> bool {
    !name.is_empty() && name.len() <= limits::NAME_BYTES_MAX
}

fn as_patch(patch: &Map<String, Value>) -> Result<(bytes::Bytes, Map<String, Value>), Failure> {
    let bytes =
        serde_json::to_vec(patch).map_err(|error| BadRequest::parameter("external_metadata", error.to_string()))?;
    Ok((bytes.into(), patch.clone()))
}

/// The small values of a patch; nothing if it has only small ones.
fn shortened(patch: Option<Map<String, Value>>) -> Option<Map<String, Value>> {
    let patch = patch?;
    let before = patch.len();
    let small = |value: &Value| serde_json::to_vec(value).is_ok_and(|bytes| bytes.len() <= METADATA_SMALL_BYTES);
    let kept: Map<_, _> = patch.into_iter().filter(|(_, value)| small(value)).collect();
    (!kept.is_empty() && kept.len() < before).then_some(kept)
}

/// What a worker calls its status. A word of a later release changes nothing.
fn status(text: &str) -> Option<Status> {
    match text {
        "idle" => Some(Status::Idle),
        "running" => Some(Status::Working),
        "requires_action" => Some(Status::Waiting),
        _ => None,
    }
}

async fn heartbeat(house: &House, call: &Call, speaker: &Speaker, session: SessionId) -> Result<Response, Failure> {
    let Heartbeat { worker_epoch } = call.json()?;
    still_holds(house, session, speaker.epoch(house, session, worker_epoch))?;
    // An archived session has no worker to wait for, though the last one may still be there.
    if house.relay.world().session(session).is_some_and(|found| found.archived_at.is_none()) {
        house.relay.announce(Lease::Worker(session)).await;
    }
    Ok(reply::json(StatusCode::OK, &Value::Object(Map::new())))
}

/// Whether the session is there and its worker was not superseded.
fn still_holds(house: &House, session: SessionId, epoch: Option<u64>) -> Result<(), Failure> {
    let world = house.relay.world();
    let found = world.session(session).ok_or(Refusal::NoSession(session))?;
    Ok(check_epoch(found, epoch)?)
}

async fn events(house: &House, call: &Call, speaker: &Speaker, session: SessionId) -> Result<Response, Failure> {
    let WorkerEvents { worker_epoch, events } = call.json()?;
    bounded("events", events.len())?;
    speaker.admit(house, events.len())?;
    let epoch = speaker.epoch(house, session, worker_epoch);
    still_holds(house, session, epoch)?;
    house.relay.renew(Lease::Worker(session));
    let mut taken = EventsTaken::default();
    let mut messages = Vec::with_capacity(events.len());
    for (index, event) in partials::latest(events) {
        match understood(session, &event) {
            Ok(incoming) => messages.extend(incoming),
            Err(error) => {
                tracing::warn!(%session, index, %error, "a worker's event is no message and was passed over");
                taken.rejected.push(EventRejected { index, message: error.to_string() });
            }
        }
    }
    if !messages.is_empty() {
        let command = Command::Receive { session, epoch, messages };
        if let Outcome::Received { fresh, known } = house.relay.submit(speaker.actor, command).await? {
            (taken.accepted, taken.duplicates) = (fresh, known);
        }
    }
    Ok(reply::json(StatusCode::OK, &taken))
}

/// The message in an event; nothing for a sign of life.
fn understood(session: SessionId, event: &WorkerEvent) -> Result<Option<Incoming>, BadRequest> {
    let mut incoming = translate::incoming(session, &event.payload)?;
    if event.ephemeral
        && let Some(Incoming { meaning: Meaning::Said(said), .. }) = &mut incoming
    {
        said.ephemeral = true;
    }
    Ok(incoming)
}

async fn delivery(house: &House, call: &Call, speaker: &Speaker, session: SessionId) -> Result<Response, Failure> {
    let DeliveryReport { worker_epoch, updates } = call.json()?;
    bounded("updates", updates.len())?;
    let epoch = speaker.epoch(house, session, worker_epoch);
    house.relay.renew(Lease::Worker(session));
    let update = |id: &str, stage: &str| {
        Some(DeliveryUpdate { item: item_meant(Uuid::try_parse(id).ok()?), stage: delivery_stage(stage)? })
    };
    let updates = updates.iter().filter_map(|one| update(&one.event_id, &one.status)).collect();
    house.relay.submit(speaker.actor, Command::ReportDelivery { session, epoch, updates }).await?;
    Ok(reply::json(StatusCode::OK, &Value::Object(Map::new())))
}

fn delivery_stage(text: &str) -> Option<DeliveryStage> {
    match text {
        "received" => Some(DeliveryStage::Received),
        "processing" => Some(DeliveryStage::Processing),
        "processed" => Some(DeliveryStage::Processed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_that_does_not_fit_loses_its_large_values_first_and_then_all() {
        let patch = serde_json::json!({"pending_action": {"input": "x".repeat(5_000)}, "model": "opus", "gone": null});
        let Value::Object(patch) = patch else { panic!("an object") };
        let kept = shortened(Some(patch)).expect("small values");
        assert_eq!(kept.keys().collect::<Vec<_>>(), ["gone", "model"]);
        assert_eq!(shortened(Some(kept)), None, "a patch that got no smaller is not tried again");
    }

    #[test]
    fn words_of_a_later_release_change_nothing() {
        assert_eq!(status("requires_action"), Some(Status::Waiting));
        assert_eq!(status("meditating"), None);
        assert_eq!(delivery_stage("forgotten"), None);
    }
}
