//! How the server is, with the counts of what the caller may see.

use http::StatusCode;

use super::{caller::Caller, environments, json, sessions};
use crate::{
    api::common::Response,
    domain::work::Stage,
    wire::web::{Counts, EnvironmentStatus, ServerStatus, SessionStatus},
};

pub(super) fn show(caller: &Caller<'_>) -> Response {
    let relay = &caller.house.relay;
    let status = ServerStatus {
        version: caller.house.settings.version.clone(),
        epoch: relay.epoch().to_string(),
        tail: relay.journal().tail().0,
        now: relay.now().to_string(),
        queue_depth: relay.queue_depth() as u64,
        streams_followed: relay.streams_followed() as u64,
        counts: counts(caller),
    };
    json(StatusCode::OK, &status)
}

fn counts(caller: &Caller<'_>) -> Counts {
    let scope = caller.principal.scope();
    let world = caller.house.relay.world();
    let mut counts = Counts::default();
    for found in world.environments().filter(|found| scope.includes(found.particulars.owner)) {
        let status = environments::status(found);
        counts.environments += u64::from(status != EnvironmentStatus::Deregistered);
        counts.environments_online += u64::from(status == EnvironmentStatus::Online);
        counts.work_parked += found.work.items().iter().filter(|item| item.stage == Stage::Parked).count() as u64;
    }
    for found in world.sessions().filter(|found| scope.includes(found.owner)) {
        let status = sessions::status(found);
        counts.sessions += u64::from(status != SessionStatus::Archived);
        counts.sessions_archived += u64::from(status == SessionStatus::Archived);
        counts.sessions_waiting += u64::from(status == SessionStatus::Waiting);
        counts.sessions_working += u64::from(status == SessionStatus::Working);
        counts.workers_online += u64::from(found.worker.online);
        counts.permissions_open += found.permissions.open().count() as u64;
    }
    counts
}
