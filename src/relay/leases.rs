//! Who is there. A lease is renewed in memory by what a client really does; only the transitions become records.
//!
//! An open connection holds its lease; a heartbeat or a poll renews it for a time. When nothing holds it and its time
//! is over, the timers submit the loss as a command like any other.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use super::{Relay, RelayError, hub::lock};
use crate::domain::{Actor, Command, EnvironmentId, Event, Record, SessionId, SubscriptionId, World, limits};

/// Whose presence it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lease {
    Worker(SessionId),
    Environment(EnvironmentId),
    /// Whoever works on the wake of this generation. It does not come back: a lease that ran out is the end of its
    /// wake.
    Wake(SubscriptionId, u64),
}

impl Lease {
    const fn seen(self) -> Option<Command> {
        match self {
            Self::Worker(session) => Some(Command::WorkerSeen { session }),
            Self::Environment(environment) => Some(Command::EnvironmentSeen { environment }),
            Self::Wake(..) => None,
        }
    }

    const fn lost(self) -> Command {
        match self {
            Self::Worker(session) => Command::WorkerLost { session },
            Self::Environment(environment) => Command::EnvironmentLost { environment },
            Self::Wake(subscription, generation) => Command::ExpireWake { subscription, generation },
        }
    }
}

/// How long a lease lasts after the last sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Of a worker that only heartbeats.
    pub worker: Duration,
    /// Of a runner without a connected worker, which only polls.
    pub environment: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            worker: Duration::from_millis(limits::WORKER_LEASE_MS),
            environment: Duration::from_millis(limits::ENVIRONMENT_LEASE_MS),
        }
    }
}

impl Terms {
    fn of(self, lease: Lease, world: &World) -> Duration {
        match lease {
            Lease::Worker(_) => self.worker,
            Lease::Environment(_) => self.environment,
            Lease::Wake(id, _) => {
                let lasting = world.subscriptions().get(id).map_or(0, |found| found.created.lease_ms);
                Duration::from_millis(lasting)
            }
        }
    }
}

struct Term {
    holders: usize,
    until: Instant,
}

/// All leases in force.
pub(super) struct Leases {
    lasting: Terms,
    terms: Mutex<HashMap<Lease, Term>>,
}

impl Leases {
    /// Everybody who was there when the log ended gets a grace time, and the lease of a wake begins anew: nobody is
    /// dead because the server was.
    pub(super) fn of(world: &World, lasting: Terms) -> Self {
        let now = Instant::now();
        let until = now + Duration::from_millis(limits::RESTART_GRACE_MS);
        // An agent's conversations come and go with its line.
        let is_agents = |id| world.environment(id).is_some_and(|found| found.agent.is_some());
        let workers = world.sessions().filter(|found| found.worker.online && !found.environment.is_some_and(is_agents));
        let workers = workers.map(|found| Lease::Worker(found.id));
        let environments = world.environments().filter(|found| found.online);
        let environments = environments.map(|found| Lease::Environment(found.particulars.environment));
        let graced = workers.chain(environments).map(|lease| (lease, Term { holders: 0, until }));
        let wakes = world.subscriptions().iter().filter_map(|found| {
            let lease = Lease::Wake(found.id(), found.leased()?);
            Some((lease, Term { holders: 0, until: now + lasting.of(lease, world) }))
        });
        let terms = graced.chain(wakes).collect();
        Self { lasting, terms: Mutex::new(terms) }
    }

    fn extend(&self, lease: Lease, lasting: Duration, hold: bool) {
        let until = Instant::now() + lasting;
        let mut terms = lock(&self.terms);
        let term = terms.entry(lease).or_insert(Term { holders: 0, until });
        term.until = term.until.max(until);
        term.holders += usize::from(hold);
    }

