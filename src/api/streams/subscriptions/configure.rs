//! Making, reading and ending subscriptions, and what they follow by name.

use std::collections::BTreeSet;

use http::StatusCode;

use super::{
    super::{caller::Caller, error::Failure},
    error::Problem,
    render::{self, Sight},
};
use crate::{
    api::common::{BadRequest, Response, outbound::Target, reply},
    domain::{
        Command, Outcome, SubscriptionId, SubscriptionName,
        limits::{self, LINKS_PER_SUBSCRIPTION_MAX},
        subscription::{Delivery, InvalidPath, Pattern, StreamPath, SubscriptionCreated, feed},
    },
    security::{fingerprint, throttle::ThrottleKind},
    wire::streams::subscription::{Kind, Streams, Wish},
};

fn invalid(name: &str, reason: &str) -> Problem {
    BadRequest::parameter(name, reason).into()
}

fn path(name: &'static str, text: &str) -> Result<StreamPath, Problem> {
    let parsed = text.parse().map(feed::canonical);
    parsed.map_err(|error: InvalidPath| invalid(name, &error.to_string()))
}

fn paths(texts: &[String]) -> Result<BTreeSet<StreamPath>, Problem> {
    if texts.len() > LINKS_PER_SUBSCRIPTION_MAX {
        return Err(invalid("streams", &format!("has more than {LINKS_PER_SUBSCRIPTION_MAX} entries")));
    }
    texts.iter().map(|text| path("streams", text)).collect()
}

pub(super) async fn create(caller: &Caller<'_>, name: &SubscriptionName) -> Result<Response, Failure> {
    // It may look a name up and look at all streams of its owner.
    caller.house.throttle.check(ThrottleKind::Registration, caller.throttle_key())?;
    let owner = caller.namespace()?;
    let wish: Wish = caller.call.json().map_err(Problem::from)?;
    let streams = paths(wish.streams.as_deref().unwrap_or_default())?;
    let pattern = wish.pattern.as_deref().filter(|text| !text.is_empty());
    let pattern = pattern.map(str::parse).transpose();
    let pattern = pattern.map_err(|error: InvalidPath| invalid("pattern", &error.to_string()))?;
    if pattern.is_none() && streams.is_empty() {
        return Err(invalid("pattern", "or streams must say what to follow").into());
    }
    let lease_ms = wish.lease_ttl_ms.unwrap_or(limits::WAKE_LEASE_MS_DEFAULT);
    if !(limits::WAKE_LEASE_MS_MIN..=limits::WAKE_LEASE_MS_MAX).contains(&lease_ms) {
        return Err(invalid("lease_ttl_ms", "must be an integer from 1000 to 600000").into());
    }
    if wish.description.as_ref().is_some_and(|text| text.len() > limits::SUBSCRIPTION_TEXT_BYTES_MAX) {
        return Err(invalid("description", "is longer than 1024 bytes").into());
    }
    let delivery = delivery(caller, &wish).await?;
    let mut created = SubscriptionCreated {
        subscription: SubscriptionId::from_uuid(caller.house.fresh()?),
        owner,
        name: name.clone(),
        delivery,
        pattern,
        lease_ms,
        description: wish.description,
        fingerprint: fingerprint([]),
    };
    created.fingerprint = configuration(&created, &streams);
    let command = Command::CreateSubscription { created, streams: streams.into_iter().collect() };
    let outcome = caller.house.relay.submit(caller.actor(), command).await.map_err(Problem::of)?;
    let Outcome::Subscription { created, .. } = outcome else { return Err(Failure::unexpected(&outcome)) };
    show_as(caller, name, if created { StatusCode::CREATED } else { StatusCode::OK })
}

async fn delivery(caller: &Caller<'_>, wish: &Wish) -> Result<Delivery, Failure> {
    match wish.kind {
        Kind::Webhook => {
            let webhook = wish.webhook.as_ref();
            let url = &webhook.ok_or_else(|| invalid("webhook", "must hold the url to be called"))?.url;
            let target = Target::parse(url).map_err(Problem::from)?;
            caller.house.outbound.examine(&target).await.map_err(Problem::from)?;
            Ok(Delivery::Webhook { url: url.clone() })
        }
        Kind::PullWake => {
            let stream = wish.wake_stream.as_deref().filter(|text| !text.is_empty());
            let stream = stream.ok_or_else(|| invalid("wake_stream", "must name the stream that workers read"))?;
            let wake_stream = path("wake_stream", stream)?;
            if wake_stream.as_str().split('/').next() == Some(feed::SESSIONS) {
                return Err(invalid("wake_stream", "must not be a session").into());
            }
            Ok(Delivery::PullWake { wake_stream })
        }
    }
}

