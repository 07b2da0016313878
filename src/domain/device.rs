//! Browsers: the links that let them in once, and the sessions that they then have. Digests only, never a secret.
//!
//! A device acts for the key that let it in, with that key's rights and for as long as the key is good.

use std::collections::HashMap;

use super::{
    command::{Outcome, Refusal},
    decide::{Context, Decided},
    envelope::{Draft, Record, Timestamp},
    event::{DeviceSignedIn, Event, LoginLinkCreated, SecretDigest},
    id::{DeviceId, OwnerId},
    limits,
    stream::Stream,
    world::World,
};

/// A browser and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    pub signed_in: DeviceSignedIn,
    pub signed_in_at: Timestamp,
    /// To the hour.
    pub used_at: Timestamp,
    pub signed_out_at: Option<Timestamp>,
}

impl Device {
    /// Whether it opens anything at this moment, as far as the device itself goes: its key is looked at beside it.
    pub const fn is_valid(&self, now: Timestamp) -> bool {
        self.signed_out_at.is_none() && now.since_ms(self.used_at) < limits::DEVICE_IDLE_MS
    }
}

/// All of them, and the links that were not used yet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Devices {
    by_id: HashMap<DeviceId, Device>,
    by_digest: HashMap<SecretDigest, DeviceId>,
    links: HashMap<SecretDigest, LoginLinkCreated>,
}

impl Devices {
    /// One by id, signed-out ones included.
    pub fn get(&self, id: DeviceId) -> Option<&Device> {
        self.by_id.get(&id)
    }

    /// One by the digest of its secret.
    pub fn by_digest(&self, digest: &SecretDigest) -> Option<&Device> {
        self.by_digest.get(digest).and_then(|id| self.by_id.get(id))
    }

    /// All, in no order, signed-out ones included.
    pub fn iter(&self) -> impl Iterator<Item = &Device> {
        self.by_id.values()
    }

    /// A link that was not used yet, whether or not its time is over.
    pub fn link(&self, digest: &SecretDigest) -> Option<&LoginLinkCreated> {
        self.links.get(digest)
    }

    fn sign_out(&mut self, id: DeviceId, at: Timestamp) {
        if let Some(device) = self.by_id.get_mut(&id) {
            device.signed_out_at.get_or_insert(at);
        }
    }

    /// Makes room for one more: the ones that were gone longest are forgotten first, and with them their names.
    fn make_room(&mut self, now: Timestamp) {
        if self.by_id.len() < limits::DEVICES_KEPT_MAX {
            return;
        }
        let gone = self.by_id.values().filter(|device| !device.is_valid(now));
        let oldest = gone.min_by_key(|device| (device.used_at, device.signed_in.device));
        if let Some((id, digest)) = oldest.map(|device| (device.signed_in.device, device.signed_in.digest)) {
            self.by_id.remove(&id);
            self.by_digest.remove(&digest);
        }
    }
}

pub(super) fn create_link(world: &World, context: &Context<'_>, created: LoginLinkCreated) -> Result<Decided, Refusal> {
    let open = world.devices.links.values().filter(|link| context.now < link.expires_at);
    if open.count() >= limits::LOGIN_LINKS_MAX {
        return Err(Refusal::Full { what: "the list of login links", max: limits::LOGIN_LINKS_MAX });
    }
    if !world.key(created.key).is_some_and(|key| key.is_valid(context.now)) {
        return Err(Refusal::NoKey(created.key));
    }
    Ok(Decided::one(Draft::new(Stream::System, Event::LoginLinkCreated(created)), Outcome::Done))
}

