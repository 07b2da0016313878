//! What may be asked of a subscription, and what it comes to.
//!
//! Every word about a wake names its generation. A word about another one than the current changes nothing: it is
//! refused where somebody waits for the answer, and passed over where the server talks to itself.

use std::collections::BTreeMap;

use super::{
    super::{
        command::{Outcome, Refusal},
        decide::{Context, Decided},
        envelope::{Draft, Timestamp},
        event::Event,
        id::{OwnerId, SubscriptionId},
        limits,
        stream::Stream,
        world::World,
    },
    Acked, Delivery, Linked, Pattern, StreamPath, Subscription, SubscriptionCreated, Wake, WakeEnd, feed,
    follow::announce,
};

fn find(world: &World, id: SubscriptionId) -> Result<&Subscription, Refusal> {
    world.subscriptions().get(id).ok_or(Refusal::NoSubscription(id))
}

pub(super) const fn draft(id: SubscriptionId, event: Event) -> Draft {
    Draft::new(Stream::Subscription(id), event)
}

pub(in super::super) fn create(
    world: &World,
    context: &Context<'_>,
    created: SubscriptionCreated,
    streams: &[StreamPath],
) -> Result<Decided, Refusal> {
    let book = world.subscriptions();
    if let Some(known) = book.named(created.owner, &created.name) {
        if known.created.fingerprint != created.fingerprint {
            return Err(Refusal::SubscriptionDiffers { name: created.name });
        }
        let outcome = Outcome::Subscription { subscription: known.id(), created: false };
        if known.maker == context.actor {
            return Ok(Decided::nothing(outcome));
        }
        // From now on its deliveries rest on this credential: the earlier one may be revoked.
        let adopted = draft(known.id(), Event::SubscriptionAdopted { subscription: known.id() });
        return Ok(Decided::one(adopted, outcome));
    }
    full("the list of subscriptions", book.len(), limits::SUBSCRIPTIONS_MAX)?;
    full("your list of subscriptions", book.of(created.owner).count(), limits::SUBSCRIPTIONS_PER_OWNER_MAX)?;
    let wake_stream = match &created.delivery {
        Delivery::PullWake { wake_stream } => Some(wake_stream),
        Delivery::Webhook { .. } => None,
    };
    let links = first_links(world, created.owner, created.pattern.as_ref(), streams, wake_stream)?;
    let id = created.subscription;
    let mut drafts = vec![draft(id, Event::SubscriptionCreated(created))];
    drafts.extend(linked(id, links));
    Ok(Decided { drafts, outcome: Outcome::Subscription { subscription: id, created: true } })
}

/// Streams that exist are linked at their tails: a subscription begins with what comes.
fn first_links(
    world: &World,
    owner: OwnerId,
    pattern: Option<&Pattern>,
    streams: &[StreamPath],
    wake_stream: Option<&StreamPath>,
) -> Result<Vec<Linked>, Refusal> {
    let mut links: BTreeMap<StreamPath, Linked> = BTreeMap::new();
    for path in streams {
        links.entry(path.clone()).or_insert_with(|| explicit(world, owner, path));
    }
    if wake_stream.is_some_and(|own| links.contains_key(own)) {
        return Err(Refusal::OwnWakeStream);
    }
    let matching = pattern.into_iter().flat_map(|pattern| {
        feed::matching(world, owner, pattern).filter(move |(path, _, _)| Some(path) != wake_stream)
    });
    for (path, stream, tail) in matching {
        let link = links.entry(path.clone());
        link.or_insert(Linked { path, feed: Some(stream), explicit: false, glob: true, acked: tail }).glob = true;
        full("the subscription", links.len(), limits::LINKS_PER_SUBSCRIPTION_MAX + 1)?;
    }
    Ok(links.into_values().collect())
}

fn explicit(world: &World, owner: OwnerId, path: &StreamPath) -> Linked {
    let found = feed::find(world, owner, path);
    let (stream, acked) = found.map_or((None, feed::START), |(stream, tail)| (Some(stream), tail));
    Linked { path: path.clone(), feed: stream, explicit: true, glob: false, acked }
}

pub(super) fn linked(id: SubscriptionId, links: Vec<Linked>) -> impl Iterator<Item = Draft> {
    let mut links = links.into_iter().peekable();
    std::iter::from_fn(move || {
        links.peek()?;
        let links = links.by_ref().take(limits::LINKS_PER_RECORD_MAX).collect();
        Some(draft(id, Event::StreamsLinked { subscription: id, links }))
    })
}

fn full(what: &'static str, count: usize, max: usize) -> Result<(), Refusal> {
    if count >= max { Err(Refusal::Full { what, max }) } else { Ok(()) }
}

