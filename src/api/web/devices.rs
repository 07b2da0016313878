//! Browsers: in by a link or a key, out one by one or all at once.
//!
//! A browser holds a cookie that scripts cannot read and other sites do not send. The secret of a login link travels in
//! a URL's fragment and then in a body, so that neither logs nor the previews of chat programs see or use it.

use std::sync::Arc;

use http::{HeaderValue, StatusCode, header};

use super::{
    caller::{Caller, plain_text},
    error::{Failure, no_content},
    json, keys,
};
use crate::{
    api::common::{
        Call, House, Response,
        identity::{Unknown, address},
        origin::{CookieUse, Origin},
    },
    domain::{
        Command, DeviceId, KeyId, Timestamp, World, device,
        event::{DeviceSignedIn, LoginLinkCreated},
        limits,
    },
    relay::{Relay, RelayError},
    security::{Grant, NoRandomness, Principal, Secret, digest::secret_digest, grant, throttle::ThrottleKind},
    wire::web::{Device, LoginLink, Me, Page, ProblemKind, RenameDevice, SignIn},
};

/// The cookie of a browser that is signed in.
const COOKIE: &str = "rcs_device";
const COOKIE_PREFIX: &str = "rcsb_";
const LINK_PREFIX: &str = "rcsl_";
/// Browsers keep no cookie longer than 400 days; ours ends itself long before, when it is not used.
const COOKIE_SECONDS: u64 = 400 * 86_400;

/// The browser's secret, if it has one.
pub(super) fn cookie(call: &Call) -> Option<&str> {
    let cookies = call.headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == COOKIE).map(|(_, value)| value).next()
}

/// The principal behind the cookie, if the page that asks may use it.
pub(super) fn identify(house: &Arc<House>, call: &Call, origin: &Origin, how: CookieUse) -> Result<Principal, Failure> {
    let secret = cookie(call).ok_or(Unknown::Missing)?;
    origin.may_use_cookie(&house.settings, call, how)?;
    let principal = house.identify_device(secret).or_else(|unknown| {
        house.throttle.check(ThrottleKind::Login, address(call))?;
        Err(Failure::from(unknown))
    })?;
    note_use(house, &principal);
    Ok(principal)
}

/// Counts the device's time anew, at most once an hour. Nobody waits for it.
pub(super) fn note_use(house: &Arc<House>, principal: &Principal) {
    let Principal::Key { device: Some(id), .. } = *principal else { return };
    let used_at = house.relay.world().devices().get(id).map(|device| device.used_at);
    if used_at.is_some_and(|at| house.relay.now().since_ms(at) >= limits::KEY_USE_INTERVAL_MS) {
        let (relay, actor) = (house.relay.clone(), principal.actor());
        drop(tokio::spawn(async move { relay.submit(actor, Command::NoteDeviceUse { device: id }).await }));
    }
}

pub(super) async fn sign_in(house: &Arc<House>, call: &Call) -> Result<Response, Failure> {
    let origin = Origin::of(&house.settings, call);
    if origin != Origin::Absent {
        // Said here and not with the first thing that the browser then cannot do.
        origin.may_use_cookie(&house.settings, call, CookieUse::Act)?;
    }
    let SignIn { link, key, name } = call.json()?;
    let (key, link) = match (&link, &key) {
        (Some(link), None) => {
            let digest = secret_digest(link.trim());
            let found = house.relay.world().devices().link(&digest).map(|link| link.key);
            (found.ok_or_else(|| RelayError::from(crate::domain::Refusal::NoLoginLink).into()), Some(digest))
        }
        (None, Some(key)) => (key_of(house, key.trim()), None),
        _ => return Err(Failure::field("link", "or key is needed, and only one of them")),
    };
    let key = key.or_else(|unknown| {
        house.throttle.check(ThrottleKind::Login, address(call))?;
        Err(unknown)
    })?;
    let name = match name {
        Some(name) => plain_text("name", &name, limits::NAME_BYTES_MAX)?,
        None => described(call.header(header::USER_AGENT).unwrap_or_default()),
    };
    let secret = Secret::generate(COOKIE_PREFIX)?;
    let id = DeviceId::from_uuid(house.fresh()?);
    let signed_in = DeviceSignedIn { device: id, key, name, digest: secret.digest(), link };
    house.relay.submit(crate::domain::Actor::Device(id), Command::SignIn(signed_in)).await?;
    let principal = house.identify_device(secret.expose())?;
    let mut response = json(StatusCode::OK, &shown_me(house, &principal));
    let kept = format!("{COOKIE}={}; Max-Age={COOKIE_SECONDS}", secret.expose());
    set_cookie(&mut response, call, &kept);
    Ok(response)
}

