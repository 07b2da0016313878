//! API keys: digests, owners, roles, expiry. Never a secret.

use super::{
    command::{ConfiguredKey, Outcome, Refusal},
    decide::{Context, Decided},
    envelope::{Draft, Record, Timestamp},
    event::{Event, KeyCreated, Role},
    id::KeyId,
    limits,
    stream::Stream,
    world::World,
};

/// A key and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub created: KeyCreated,
    pub created_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
    /// To the hour.
    pub used_at: Option<Timestamp>,
}

impl Key {
    /// Whether it opens anything at this moment.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.created.expires_at.is_none_or(|end| now < end)
    }
}

pub(super) fn create(world: &World, created: KeyCreated) -> Result<Decided, Refusal> {
    if world.keys.len() >= limits::KEYS_MAX {
        return Err(Refusal::Full { what: "the list of keys", max: limits::KEYS_MAX });
    }
    if world.keys_by_digest.contains_key(&created.digest) {
        return Err(Refusal::KeyReused { what: "this secret".into() });
    }
    let key = created.key;
    Ok(Decided::one(Draft::new(Stream::System, Event::KeyCreated(created)), Outcome::Key { key }))
}

/// Brings the keys that come from the configuration in line with it. A key that was revoked stays so, even if it is
/// configured again under the same secret: revocation is for good.
pub(super) fn configure(world: &World, configured: &[ConfiguredKey]) -> Decided {
    let mut drafts = Vec::new();
    for (index, new) in configured.iter().enumerate() {
        if !world.keys_by_digest.contains_key(&new.digest) {
            drafts.push(Draft::new(
                Stream::System,
                Event::KeyCreated(KeyCreated {
                    key: new.key,
                    owner: new.owner,
                    name: format!("configured {}", index + 1),
                    role: Role::Member,
                    digest: new.digest,
                    expires_at: None,
                    configured: true,
                }),
            ));
        }
    }
    let mut gone: Vec<KeyId> = world
        .keys
        .values()
        .filter(|key| key.created.configured && key.revoked_at.is_none())
        .filter(|key| configured.iter().all(|new| new.digest != key.created.digest))
        .map(|key| key.created.key)
        .collect();
    gone.sort_unstable();
    drafts.extend(gone.into_iter().map(|key| Draft::new(Stream::System, Event::KeyRevoked { key })));
    Decided { drafts, outcome: Outcome::Done }
}

pub(super) fn revoke(world: &World, key: KeyId) -> Result<Decided, Refusal> {
    match world.keys.get(&key) {
        None => Err(Refusal::NoKey(key)),
        Some(found) if found.revoked_at.is_some() => Ok(Decided::nothing(Outcome::Unchanged)),
        Some(_) => Ok(Decided::one(Draft::new(Stream::System, Event::KeyRevoked { key }), Outcome::Done)),
    }
}

pub(super) fn note_use(world: &World, context: &Context<'_>, key: KeyId) -> Result<Decided, Refusal> {
    let found = world.keys.get(&key).ok_or(Refusal::NoKey(key))?;
    let recent = found.used_at.is_some_and(|at| context.now.since_ms(at) < limits::KEY_USE_INTERVAL_MS);
    if recent {
        return Ok(Decided::nothing(Outcome::Unchanged));
    }
    Ok(Decided::one(Draft::new(Stream::System, Event::KeyUsed { key }), Outcome::Done))
}

pub(super) fn apply(world: &mut World, record: &Record) {
    match &record.event {
        Event::KeyCreated(created) => {
            world.keys_by_digest.insert(created.digest, created.key);
            let key = Key { created: created.clone(), created_at: record.at, revoked_at: None, used_at: None };
            world.keys.insert(created.key, key);
        }
        Event::KeyRevoked { key } => {
            if let Some(key) = world.keys.get_mut(key) {
                key.revoked_at.get_or_insert(record.at);
            }
        }
        Event::KeyUsed { key } => {
            if let Some(key) = world.keys.get_mut(key) {
                key.used_at = Some(record.at);
            }
        }
        _ => {}
    }
}