pub(in super::super) fn delete(world: &World, id: SubscriptionId) -> Result<Decided, Refusal> {
    find(world, id)?;
    Ok(Decided::one(draft(id, Event::SubscriptionDeleted { subscription: id }), Outcome::Done))
}

pub(in super::super) fn link(world: &World, id: SubscriptionId, streams: &[StreamPath]) -> Result<Decided, Refusal> {
    let found = find(world, id)?;
    let mut links: BTreeMap<&StreamPath, Linked> = BTreeMap::new();
    for path in streams.iter().filter(|path| found.links.get(*path).is_none_or(|link| !link.explicit)) {
        if matches!(&found.created.delivery, Delivery::PullWake { wake_stream } if wake_stream == path) {
            return Err(Refusal::OwnWakeStream);
        }
        links.entry(path).or_insert_with(|| explicit(world, found.created.owner, path));
    }
    let fresh = links.keys().filter(|path| !found.links.contains_key(**path)).count();
    full("the subscription", found.links.len() + fresh, limits::LINKS_PER_SUBSCRIPTION_MAX + 1)?;
    let drafts: Vec<Draft> = linked(id, links.into_values().collect()).collect();
    let outcome = if drafts.is_empty() { Outcome::Unchanged } else { Outcome::Done };
    Ok(Decided { drafts, outcome })
}

pub(in super::super) fn unlink(world: &World, id: SubscriptionId, path: StreamPath) -> Result<Decided, Refusal> {
    if !find(world, id)?.links.get(&path).is_some_and(|link| link.explicit) {
        return Ok(Decided::nothing(Outcome::Unchanged));
    }
    Ok(Decided::one(draft(id, Event::StreamUnlinked { subscription: id, path }), Outcome::Done))
}

pub(in super::super) fn claim(
    world: &World,
    context: &Context<'_>,
    id: SubscriptionId,
    worker: String,
) -> Result<Decided, Refusal> {
    let found = find(world, id)?;
    if !found.is_pulled() {
        return Err(Refusal::WrongDelivery { name: found.created.name.clone() });
    }
    if let Some(Wake::Claimed { worker }) = &found.wake {
        return Err(Refusal::AlreadyClaimed { holder: worker.clone(), generation: found.generation });
    }
    let mut drafts = Vec::new();
    let Some(path) = found.pending(world) else {
        // Its streams were taken away from it. Nobody must wait for this wake any more.
        if found.wake.is_some() {
            drafts.push(ended(found, WakeEnd::Rested, None));
        }
        return Ok(Decided { drafts, outcome: Outcome::NothingPending });
    };
    let mut generation = found.generation;
    if found.wake.is_none() {
        generation += 1;
        announce(world, context.now, found, path, &mut drafts);
    }
    drafts.push(draft(id, Event::WakeClaimed { subscription: id, generation, worker }));
    Ok(Decided { drafts, outcome: Outcome::Claimed { generation } })
}

/// The subscription, if this generation's wake stands and somebody may have it.
fn fenced(world: &World, id: SubscriptionId, generation: u64) -> Result<&Subscription, Refusal> {
    let found = find(world, id)?;
    if found.leased() != Some(generation) {
        return Err(Refusal::Fenced { given: generation, current: found.generation });
    }
    Ok(found)
}

pub(in super::super) fn ack(
    world: &World,
    context: &Context<'_>,
    id: SubscriptionId,
    generation: u64,
    acks: &[Acked],
    done: bool,
) -> Result<Decided, Refusal> {
    let found = fenced(world, id, generation)?;
    let mut moved: BTreeMap<&StreamPath, Acked> = BTreeMap::new();
    for ack in acks {
        let bad = |problem| Refusal::BadAck { path: ack.path.clone(), problem };
        let link = found.links.get(&ack.path).ok_or_else(|| bad("is no stream of this subscription"))?;
        if ack.position < link.acked {
            return Err(bad("was acked beyond this offset before"));
        }
        if ack.position > link.tail(world) {
            return Err(bad("is not that long yet"));
        }
        if ack.position > link.acked && moved.get(&ack.path).is_none_or(|known| known.position < ack.position) {
            moved.insert(&ack.path, ack.clone());
        }
    }
    let mut drafts = Vec::new();
    if found.wake == Some(Wake::Issued) && !done {
        // It speaks, so it has the wake, whatever became of our request to it.
        drafts.push(draft(id, Event::WakeDelivered { subscription: id, generation }));
    }
    let left = found.links.iter().find(|(path, link)| {
        let acked = moved.get(path).map_or(link.acked, |ack| ack.position);
        link.tail(world) > acked
    });
    if !moved.is_empty() {
        let acks = moved.into_values().collect();
        drafts.push(draft(id, Event::CursorsAcked { subscription: id, generation, acks }));
    }
    if done {
        drafts.push(ended(found, WakeEnd::Done, None));
        if let Some((path, _)) = left {
            announce(world, context.now, found, path, &mut drafts);
        }
    }
    Ok(Decided { drafts, outcome: Outcome::Acked { next_wake: done && left.is_some() } })
}

