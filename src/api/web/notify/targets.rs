//! Where the caller is told: adding, looking at, trying and removing. What a target is told it hears by its owner's
//! rights, so others' targets are nobody's business, an admin's included.

use http::StatusCode;
use serde_bytes::ByteBuf;

use super::{
    super::{
        caller::{Caller, plain_text},
        created,
        error::{Failure, no_content},
        json,
    },
    deliver::deliver,
    notice::Notice,
};
use crate::{
    api::common::{
        Response,
        outbound::{Target as Address, reason},
    },
    domain::{
        Command, DeviceId, Outcome, TargetId, limits,
        notify::{Sealed, Target, TargetAdded, TargetEnd, TargetKind},
    },
    security::{Grant, Principal, Recipient, Secret, recipient::InvalidRecipient, throttle::ThrottleKind},
    wire::web::{self as wire, AddTarget, ChangeTarget, Page, ProblemKind, TargetMade, Tested, Vapid},
};

/// What signs the calls of a webhook begins with, as standardwebhooks.com has it.
const SECRET_PREFIX: &str = "whsec_";

pub(in super::super) fn vapid(caller: &Caller<'_>) -> Response {
    json(StatusCode::OK, &Vapid { public_key: caller.house.notify.push.public().to_owned() })
}

/// All of the caller's, the oldest first. They are few enough for one page.
pub(in super::super) fn list(caller: &Caller<'_>) -> Result<Response, Failure> {
    let owner = caller.owner()?;
    let now = caller.house.relay.now();
    let world = caller.house.relay.world();
    let backed = world.targets().of(owner).filter(|target| target.is_backed(&world, now));
    let items: Vec<wire::Target> = backed.map(|target| shown(caller, target)).collect();
    drop(world);
    Ok(json(StatusCode::OK, &Page { items, next: None }))
}

pub(in super::super) async fn add(caller: &Caller<'_>) -> Result<Response, Failure> {
    // It looks a name up.
    caller.count(ThrottleKind::Registration)?;
    let wish: AddTarget = caller.body()?;
    let Principal::Key { key, owner, device, .. } = caller.principal else {
        return Err(Failure::new(ProblemKind::Forbidden, "use an API key for this"));
    };
    let (recipient, secret) = recipient(caller, &wish, device)?;
    let field = if wish.kind == wire::TargetKind::WebPush { "endpoint" } else { "url" };
    let refused = |bad| Failure::field(field, &crate::api::common::outbound::BadTarget::to_string(&bad));
    let address = Address::parse(recipient.url()).map_err(refused)?;
    caller.house.outbound.examine(&address).await.map_err(refused)?;
    let host = recipient.host().to_owned();
    let name = match &wish.name {
        Some(name) => plain_text("name", name, limits::NAME_BYTES_MAX)?,
        None => device_name(caller, device).filter(|_| wish.kind == wire::TargetKind::WebPush).unwrap_or(host.clone()),
    };
    let vault = &caller.house.notify.vault;
    let id = TargetId::from_uuid(caller.house.fresh()?);
    let added = TargetAdded {
        target: id,
        owner,
        key,
        device,
        kind: recipient.kind(),
        name,
        host,
        fingerprint: recipient.fingerprint(vault),
        sealed: Sealed(ByteBuf::from(recipient.seal(vault, id)?)),
        turns: wish.turns,
        answers: wish.answers,
        configured: false,
    };
    let (target, created_now) = match caller.submit(Command::AddTarget(added)).await? {
        Outcome::Target { target, created } => (target, created && target == id),
        other => return Err(Failure::unexpected(&other)),
    };
    let (found, shown) = find(caller, target)?;
    if !created_now {
        same_settings(caller, &wish, &recipient, &found)?;
    }
    // What was there already keeps its secret, which was shown then.
    let secret = secret.filter(|_| created_now).map(|secret| secret.expose().to_owned());
    let made = TargetMade { target: shown, secret };
    if created_now {
        Ok(created(&format!("/api/v1/notifications/targets/{target}"), &made))
    } else {
        Ok(json(StatusCode::OK, &made))
    }
}

