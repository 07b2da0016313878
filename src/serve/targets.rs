//! Notification targets that the operator wrote into the configuration. They hear what the admin key may read.

use serde_bytes::ByteBuf;

use super::StartError;
use crate::{
    api::common::Notify,
    domain::{
        Actor, Command, KeyId, TargetId,
        notify::{Sealed, TargetAdded},
    },
    relay::Relay,
    security::{fresh_uuid, recipient::Configured},
};

/// Brings the journal's targets in line with the configured ones.
pub(super) async fn configure(
    relay: &Relay,
    notify: &Notify,
    admin: KeyId,
    configured: &[Configured],
) -> Result<(), StartError> {
    let owner = relay.world().key(admin).map(|key| key.created.owner);
    // It was made a moment ago.
    let Some(owner) = owner else { return Ok(()) };
    let mut wanted = Vec::with_capacity(configured.len());
    for Configured { recipient, turns, answers } in configured {
        let target = TargetId::from_uuid(fresh_uuid(relay.now())?);
        wanted.push(TargetAdded {
            target,
            owner,
            key: admin,
            device: None,
            kind: recipient.kind(),
            name: recipient.host().to_owned(),
            host: recipient.host().to_owned(),
            sealed: Sealed(ByteBuf::from(recipient.seal(&notify.vault, target)?)),
            fingerprint: recipient.whole_fingerprint(&notify.vault),
            turns: *turns,
            answers: *answers,
            configured: true,
        });
    }
    relay.submit(Actor::System, Command::ConfigureTargets(wanted)).await.map_err(StartError::Targets)?;
    Ok(())
}
