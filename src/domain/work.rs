//! An environment's work queue: queued, leased, acked, done, or parked.
//!
//! A lease is a hand-out that nobody confirmed yet; what is not confirmed in time is handed out again, so a reply
//! lost on the wire is not lost work. The queue hands out in the order of queueing.

use std::collections::VecDeque;

use super::{
    command::{Outcome, Refusal, WorkGrant},
    decide::{Context, Decided},
    envelope::{Draft, Record, Timestamp},
    environment,
    event::Event,
    id::{EnvironmentId, SessionId, WorkId},
    limits,
    stream::Stream,
    world::World,
};

/// How far an item got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Queued,
    /// Handed out, not confirmed.
    Leased {
        at: Timestamp,
    },
    /// The runner has it.
    Acked {
        at: Timestamp,
    },
    /// Handed out too often; waits for an operator.
    Parked,
}

/// One item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    pub work: WorkId,
    pub session: SessionId,
    pub queued_at: Timestamp,
    pub attempts: u32,
    pub stage: Stage,
}

/// The items of one environment, in the order of queueing, and a memory of finished ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Queue {
    items: Vec<Item>,
    done: VecDeque<WorkId>,
    /// Sessions that a REPL let go of and may want back, with the time it did.
    wanted: Vec<(SessionId, Timestamp)>,
}

impl Queue {
    /// Everything that is not done.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// The ids of everything that is not done.
    pub fn unfinished(&self) -> impl Iterator<Item = WorkId> {
        self.items.iter().map(|item| item.work)
    }

    /// The unfinished item of this id.
    pub fn item(&self, work: WorkId) -> Option<&Item> {
        self.items.iter().find(|item| item.work == work)
    }

    /// The next moment after `now` when something may be due without anybody doing anything: an unconfirmed lease to
    /// hand out again, a session whose REPL waits for it.
    pub fn next_due(&self, now: Timestamp, reclaim_after_ms: u64) -> Option<Timestamp> {
        let leases = self.items.iter().filter_map(|item| match item.stage {
            Stage::Leased { at } => Some(at.plus_ms(reclaim_after_ms)),
            _ => None,
        });
        let wanted = self.wanted.iter().map(|(_, at)| at.plus_ms(limits::STOP_SETTLE_MS));
        leases.chain(wanted).filter(|due| *due > now).min()
    }

    /// Whether a runner has this session, or is about to.
    fn holds(&self, session: SessionId, now: Timestamp) -> bool {
        self.items.iter().filter(|item| item.session == session).any(|item| match item.stage {
            Stage::Queued | Stage::Leased { .. } => true,
            Stage::Acked { at } => now.since_ms(at) < limits::WORK_START_MS,
            Stage::Parked => false,
        })
    }

    fn change(&mut self, work: WorkId, change: impl FnOnce(&mut Item)) {
        if let Some(item) = self.items.iter_mut().find(|item| item.work == work) {
            change(item);
        }
    }
}

/// Queues the session for its environment if nobody has it: a message was left for a worker that is not there.
pub(super) fn wake_worker(world: &World, context: &Context<'_>, session: SessionId, work: WorkId) -> Option<Draft> {
    let found = world.sessions.get(&session)?;
    let id = found.environment?;
    let environment = environment::active(world, id).ok()?;
    // Whoever holds an agent's line looks at all that waits.
    let idle = environment.agent.is_none() && !found.worker.online && !environment.work.holds(session, context.now);
    (idle && environment.work.items.len() < limits::WORK_QUEUED_MAX).then(|| queued(id, work, session))
}

pub(super) fn queued(environment: EnvironmentId, work: WorkId, session: SessionId) -> Draft {
    Draft::new(Stream::Environment(environment), Event::WorkQueued { environment, work, session })
}

pub(super) fn lease(
    world: &World,
    context: &Context<'_>,
    id: EnvironmentId,
    reclaim_after_ms: u64,
    fresh: WorkId,
) -> Result<Decided, Refusal> {
    let environment = environment::active(world, id)?;
    let stream = Stream::Environment(id);
    let mut drafts = Vec::new();
    for item in &environment.work.items {
        let due = match item.stage {
            Stage::Queued => true,
            Stage::Leased { at } => context.now.since_ms(at) >= reclaim_after_ms,
            Stage::Acked { .. } | Stage::Parked => false,
        };
        if !due {
            continue;
        }
        let work = item.work;
        if world.sessions.get(&item.session).is_none_or(|session| session.archived_at.is_some()) {
            drafts.push(Draft::new(stream, Event::WorkDone { environment: id, work, wanted: false }));
        } else if item.attempts >= limits::WORK_ATTEMPTS_MAX {
            drafts.push(Draft::new(stream, Event::WorkParked { environment: id, work }));
        } else {
            return Ok(grant(id, *item, drafts));
        }
    }
    if let Some(session) = wanted_back(world, context, environment) {
        let item = Item { work: fresh, session, queued_at: context.now, attempts: 0, stage: Stage::Queued };
        drafts.push(queued(id, fresh, session));
        return Ok(grant(id, item, drafts));
    }
    Ok(Decided { drafts, outcome: Outcome::Work { item: None } })
}

fn grant(environment: EnvironmentId, item: Item, mut drafts: Vec<Draft>) -> Decided {
    let Item { work, session, queued_at, attempts, .. } = item;
    let attempt = attempts.saturating_add(1);
    drafts.push(Draft::new(Stream::Environment(environment), Event::WorkLeased { environment, work, attempt }));
    Decided { drafts, outcome: Outcome::Work { item: Some(WorkGrant { work, session, queued_at, attempt }) } }
}