pub(in super::super) fn release(
    world: &World,
    context: &Context<'_>,
    id: SubscriptionId,
    generation: u64,
) -> Result<Decided, Refusal> {
    let found = fenced(world, id, generation)?;
    let mut drafts = vec![ended(found, WakeEnd::Released, None)];
    if let Some(path) = found.pending(world) {
        announce(world, context.now, found, path, &mut drafts);
    }
    Ok(Decided { drafts, outcome: Outcome::Done })
}

pub(in super::super) fn expire(world: &World, context: &Context<'_>, id: SubscriptionId, generation: u64) -> Decided {
    let Ok(found) = fenced(world, id, generation) else { return Decided::nothing(Outcome::Unchanged) };
    let Some(path) = found.pending(world) else {
        return Decided::one(ended(found, WakeEnd::Expired, None), Outcome::Done);
    };
    let scheduled = found.retry.map(|retry| retry.at).filter(|at| *at > context.now);
    let again_at = scheduled.or_else(|| rest(found, context.now));
    let mut drafts = vec![ended(found, WakeEnd::Expired, again_at)];
    if again_at.is_none() {
        announce(world, context.now, found, path, &mut drafts);
    }
    Decided { drafts, outcome: Outcome::Done }
}

/// How long a webhook rests that took its wakes and let their leases run out: the first time it is woken again at once,
/// then ever later, or a receiver that answers 200 and does nothing would fill the journal with wakes.
fn rest(found: &Subscription, now: Timestamp) -> Option<Timestamp> {
    let lapses = found.lapses.checked_sub(1).filter(|_| !found.is_pulled())?;
    Some(now.plus_ms(backoff_ms(lapses)))
}

/// How long to wait after so many failures before this one: doubled each time, between the protocol's bounds.
pub fn backoff_ms(failures_before: u32) -> u64 {
    let factor = 1_u64.checked_shl(failures_before).filter(|_| failures_before < 32).unwrap_or(u64::MAX);
    limits::WEBHOOK_RETRY_MS_MIN.saturating_mul(factor).min(limits::WEBHOOK_RETRY_MS_MAX)
}

/// What became of a webhook's delivery. `failed`: when to try again, and why it failed, for the operator.
pub(in super::super) fn note_delivery(
    world: &World,
    id: SubscriptionId,
    generation: u64,
    failed: Option<(Timestamp, String)>,
) -> Decided {
    let found = fenced(world, id, generation).ok().filter(|found| found.wake == Some(Wake::Issued));
    // Somebody called back before the answer to the delivery itself came in, or the lease ended.
    let Some(found) = found else { return Decided::nothing(Outcome::Unchanged) };
    let Some((retry_at, reason)) = failed else {
        return Decided::one(draft(id, Event::WakeDelivered { subscription: id, generation }), Outcome::Done);
    };
    let attempts = found.retry.map_or(0, |retry| retry.attempts).saturating_add(1);
    let failed = Event::DeliveryFailed { subscription: id, generation, attempts, retry_at, reason };
    let mut drafts = vec![draft(id, failed)];
    if attempts >= limits::WEBHOOK_ATTEMPTS_MAX {
        drafts.push(ended(found, WakeEnd::GivenUp, None));
    }
    Decided { drafts, outcome: Outcome::Done }
}

/// The wait after failures is over.
pub(in super::super) fn retry(world: &World, context: &Context<'_>, id: SubscriptionId) -> Decided {
    let Some(found) = world.subscriptions().get(id) else { return Decided::nothing(Outcome::Unchanged) };
    if found.wake.is_some() || found.retry.is_none_or(|retry| retry.at > context.now) {
        return Decided::nothing(Outcome::Unchanged);
    }
    let Some(path) = found.pending(world) else {
        return Decided::one(ended(found, WakeEnd::Rested, None), Outcome::Done);
    };
    let mut drafts = Vec::new();
    announce(world, context.now, found, path, &mut drafts);
    Decided { drafts, outcome: Outcome::Done }
}

fn ended(found: &Subscription, end: WakeEnd, again_at: Option<Timestamp>) -> Draft {
    let (id, generation) = (found.id(), found.generation);
    draft(id, Event::WakeEnded { subscription: id, generation, end, again_at })
}