/// The key that was shown, if it is one that people use.
fn key_of(house: &House, key: &str) -> Result<KeyId, Failure> {
    let principal = house.identify_token(key)?;
    grant::holds(&principal, Grant::SessionRead)?;
    match principal {
        Principal::Key { key, .. } => Ok(key),
        _ => Err(Failure::new(ProblemKind::Forbidden, "use an API key for this")),
    }
}

/// Tells the browser what to keep. It came over TLS if its page says so; then it goes no other way.
fn set_cookie(response: &mut Response, call: &Call, kept: &str) {
    let is_secure = call.header(header::ORIGIN).is_some_and(|origin| origin.starts_with("https://"));
    let secure = if is_secure { "; Secure" } else { "" };
    // Our secrets are base64url: always a header.
    if let Ok(value) = HeaderValue::from_str(&format!("{kept}; Path=/api/v1; HttpOnly; SameSite=Strict{secure}")) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
}

pub(super) async fn sign_out(caller: &Caller<'_>) -> Result<Response, Failure> {
    let Principal::Key { device: Some(device), .. } = caller.principal else {
        return Err(Failure::new(ProblemKind::BadRequest, "only a browser signs out; revoke a key instead"));
    };
    caller.submit(Command::SignOut { devices: vec![device] }).await?;
    let mut response = no_content();
    set_cookie(&mut response, caller.call, &format!("{COOKIE}=; Max-Age=0"));
    Ok(response)
}

pub(super) async fn sign_out_one(caller: &Caller<'_>, id: DeviceId) -> Result<Response, Failure> {
    let key = caller.house.relay.world().devices().get(id).map(|device| device.signed_in.key);
    let key = key.filter(|key| may_end(caller, *key)).ok_or_else(|| Failure::absent(id))?;
    tracing::debug!(device = %id, %key, "a device is signed out");
    caller.submit(Command::SignOut { devices: vec![id] }).await?;
    Ok(no_content())
}

pub(super) async fn rename(caller: &Caller<'_>, id: DeviceId) -> Result<Response, Failure> {
    let RenameDevice { name } = caller.body()?;
    let name = plain_text("name", &name, limits::DEVICE_NAME_BYTES_MAX)?;
    let key = caller.house.relay.world().devices().get(id).map(|device| device.signed_in.key);
    key.filter(|key| may_end(caller, *key)).ok_or_else(|| Failure::absent(id))?;
    caller.submit(Command::RenameDevice { device: id, name }).await?;
    let Principal::Key { device: current, .. } = caller.principal else { return Err(Failure::absent(id)) };
    let world = caller.house.relay.world();
    let renamed = world.devices().get(id).map(|device| shown(caller.house, &world, device, current));
    drop(world);
    Ok(json(StatusCode::OK, &renamed.ok_or_else(|| Failure::absent(id))?))
}

pub(super) async fn sign_out_everywhere(caller: &Caller<'_>) -> Result<Response, Failure> {
    let owner = caller.owner()?;
    let devices: Vec<DeviceId> = {
        let world = caller.house.relay.world();
        let theirs = device::of_owner(&world, owner).filter(|device| device.signed_out_at.is_none());
        theirs.map(|device| (device.signed_in.device, device.signed_in.key)).collect::<Vec<_>>()
    }
    .into_iter()
    .filter_map(|(device, key)| may_end(caller, key).then_some(device))
    .collect();
    caller.submit(Command::SignOut { devices }).await?;
    let mut response = no_content();
    set_cookie(&mut response, caller.call, &format!("{COOKIE}=; Max-Age=0"));
    Ok(response)
}

/// Whoever manages keys ends, and names, the devices that act for them; everybody else those that act for their own.
fn may_end(caller: &Caller<'_>, key: KeyId) -> bool {
    let owner = caller.house.relay.world().key(key).map(|key| key.created.owner);
    let own = matches!(&caller.principal, Principal::Key { key: own, .. } if *own == key);
    own || caller.may(Grant::KeyManage, owner).is_ok()
}

