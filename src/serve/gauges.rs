//! The metrics page: what was counted as it happened, and what is read off the relay when somebody looks.

use std::sync::Arc;

use metrics::gauge;

use crate::{
    api::common::house::RenderMetrics,
    domain::World,
    relay::Relay,
    telemetry::{ENVIRONMENTS, Metrics, PERMISSIONS_OPEN, SESSIONS, STREAMS_OPEN, WORKERS_ONLINE, WRITER_QUEUE},
};

/// The function that draws the page.
pub(super) fn render(relay: Relay, metrics: Option<Metrics>) -> RenderMetrics {
    Arc::new(move || {
        let Some(metrics) = &metrics else { return String::new() };
        look(&relay);
        metrics.fold();
        metrics.render()
    })
}

#[expect(clippy::cast_precision_loss, reason = "counts of things in memory are far below 2^52")]
fn look(relay: &Relay) {
    gauge!(WRITER_QUEUE).set(relay.queue_depth() as f64);
    gauge!(STREAMS_OPEN, "kind" => "followed").set(relay.streams_followed() as f64);
    let world = relay.world();
    for (name, labels, count) in counts(&world) {
        match labels {
            Some(state) => gauge!(name, "state" => state).set(count as f64),
            None => gauge!(name).set(count as f64),
        }
    }
}

fn counts(world: &World) -> [(&'static str, Option<&'static str>, usize); 6] {
    let archived = world.sessions().filter(|session| session.archived_at.is_some()).count();
    let online = world.environments().filter(|found| found.online).count();
    [
        (SESSIONS, Some("active"), world.sessions().count() - archived),
        (SESSIONS, Some("archived"), archived),
        (WORKERS_ONLINE, None, world.sessions().filter(|session| session.worker.online).count()),
        (ENVIRONMENTS, Some("online"), online),
        (ENVIRONMENTS, Some("offline"), world.environments().count() - online),
        (PERMISSIONS_OPEN, None, world.asking().map(|session| session.permissions.open().count()).sum()),
    ]
}
