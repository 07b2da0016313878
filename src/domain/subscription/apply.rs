//! What the records of a subscription make of it. Decides nothing.

use super::{
    super::{envelope::Record, event::Event, stream::Stream, world::World},
    Link, Linked, Retry, StreamPath, Subscription, Subscriptions, Wake, WakeEnd,
};

pub(in super::super) fn apply(world: &mut World, record: &Record) {
    let Stream::Subscription(id) = record.stream else { return };
    let book = world.subscriptions_mut();
    match &record.event {
        Event::SubscriptionCreated(created) => book.insert(Subscription {
            created: created.clone(),
            created_at: record.at,
            maker: record.actor,
            links: std::collections::BTreeMap::new(),
            generation: 0,
            wake: None,
            retry: None,
            lapses: 0,
        }),
        Event::SubscriptionAdopted { .. } => book.change(id, |found| found.maker = record.actor),
        Event::SubscriptionDeleted { .. } => book.remove(id),
        Event::StreamsLinked { links, .. } => links.iter().for_each(|link| linked(book, id, link)),
        Event::StreamUnlinked { path, .. } => parted(book, id, path, |link| link.explicit = false),
        Event::StreamGone { path, .. } => parted(book, id, path, |link| {
            link.glob = false;
            link.feed = None;
        }),
        event => book.change(id, |found| turn(found, event)),
    }
}

fn linked(book: &mut Subscriptions, id: super::super::SubscriptionId, new: &Linked) {
    let known = book.get(id).and_then(|found| found.links.get(&new.path));
    let before = known.and_then(|link| link.feed);
    if let Some(stream) = before.filter(|stream| Some(*stream) != new.feed) {
        book.unfollow(stream, id);
    }
    if let Some(stream) = new.feed {
        book.follow(stream, id);
    }
    book.change(id, |found| {
        let fresh = Link { feed: None, explicit: false, glob: false, acked: new.acked };
        let link = found.links.entry(new.path.clone()).or_insert(fresh);
        // Another stream under the old path is read from where this record says; the same one from where it was.
        if link.feed != new.feed {
            link.feed = new.feed;
            link.acked = new.acked;
        }
        link.explicit |= new.explicit;
        link.glob |= new.glob;
    });
}

/// Takes a reason to follow away; without any, the stream is no longer followed.
fn parted(
    book: &mut Subscriptions,
    id: super::super::SubscriptionId,
    path: &StreamPath,
    change: impl FnOnce(&mut Link),
) {
    let mut left = None;
    book.change(id, |found| {
        let Some(link) = found.links.get_mut(path) else { return };
        let before = link.feed;
        change(link);
        let wanted = link.explicit || link.glob;
        if !wanted {
            found.links.remove(path);
        }
        let after = if wanted { found.links.get(path).and_then(|link| link.feed) } else { None };
        left = before.filter(|stream| after != Some(*stream));
    });
    if let Some(stream) = left {
        book.unfollow(stream, id);
    }
}

fn turn(found: &mut Subscription, event: &Event) {
    match event {
        Event::SubscriptionWoken { generation, .. } => {
            found.generation = *generation;
            found.wake = Some(Wake::Issued);
        }
        Event::WakeDelivered { .. } => {
            found.wake = Some(Wake::Delivered);
            found.retry = None;
        }
        Event::DeliveryFailed { attempts, retry_at, .. } => {
            found.retry = Some(Retry { attempts: *attempts, at: *retry_at });
        }
        Event::WakeClaimed { worker, .. } => found.wake = Some(Wake::Claimed { worker: worker.clone() }),
        Event::CursorsAcked { acks, .. } => {
            found.lapses = 0;
            for ack in acks {
                if let Some(link) = found.links.get_mut(&ack.path) {
                    link.acked = link.acked.max(ack.position);
                }
            }
        }
        Event::WakeEnded { end, again_at, .. } => {
            found.wake = None;
            let attempts = found.retry.map_or(0, |retry| retry.attempts);
            found.retry = again_at.map(|at| Retry { attempts, at });
            match end {
                WakeEnd::Expired => found.lapses = found.lapses.saturating_add(1),
                WakeEnd::Done => found.lapses = 0,
                WakeEnd::Released | WakeEnd::GivenUp | WakeEnd::Rested => {}
            }
        }
        _ => {}
    }
}