    /// Starts the leases that a commit hands out. Here and not where the claim is answered: a client that hangs up
    /// before it has the answer would leave a wake that nobody has and that never ends.
    pub(super) fn start(&self, records: &[Arc<Record>], world: &World) {
        for record in records {
            if let Event::WakeClaimed { subscription, generation, .. } = record.event {
                let lease = Lease::Wake(subscription, generation);
                self.extend(lease, self.lasting.of(lease, world), false);
            }
        }
    }

    fn release(&self, lease: Lease, grace: Duration) {
        if let Some(term) = lock(&self.terms).get_mut(&lease) {
            term.holders = term.holders.saturating_sub(1);
            if term.holders == 0 {
                term.until = Instant::now() + grace;
            }
        }
    }

    fn is_in_force(&self, lease: Lease) -> bool {
        lock(&self.terms).contains_key(&lease)
    }

    fn expired(&self, now: Instant) -> Vec<Lease> {
        let mut expired = Vec::new();
        lock(&self.terms).retain(|lease, term| {
            let over = term.holders == 0 && term.until <= now;
            if over {
                expired.push(*lease);
            }
            !over
        });
        expired
    }
}

/// Holds a lease until it is dropped.
pub struct Held {
    relay: Relay,
    leases: [Option<Lease>; 2],
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("leases", &self.leases).finish_non_exhaustive()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        for lease in self.leases.into_iter().flatten() {
            let leases = &self.relay.shared.leases;
            let grace = match lease {
                Lease::Worker(_) => Duration::from_millis(limits::WORKER_GRACE_MS),
                Lease::Environment(_) | Lease::Wake(..) => leases.lasting.of(lease, &self.relay.world()),
            };
            leases.release(lease, grace);
        }
    }
}

/// A worker that is there means that its environment is.
fn with_environment(world: &World, lease: Lease) -> [Option<Lease>; 2] {
    let environment = match lease {
        Lease::Worker(id) => world.session(id).and_then(|session| session.environment),
        Lease::Environment(_) | Lease::Wake(..) => None,
    };
    [Some(lease), environment.map(Lease::Environment)]
}

impl Relay {
    /// Renews a lease for its usual time. Returns whether the log must be told that somebody is back: then submit
    /// [`Relay::announce`].
    pub fn renew(&self, lease: Lease) -> bool {
        let [returned, _] = self.extend(lease);
        returned.is_some()
    }

    /// Renews a lease and that of its environment. Answers what the log must be told of each.
    fn extend(&self, lease: Lease) -> [Option<Command>; 2] {
        let world = self.world();
        with_environment(&world, lease).map(|lease| {
            let lease = lease?;
            self.shared.leases.extend(lease, self.shared.leases.lasting.of(lease, &world), false);
            let returned = match lease {
                Lease::Wake(..) => false,
                Lease::Worker(id) => world.session(id).is_some_and(|session| !session.worker.online),
                Lease::Environment(id) => {
                    world.environment(id).is_some_and(|found| !found.online && !found.deregistered)
                }
            };
            lease.seen().filter(|_| returned)
        })
    }

    /// Renews a lease and records the return of whoever was away.
    pub async fn announce(&self, lease: Lease) {
        for seen in self.extend(lease).into_iter().flatten() {
            self.tell(seen).await;
        }
    }

    /// Keeps the lease of a wake from ending while the returned value lives: its delivery is under way. From then on it
    /// has its usual time.
    pub fn hold_wake(&self, subscription: SubscriptionId, generation: u64) -> Held {
        self.hold(Lease::Wake(subscription, generation))
    }

    /// Keeps a lease from ending while the returned value lives.
    pub(super) fn hold(&self, lease: Lease) -> Held {
        let world = self.world();
        let leases = with_environment(&world, lease);
        for lease in leases.into_iter().flatten() {
            self.shared.leases.extend(lease, self.shared.leases.lasting.of(lease, &world), true);
        }
        Held { relay: self.clone(), leases }
    }