/// Nothing that was wished for is left out in silence: a service that is told already keeps the token and the settings
/// that it was added with.
fn same_settings(caller: &Caller<'_>, wish: &AddTarget, new: &Recipient, found: &Target) -> Result<(), Failure> {
    let known = caller.house.notify.recipient(found).ok();
    let same = match (new, &known) {
        // Browsers are asked again and again, and switched by themselves.
        (Recipient::WebPush { .. }, _) => true,
        // Its secret is drawn anew each time.
        (Recipient::Webhook { .. }, _) => wish.turns == found.added.turns,
        (Recipient::Ntfy { .. }, Some(known)) => {
            known == new && (wish.turns, wish.answers) == (found.added.turns, found.added.answers)
        }
        // It cannot be opened any more.
        (Recipient::Ntfy { .. }, None) => false,
    };
    if same {
        return Ok(());
    }
    let detail =
        format!("this address is told already, with another token or other settings: remove {} first", found.id());
    Err(Failure::new(ProblemKind::Conflict, detail))
}

/// Whom the wish speaks of, and what was drawn for it.
fn recipient(
    caller: &Caller<'_>,
    wish: &AddTarget,
    device: Option<DeviceId>,
) -> Result<(Recipient, Option<Secret>), Failure> {
    let needed = |field: &str, value: &Option<String>| {
        value.clone().ok_or_else(|| Failure::field(field, "is needed with this kind"))
    };
    let refuse =
        |field: &str, given: bool, reason: &str| if given { Err(Failure::field(field, reason)) } else { Ok(()) };
    let is_browser = wish.kind == wire::TargetKind::WebPush;
    for (field, value) in [("endpoint", &wish.endpoint), ("p256dh", &wish.p256dh), ("auth", &wish.auth)] {
        refuse(field, value.is_some() && !is_browser, "goes with web_push only")?;
    }
    let is_ntfy = wish.kind == wire::TargetKind::Ntfy;
    refuse("token", wish.token.is_some() && !is_ntfy, "goes with ntfy only")?;
    refuse("answers", wish.answers && !is_ntfy, "goes with ntfy only")?;
    if is_browser {
        refuse("url", wish.url.is_some(), "does not go with web_push")?;
        if device.is_none() {
            return Err(Failure::field("kind", "web_push is for a browser that is signed in here"));
        }
        let (endpoint, key) = (needed("endpoint", &wish.endpoint)?, needed("p256dh", &wish.p256dh)?);
        let made = Recipient::browser(endpoint, &key, &needed("auth", &wish.auth)?);
        return Ok((made.map_err(|error| invalid("endpoint", error))?, None));
    }
    // It carries what sessions hold to somebody else's machine.
    caller.holds(Grant::PermissionDecide)?;
    let url = needed("url", &wish.url)?;
    if is_ntfy {
        let made = Recipient::ntfy(&url, wish.token.clone()).map_err(|error| invalid("url", error))?;
        return Ok((made, None));
    }
    let secret = standard_secret()?;
    let made = Recipient::webhook(url, Some(secret.expose().to_owned())).map_err(|error| invalid("url", error))?;
    Ok((made, Some(secret)))
}

/// A fresh secret in the alphabet that verifiers of such signatures read.
fn standard_secret() -> Result<Secret, Failure> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let bytes: [u8; 32] = crate::security::random::bytes()?;
    Ok(Secret::new(format!("{SECRET_PREFIX}{}", STANDARD.encode(bytes))))
}

fn invalid(field: &str, error: InvalidRecipient) -> Failure {
    let field = match error {
        InvalidRecipient::PublicKey => "p256dh",
        InvalidRecipient::Auth => "auth",
        _ => field,
    };
    Failure::new(ProblemKind::BadRequest, error.to_string()).at(field)
}

