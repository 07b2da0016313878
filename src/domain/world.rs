//! What decisions rest on: ids, states, owners, counters; never transcripts.
//!
//! A world is the fold of its records and nothing else. The relay keeps two: the writer's own, which is ahead by the
//! batch in hand and the one in flight, and the committed one, which readers see.

use std::collections::{BTreeSet, HashMap};

use super::{
    device::Devices,
    envelope::{Record, Sequence, Timestamp},
    environment::Environment,
    event::{Event, FileStored, SecretDigest},
    id::{EnvironmentId, FileId, KeyId, OwnerId, SessionId},
    key::Key,
    notify::Targets,
    session::Session,
    stream::Stream,
    subscription::Subscriptions,
    user_stream::UserStreams,
};

/// Everything that decisions rest on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct World {
    pub(super) keys: HashMap<KeyId, Key>,
    pub(super) keys_by_digest: HashMap<SecretDigest, KeyId>,
    pub(super) devices: Devices,
    pub(super) environments: HashMap<EnvironmentId, Environment>,
    pub(super) sessions: HashMap<SessionId, Session>,
    pub(super) files: HashMap<FileId, FileStored>,
    /// Ids under which agents registered that turned out to be known under another one.
    pub(super) aliases: HashMap<EnvironmentId, EnvironmentId>,
    /// Sessions with an open question, so that the list over all sessions costs what it shows.
    pub(super) asking: BTreeSet<SessionId>,
    pub(super) user_streams: UserStreams,
    subscriptions: Subscriptions,
    pub(super) targets: Targets,
}

impl World {
    /// A key by id.
    pub fn key(&self, id: KeyId) -> Option<&Key> {
        self.keys.get(&id)
    }

    /// A key by the digest of its secret, revoked ones included.
    pub fn key_by_digest(&self, digest: &SecretDigest) -> Option<&Key> {
        self.keys_by_digest.get(digest).and_then(|id| self.keys.get(id))
    }

    /// All keys, in no order.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.values()
    }

    /// Browsers and login links.
    pub const fn devices(&self) -> &Devices {
        &self.devices
    }

    /// Whether one of this owner's keys is good at this moment. Owners have a handful of keys.
    pub fn has_valid_key(&self, owner: OwnerId, now: Timestamp) -> bool {
        self.keys.values().any(|key| key.created.owner == owner && key.is_valid(now))
    }

    /// An environment by id, signed-off ones included.
    pub fn environment(&self, id: EnvironmentId) -> Option<&Environment> {
        self.environments.get(&id)
    }

    /// The id that an agent goes by, if this one is from a registration under which it came back.
    pub fn agent_id(&self, id: EnvironmentId) -> EnvironmentId {
        self.aliases.get(&id).copied().unwrap_or(id)
    }

    /// All environments, in no order, signed-off ones included.
    pub fn environments(&self) -> impl Iterator<Item = &Environment> {
        self.environments.values()
    }

    /// A session by id, archived ones included.
    pub fn session(&self, id: SessionId) -> Option<&Session> {
        self.sessions.get(&id)
    }

    /// All sessions, in no order, archived ones included.
    pub fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.sessions.values()
    }

    /// Sessions that wait for a decision, in id order.
    pub fn asking(&self) -> impl Iterator<Item = &Session> {
        self.asking.iter().filter_map(|id| self.sessions.get(id))
    }

    /// The particulars of a stored file.
    pub fn file(&self, id: FileId) -> Option<&FileStored> {
        self.files.get(&id)
    }

    /// All subscriptions.
    pub const fn subscriptions(&self) -> &Subscriptions {
        &self.subscriptions
    }

    pub(super) const fn subscriptions_mut(&mut self) -> &mut Subscriptions {
        &mut self.subscriptions
    }

    /// Where people are told that an agent waits for them.
    pub const fn targets(&self) -> &Targets {
        &self.targets
    }

    /// The streams that users made.
    pub fn user_streams(&self) -> &UserStreams {
        &self.user_streams
    }

    /// Takes over how far a stream got, for records that start-up does not read.
    pub fn observe_tail(&mut self, stream: Stream, latest: Sequence, at: Timestamp) {
        match stream {
            Stream::Session(id) => {
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.observe(latest, at);
                }
            }
            Stream::User(id) => self.user_streams.observe(id, latest, at),
            _ => {}
        }
    }
}

