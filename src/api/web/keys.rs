//! API keys. A key manages keys of its own owner, up to its own role; an admin manages all.

use std::{sync::Arc, time::Duration};

use http::StatusCode;

use super::{
    caller::{Caller, plain_text},
    created,
    error::{Failure, no_content},
    json,
    page::{Order, Place, Slice},
};
use crate::{
    api::common::Response,
    domain::{Command, KeyId, Outcome, OwnerId, event, event::KeyCreated, key, limits},
    security::{ApiKey, Grant, Principal},
    wire::web::{CreateKey, CreatedKey, Key, KeyOwner, Page, ProblemKind, Role, RotateSigning, SigningRotated},
};

pub(super) fn list(caller: &Caller<'_>) -> Result<Response, Failure> {
    let slice = Slice::of(caller, Order::NewestFirst)?;
    let scope = caller.principal.scope();
    let world = caller.house.relay.world();
    let found = world.keys().filter(|key| scope.includes(key.created.owner));
    let (places, next) = slice.cut(found.map(|key| Place::new(key.created_at, key.created.key.uuid())));
    let shown = places.iter().filter_map(|place| world.key(KeyId::from_uuid(place.id)));
    let items: Vec<Key> = shown.map(shown_key).collect();
    drop(world);
    Ok(json(StatusCode::OK, &Page { items, next }))
}

pub(super) async fn create(caller: &Caller<'_>) -> Result<Response, Failure> {
    let CreateKey { name, role, expires_in, owner } = caller.body()?;
    let name = plain_text("name", &name, limits::NAME_BYTES_MAX)?;
    let role = domain_role(role);
    at_most_own_role(caller, role)?;
    if expires_in == Some(0) {
        return Err(Failure::field("expires_in", "must be at least 1 second"));
    }
    let owner = match owner {
        KeyOwner::Mine => caller.owner()?,
        KeyOwner::New => {
            caller.holds(Grant::AdminAll)?;
            OwnerId::from_uuid(caller.house.fresh()?)
        }
    };
    let secret = ApiKey::generate()?;
    let id = KeyId::from_uuid(caller.house.fresh()?);
    let now = caller.house.relay.now();
    let command = Command::CreateKey(KeyCreated {
        key: id,
        owner,
        name,
        role,
        digest: secret.digest(),
        expires_at: expires_in.map(|seconds| now.plus_ms(seconds.saturating_mul(1_000))),
        configured: false,
    });
    match caller.submit(command).await? {
        Outcome::Key { key } if key == id => {}
        Outcome::Key { key } => {
            let detail =
                format!("this request made {key} before; its secret was shown then: revoke it and make another");
            return Err(Failure::new(ProblemKind::KeyReused, detail));
        }
        other => return Err(Failure::unexpected(&other)),
    }
    let shown = caller.house.relay.world().key(id).map(shown_key).ok_or_else(|| Failure::absent(id))?;
    Ok(created(&format!("/api/v1/keys/{id}"), &CreatedKey { key: shown, secret: secret.expose().to_owned() }))
}

/// Revoking twice is as good as once.
pub(super) async fn revoke(caller: &Caller<'_>, id: KeyId) -> Result<Response, Failure> {
    let (owner, role) = {
        let world = caller.house.relay.world();
        let found = world.key(id).map(|key| (key.created.owner, key.created.role));
        found.ok_or_else(|| Failure::absent(id))?
    };
    caller.may(Grant::KeyManage, Some(owner)).map_err(|denied| Failure::denied(denied, id))?;
    at_most_own_role(caller, role)?;
    caller.submit(Command::RevokeKey { key: id }).await?;
    Ok(no_content())
}

/// Repeating it does it again: that wastes a key, and cuts nobody off who was not cut off before.
pub(super) async fn rotate_signing(caller: &Caller<'_>) -> Result<Response, Failure> {
    let RotateSigning { overlap } = caller.body()?;
    let seconds = overlap.unwrap_or(limits::SIGNING_OVERLAP_SECONDS_DEFAULT);
    if seconds > limits::SIGNING_OVERLAP_SECONDS_MAX {
        let reason = format!("must be at most {} seconds", limits::SIGNING_OVERLAP_SECONDS_MAX);
        return Err(Failure::field("overlap", &reason));
    }
    let (signing, webhooks) = (Arc::clone(&caller.house.signing), Arc::clone(&caller.house.webhook_keys));
    let now = caller.house.relay.now();
    let rotating = tokio::task::spawn_blocking(move || {
        // The key of notifications goes with it: whoever could read one file could read the other. Its public half
        // stays published for as long as receivers may need it, whatever the overlap.
        webhooks.rotate(now)?;
        signing.rotate(now, Duration::from_secs(seconds))
    });
    let failed = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "the signing key was not rotated");
        Failure::new(ProblemKind::Internal, "the signing key was not rotated; look at the server's log")
    };
    let keys = rotating.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
    let previous_until = now.plus_ms(seconds.saturating_mul(1_000));
    let by = caller.principal.actor();
    tracing::info!(?by, %previous_until, keys, "the signing key was rotated");
    Ok(json(StatusCode::OK, &SigningRotated { previous_until: previous_until.to_string(), keys }))
}

/// Nobody makes more of themselves, or takes it from those who have more.
fn at_most_own_role(caller: &Caller<'_>, wanted: event::Role) -> Result<(), Failure> {
    match &caller.principal {
        Principal::Key { role, .. } if wanted <= *role => Ok(()),
        _ => Err(Failure::new(ProblemKind::Forbidden, format!("this takes a key with at least the role {wanted:?}"))),
    }
}

const fn domain_role(role: Role) -> event::Role {
    match role {
        Role::Viewer => event::Role::Viewer,
        Role::Runner => event::Role::Runner,
        Role::Member => event::Role::Member,
        Role::Admin => event::Role::Admin,
    }
}

/// The role as the API calls it.
pub(super) const fn wire_role(role: event::Role) -> Role {
    match role {
        event::Role::Viewer => Role::Viewer,
        event::Role::Runner => Role::Runner,
        event::Role::Member => Role::Member,
        event::Role::Admin => Role::Admin,
    }
}

fn shown_key(key: &key::Key) -> Key {
    let time = |at: Option<crate::domain::Timestamp>| at.map(|at| at.to_string());
    Key {
        id: key.created.key,
        owner_id: key.created.owner,
        name: key.created.name.clone(),
        role: wire_role(key.created.role),
        configured: key.created.configured,
        created_at: key.created_at.to_string(),
        expires_at: time(key.created.expires_at),
        revoked_at: time(key.revoked_at),
        used_at: time(key.used_at),
    }
}