fn device_name(caller: &Caller<'_>, device: Option<DeviceId>) -> Option<String> {
    let world = caller.house.relay.world();
    world.devices().get(device?).map(|found| found.signed_in.name.clone())
}

/// One of the caller's.
fn find(caller: &Caller<'_>, id: TargetId) -> Result<(Target, wire::Target), Failure> {
    let world = caller.house.relay.world();
    let found = world.targets().get(id).filter(|target| caller.principal.owner() == Some(target.added.owner));
    let found = found.ok_or_else(|| Failure::absent(id))?;
    Ok((found.clone(), shown(caller, found)))
}

/// As [`find`], for one that somebody may change: what the operator wrote down is changed there.
fn find_own(caller: &Caller<'_>, id: TargetId) -> Result<Target, Failure> {
    let (found, _) = find(caller, id)?;
    if found.added.configured {
        let detail = format!("{id} comes from the configuration: change RCS_NOTIFY_URLS and start the server again");
        return Err(Failure::new(ProblemKind::Conflict, detail));
    }
    may_touch(caller, &found)?;
    Ok(found)
}

/// A key that only looks may switch its own browsers on and off, and neither the service nor the phone of somebody who
/// answers.
fn may_touch(caller: &Caller<'_>, target: &Target) -> Result<(), Failure> {
    let own = matches!(caller.principal, Principal::Key { key, .. } if key == target.added.key);
    if target.added.kind != TargetKind::WebPush || !own {
        caller.holds(Grant::PermissionDecide)?;
    }
    Ok(())
}

pub(in super::super) async fn change(caller: &Caller<'_>, id: TargetId) -> Result<Response, Failure> {
    find_own(caller, id)?;
    let ChangeTarget { turns } = caller.body()?;
    caller.submit(Command::ChangeTarget { target: id, turns }).await?;
    Ok(json(StatusCode::OK, &find(caller, id)?.1))
}

pub(in super::super) async fn remove(caller: &Caller<'_>, id: TargetId) -> Result<Response, Failure> {
    find_own(caller, id)?;
    caller.submit(Command::RemoveTarget { target: id, end: TargetEnd::Removed }).await?;
    Ok(no_content())
}

/// Tells something there and says what came of it. A target that is gone stays until it is removed: somebody looks at
/// it just now.
pub(in super::super) async fn test(caller: &Caller<'_>, id: TargetId) -> Result<Response, Failure> {
    caller.count(ThrottleKind::Registration)?;
    let (found, _) = find(caller, id)?;
    may_touch(caller, &found)?;
    let notice = Notice::test(caller.house.relay.now());
    let delivered = deliver(caller.house, &found, &notice, false).await;
    let reason = delivered.err().map(|why| reason(&why));
    Ok(json(StatusCode::OK, &Tested { delivered: reason.is_none(), reason }))
}

fn shown(caller: &Caller<'_>, target: &Target) -> wire::Target {
    let TargetAdded { target: id, device, kind, name, host, turns, answers, configured, .. } = &target.added;
    let current = match caller.principal {
        Principal::Key { device: Some(own), .. } => *kind == TargetKind::WebPush && *device == Some(own),
        _ => false,
    };
    wire::Target {
        id: *id,
        kind: match kind {
            TargetKind::WebPush => wire::TargetKind::WebPush,
            TargetKind::Webhook => wire::TargetKind::Webhook,
            TargetKind::Ntfy => wire::TargetKind::Ntfy,
        },
        name: name.clone(),
        host: host.clone(),
        device_id: *device,
        current,
        turns: *turns,
        answers: *kind == TargetKind::WebPush || *answers,
        configured: *configured,
        added_at: target.added_at.to_string(),
        told_at: target.told_at.map(|at| at.to_string()),
        failing_since: target.failing.as_ref().map(|(at, _)| at.to_string()),
        failing: target.failing.as_ref().map(|(_, reason)| reason.clone()),
    }
}