/// Lets a browser in. With a link, only if it is good, and then it is no more: two browsers that show it at once are
/// decided one after the other.
pub(super) fn sign_in(world: &World, context: &Context<'_>, signed_in: DeviceSignedIn) -> Result<Decided, Refusal> {
    if let Some(link) = &signed_in.link {
        let found = world.devices.link(link).filter(|found| context.now < found.expires_at);
        if found.is_none_or(|found| found.key != signed_in.key) {
            return Err(Refusal::NoLoginLink);
        }
    }
    let key = world.key(signed_in.key).filter(|key| key.is_valid(context.now));
    let key = key.ok_or(Refusal::NoKey(signed_in.key))?;
    let mine = of_owner(world, key.created.owner).filter(|device| device.is_valid(context.now));
    if mine.count() >= limits::DEVICES_PER_OWNER_MAX {
        return Err(Refusal::Full { what: "the list of devices", max: limits::DEVICES_PER_OWNER_MAX });
    }
    let device = signed_in.device;
    Ok(Decided::one(Draft::new(Stream::System, Event::DeviceSignedIn(signed_in)), Outcome::Device { device }))
}

/// Repeating it changes nothing.
pub(super) fn sign_out(world: &World, devices: &[DeviceId]) -> Decided {
    let there = devices.iter().filter(|id| world.devices.get(**id).is_some_and(|found| found.signed_out_at.is_none()));
    let drafts: Vec<Draft> =
        there.map(|device| Draft::new(Stream::System, Event::DeviceSignedOut { device: *device })).collect();
    let outcome = if drafts.is_empty() { Outcome::Unchanged } else { Outcome::Done };
    Decided { drafts, outcome }
}

/// One that is gone keeps the name under which people knew it, and so does what it did.
pub(super) fn rename(world: &World, device: DeviceId, name: String) -> Result<Decided, Refusal> {
    let found = world.devices.get(device).filter(|found| found.signed_out_at.is_none());
    match found {
        None => Err(Refusal::NoDevice(device)),
        Some(found) if found.signed_in.name == name => Ok(Decided::nothing(Outcome::Unchanged)),
        Some(_) => Ok(Decided::one(Draft::new(Stream::System, Event::DeviceRenamed { device, name }), Outcome::Done)),
    }
}

/// At most once an hour, so that a browser that is open all day costs a few records.
pub(super) fn note_use(world: &World, context: &Context<'_>, device: DeviceId) -> Decided {
    let found = world.devices.get(device).filter(|found| found.is_valid(context.now));
    let is_due = found.is_some_and(|found| context.now.since_ms(found.used_at) >= limits::KEY_USE_INTERVAL_MS);
    if !is_due {
        return Decided::nothing(Outcome::Unchanged);
    }
    Decided::one(Draft::new(Stream::System, Event::DeviceUsed { device }), Outcome::Done)
}

/// The devices that act for an owner.
pub fn of_owner(world: &World, owner: OwnerId) -> impl Iterator<Item = &Device> {
    let is_theirs =
        move |device: &&Device| world.key(device.signed_in.key).is_some_and(|key| key.created.owner == owner);
    world.devices.iter().filter(is_theirs)
}

pub(super) fn apply(world: &mut World, record: &Record) {
    let devices = &mut world.devices;
    match &record.event {
        Event::LoginLinkCreated(created) => {
            devices.links.retain(|_, link| record.at < link.expires_at);
            devices.links.insert(created.digest, created.clone());
        }
        Event::DeviceSignedIn(signed_in) => {
            devices.make_room(record.at);
            if let Some(link) = &signed_in.link {
                devices.links.remove(link);
            }
            devices.by_digest.insert(signed_in.digest, signed_in.device);
            let device = Device {
                signed_in: signed_in.clone(),
                signed_in_at: record.at,
                used_at: record.at,
                signed_out_at: None,
            };
            devices.by_id.insert(signed_in.device, device);
        }
        Event::DeviceUsed { device } => {
            if let Some(device) = devices.by_id.get_mut(device) {
                device.used_at = record.at;
            }
        }
        Event::DeviceSignedOut { device } => devices.sign_out(*device, record.at),
        Event::DeviceRenamed { device, name } => {
            if let Some(device) = devices.by_id.get_mut(device) {
                device.signed_in.name.clone_from(name);
            }
        }
        _ => {}
    }
}
