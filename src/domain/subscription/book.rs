//! All subscriptions, and the ways to find them: by id, by name, by a stream that grew, by what is due.
//!
//! The indexes are functions of the subscriptions and rebuilt with each change; nobody else may keep one.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    super::{
        envelope::Timestamp,
        id::{OwnerId, SubscriptionId, SubscriptionName},
        stream::Stream,
    },
    Subscription,
};

/// See the module.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Subscriptions {
    all: HashMap<SubscriptionId, Subscription>,
    names: HashMap<OwnerId, BTreeMap<SubscriptionName, SubscriptionId>>,
    /// Who follows a stream: what an append costs does not depend on who follows others.
    followers: HashMap<Stream, BTreeSet<SubscriptionId>>,
    due: BTreeSet<(Timestamp, SubscriptionId)>,
}

impl Subscriptions {
    /// Whether there are none: then nobody needs to look.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Subscription> {
        self.all.values()
    }

    /// One by its id.
    pub fn get(&self, id: SubscriptionId) -> Option<&Subscription> {
        self.all.get(&id)
    }

    /// One by its name.
    pub fn named(&self, owner: OwnerId, name: &SubscriptionName) -> Option<&Subscription> {
        self.names.get(&owner)?.get(name).and_then(|id| self.all.get(id))
    }

    /// Those of one owner, by name.
    pub fn of(&self, owner: OwnerId) -> impl Iterator<Item = &Subscription> {
        self.names.get(&owner).into_iter().flat_map(BTreeMap::values).filter_map(|id| self.all.get(id))
    }

    /// Those that follow a stream, in the order of their ids.
    pub fn following(&self, stream: Stream) -> impl Iterator<Item = SubscriptionId> {
        self.followers.get(&stream).into_iter().flatten().copied()
    }

    /// Those about which the server has to do something, the most urgent first, with the time from which on.
    pub fn due(&self) -> impl Iterator<Item = (Timestamp, &Subscription)> {
        self.due.iter().filter_map(|(at, id)| Some((*at, self.all.get(id)?)))
    }

    pub(super) fn insert(&mut self, subscription: Subscription) {
        let (id, owner) = (subscription.id(), subscription.created.owner);
        self.names.entry(owner).or_default().insert(subscription.created.name.clone(), id);
        self.all.insert(id, subscription);
    }

    pub(super) fn remove(&mut self, id: SubscriptionId) {
        let Some(gone) = self.all.remove(&id) else { return };
        if let Some(names) = self.names.get_mut(&gone.created.owner) {
            names.remove(&gone.created.name);
            if names.is_empty() {
                self.names.remove(&gone.created.owner);
            }
        }
        if let Some(at) = gone.due() {
            self.due.remove(&(at, id));
        }
        for stream in gone.links.values().filter_map(|link| link.feed) {
            self.unfollow(stream, id);
        }
    }

    /// Changes one. What it follows is changed by [`follow`](Self::follow) and [`unfollow`](Self::unfollow) alone.
    pub(super) fn change(&mut self, id: SubscriptionId, change: impl FnOnce(&mut Subscription)) {
        let Some(found) = self.all.get_mut(&id) else { return };
        let before = found.due();
        change(found);
        let after = found.due();
        if before != after {
            before.map(|at| self.due.remove(&(at, id)));
            after.map(|at| self.due.insert((at, id)));
        }
    }

    pub(super) fn follow(&mut self, stream: Stream, id: SubscriptionId) {
        self.followers.entry(stream).or_default().insert(id);
    }

    pub(super) fn unfollow(&mut self, stream: Stream, id: SubscriptionId) {
        if let Some(followers) = self.followers.get_mut(&stream) {
            followers.remove(&id);
            if followers.is_empty() {
                self.followers.remove(&stream);
            }
        }
    }
}
