//! Where people are told that an agent waits for them, and what was told there.
//!
//! A target rests on the key, or the browser acting for it, that it was added with: it hears of what that key may read,
//! and of nothing once the key is revoked or the browser signed out. Its address is a secret (whoever knows a push
//! endpoint, a webhook's URL or an ntfy topic may speak there), so it is here only in a sealed form that nobody on this
//! floor can open.
//!
//! What was told stands here until it is settled and that was told as well: a restart tells nothing twice and forgets
//! nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{
    command::{Outcome, Refusal},
    decide::{Context, Decided},
    envelope::{Draft, Record, Sequence, Timestamp},
    event::{Event, Fingerprint, Status},
    id::{DeviceId, KeyId, OwnerId, SessionId, TargetId},
    limits,
    stream::Stream,
    world::World,
};

/// See [`Event::TargetAdded`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetAdded {
    pub target: TargetId,
    pub owner: OwnerId,
    /// On whose rights it rests.
    pub key: KeyId,
    /// The browser that it is, or that added it.
    pub device: Option<DeviceId>,
    pub kind: TargetKind,
    /// What people know it by.
    pub name: String,
    /// The host that it lies on, which is all that is shown of its address.
    pub host: String,
    pub sealed: Sealed,
    /// Digest of the address, to know it again. Keyed, so that a topic cannot be guessed from it.
    pub fingerprint: Fingerprint,
    /// It is told of the end of turns as well.
    #[serde(default)]
    pub turns: bool,
    /// What it is told may carry the right to answer.
    #[serde(default)]
    pub answers: bool,
    /// It comes from the configuration and is removed when it is gone from there.
    #[serde(default)]
    pub configured: bool,
}

/// An address, as only the vault can open it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(pub ByteBuf);

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealed(..)")
    }
}

/// How it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// A browser, over its maker's push service.
    WebPush,
    /// Somebody's program.
    Webhook,
    /// A topic of an ntfy server.
    Ntfy,
}

/// Why it is told nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetEnd {
    /// Somebody wanted that.
    Removed,
    /// Its browser has another address now.
    Replaced,
    /// Whoever lies there said that it is gone.
    Gone,
    /// Its key was revoked, or its browser signed out.
    Revoked,
    /// It is no longer in the configuration.
    Unconfigured,
}

/// What became of telling it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetNews {
    Told { session: SessionId, asked: Sequence },
    Withdrawn { session: SessionId, asked: Sequence },
    Failed { reason: String },
}

/// A target and what it knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub added: TargetAdded,
    pub added_at: Timestamp,
    /// When it last took something.
    pub told_at: Option<Timestamp>,
    /// Since when it takes nothing, and why.
    pub failing: Option<(Timestamp, String)>,
    /// Questions that it was told of and that it was not told the end of.
    told: BTreeMap<(SessionId, Sequence), Timestamp>,
}

impl Target {
    /// Its id.
    pub const fn id(&self) -> TargetId {
        self.added.target
    }

    /// How many questions it can still be told of, before it was told the end of others.
    pub fn room(&self) -> usize {
        limits::TARGET_TOLD_MAX.saturating_sub(self.told.len())
    }

    /// Whether it was told of this question.
    pub fn knows(&self, session: SessionId, asked: Sequence) -> bool {
        self.told.contains_key(&(session, asked))
    }

    /// What it was told of and not told the end of, yet.
    pub fn told(&self) -> impl Iterator<Item = (SessionId, Sequence)> {
        self.told.keys().copied()
    }

    /// Whether its key, and its browser if it has one, are still good. A configured one lasts as long as it is
    /// configured, and its key is asked all the same.
    pub fn is_backed(&self, world: &World, now: Timestamp) -> bool {
        let browser = self.added.device.map(|device| world.devices().get(device));
        world.key(self.added.key).is_some_and(|key| key.is_valid(now))
            && browser.is_none_or(|found| found.is_some_and(|device| device.is_valid(now)))
    }
}

/// All of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Targets {
    all: HashMap<TargetId, Target>,
    owners: HashMap<OwnerId, BTreeSet<TargetId>>,
}

