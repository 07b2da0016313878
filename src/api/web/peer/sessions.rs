//! Sessions and environments in the stock server's shapes.

use http::StatusCode;

use super::super::{
    caller::{Caller, plain_text},
    control, environments,
    error::Failure,
    json, sessions,
};
use crate::{
    api::common::Response,
    domain::{
        SessionId, Timestamp, environment,
        event::{SessionCreated, Status},
        limits, session,
    },
    security::Grant,
    wire::web::{
        EnvironmentStatus,
        peer::{PeerBind, PeerBound, PeerCreateSession, PeerEnvironment, PeerSession, PeerSessionSummary},
    },
};

/// Claims nothing: it says whether the session is the caller's.
pub(super) fn bind(caller: &Caller<'_>) -> Result<Response, Failure> {
    let PeerBind { session_id } = caller.body()?;
    let owner = caller.house.owner_of(session_id);
    caller.may(Grant::SessionRead, owner).map_err(|denied| Failure::denied(denied, session_id))?;
    owner.ok_or_else(|| Failure::absent(session_id))?;
    Ok(json(StatusCode::OK, &PeerBound { ok: true, session_id }))
}

/// Those that are there. The stock server has no pages, so this is bounded to the newest.
pub(super) fn environments(caller: &Caller<'_>) -> Response {
    let scope = caller.principal.scope();
    let world = caller.house.relay.world();
    let online = world.environments().filter(|found| environments::status(found) == EnvironmentStatus::Online);
    let mut found: Vec<&environment::Environment> =
        online.filter(|found| scope.includes(found.particulars.owner)).collect();
    found.sort_unstable_by_key(|found| std::cmp::Reverse((found.registered_at, found.particulars.environment)));
    let shown: Vec<PeerEnvironment> = found.into_iter().take(limits::PAGE_ITEMS_MAX).map(shown_environment).collect();
    drop(world);
    json(StatusCode::OK, &shown)
}

pub(super) fn list(caller: &Caller<'_>) -> Response {
    json(StatusCode::OK, &newest(caller, shown))
}

pub(super) fn summaries(caller: &Caller<'_>) -> Response {
    let summary = |found: &session::Session| PeerSessionSummary {
        id: found.id,
        title: found.title.clone(),
        status: status(found).to_owned(),
        username: None,
        updated_at: seconds(found.active_at),
    };
    json(StatusCode::OK, &newest(caller, summary))
}

/// The caller's open sessions, the one active last first. Bounded, as there are no pages.
fn newest<T>(caller: &Caller<'_>, shown: impl Fn(&session::Session) -> T) -> Vec<T> {
    let scope = caller.principal.scope();
    let world = caller.house.relay.world();
    let open = world.sessions().filter(|found| found.archived_at.is_none() && scope.includes(found.owner));
    let mut found: Vec<&session::Session> = open.collect();
    found.sort_unstable_by_key(|found| std::cmp::Reverse((found.active_at, found.id)));
    found.into_iter().take(limits::PAGE_ITEMS_MAX).map(shown).collect()
}

pub(super) fn show(caller: &Caller<'_>, id: SessionId) -> Result<Response, Failure> {
    let found = caller.house.relay.world().session(id).map(shown);
    Ok(json(StatusCode::OK, &found.ok_or_else(|| Failure::absent(id))?))
}

pub(super) async fn create(caller: &Caller<'_>) -> Result<Response, Failure> {
    let PeerCreateSession { environment_id, title, permission_mode } = caller.body()?;
    let mode = permission_mode.filter(|mode| !mode.is_empty());
    if let Some(mode) = &mode {
        caller.holds(Grant::ControlMode)?;
        control::check_mode(caller, "permission_mode", mode)?;
    }
    let owner = match environment_id {
        None => caller.owner()?,
        Some(id) => sessions::environment_owner(caller, id)?,
    };
    let title = title.filter(|title| !title.is_empty()).unwrap_or_else(|| "New Session".into());
    let particulars = SessionCreated {
        session: SessionId::from_uuid(caller.house.fresh()?),
        owner,
        environment: environment_id,
        title: Some(plain_text("title", &title, limits::TITLE_BYTES_MAX)?),
        source: "web".into(),
        mode: Some(mode.unwrap_or_else(|| "default".into())),
        model: None,
        directory: None,
    };
    let id = sessions::begin(caller, particulars, Vec::new(), None).await?;
    show(caller, id)
}

fn shown(found: &session::Session) -> PeerSession {
    PeerSession {
        id: found.id,
        environment_id: found.environment,
        title: found.title.clone(),
        status: status(found).to_owned(),
        source: found.source.clone(),
        permission_mode: found.mode.clone().or_else(|| found.requested_mode.clone()),
        worker_epoch: found.worker.epoch,
        username: None,
        created_at: seconds(found.created_at),
        updated_at: seconds(found.active_at),
        automation_state: found.metadata.get("automation_state").cloned(),
    }
}

/// A session whose worker is away is not `inactive`: the stock page hides those and refuses to write to them, while
/// ours keeps what is written until the worker is back.
fn status(found: &session::Session) -> &'static str {
    match found.status() {
        _ if found.archived_at.is_some() => "archived",
        status => peer_status(status),
    }
}

pub(super) const fn peer_status(status: Status) -> &'static str {
    match status {
        Status::Idle => "idle",
        Status::Working => "running",
        Status::Waiting => "requires_action",
    }
}

fn shown_environment(found: &environment::Environment) -> PeerEnvironment {
    let particulars = &found.particulars;
    PeerEnvironment {
        id: particulars.environment,
        machine_name: particulars.machine_name.clone(),
        directory: particulars.directory.clone(),
        branch: particulars.branch.clone(),
        status: "active".into(),
        username: None,
        last_poll_at: Some(seconds(found.changed_at)),
        worker_type: particulars.worker_type.clone(),
        channel_group_id: None,
        capabilities: None,
    }
}

/// Seconds with three digits: what fits a number of JavaScript for the next thousands of years.
#[expect(clippy::cast_precision_loss, reason = "milliseconds stay below 2^53 until the year 287396")]
fn seconds(at: Timestamp) -> f64 {
    at.0 as f64 / 1_000.0
}