    /// Turns deadlines into commands, until the relay closes.
    pub async fn run_timers(&self) {
        let mut closing = self.closing();
        let mut ticks = tokio::time::interval(Duration::from_millis(500));
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = closing.wait_for(|closing| *closing) => return,
            }
            self.shared.hubs.prune();
            for lease in self.shared.leases.expired(Instant::now()) {
                self.lose(lease).await;
            }
            self.expire_due().await;
            self.forget_deleted().await;
        }
    }

    /// Records the end of a lease, unless its holder is back by now. One who comes back while that is on its way still
    /// looks like somebody who was never away, and does not say so: that is done here.
    pub(super) async fn lose(&self, lease: Lease) {
        if self.shared.leases.is_in_force(lease) || !self.stands(lease) {
            return;
        }
        if !self.tell(lease.lost()).await {
            self.shared.leases.extend(lease, Duration::ZERO, false);
        } else if self.shared.leases.is_in_force(lease) {
            self.announce(lease).await;
        }
    }

    /// Whether there is anything to lose: most wakes are over when their lease ends.
    fn stands(&self, lease: Lease) -> bool {
        match lease {
            Lease::Worker(_) | Lease::Environment(_) => true,
            Lease::Wake(id, generation) => {
                self.world().subscriptions().get(id).and_then(crate::domain::subscription::Subscription::leased)
                    == Some(generation)
            }
        }
    }

    /// Submits what the relay itself noticed. A refusal means that the thing is gone, which is as good. Returns
    /// whether it was heard: a full queue means that it has to be noticed again.
    async fn tell(&self, command: Command) -> bool {
        let Err(error) = self.submit(Actor::System, command).await else { return true };
        tracing::debug!(%error, "a change of presence was not recorded");
        !matches!(error, RelayError::Busy { .. } | RelayError::Journal(_))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        domain::{EnvironmentId, event::EnvironmentRegistered},
        relay::tests::{Gate, OWNER, relay},
    };

    /// A relay with one runner, which is there.
    async fn with_a_runner() -> (Relay, Arc<Gate>, EnvironmentId) {
        let (relay, gate) = relay();
        let environment = EnvironmentId::from_uuid(Uuid::from_u128(3));
        let particulars = EnvironmentRegistered {
            environment,
            owner: OWNER,
            machine_name: "node".into(),
            directory: "/".into(),
            branch: None,
            git_repo_url: None,
            max_sessions: 1,
            worker_type: "test".into(),
            group: None,
        };
        relay
            .submit(Actor::System, Command::RegisterEnvironment { particulars, reattach: None })
            .await
            .expect("registered");
        (relay, gate, environment)
    }

    fn is_online(relay: &Relay, environment: EnvironmentId) -> bool {
        relay.world().environment(environment).expect("is known").online
    }

    async fn reached(gate: &Gate) {
        while !gate.is_reached() {
            tokio::task::yield_now().await;
        }
    }

    // A linked agent stayed offline until its line was cut: it had come back while its loss was being recorded.
    #[tokio::test]
    async fn whoever_comes_back_while_their_loss_is_recorded_is_there() {
        let (relay, gate, environment) = with_a_runner().await;
        let lease = Lease::Environment(environment);
        gate.set(true);
        let losing = tokio::spawn({
            let relay = relay.clone();
            async move { relay.lose(lease).await }
        });
        reached(&gate).await;
        let _line = relay.link(environment);
        gate.set(false);
        losing.await.expect("ran");
        assert!(is_online(&relay, environment));
        // And before it is: then there is nothing to record.
        relay.lose(lease).await;
        assert!(is_online(&relay, environment));
    }

    #[tokio::test]
    async fn a_line_that_replaces_one_on_its_way_out_is_there() {
        let (relay, gate, environment) = with_a_runner().await;
        let line = relay.link(environment);
        gate.set(true);
        let leaving = tokio::spawn(line.release());
        reached(&gate).await;
        let _line = relay.link(environment);
        gate.set(false);
        leaving.await.expect("ran");
        assert!(is_online(&relay, environment));
    }
}