/// Tells a repeated wish from another one. What is on disk was made by this: another order of the parts would refuse
/// every subscription of an earlier release.
fn configuration(created: &SubscriptionCreated, streams: &BTreeSet<StreamPath>) -> crate::domain::event::Fingerprint {
    let (kind, target) = match &created.delivery {
        Delivery::Webhook { url } => ("webhook", url.as_str()),
        Delivery::PullWake { wake_stream } => ("pull-wake", wake_stream.as_str()),
    };
    let pattern = created.pattern.as_ref().map(Pattern::as_str);
    let described = [pattern, created.description.as_deref()].map(|text| match text {
        None => vec![0],
        Some(text) => [&[1], text.as_bytes()].concat(),
    });
    let lease = created.lease_ms.to_be_bytes();
    let head = [kind.as_bytes(), target.as_bytes(), &described[0], &described[1], &lease];
    fingerprint(head.into_iter().chain(streams.iter().map(|path| path.as_str().as_bytes())))
}

fn find(caller: &Caller<'_>, name: &SubscriptionName) -> Result<SubscriptionId, Failure> {
    let owner = caller.namespace()?;
    let world = caller.house.relay.world();
    Ok(world.subscriptions().named(owner, name).ok_or(Problem::Absent)?.id())
}

pub(super) fn show(caller: &Caller<'_>, name: &SubscriptionName) -> Result<Response, Failure> {
    show_as(caller, name, StatusCode::OK)
}

fn show_as(caller: &Caller<'_>, name: &SubscriptionName, status: StatusCode) -> Result<Response, Failure> {
    let owner = caller.namespace()?;
    let (found, progress, left_out) = {
        let world = caller.house.relay.world();
        let found = world.subscriptions().named(owner, name).ok_or(Problem::Absent)?;
        (found.clone(), found.progress(&world).collect::<Vec<_>>(), found.left_out(&world))
    };
    let shown = render::subscription(caller.house, &found, &progress, left_out, sight(caller));
    Ok(super::uncached(reply::json(status, &shown)))
}

/// What the caller may see of a subscription in their namespace.
pub(super) fn sight(caller: &Caller<'_>) -> Sight {
    Sight { sessions: caller.may_read_sessions() }
}

/// Ending what is not there is done already.
pub(super) async fn delete(caller: &Caller<'_>, name: &SubscriptionName) -> Result<Response, Failure> {
    let Ok(subscription) = find(caller, name) else { return Ok(reply::empty(StatusCode::NO_CONTENT)) };
    let command = Command::DeleteSubscription { subscription };
    match caller.house.relay.submit(caller.actor(), command).await.map_err(Problem::of) {
        Ok(_) | Err(Failure::Subscription(Problem::Absent)) => Ok(reply::empty(StatusCode::NO_CONTENT)),
        Err(failure) => Err(failure),
    }
}

pub(super) async fn link(caller: &Caller<'_>, name: &SubscriptionName) -> Result<Response, Failure> {
    let body: Streams = caller.call.json().map_err(Problem::from)?;
    let streams: Vec<StreamPath> = paths(&body.streams)?.into_iter().collect();
    if streams.is_empty() {
        return Err(invalid("streams", "must name at least one stream").into());
    }
    let command = Command::LinkStreams { subscription: find(caller, name)?, streams };
    caller.house.relay.submit(caller.actor(), command).await.map_err(Problem::of)?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

pub(super) async fn unlink(
    caller: &Caller<'_>,
    name: &SubscriptionName,
    path: &StreamPath,
) -> Result<Response, Failure> {
    let path = feed::canonical(path.clone());
    let command = Command::UnlinkStream { subscription: find(caller, name)?, path };
    caller.house.relay.submit(caller.actor(), command).await.map_err(Problem::of)?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}