impl Targets {
    /// Whether there are none: then nobody needs to look.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// One by its id.
    pub fn get(&self, id: TargetId) -> Option<&Target> {
        self.all.get(&id)
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Target> {
        self.all.values()
    }

    /// Those of one owner, the oldest first.
    pub fn of(&self, owner: OwnerId) -> impl Iterator<Item = &Target> {
        self.owners.get(&owner).into_iter().flatten().filter_map(|id| self.all.get(id))
    }

    pub(super) fn apply(&mut self, record: &Record) {
        match &record.event {
            Event::TargetAdded(added) => {
                self.owners.entry(added.owner).or_default().insert(added.target);
                let target = Target {
                    added: added.clone(),
                    added_at: record.at,
                    told_at: None,
                    failing: None,
                    told: BTreeMap::new(),
                };
                self.all.insert(added.target, target);
            }
            Event::TargetRemoved { target, .. } => self.remove(*target),
            Event::TargetChanged { target, turns } => self.change(*target, |found| found.added.turns = *turns),
            Event::TargetTold { target, session, asked } => self.change(*target, |found| {
                if found.told.len() >= limits::TARGET_TOLD_MAX {
                    let oldest = found.told.iter().min_by_key(|(place, at)| (**at, **place)).map(|(place, _)| *place);
                    oldest.map(|place| found.told.remove(&place));
                }
                found.told.insert((*session, *asked), record.at);
                (found.told_at, found.failing) = (Some(record.at), None);
            }),
            Event::TargetWithdrawn { target, session, asked } => self.change(*target, |found| {
                found.told.remove(&(*session, *asked));
            }),
            Event::TargetFailed { target, reason } => {
                self.change(*target, |found| found.failing = Some((record.at, reason.clone())));
            }
            _ => {}
        }
    }

    fn change(&mut self, id: TargetId, change: impl FnOnce(&mut Target)) {
        if let Some(found) = self.all.get_mut(&id) {
            change(found);
        }
    }

    fn remove(&mut self, id: TargetId) {
        let Some(gone) = self.all.remove(&id) else { return };
        if let Some(ids) = self.owners.get_mut(&gone.added.owner) {
            ids.remove(&id);
            if ids.is_empty() {
                self.owners.remove(&gone.added.owner);
            }
        }
    }
}

/// Whether this may be a reason to tell somebody something, or to tell them no more.
pub const fn concerns(event: &Event) -> bool {
    matches!(
        event,
        Event::PermissionRequested(_)
            | Event::PermissionDecided(_)
            | Event::PermissionCancelled { .. }
            | Event::TargetAdded(_)
            | Event::TargetChanged { .. }
            | Event::TargetRemoved { .. }
            | Event::TargetTold { .. }
            | Event::KeyRevoked { .. }
            | Event::DeviceSignedOut { .. }
    )
}

/// The session whose turn ended with this.
pub const fn turn_ended(event: &Event) -> Option<SessionId> {
    match event {
        Event::StatusChanged { session, status: Status::Idle } => Some(*session),
        _ => None,
    }
}

fn draft(target: TargetId, event: Event) -> Draft {
    Draft::new(Stream::Target(target), event)
}

fn find(world: &World, id: TargetId) -> Result<&Target, Refusal> {
    world.targets.get(id).ok_or(Refusal::NoTarget(id))
}

pub(super) fn add(world: &World, context: &Context<'_>, added: TargetAdded) -> Result<Decided, Refusal> {
    if !world.key(added.key).is_some_and(|key| key.is_valid(context.now)) {
        return Err(Refusal::NoKey(added.key));
    }
    let id = added.target;
    let is_browser = added.kind == TargetKind::WebPush;
    let mine: Vec<&Target> = world.targets.of(added.owner).collect();
    let same = |known: &&Target| known.added.kind == added.kind && known.added.fingerprint == added.fingerprint;
    if let Some(known) = mine.iter().copied().find(same)
        // Somebody else signed in where the first one was: the address is theirs now.
        && (!is_browser || known.added.device == added.device)
    {
        return Ok(Decided::nothing(Outcome::Target { target: known.id(), created: false }));
    }
    // Whoever was there before is another owner's, perhaps: what they would be told is nobody's business there now.
    let replaced = |known: &&Target| {
        is_browser && known.added.kind == added.kind && (known.added.device == added.device || same(known))
    };
    let mut gone: Vec<&Target> = world.targets.iter().filter(replaced).collect();
    gone.sort_unstable_by_key(|known| known.id());
    // Those that nobody hears any more make room.
    let live = mine.iter().filter(|known| !replaced(known) && known.is_backed(world, context.now));
    if live.count() >= limits::TARGETS_PER_OWNER_MAX {
        return Err(Refusal::Full { what: "the list of notification targets", max: limits::TARGETS_PER_OWNER_MAX });
    }
    if world.targets.all.len() - gone.len() >= limits::TARGETS_MAX {
        return Err(Refusal::Full { what: "the server's list of notification targets", max: limits::TARGETS_MAX });
    }
    let ended =
        |known: &Target| draft(known.id(), Event::TargetRemoved { target: known.id(), end: TargetEnd::Replaced });
    let mut drafts: Vec<Draft> = gone.into_iter().map(ended).collect();
    drafts.push(draft(id, Event::TargetAdded(added)));
    Ok(Decided { drafts, outcome: Outcome::Target { target: id, created: true } })
}

pub(super) fn change(world: &World, target: TargetId, turns: bool) -> Result<Decided, Refusal> {
    if find(world, target)?.added.turns == turns {
        return Ok(Decided::nothing(Outcome::Unchanged));
    }
    Ok(Decided::one(draft(target, Event::TargetChanged { target, turns }), Outcome::Done))
}

pub(super) fn remove(world: &World, target: TargetId, end: TargetEnd) -> Result<Decided, Refusal> {
    find(world, target)?;
    Ok(Decided::one(draft(target, Event::TargetRemoved { target, end }), Outcome::Done))
}

/// A target is known again by its address and its settings: one that is configured otherwise is another one.
pub(super) fn configure(world: &World, wanted: &[TargetAdded]) -> Decided {
    let is_same = |known: &TargetAdded, new: &TargetAdded| {
        (known.kind, known.fingerprint, known.key) == (new.kind, new.fingerprint, new.key)
            && (known.turns, known.answers) == (new.turns, new.answers)
    };
    let configured = || world.targets.iter().filter(|known| known.added.configured);
    let mut gone: Vec<TargetId> =
        configured().filter(|known| !wanted.iter().any(|new| is_same(&known.added, new))).map(Target::id).collect();
    gone.sort_unstable();
    let end = TargetEnd::Unconfigured;
    let mut drafts: Vec<Draft> =
        gone.into_iter().map(|target| draft(target, Event::TargetRemoved { target, end })).collect();
    let fresh = wanted.iter().filter(|new| !configured().any(|known| is_same(&known.added, new)));
    drafts.extend(fresh.map(|new| draft(new.target, Event::TargetAdded(new.clone()))));
    let outcome = if drafts.is_empty() { Outcome::Unchanged } else { Outcome::Done };
    Decided { drafts, outcome }
}

/// What was told of something that is gone, or is known already, changes nothing.
pub(super) fn note(world: &World, target: TargetId, news: TargetNews) -> Decided {
    let Some(found) = world.targets.get(target) else { return Decided::nothing(Outcome::Unchanged) };
    let event = match news {
        TargetNews::Told { session, asked } if !found.knows(session, asked) => {
            Event::TargetTold { target, session, asked }
        }
        TargetNews::Withdrawn { session, asked } if found.knows(session, asked) => {
            Event::TargetWithdrawn { target, session, asked }
        }
        TargetNews::Failed { reason } if found.failing.is_none() => Event::TargetFailed { target, reason },
        _ => return Decided::nothing(Outcome::Unchanged),
    };
    Decided::one(draft(target, event), Outcome::Done)
}
