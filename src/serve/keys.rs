//! The keys that exist before anybody made one: those of the configuration, and the admin key of the data directory.

use std::path::{Path, PathBuf};

use super::StartError;
use crate::{
    domain::{
        Actor, Command, KeyId, OwnerId,
        command::ConfiguredKey,
        event::{KeyCreated, Role},
    },
    relay::Relay,
    security::{ApiKey, fresh_uuid, private_file},
};

/// Brings the journal's keys in line with the configured ones.
pub(super) async fn configure(relay: &Relay, keys: &[ApiKey]) -> Result<(), StartError> {
    let mut configured = Vec::with_capacity(keys.len());
    for key in keys {
        configured.push(ConfiguredKey {
            digest: key.digest(),
            key: KeyId::from_uuid(fresh_uuid(relay.now())?),
            owner: OwnerId::from_uuid(fresh_uuid(relay.now())?),
        });
    }
    relay.submit(Actor::System, Command::ConfigureKeys(configured)).await.map_err(StartError::Keys)?;
    let world = relay.world();
    let opens = |key: &ApiKey| world.key_by_digest(&key.digest()).is_some_and(|known| known.is_valid(relay.now()));
    let dead = keys.iter().filter(|key| !opens(key)).count();
    if dead > 0 {
        let of = keys.len();
        tracing::warn!("RCS_API_KEYS: {dead} of {of} keys were revoked, for good, and open nothing: take new ones");
    }
    Ok(())
}

/// Makes sure that the admin key's file holds a key that works, and returns the file. A key that was revoked is
/// replaced.
pub(super) async fn ensure_admin(relay: &Relay, path: &Path) -> Result<(PathBuf, KeyId), StartError> {
    let kept = private_file::read(path)?.and_then(|text| ApiKey::parse(text.trim()).ok());
    if let Some(key) = kept {
        let known =
            relay.world().key_by_digest(&key.digest()).map(|found| (found.is_valid(relay.now()), found.created.key));
        match known {
            Some((true, id)) => return Ok((path.into(), id)),
            // The journal is younger than the file: it was restored or begun anew beside it.
            None => {
                return Ok((path.into(), admit(relay, &key).await?));
            }
            Some((false, _)) => {}
        }
    }
    let key = ApiKey::generate()?;
    private_file::write(path, &format!("{}\n", key.expose()))?;
    Ok((path.into(), admit(relay, &key).await?))
}

async fn admit(relay: &Relay, key: &ApiKey) -> Result<KeyId, StartError> {
    let id = KeyId::from_uuid(fresh_uuid(relay.now())?);
    let created = KeyCreated {
        key: id,
        owner: OwnerId::from_uuid(fresh_uuid(relay.now())?),
        name: "admin".into(),
        role: Role::Admin,
        digest: key.digest(),
        expires_at: None,
        configured: false,
    };
    relay.submit(Actor::System, Command::CreateKey(created)).await.map_err(StartError::Keys)?;
    Ok(id)
}
