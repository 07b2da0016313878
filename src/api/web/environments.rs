//! Runners: lists, one with its work queue, and the operator's way to start a parked item again.

use http::StatusCode;
use uuid::Uuid;

use super::{
    caller::Caller,
    error::Failure,
    json, offers,
    page::{Order, Place, Slice},
};
use crate::{
    api::common::Response,
    domain::{Command, EnvironmentId, Outcome, WorkId, environment, work::Stage},
    wire::web::{Environment, EnvironmentDetail, EnvironmentStatus, Page, Requeued, WorkItem, WorkStage},
};

/// `?status=online|offline|deregistered`; without it, all that did not sign off.
pub(super) fn list(caller: &Caller<'_>) -> Result<Response, Failure> {
    let slice = Slice::of(caller, Order::NewestFirst)?;
    let wanted = match caller.call.query("status").as_deref() {
        None => None,
        Some("online") => Some(EnvironmentStatus::Online),
        Some("offline") => Some(EnvironmentStatus::Offline),
        Some("deregistered") => Some(EnvironmentStatus::Deregistered),
        Some(_) => return Err(Failure::field("status", "must be online, offline or deregistered")),
    };
    let scope = caller.principal.scope();
    let world = caller.house.relay.world();
    let found = world.environments().filter(|found| scope.includes(found.particulars.owner)).filter(|found| {
        let status = status(found);
        wanted.map_or(status != EnvironmentStatus::Deregistered, |wanted| status == wanted)
    });
    let (places, next) = slice.cut(found.map(|found| Place::new(found.registered_at, uuid(found))));
    let shown = places.iter().filter_map(|place| world.environment(EnvironmentId::from_uuid(place.id)));
    let items: Vec<Environment> = shown.map(summary).collect();
    drop(world);
    Ok(json(StatusCode::OK, &Page { items, next }))
}

pub(super) fn show(caller: &Caller<'_>, id: EnvironmentId) -> Result<Response, Failure> {
    let offers = offers::of(caller, id)?;
    let world = caller.house.relay.world();
    let found = world.environment(id).ok_or_else(|| Failure::absent(id))?;
    let work = found.work.items().iter().map(|item| {
        let (stage, since) = match item.stage {
            Stage::Queued => (WorkStage::Queued, None),
            Stage::Leased { at } => (WorkStage::Leased, Some(at)),
            Stage::Acked { at } => (WorkStage::Acked, Some(at)),
            Stage::Parked => (WorkStage::Parked, None),
        };
        WorkItem {
            id: item.work,
            session_id: item.session,
            stage,
            queued_at: item.queued_at.to_string(),
            attempts: item.attempts,
            since: since.map(|at| at.to_string()),
        }
    });
    let detail = EnvironmentDetail { environment: summary(found), work: work.collect(), offers };
    drop(world);
    Ok(json(StatusCode::OK, &detail))
}

/// Replaces an item by a fresh one for the same session.
pub(super) async fn requeue(caller: &Caller<'_>, id: EnvironmentId, work: WorkId) -> Result<Response, Failure> {
    let session = {
        let world = caller.house.relay.world();
        world.environment(id).and_then(|found| found.work.item(work)).map(|item| item.session)
    };
    let session = session.ok_or_else(|| Failure::absent(format_args!("unfinished work item {work} of {id}")))?;
    let fresh = WorkId::from_uuid(caller.house.fresh()?);
    match caller.submit(Command::RedispatchSession { environment: id, session, work: fresh }).await? {
        Outcome::Done => Ok(json(StatusCode::OK, &Requeued { work_id: fresh, session_id: session })),
        other => Err(Failure::unexpected(&other)),
    }
}

pub(super) const fn status(found: &environment::Environment) -> EnvironmentStatus {
    match (found.deregistered, found.online) {
        (true, _) => EnvironmentStatus::Deregistered,
        (false, true) => EnvironmentStatus::Online,
        (false, false) => EnvironmentStatus::Offline,
    }
}

const fn uuid(found: &environment::Environment) -> Uuid {
    found.particulars.environment.uuid()
}

pub(super) fn summary(found: &environment::Environment) -> Environment {
    let particulars = &found.particulars;
    let count =
        |wanted: fn(&Stage) -> bool| found.work.items().iter().filter(|item| wanted(&item.stage)).count() as u64;
    Environment {
        id: particulars.environment,
        owner_id: particulars.owner,
        status: status(found),
        machine_name: particulars.machine_name.clone(),
        directory: particulars.directory.clone(),
        branch: particulars.branch.clone(),
        git_repo_url: particulars.git_repo_url.clone(),
        max_sessions: particulars.max_sessions,
        worker_type: particulars.worker_type.clone(),
        registered_at: found.registered_at.to_string(),
        changed_at: found.changed_at.to_string(),
        work_queued: count(|stage| matches!(stage, Stage::Queued | Stage::Leased { .. })),
        work_parked: count(|stage| matches!(stage, Stage::Parked)),
    }
}
