//! Calling webhooks: whoever is due, a bounded number at once, until the server closes.
//!
//! Everything that is due stands in the world, retries with their times as well, so a restart goes on where the last
//! run ended. What is under way is known to this loop alone: after a crash it is due again, under its old generation.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use tokio::task::JoinSet;

use super::render::{self, Sight};
use crate::{
    api::common::{
        House,
        outbound::{Answer, Target, Unsent, reason, retry_ms},
    },
    domain::{
        Actor, Command, OwnerId, Refusal, SubscriptionId, Timestamp, World,
        event::Role,
        limits,
        subscription::{Acked, Delivery, Progress, Subscription, Wake},
    },
    relay::RelayError,
    security::{Grant, grant::grants, random},
    telemetry,
    wire::streams::subscription::{Notification, NotificationAnswer},
};

/// See the module.
pub async fn deliver(house: Arc<House>) {
    let mut closing = house.relay.closing();
    let mut changed = house.relay.subscriptions_changed();
    let mut tasks = JoinSet::new();
    let mut under_way: HashMap<SubscriptionId, OwnerId> = HashMap::new();
    for outcome in ["ok", "failed"] {
        metrics::counter!(telemetry::WEBHOOK_DELIVERIES, "outcome" => outcome).increment(0);
    }
    loop {
        // Before the look at the world: what changes after it is seen in the next round.
        changed.mark_unchanged();
        let (due, next) = due(&house, &under_way);
        for Due { id, owner } in due {
            if let Entry::Vacant(free) = under_way.entry(id) {
                free.insert(owner);
                let house = Arc::clone(&house);
                tasks.spawn(async move {
                    attend(&house, id).await;
                    id
                });
            }
        }
        tokio::select! {
            _ = closing.wait_for(|closing| *closing) => return,
            _ = changed.changed() => {}
            Some(ended) = tasks.join_next() => {
                if let Ok(id) = ended {
                    under_way.remove(&id);
                }
            }
            () = wait(&house, next) => {}
        }
    }
}

async fn wait(house: &House, next: Option<Timestamp>) {
    match next {
        Some(at) => tokio::time::sleep(Duration::from_millis(at.since_ms(house.relay.now()))).await,
        None => std::future::pending().await,
    }
}

struct Due {
    id: SubscriptionId,
    owner: OwnerId,
}

/// What to start now, and when the next thing is due that nothing else announces.
fn due(house: &House, under_way: &HashMap<SubscriptionId, OwnerId>) -> (Vec<Due>, Option<Timestamp>) {
    let now = house.relay.now();
    let world = house.relay.world();
    let mut owners: HashMap<OwnerId, usize> = HashMap::new();
    for owner in under_way.values() {
        *owners.entry(*owner).or_default() += 1;
    }
    let mut started = Vec::new();
    for (at, found) in world.subscriptions().due() {
        if at > now {
            return (started, Some(at));
        }
        if under_way.len() + started.len() >= limits::WEBHOOK_DELIVERIES_MAX {
            break;
        }
        let (id, owner) = (found.id(), found.created.owner);
        let of_owner = owners.entry(owner).or_default();
        if !under_way.contains_key(&id) && *of_owner < limits::WEBHOOK_DELIVERIES_PER_OWNER_MAX {
            *of_owner += 1;
            started.push(Due { id, owner });
        }
    }
    // Whoever had to wait is looked at again when something ends.
    (started, None)
}

/// Does what is due: calls, or wakes again.
async fn attend(house: &House, id: SubscriptionId) {
    let generation = {
        let world = house.relay.world();
        let Some(found) = world.subscriptions().get(id) else { return };
        match found.wake {
            Some(Wake::Issued) => Some(found.generation),
            None => None,
            Some(_) => return,
        }
    };
    match generation {
        Some(generation) => {
            let held = house.relay.hold_wake(id, generation);
            call(house, id, generation).await;
            drop(held);
        }
        None => {
            let _heard = house.note(Command::RetryWake { subscription: id }).await;
        }
    }
}

/// A delivery to be made.
struct Call {
    url: String,
    body: Vec<u8>,
    snapshot: Vec<Progress>,
}

