//! Taking a wake, moving cursors under it, and letting go of it.
//!
//! Who acks shows the token of the wake and nothing else: it was given to whoever does the work, which need not be
//! somebody with a key.

use http::StatusCode;

use super::{
    super::{caller::Caller, error::Failure},
    configure::sight,
    endpoint::Step,
    error::Problem,
    render,
};
use crate::{
    api::common::{BadRequest, Call, House, Response, identity, reply},
    domain::{
        Actor, Command, Outcome, Refusal, SubscriptionName, limits,
        subscription::{Acked, Subscription, feed},
    },
    relay::Lease,
    security::{
        throttle::ThrottleKind,
        token::{TokenError, TokenKind, WakeClaims, verify_wake},
    },
    wire::streams::subscription::{Ack, Claim, Claimed, Heard, Word},
};

pub(super) async fn claim(caller: &Caller<'_>, name: &SubscriptionName) -> Result<Response, Failure> {
    let house = caller.house;
    let body: Claim = caller.call.json().map_err(Problem::from)?;
    let sound = !body.worker.is_empty() && body.worker.len() <= limits::SUBSCRIPTION_TEXT_BYTES_MAX;
    if !sound || body.worker.chars().any(char::is_control) {
        let bad = BadRequest::parameter("worker", "must be a name of 1 to 1024 bytes without control characters");
        return Err(Problem::from(bad).into());
    }
    let owner = caller.namespace()?;
    let (subscription, lease_ttl_ms) = {
        let world = house.relay.world();
        let found = world.subscriptions().named(owner, name).ok_or(Problem::Absent)?;
        (found.id(), found.created.lease_ms)
    };
    let command = Command::ClaimWake { subscription, worker: body.worker };
    let generation = match house.relay.submit(caller.actor(), command).await.map_err(Problem::of)? {
        Outcome::Claimed { generation } => generation,
        Outcome::NothingPending => return Err(Problem::NothingPending.into()),
        other => return Err(Failure::unexpected(&other)),
    };
    let progress = {
        let world = house.relay.world();
        world.subscriptions().get(subscription).ok_or(Problem::Absent)?.news(&world)
    };
    let claimed = Claimed {
        wake_id: render::wake_id(subscription, generation),
        generation,
        token: render::wake_token(house, subscription, generation).expose().to_owned(),
        streams: render::news(house, &progress, sight(caller)),
        lease_ttl_ms,
    };
    Ok(super::uncached(reply::json(StatusCode::OK, &claimed)))
}

/// A callback, an ack or a release.
pub(super) async fn step(house: &House, call: &Call, name: &SubscriptionName, step: Step) -> Result<Response, Failure> {
    let claims = admit(house, call)?;
    let found = {
        let world = house.relay.world();
        world.subscriptions().get(claims.subscription).ok_or(Problem::Absent)?.clone()
    };
    if found.created.name != *name {
        return Err(Problem::Token(TokenError::Invalid(TokenKind::Wake)).into());
    }
    if found.is_pulled() == (step == Step::Callback) {
        return Err(Problem::Refused(Refusal::WrongDelivery { name: name.clone() }).into());
    }
    let word: Word = call.json().map_err(Problem::from)?;
    let (subscription, generation) = (claims.subscription, claims.generation);
    let stands = claims.epoch == house.relay.epoch()
        && word.generation == generation
        && word.wake_id == render::wake_id(subscription, generation)
        && found.leased() == Some(generation);
    if !stands {
        let fenced = Refusal::Fenced { given: word.generation, current: found.generation };
        return Err(Problem::Refused(fenced).into());
    }
    let actor = Actor::Woken(subscription);
    if step == Step::Release {
        let command = Command::ReleaseWake { subscription, generation };
        house.relay.submit(actor, command).await.map_err(Problem::of)?;
        return Ok(reply::empty(StatusCode::NO_CONTENT));
    }
    let acks = word.acks.iter().map(|ack| acked(house, &found, ack)).collect::<Result<Vec<_>, _>>()?;
    let command = Command::AckWake { subscription, generation, acks, done: word.done };
    let outcome = house.relay.submit(actor, command).await.map_err(Problem::of)?;
    let Outcome::Acked { next_wake } = outcome else { return Err(Failure::unexpected(&outcome)) };
    if !word.done {
        house.relay.renew(Lease::Wake(subscription, generation));
    }
    Ok(super::uncached(reply::json(StatusCode::OK, &Heard { ok: true, next_wake })))
}

/// What the token says. Bad ones are counted by address, like bad keys.
fn admit(house: &House, call: &Call) -> Result<WakeClaims, Failure> {
    let token = call.bearer().ok_or(Problem::NoToken)?;
    match verify_wake(&house.signing, token, house.relay.now()) {
        Ok(claims) => Ok(claims),
        Err(error) => {
            house.throttle.check(ThrottleKind::Login, identity::address(call))?;
            Err(Problem::from(error).into())
        }
    }
}

fn acked(house: &House, found: &Subscription, ack: &Ack) -> Result<Acked, Problem> {
    let unknown = || Problem::Offset { path: ack.stream.chars().take(limits::STREAM_NAME_BYTES_MAX).collect() };
    let path = feed::canonical(ack.stream.parse().map_err(|_| unknown())?);
    let link = found.links.get(&path).ok_or_else(unknown)?;
    let position = render::place(house, link.feed, &ack.offset).ok_or_else(unknown)?;
    Ok(Acked { path, position })
}
