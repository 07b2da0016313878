//! Runners: who registered from where, and whether they are there. Their work queue is in [`work`](super::work).

use super::{
    command::{Outcome, Refusal},
    decide::Decided,
    envelope::{Draft, Record, Timestamp},
    event::{EnvironmentRegistered, Event},
    id::EnvironmentId,
    limits,
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
    Ok(transition(id, found.online, Event::EnvironmentOnline { environment: id }))
}

pub(super) fn lost(world: &World, id: EnvironmentId) -> Result<Decided, Refusal> {
    let found = world.environments.get(&id).ok_or(Refusal::NoEnvironment(id))?;
    Ok(transition(id, !found.online, Event::EnvironmentOffline { environment: id }))
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
            world.environments.insert(
                particulars.environment,
                Environment {
                    particulars: particulars.clone(),
                    registered_at: at,
                    online: true,
                    changed_at: at,
                    deregistered: false,
                    work: Queue::default(),
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
