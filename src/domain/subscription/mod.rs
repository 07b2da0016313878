//! Subscriptions: durable cursors over streams, and the wakes that tell somebody to come and read.
//!
//! A subscription is **idle** until a stream that it follows grows beyond its cursor there. That wakes it, in the same
//! commit as what grew: the generation goes up by one, and whoever works under an older generation is fenced off from
//! then on. A wake stands until it is acked as done, released, or its lease ends; if there is news left, the next one
//! follows at once. There is never more than one.
//!
//! What is pending is no state of its own: it is the stream's tail against the cursor. Leases are kept in memory and
//! begin anew after a restart; their ends are commands.

mod apply;
mod book;
mod decide;
pub mod feed;
mod follow;
pub mod pattern;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use book::Subscriptions;
pub use feed::Position;
pub use pattern::{InvalidPath, Pattern, StreamPath};

pub(super) use apply::apply;
pub use decide::backoff_ms;
pub(super) use decide::{ack, claim, create, delete, expire, link, note_delivery, release, retry, unlink};
pub(super) use follow::follow;

use super::{
    envelope::{Actor, Timestamp},
    event::Fingerprint,
    id::{OwnerId, SubscriptionId, SubscriptionName},
    limits,
    stream::Stream,
    world::World,
};

/// See [`Event::SubscriptionCreated`](super::Event::SubscriptionCreated).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionCreated {
    pub subscription: SubscriptionId,
    pub owner: OwnerId,
    pub name: SubscriptionName,
    pub delivery: Delivery,
    pub pattern: Option<Pattern>,
    pub lease_ms: u64,
    pub description: Option<String>,
    /// Digest of the whole configuration, the explicit streams included: tells a repetition from another wish.
    pub fingerprint: Fingerprint,
}

/// How its wakes reach somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// We call this URL.
    Webhook { url: String },
    /// Workers read this stream of the same owner and race to claim.
    PullWake { wake_stream: StreamPath },
}

/// A stream that becomes followed. See [`Event::StreamsLinked`](super::Event::StreamsLinked).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Linked {
    pub path: StreamPath,
    /// `None`: nothing has that path yet.
    pub feed: Option<Stream>,
    /// By name, as opposed to by the pattern.
    pub explicit: bool,
    pub glob: bool,
    /// Where its cursor starts, if it has none there.
    pub acked: Position,
}

/// A cursor that moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acked {
    pub path: StreamPath,
    pub position: Position,
}

/// How a wake ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WakeEnd {
    /// Whoever had it is done.
    Done,
    /// Whoever had it gave it back.
    Released,
    /// Its lease ended.
    Expired,
    /// Too many deliveries in a row failed.
    GivenUp,
    /// There was nothing left to wake for.
    Rested,
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    pub created: SubscriptionCreated,
    pub created_at: Timestamp,
    /// Whose credential it was last confirmed with: deliveries rest on it.
    pub maker: Actor,
    pub links: BTreeMap<StreamPath, Link>,
    /// Goes up by one with each wake; 0 before the first.
    pub generation: u64,
    /// How far the wake of this generation got; `None`: idle.
    pub wake: Option<Wake>,
    /// When to try again after a delivery that failed or a lease that ran out more than once.
    pub retry: Option<Retry>,
    /// Leases that ran out in a row without anything acked.
    lapses: u32,
}

/// A followed stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub feed: Option<Stream>,
    pub explicit: bool,
    pub glob: bool,
    /// The last offset that was dealt with.
    pub acked: Position,
}

/// How far a wake got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wake {
    /// Nobody is known to have it.
    Issued,
    /// The webhook took it.
    Delivered,
    /// A worker has it.
    Claimed { worker: String },
}

/// The wait after failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Attempts that failed in a row.
    pub attempts: u32,
    pub at: Timestamp,
}

/// A followed stream against its tail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    pub path: StreamPath,
    pub feed: Option<Stream>,
    pub explicit: bool,
    pub acked: Position,
    pub tail: Position,
}

impl Progress {
    /// Whether there is news.
    pub fn is_pending(&self) -> bool {
        self.tail > self.acked
    }
}

impl Subscription {
    /// Its id.
    pub const fn id(&self) -> SubscriptionId {
        self.created.subscription
    }

    /// Whether workers claim its wakes.
    pub const fn is_pulled(&self) -> bool {
        matches!(self.created.delivery, Delivery::PullWake { .. })
    }

    /// The generation of the wake that a lease stands for, if there is one: what is delivered or claimed, and a webhook
    /// that is about to be called.
    pub fn leased(&self) -> Option<u64> {
        match self.wake.as_ref()? {
            Wake::Issued if self.is_pulled() => None,
            _ => Some(self.generation),
        }
    }

    /// All its streams with how far each got, in the order of their paths.
    pub fn progress<'a>(&'a self, world: &'a World) -> impl Iterator<Item = Progress> + 'a {
        self.links.iter().map(|(path, link)| Progress {
            path: path.clone(),
            feed: link.feed,
            explicit: link.explicit,
            acked: link.acked,
            tail: link.tail(world),
        })
    }

    /// What a wake tells: streams with news first, at most [`limits::WAKE_STREAMS_MAX`].
    pub fn news(&self, world: &World) -> Vec<Progress> {
        let (mut pending, settled): (Vec<_>, Vec<_>) = self.progress(world).partition(Progress::is_pending);
        pending.extend(settled);
        pending.truncate(limits::WAKE_STREAMS_MAX);
        pending
    }

    /// How many streams its pattern means that it does not follow, because it follows
    /// [`limits::LINKS_PER_SUBSCRIPTION_MAX`] already. Those are not linked later either: said, so that nobody waits.
    pub fn left_out(&self, world: &World) -> usize {
        let Some(pattern) = &self.created.pattern else { return 0 };
        if self.links.len() < limits::LINKS_PER_SUBSCRIPTION_MAX {
            return 0;
        }
        let own = match &self.created.delivery {
            Delivery::PullWake { wake_stream } => Some(wake_stream),
            Delivery::Webhook { .. } => None,
        };
        let meant = feed::matching(world, self.created.owner, pattern);
        meant.filter(|(path, _, _)| Some(path) != own && !self.links.contains_key(path)).count()
    }

    /// The first stream with news, if any has.
    fn pending(&self, world: &World) -> Option<&StreamPath> {
        self.links.iter().find(|(_, link)| link.tail(world) > link.acked).map(|(path, _)| path)
    }

    /// When the server has to do something about it without being asked: call its webhook, or wake it again.
    fn due(&self) -> Option<Timestamp> {
        match (&self.wake, self.retry) {
            (Some(Wake::Issued), retry) if !self.is_pulled() => Some(retry.map_or(Timestamp(0), |retry| retry.at)),
            (None, Some(retry)) => Some(retry.at),
            _ => None,
        }
    }
}

impl Link {
    fn tail(&self, world: &World) -> Position {
        // What is gone or not yet there has nothing to say.
        self.feed.map_or(self.acked, |stream| feed::tail(world, stream).max(self.acked))
    }
}
