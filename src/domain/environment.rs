//! Runners: who registered from where, and whether they are there. Their work queue is in [`work`](super::work).

use super::{
    agent::{self, Agent},
    command::{Outcome, Refusal},
    decide::Decided,
    envelope::{Draft, Record, Timestamp},
    event::{EnvironmentRegistered, Event},
    id::EnvironmentId,
    limits, session,
    stream::Stream,
    work::Queue,
    world::World,
};

/// A runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    pub particulars: EnvironmentRegistered,
    pub registered_at: Timestamp,
    pub online: bool,
    /// When `online` last changed.
    pub changed_at: Timestamp,
    /// It signed off; its id may be taken up again by the same owner.
    pub deregistered: bool,
    pub work: Queue,
    /// What is known of it beside, if it is an agent behind a link.
    pub agent: Option<Agent>,
}

pub(super) fn register(
    world: &World,
    mut particulars: EnvironmentRegistered,
    reattach: Option<EnvironmentId>,
) -> Result<Decided, Refusal> {
    // A foreign or unknown id claims nothing: the runner gets the new one, as if it had not asked.
    let old =
        reattach.and_then(|id| world.environments.get(&id)).filter(|old| old.particulars.owner == particulars.owner);
    if let Some(old) = old {
        let environment = old.particulars.environment;
        particulars.environment = environment;
        let draft = Draft::new(Stream::Environment(environment), Event::EnvironmentReattached(particulars));
        return Ok(Decided::one(draft, Outcome::Environment { environment, reattached: true }));
    }
    if world.environments.len() >= limits::ENVIRONMENTS_MAX {
        return Err(Refusal::Full { what: "the list of environments", max: limits::ENVIRONMENTS_MAX });
    }
    let environment = particulars.environment;
    let draft = Draft::new(Stream::Environment(environment), Event::EnvironmentRegistered(particulars));
    Ok(Decided::one(draft, Outcome::Environment { environment, reattached: false }))
}

/// The environment, if it can still be given work.
pub(super) fn active(world: &World, id: EnvironmentId) -> Result<&Environment, Refusal> {
    world.environments.get(&id).filter(|found| !found.deregistered).ok_or(Refusal::NoEnvironment(id))
}

pub(super) fn seen(world: &World, id: EnvironmentId) -> Result<Decided, Refusal> {
    let found = active(world, id)?;
    let mut seen = transition(id, found.online, Event::EnvironmentOnline { environment: id });
    // Whoever holds an agent's line holds all its conversations.
    seen.drafts.extend(agent::sessions(world, found).filter(|one| !one.worker.online).map(session::online));
    Ok(seen)
}

pub(super) fn lost(world: &World, id: EnvironmentId) -> Result<Decided, Refusal> {
    let found = world.environments.get(&id).ok_or(Refusal::NoEnvironment(id))?;
    let mut lost = transition(id, !found.online, Event::EnvironmentOffline { environment: id });
    lost.drafts.extend(agent::sessions(world, found).flat_map(session::offline));
    Ok(lost)
}

fn transition(id: EnvironmentId, already: bool, event: Event) -> Decided {
    if already {
        return Decided::nothing(Outcome::Unchanged);
    }
    Decided::one(Draft::new(Stream::Environment(id), event), Outcome::Done)
}

pub(super) fn deregister(world: &World, id: EnvironmentId) -> Result<Decided, Refusal> {
    let found = world.environments.get(&id).ok_or(Refusal::NoEnvironment(id))?;
    if found.deregistered {
        return Ok(Decided::nothing(Outcome::Unchanged));
    }
    let stream = Stream::Environment(id);
    let done = |work| Draft::new(stream, Event::WorkDone { environment: id, work, wanted: false });
    let mut drafts: Vec<Draft> = found.work.unfinished().map(done).collect();
    drafts.push(Draft::new(stream, Event::EnvironmentDeregistered { environment: id }));
    Ok(Decided { drafts, outcome: Outcome::Done })
}

pub(super) fn apply(world: &mut World, record: &Record) {
    let at = record.at;
    match &record.event {
        Event::EnvironmentRegistered(particulars) => {
            // An agent is there once it holds a line, which is told by a record of its own.
            let is_agent = particulars.worker_type == agent::WORKER_TYPE;
            world.environments.insert(
                particulars.environment,
                Environment {
                    particulars: particulars.clone(),
                    registered_at: at,
                    online: !is_agent,
                    changed_at: at,
                    deregistered: false,
                    work: Queue::default(),
                    agent: is_agent.then(|| Agent::new(record.actor)),
                },
            );
        }
        Event::EnvironmentReattached(particulars) => {
            if let Some(found) = world.environments.get_mut(&particulars.environment) {
                found.particulars = particulars.clone();
                found.deregistered = false;
                found.turn(true, at);
            }
        }
        Event::EnvironmentOnline { environment } => {
            if let Some(found) = world.environments.get_mut(environment) {
                found.turn(true, at);
                if let Some(agent) = &mut found.agent {
                    agent.identified = true;
                }
            }
        }
        Event::EnvironmentOffline { environment } => {
            if let Some(found) = world.environments.get_mut(environment) {
                found.turn(false, at);
            }
        }
        Event::EnvironmentDeregistered { environment } => {
            if let Some(found) = world.environments.get_mut(environment) {
                found.deregistered = true;
                found.turn(false, at);
                // Nobody can have known it, so nobody will ask for it.
                if found.agent.as_ref().is_some_and(|agent| !agent.identified) {
                    world.environments.remove(environment);
                }
            }
        }
        _ => {}
    }
}

impl Environment {
    fn turn(&mut self, online: bool, at: Timestamp) {
        if self.online != online {
            self.online = online;
            self.changed_at = at;
        }
    }
}