/// Folds a record into the world. Total: it decides nothing and cannot fail; a record about something unknown changes
/// nothing.
pub fn apply(world: &mut World, record: &Record) {
    world.observe_tail(record.stream, record.sequence, record.at);
    match &record.event {
        Event::KeyCreated(_) | Event::KeyRevoked { .. } | Event::KeyUsed { .. } => super::key::apply(world, record),
        Event::LoginLinkCreated(_)
        | Event::DeviceSignedIn(_)
        | Event::DeviceUsed { .. }
        | Event::DeviceSignedOut { .. }
        | Event::DeviceRenamed { .. } => super::device::apply(world, record),
        Event::EnvironmentRegistered(_)
        | Event::EnvironmentReattached(_)
        | Event::EnvironmentOnline { .. }
        | Event::EnvironmentOffline { .. }
        | Event::EnvironmentDeregistered { .. } => super::environment::apply(world, record),
        Event::EnvironmentSucceeded { .. } | Event::AgentReported(_) | Event::AgentSwitching { .. } => {
            super::agent::apply(world, record);
        }
        Event::WorkQueued { .. }
        | Event::WorkLeased { .. }
        | Event::WorkAcked { .. }
        | Event::WorkReturned { .. }
        | Event::WorkDone { .. }
        | Event::WorkParked { .. } => super::work::apply(world, record),
        Event::SessionCreated(_) => {
            super::session::apply_created(world, record);
            super::agent::apply(world, record);
        }
        Event::SessionBound { .. } | Event::SessionArchived { .. } => {
            apply_to_session(world, record);
            super::agent::apply(world, record);
        }
        Event::SessionRenamed { .. }
        | Event::SessionPinned { .. }
        | Event::TurnTorn { .. }
        | Event::TurnRetold { .. }
        | Event::WorkerAttached { .. }
        | Event::WorkerOnline { .. }
        | Event::WorkerOffline { .. }
        | Event::StatusChanged { .. }
        | Event::MetadataPatched { .. }
        | Event::ModeConfirmed { .. }
        | Event::ModelConfirmed { .. }
        | Event::MessagePosted { .. }
        | Event::MessageDelivered { .. }
        | Event::MessageConsumed { .. }
        | Event::MessageCancelled { .. }
        | Event::ControlRequested { .. }
        | Event::ControlDelivered { .. }
        | Event::ControlAnswered { .. }
        | Event::ControlDropped { .. }
        | Event::PermissionRequested(_)
        | Event::PermissionDecided(_)
        | Event::PermissionDelivered { .. }
        | Event::PermissionCancelled { .. }
        | Event::RuleAdded { .. } => apply_to_session(world, record),
        Event::FileStored(file) => {
            world.files.insert(file.file, file.clone());
        }
        Event::UserStreamCreated(_)
        | Event::UserAppended(_)
        | Event::UserStreamClosed { .. }
        | Event::UserStreamDeleted { .. }
        | Event::UserStreamForgotten { .. } => world.user_streams.apply(record),
        Event::SubscriptionCreated(_)
        | Event::SubscriptionAdopted { .. }
        | Event::SubscriptionDeleted { .. }
        | Event::StreamsLinked { .. }
        | Event::StreamUnlinked { .. }
        | Event::StreamGone { .. }
        | Event::SubscriptionWoken { .. }
        | Event::WakeDelivered { .. }
        | Event::DeliveryFailed { .. }
        | Event::WakeClaimed { .. }
        | Event::CursorsAcked { .. }
        | Event::WakeEnded { .. } => super::subscription::apply(world, record),
        Event::TargetAdded(_)
        | Event::TargetChanged { .. }
        | Event::TargetRemoved { .. }
        | Event::TargetTold { .. }
        | Event::TargetWithdrawn { .. }
        | Event::TargetFailed { .. } => world.targets.apply(record),
        Event::MessageReceived { .. }
        | Event::TranscriptAppended { .. }
        | Event::FileChunk { .. }
        | Event::CommandDone { .. }
        | Event::Trimmed { .. }
        | Event::Superseded { .. } => {}
    }
}

fn apply_to_session(world: &mut World, record: &Record) {
    let Stream::Session(id) = record.stream else { return };
    let Some(session) = world.sessions.get_mut(&id) else { return };
    session.apply(record);
    if session.permissions.open().next().is_some() {
        world.asking.insert(id);
    } else {
        world.asking.remove(&id);
    }
}
