//! Subscriptions look at every command's records before they are committed: what grew wakes them in the same commit,
//! what began or is gone changes what they follow.
//!
//! This stands behind the one door of the domain, so nothing that appends has to know of subscriptions. It costs one
//! look-up per record while nobody follows anything.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::{
        decide::Context,
        envelope::{Draft, Timestamp},
        event::Event,
        id::SubscriptionId,
        limits,
        stream::Stream,
        world::World,
    },
    Delivery, Linked, StreamPath, Subscription, Wake,
    decide::{draft, linked},
    feed::{self, Began, Change},
};

/// Adds what the drafts mean to subscriptions. Wake events that this appends to wake streams are looked at like all
/// else; it ends because a command wakes a subscription once.
pub(in super::super) fn follow(world: &World, context: &Context<'_>, drafts: &mut Vec<Draft>) {
    let book = world.subscriptions();
    if book.is_empty() {
        return;
    }
    // What the command itself does to a subscription was decided with all this in mind.
    let mut settled: BTreeSet<SubscriptionId> = drafts.iter().filter_map(subject).collect();
    let mut fresh: BTreeMap<Stream, Vec<(SubscriptionId, StreamPath)>> = BTreeMap::new();
    let own = drafts.len();
    let shut: BTreeSet<Stream> = drafts.iter().filter(|draft| ends(&draft.event)).map(|draft| draft.stream).collect();
    let mut seen = 0;
    while let Some(looked_at) = drafts.get(seen) {
        seen += 1;
        match feed::change(world, looked_at) {
            Some(Change::Began(new)) => {
                let followers = began(world, context.now, &new, drafts);
                fresh.insert(new.stream, followers.into_iter().map(|id| (id, new.path.clone())).collect());
                if new.with_news {
                    grew(world, context.now, new.stream, &fresh, &mut settled, drafts);
                }
            }
            Some(Change::Grew(stream)) => grew(world, context.now, stream, &fresh, &mut settled, drafts),
            Some(Change::Gone { path, stream }) => {
                let gone = |id| draft(id, Event::StreamGone { subscription: id, path: path.clone() });
                drafts.extend(book.following(stream).map(gone));
            }
            None => {}
        }
    }
    if !shut.is_empty() {
        // A wake stream that this very command closes takes no more words, though the world does not know it yet.
        let mut index = 0;
        drafts.retain(|draft| {
            index += 1;
            index <= own || !matches!(draft.event, Event::UserAppended(_)) || !shut.contains(&draft.stream)
        });
    }
}

fn ends(event: &Event) -> bool {
    match event {
        Event::UserAppended(appended) => appended.closes,
        Event::UserStreamClosed { .. } | Event::UserStreamDeleted { .. } => true,
        _ => false,
    }
}

const fn subject(draft: &Draft) -> Option<SubscriptionId> {
    match draft.stream {
        Stream::Subscription(id) => Some(id),
        _ => None,
    }
}

/// Links a new stream to all who wait for its path, before its first record: whatever is in it is news.
fn began(world: &World, now: Timestamp, new: &Began, drafts: &mut Vec<Draft>) -> Vec<SubscriptionId> {
    let Began { owner, path, stream, start, .. } = new;
    let mut followers = Vec::new();
    for found in world.subscriptions().of(*owner) {
        if let Delivery::PullWake { wake_stream } = &found.created.delivery
            && wake_stream == path
        {
            // Workers look for wakes there and nowhere else: tell the one that nobody could be told of.
            if found.wake == Some(Wake::Issued)
                && let Some(news) = found.pending(world)
            {
                drafts.extend(feed::tell_new(new, &wake_event(now, found, news, found.generation)));
            }
            // It would wake itself for ever.
            continue;
        }
        let known = found.links.get(path);
        let explicit = known.is_some_and(|link| link.explicit);
        let glob = found.created.pattern.as_ref().is_some_and(|pattern| pattern.matches(path));
        let room = known.is_some() || found.links.len() < limits::LINKS_PER_SUBSCRIPTION_MAX;
        if (explicit || glob) && room {
            let link = Linked { path: path.clone(), feed: Some(*stream), explicit, glob, acked: *start };
            drafts.extend(linked(found.id(), vec![link]));
            followers.push(found.id());
        }
    }
    followers
}

/// Wakes all who follow a stream and are idle.
fn grew(
    world: &World,
    now: Timestamp,
    stream: Stream,
    fresh: &BTreeMap<Stream, Vec<(SubscriptionId, StreamPath)>>,
    settled: &mut BTreeSet<SubscriptionId>,
    drafts: &mut Vec<Draft>,
) {
    let book = world.subscriptions();
    let idle = |id| {
        let found = book.get(id)?;
        let waits = found.retry.is_some_and(|retry| retry.at > now);
        (found.wake.is_none() && !waits).then_some(found)
    };
    for found in book.following(stream).filter_map(idle) {
        let path = feed::path(world, stream).filter(|path| found.links.contains_key(path));
        if let Some(path) = path
            && settled.insert(found.id())
        {
            announce(world, now, found, &path, drafts);
        }
    }
    for (id, path) in fresh.get(&stream).into_iter().flatten() {
        if let Some(found) = idle(*id)
            && settled.insert(*id)
        {
            announce(world, now, found, path, drafts);
        }
    }
}

/// The next wake, and the word of it for those who claim it.
pub(super) fn announce(
    world: &World,
    now: Timestamp,
    found: &Subscription,
    path: &StreamPath,
    drafts: &mut Vec<Draft>,
) {
    let (id, generation) = (found.id(), found.generation.saturating_add(1));
    drafts.push(draft(id, Event::SubscriptionWoken { subscription: id, generation, path: path.clone() }));
    drafts.extend(told(world, now, found, path, generation));
}

fn told(world: &World, now: Timestamp, found: &Subscription, path: &StreamPath, generation: u64) -> Option<Draft> {
    let Delivery::PullWake { wake_stream } = &found.created.delivery else { return None };
    feed::tell(world, found.created.owner, wake_stream, &wake_event(now, found, path, generation))
}

/// What workers read in the wake stream.
fn wake_event(now: Timestamp, found: &Subscription, path: &StreamPath, generation: u64) -> serde_json::Value {
    serde_json::json!({
        "type": "wake",
        "subscription_id": found.created.name,
        "stream": path,
        "generation": generation,
        "ts": now.0,
    })
}