/// A session that a single-session runner let go of without force, and that neither ended nor came back since: a REPL
/// that wants it handed out again. A spawned child that ended looks the same for a moment, until its archive arrives.
fn wanted_back(world: &World, context: &Context<'_>, environment: &environment::Environment) -> Option<SessionId> {
    if environment.particulars.max_sessions != 1 {
        return None;
    }
    environment.work.wanted.iter().find_map(|(id, at)| {
        let session = world.sessions.get(id)?;
        let settled = context.now.since_ms(*at) >= limits::STOP_SETTLE_MS;
        let wanted = settled && session.archived_at.is_none() && !session.worker.online;
        (wanted && !environment.work.holds(*id, context.now)).then_some(*id)
    })
}

pub(super) fn ack(world: &World, id: EnvironmentId, work: WorkId) -> Result<Decided, Refusal> {
    let queue = &environment::active(world, id)?.work;
    match queue.item(work).map(|item| item.stage) {
        Some(Stage::Acked { .. }) => Ok(Decided::nothing(Outcome::Unchanged)),
        Some(_) => Ok(one(id, Event::WorkAcked { environment: id, work })),
        None => finished(queue, id, work),
    }
}

pub(super) fn give_back(world: &World, id: EnvironmentId, work: WorkId) -> Result<Decided, Refusal> {
    let queue = &environment::active(world, id)?.work;
    match queue.item(work).map(|item| item.stage) {
        Some(Stage::Leased { .. }) => Ok(one(id, Event::WorkReturned { environment: id, work })),
        Some(_) => Ok(Decided::nothing(Outcome::Unchanged)),
        None => finished(queue, id, work),
    }
}

pub(super) fn stop(world: &World, id: EnvironmentId, work: WorkId, force: bool) -> Result<Decided, Refusal> {
    let queue = &environment::active(world, id)?.work;
    match queue.item(work) {
        Some(_) => Ok(one(id, Event::WorkDone { environment: id, work, wanted: !force })),
        None => finished(queue, id, work),
    }
}

pub(super) fn redispatch(
    world: &World,
    id: EnvironmentId,
    session: SessionId,
    work: WorkId,
) -> Result<Decided, Refusal> {
    let queue = &environment::active(world, id)?.work;
    let found = world.sessions.get(&session).ok_or(Refusal::NoSession(session))?;
    if found.environment != Some(id) {
        return Err(Refusal::NoSession(session));
    }
    if found.archived_at.is_some() {
        return Err(Refusal::Archived(session));
    }
    let stale = queue.items.iter().filter(|item| item.session == session);
    let done = |item: &Item| {
        Draft::new(Stream::Environment(id), Event::WorkDone { environment: id, work: item.work, wanted: false })
    };
    let mut drafts: Vec<Draft> = stale.map(done).collect();
    drafts.push(queued(id, work, session));
    Ok(Decided { drafts, outcome: Outcome::Done })
}

/// Items that a session has no more use for.
pub(super) fn finish_session(world: &World, session: SessionId) -> impl Iterator<Item = Draft> + '_ {
    let environment = world.sessions.get(&session).and_then(|found| found.environment);
    let queue = environment.and_then(|id| world.environments.get(&id)).map(|found| &found.work);
    let items = queue.into_iter().flat_map(|queue| &queue.items).filter(move |item| item.session == session);
    items.zip(environment).map(|(item, environment)| {
        let event = Event::WorkDone { environment, work: item.work, wanted: false };
        Draft::new(Stream::Environment(environment), event)
    })
}

fn one(id: EnvironmentId, event: Event) -> Decided {
    Decided::one(Draft::new(Stream::Environment(id), event), Outcome::Done)
}

/// A late word about a finished item is no error: the reply to the first one may have been lost.
fn finished(queue: &Queue, environment: EnvironmentId, work: WorkId) -> Result<Decided, Refusal> {
    if queue.done.contains(&work) {
        return Ok(Decided::nothing(Outcome::Unchanged));
    }
    Err(Refusal::NoWork { environment, work })
}

pub(super) fn apply(world: &mut World, record: &Record) {
    let Stream::Environment(id) = record.stream else { return };
    let Some(environment) = world.environments.get_mut(&id) else { return };
    let queue = &mut environment.work;
    let at = record.at;
    match record.event {
        Event::WorkQueued { work, session, .. } => {
            queue.wanted.retain(|(wanted, _)| *wanted != session);
            queue.items.push(Item { work, session, queued_at: at, attempts: 0, stage: Stage::Queued });
        }
        Event::WorkLeased { work, attempt, .. } => queue.change(work, |item| {
            item.attempts = attempt;
            item.stage = Stage::Leased { at };
        }),
        Event::WorkAcked { work, .. } => queue.change(work, |item| item.stage = Stage::Acked { at }),
        Event::WorkReturned { work, .. } => queue.change(work, |item| item.stage = Stage::Queued),
        Event::WorkParked { work, .. } => queue.change(work, |item| item.stage = Stage::Parked),
        Event::WorkDone { work, wanted, .. } => {
            let Some(index) = queue.items.iter().position(|item| item.work == work) else { return };
            let item = queue.items.remove(index);
            queue.wanted.retain(|(session, _)| *session != item.session);
            if wanted && queue.wanted.len() < limits::WORK_QUEUED_MAX {
                queue.wanted.push((item.session, at));
            }
            if queue.done.len() == limits::WORK_DONE_MAX {
                queue.done.pop_front();
            }
            queue.done.push_back(work);
        }
        _ => {}
    }
}
