//! The metrics page: what was counted as it happened, and what is read off the relay when somebody looks.

use std::sync::Arc;

use metrics::{counter, gauge};

use crate::{
    api::common::house::RenderMetrics,
    domain::World,
    relay::Relay,
    security::throttle::Refusals,
    telemetry::{
        ENVIRONMENTS, Metrics, PERMISSIONS_OPEN, SESSIONS, THROTTLED, WORKERS_ONLINE, WRITER_QUEUE, WRITER_REFUSED,
    },
};

/// The function that draws the page.
pub(super) fn render(relay: Relay, refusals: Arc<Refusals>, metrics: Option<Metrics>) -> RenderMetrics {
    Arc::new(move || {
        let Some(metrics) = &metrics else { return String::new() };
        look(&relay);
        for (throttle, count) in refusals.counts() {
            counter!(THROTTLED, "throttle" => throttle).absolute(count);
        }
        metrics.fold();
        metrics.render()
    })
}

#[expect(clippy::cast_precision_loss, reason = "counts of things in memory are far below 2^52")]
fn look(relay: &Relay) {
    gauge!(WRITER_QUEUE).set(relay.queue_depth() as f64);
    counter!(WRITER_REFUSED).absolute(relay.refused());
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