/// The caller's devices, the one that was used last first. They are few enough for one page.
pub(super) fn list(caller: &Caller<'_>) -> Response {
    let world = caller.house.relay.world();
    let Principal::Key { owner, device: current, .. } = caller.principal else {
        return json(StatusCode::OK, &Page::<Device> { items: Vec::new(), next: None });
    };
    let mut found: Vec<&device::Device> = device::of_owner(&world, owner).collect();
    found.sort_by_key(|device| std::cmp::Reverse((device.signed_out_at.is_none(), device.used_at)));
    found.truncate(limits::PAGE_ITEMS_MAX);
    let items = found.into_iter().map(|device| shown(caller.house, &world, device, current)).collect();
    drop(world);
    json(StatusCode::OK, &Page::<Device> { items, next: None })
}

pub(super) fn me(caller: &Caller<'_>) -> Response {
    json(StatusCode::OK, &shown_me(caller.house, &caller.principal))
}

fn shown_me(house: &House, principal: &Principal) -> Option<Me> {
    let Principal::Key { key, owner, role, name, device } = principal else { return None };
    let world = house.relay.world();
    let shown = device.and_then(|id| world.devices().get(id)).map(|found| shown(house, &world, found, *device));
    Some(Me { key_id: *key, key_name: name.to_string(), owner_id: *owner, role: keys::wire_role(*role), device: shown })
}

/// Whatever ended it: it was signed out, its key was revoked or ran out, or it was not used for too long.
fn ended_at(device: &device::Device, world: &World, now: Timestamp) -> Option<Timestamp> {
    let key = world.key(device.signed_in.key);
    let key = key.and_then(|key| [key.revoked_at, key.created.expires_at].into_iter().flatten().min());
    let unused = Some(device.used_at.plus_ms(limits::DEVICE_IDLE_MS));
    [device.signed_out_at, key, unused].into_iter().flatten().filter(|at| *at <= now).min()
}

fn shown(house: &House, world: &World, device: &device::Device, current: Option<DeviceId>) -> Device {
    Device {
        id: device.signed_in.device,
        name: device.signed_in.name.clone(),
        key_id: device.signed_in.key,
        signed_in_at: device.signed_in_at.to_string(),
        used_at: device.used_at.to_string(),
        signed_out_at: ended_at(device, world, house.relay.now()).map(|at| at.to_string()),
        current: current == Some(device.signed_in.device),
    }
}

pub(super) async fn create_link(caller: &Caller<'_>) -> Result<Response, Failure> {
    let Principal::Key { key, .. } = caller.principal else {
        return Err(Failure::new(ProblemKind::Forbidden, "use an API key for this"));
    };
    let link = make_link(&caller.house.relay, &caller.house.settings.base_url, key, caller.principal.actor()).await;
    Ok(json(StatusCode::CREATED, &link?))
}

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
pub enum NoLink {
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    #[error(transparent)]
    Relay(#[from] RelayError),
}

impl From<NoLink> for Failure {
    fn from(error: NoLink) -> Self {
        match error {
            NoLink::Randomness(error) => error.into(),
            NoLink::Relay(error) => error.into(),
        }
    }
}

/// Makes a link with which one browser acts for this key.
pub async fn make_link(
    relay: &Relay,
    base_url: &str,
    key: KeyId,
    actor: crate::domain::Actor,
) -> Result<LoginLink, NoLink> {
    let secret = Secret::generate(LINK_PREFIX)?;
    let expires_at = relay.now().plus_ms(limits::LOGIN_LINK_MS);
    let created = LoginLinkCreated { digest: secret.digest(), key, expires_at };
    relay.submit(actor, Command::CreateLoginLink(created)).await?;
    let url = format!("{}/code/login#{}", base_url.trim_end_matches('/'), secret.expose());
    Ok(LoginLink { url, expires_at: expires_at.to_string() })
}

/// What a browser is called that says no more than its user agent: enough to tell the phone from the laptop.
fn described(agent: &str) -> String {
    let of = |names: &[(&'static str, &'static str)]| {
        names.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name)
    };
    let program = of(&[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("CriOS/", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ]);
    let machine = of(&[
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Mac OS X", "Mac"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ]);
    match (program, machine) {
        (Some(program), Some(machine)) => format!("{program}, {machine}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => "a browser".to_owned(),
    }
}