async fn call(house: &House, subscription: SubscriptionId, generation: u64) {
    let Some((prepared, failures)) = prepare(house, subscription, generation) else { return };
    let answered = match &prepared {
        Some(call) => post(house, call).await.map_err(|unsent| reason(&unsent)),
        None => Err("whoever made it may no longer read its streams".to_owned()),
    };
    let reason = match (prepared, answered) {
        (Some(call), Ok(answer)) if answer.status.is_success() => {
            metrics::counter!(telemetry::WEBHOOK_DELIVERIES, "outcome" => "ok").increment(1);
            return taken(house, subscription, generation, &call, &answer).await;
        }
        (_, Ok(answer)) => format!("status {}", answer.status.as_u16()),
        (_, Err(reason)) => reason,
    };
    metrics::counter!(telemetry::WEBHOOK_DELIVERIES, "outcome" => "failed").increment(1);
    tracing::debug!(%subscription, generation, %reason, "a webhook was not delivered");
    let dice = random::bytes().map_or(0, u64::from_be_bytes);
    let retry_at = house.relay.now().plus_ms(retry_ms(failures, dice));
    let failed = Some((retry_at, reason));
    let _heard = house.note(Command::NoteDelivery { subscription, generation, failed }).await;
}

/// What to send, if the wake still stands, and how many attempts failed before; `None` inside if it may not be sent.
/// Asked each time: what may be read is a matter of now.
fn prepare(house: &House, id: SubscriptionId, generation: u64) -> Option<(Option<Call>, u32)> {
    let (found, sight, snapshot) = {
        let world = house.relay.world();
        let found = world.subscriptions().get(id)?;
        if found.leased() != Some(generation) || found.wake != Some(Wake::Issued) {
            return None;
        }
        let sight = sight(house, &world, found);
        let mut snapshot = found.news(&world);
        snapshot.retain(|progress| sight.is_some_and(|sight| sight.includes(progress)));
        (found.clone(), sight, snapshot)
    };
    let failures = found.retry.map_or(0, |retry| retry.attempts);
    let Delivery::Webhook { url } = &found.created.delivery else { return None };
    let Some(sight) = sight else { return Some((None, failures)) };
    let notification = Notification {
        subscription_id: found.created.name.to_string(),
        wake_id: render::wake_id(id, generation),
        generation,
        streams: render::news(house, &snapshot, sight),
        callback_url: render::action_url(house, &found, "callback"),
        callback_token: render::wake_token(house, id, generation).expose().to_owned(),
    };
    let body = serde_json::to_vec(&notification).ok()?;
    Some((Some(Call { url: url.clone(), body, snapshot }), failures))
}

/// What whoever made the subscription may see of it now; `None`: nothing.
fn sight(house: &House, world: &World, found: &Subscription) -> Option<Sight> {
    match found.maker {
        Actor::Key(key) => {
            let key = world.key(key).filter(|key| key.is_valid(house.relay.now()))?;
            let role = key.created.role;
            let own = key.created.owner == found.created.owner || role == Role::Admin;
            let sight = Sight { sessions: grants(role, Grant::SessionRead) };
            (own && grants(role, Grant::StreamRead)).then_some(sight)
        }
        Actor::Anonymous => {
            let may = house.settings.streams_anonymous.include(Grant::StreamRead);
            may.then_some(Sight { sessions: false })
        }
        _ => None,
    }
}

async fn post(house: &House, call: &Call) -> Result<Answer, Unsent> {
    let target = Target::parse(&call.url)?;
    let body = Bytes::copy_from_slice(&call.body);
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static("rcs"));
    let signature = house.webhook_keys.signature(house.relay.now(), &body);
    let signature = HeaderValue::try_from(signature).map_err(http::Error::from)?;
    headers.insert(HeaderName::from_static("webhook-signature"), signature);
    house.outbound.post(&target, headers, body).await
}

/// The webhook took it: it is done, or calls back.
async fn taken(house: &House, subscription: SubscriptionId, generation: u64, call: &Call, answer: &Answer) {
    let said = answer.body.as_ref().and_then(|body| serde_json::from_slice::<NotificationAnswer>(body).ok());
    if said.is_some_and(|said| said.done) {
        // Cursors may have moved by a callback, or streams gone, while it was at work: then what is left of the
        // snapshot counts. Each round that fails does so because of another such change.
        for _ in 0..3 {
            let acks = left(house, subscription, &call.snapshot);
            let command = Command::AckWake { subscription, generation, acks, done: true };
            match house.note(command).await {
                Err(RelayError::Refused(Refusal::BadAck { .. })) => {}
                _ => return,
            }
        }
    }
    let _heard = house.note(Command::NoteDelivery { subscription, generation, failed: None }).await;
}

fn left(house: &House, id: SubscriptionId, snapshot: &[Progress]) -> Vec<Acked> {
    let world = house.relay.world();
    let Some(found) = world.subscriptions().get(id) else { return Vec::new() };
    let stands = |progress: &&Progress| {
        let link = found.links.get(&progress.path);
        link.is_some_and(|link| link.feed == progress.feed && link.acked < progress.tail)
    };
    let acked = |progress: &Progress| Acked { path: progress.path.clone(), position: progress.tail };
    snapshot.iter().filter(stands).map(acked).collect()
}
