//! Who is woken when streams grow: a list to look at.

use http::StatusCode;

use super::{
    caller::Caller,
    error::Failure,
    json,
    page::{Order, Place, Slice},
};
use crate::{
    api::common::Response,
    domain::{
        SubscriptionId, World,
        subscription::{self, Progress, Wake},
    },
    security::{Grant, grant, recipient::host},
    wire::web::{Delivery, Page, Subscription, WakeState},
};

pub(super) fn list(caller: &Caller<'_>) -> Result<Response, Failure> {
    let slice = Slice::of(caller, Order::NewestFirst)?;
    let scope = caller.principal.scope();
    // Runners may read streams and not sessions; that there are any is nothing to them either.
    let with_sessions = grant::holds(&caller.principal, Grant::SessionRead).is_ok();
    let world = caller.house.relay.world();
    let found = world.subscriptions().iter().filter(|found| scope.includes(found.created.owner));
    let (places, next) = slice.cut(found.map(|found| Place::new(found.created_at, found.id().uuid())));
    let shown = places.iter().filter_map(|place| world.subscriptions().get(SubscriptionId::from_uuid(place.id)));
    let items: Vec<Subscription> = shown.map(|found| shown_one(found, &world, with_sessions)).collect();
    drop(world);
    Ok(json(StatusCode::OK, &Page { items, next }))
}

fn shown_one(found: &subscription::Subscription, world: &World, with_sessions: bool) -> Subscription {
    let is_shown =
        |progress: &Progress| with_sessions || !matches!(progress.feed, Some(crate::domain::Stream::Session(_)));
    let (mut streams, mut streams_pending) = (0, 0);
    for progress in found.progress(world).filter(is_shown) {
        streams += 1;
        streams_pending += u64::from(progress.is_pending());
    }
    Subscription {
        id: found.id(),
        owner_id: found.created.owner,
        name: found.created.name.as_str().to_owned(),
        delivery: match &found.created.delivery {
            subscription::Delivery::Webhook { url } => Delivery::Webhook { host: host(url).to_owned() },
            subscription::Delivery::PullWake { wake_stream } => {
                Delivery::PullWake { stream: wake_stream.as_str().to_owned() }
            }
        },
        pattern: found.created.pattern.as_ref().map(ToString::to_string),
        created_at: found.created_at.to_string(),
        streams,
        streams_pending,
        state: match found.wake {
            None => WakeState::Idle,
            Some(Wake::Issued) => WakeState::Issued,
            Some(Wake::Delivered) => WakeState::Delivered,
            Some(Wake::Claimed { .. }) => WakeState::Claimed,
        },
        generation: found.generation,
        failures: found.retry.map_or(0, |retry| retry.attempts),
        retry_at: found.retry.map(|retry| retry.at.to_string()),
    }
}
