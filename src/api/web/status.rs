//! How the server is, with the counts of what the caller may see.

use std::time::Duration;

use http::StatusCode;

use super::{caller::Caller, environments, json, sessions};
use crate::{
    api::common::Response,
    domain::{Position, work::Stage},
    relay::{Bounds, Relay, Retention},
    security::Grant,
    wire::web::{CommitTimes, Copied, Counts, EnvironmentStatus, Kept, ServerStatus, SessionStatus, Storage},
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
        storage: caller.holds(Grant::AdminAll).is_ok().then(|| storage(relay)),
    };
    json(StatusCode::OK, &status)
}

/// What cannot be found out is left out, and its cause is in the log: the rest is worth knowing just then.
fn storage(relay: &Relay) -> Storage {
    let disk = relay.disk().unwrap_or_else(|error| {
        tracing::warn!(%error, "the journal's file could not be measured");
        None
    });
    let first = relay.journal().read_all(Position(1), Bounds { records_max: 1, bytes_max: 1 });
    let first = first.unwrap_or_else(|error| {
        tracing::warn!(%error, "the first record could not be read");
        Vec::new()
    });
    let seconds = |span: Option<Duration>| span.map(|span| span.as_secs());
    let Retention { archived_after, age, events, streams } = relay.retention();
    let micros = |took: Duration| u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let world = relay.world();
    Storage {
        file_bytes: disk.map(|disk| disk.file_bytes),
        free_bytes: disk.map(|disk| disk.free_bytes),
        oldest_at: first.first().map(|record| record.at.to_string()),
        streams: world.user_streams().iter().filter(|found| found.is_live()).count() as u64,
        subscriptions: world.subscriptions().len() as u64,
        kept: Kept {
            archived_seconds: seconds(archived_after),
            age_seconds: seconds(age),
            events,
            streams_seconds: seconds(streams),
        },
        commit_times: relay.commit_times().map(|times| CommitTimes {
            commits: times.commits as u64,
            median_micros: micros(times.median),
            slow_micros: micros(times.slow),
            slowest_micros: micros(times.slowest),
        }),
        last_backup: relay.last_copy().map(|copy| Copied { at: copy.at.to_string(), bytes: copy.bytes }),
    }
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
