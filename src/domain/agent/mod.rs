//! Agents behind a link: a runner with one program, whose conversations share one line and one turn.
//!
//! Its link registers anew after every cut, under a new id, while the program and its conversations live on behind it.
//! So a newcomer may be one that was away: [`identify`] decides that, and only if there is no doubt. Which step comes
//! next on the line is [`next_step`]'s to say. Neither knows what is written there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use super::{
    command::{Outcome, Refusal},
    decide::{Context, Decided},
    envelope::{Actor, Draft, Record, Sequence},
    environment::{self, Environment},
    event::{Abilities, AgentReported, EnvironmentRegistered, Event, MessageKind, Offers, SessionCreated, Status},
    id::{EnvironmentId, SessionId},
    limits,
    outbox::Item,
    session::{self, Session},
    stream::Stream,
    world::World,
};

mod course;
mod step;

pub(super) use course::check as check_course;
pub use course::{Steering, steering};
pub use step::{Step, next_step};

/// What such a runner calls itself.
pub const WORKER_TYPE: &str = "acp";
/// Where its conversations come from.
const SOURCE: &str = "acp";

/// What is known of an agent beside what is known of every runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// Whose credential registered it: no other may claim its id.
    pub registered_by: Actor,
    /// It held a line at least once. Before that nobody can have known it.
    pub identified: bool,
    /// The conversation that its registration was told of.
    pub home: Option<SessionId>,
    /// Its conversations that are not archived.
    pub sessions: BTreeSet<SessionId>,
    /// The same by the ids that the agent gave them.
    pub bound: BTreeMap<String, SessionId>,
    /// Its program, while it runs.
    pub program: Option<Program>,
    /// The conversation that its link is in; `None` when that is not known.
    pub current: Option<SessionId>,
    /// Other ids that it registered under.
    aliases: VecDeque<EnvironmentId>,
}

/// A running program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Where the record stands, in the environment's stream, that holds what it said of itself.
    pub status: Sequence,
    pub abilities: Abilities,
    /// The conversations that it has open.
    pub live: BTreeSet<SessionId>,
}

impl Agent {
    pub(super) const fn new(registered_by: Actor) -> Self {
        Self {
            registered_by,
            identified: false,
            home: None,
            sessions: BTreeSet::new(),
            bound: BTreeMap::new(),
            program: None,
            current: None,
            aliases: VecDeque::new(),
        }
    }

    /// Whether its running program has this conversation open.
    pub fn has_open(&self, session: SessionId) -> bool {
        self.program.as_ref().is_some_and(|program| program.live.contains(&session))
    }
}

/// The conversations of an environment that is an agent; none of any other.
pub fn sessions<'a>(world: &'a World, environment: &'a Environment) -> impl Iterator<Item = &'a Session> {
    let ids = environment.agent.iter().flat_map(|agent| &agent.sessions);
    ids.filter_map(|id| world.session(*id))
}

/// Whether a turn is under way, or about to be: its prompt was handed over.
pub fn in_turn(session: &Session) -> bool {
    let handed_over = |(_, item): (_, &Item)| matches!(item, Item::Prompt { delivered: true, .. });
    session.reported != Status::Idle || session.outbox.items().any(handed_over)
}

/// The agent's conversation whose turn is under way. A link has one at a time.
pub fn turn<'a>(world: &'a World, environment: &'a Environment) -> Option<&'a Session> {
    sessions(world, environment).find(|session| in_turn(session))
}

fn find(world: &World, id: EnvironmentId) -> Result<(&Environment, &Agent), Refusal> {
    let found = environment::active(world, id)?;
    let agent = found.agent.as_ref().ok_or(Refusal::NoEnvironment(id))?;
    Ok((found, agent))
}

/// Whether two registrations could be of the same agent: same credential, group and name.
fn is_twin(one: &Environment, actor: Actor, particulars: &EnvironmentRegistered) -> bool {
    let own = &one.particulars;
    one.agent.as_ref().is_some_and(|agent| agent.registered_by == actor)
        && (own.owner, &own.group, &own.machine_name)
            == (particulars.owner, &particulars.group, &particulars.machine_name)
        && own.environment != particulars.environment
        && !one.deregistered
}

/// The agents that a newcomer may be, whether they hold a line or not. One that was here before is nobody else.
pub fn twins(world: &World, id: EnvironmentId) -> Vec<EnvironmentId> {
    let found = world.environment(world.agent_id(id));
    let newcomer = found.and_then(|found| found.agent.as_ref().filter(|agent| !agent.identified).zip(Some(found)));
    let Some((agent, found)) = newcomer else { return Vec::new() };
    let twins = world.environments.values().filter(|one| is_twin(one, agent.registered_by, &found.particulars));
    twins.map(|one| one.particulars.environment).collect()
}

/// Agents that this one may have been and that hold no line, in id order.
fn away<'a>(
    world: &'a World,
    actor: Actor,
    particulars: &'a EnvironmentRegistered,
    linked: &'a [EnvironmentId],
) -> Vec<&'a Environment> {
    let twins = world.environments.values().filter(|one| is_twin(one, actor, particulars));
    let mut away: Vec<_> = twins.filter(|one| !linked.contains(&one.particulars.environment)).collect();
    away.sort_unstable_by_key(|one| one.particulars.environment);
    away
}

/// The one agent that a newcomer was, if there is exactly one that it can have been.
fn predecessor<'a>(away: &[&'a Environment]) -> Option<&'a Environment> {
    let mut known = away.iter().filter(|one| one.agent.as_ref().is_some_and(|agent| agent.identified));
    let only = known.next()?;
    known.next().is_none().then_some(*only)
}

/// The conversation that an agent is said to have, if it was not put away.
fn home(environment: &Environment) -> Option<SessionId> {
    let agent = environment.agent.as_ref()?;
    agent.home.filter(|home| agent.sessions.contains(home))
}

fn first_session(particulars: &EnvironmentRegistered, environment: EnvironmentId, session: SessionId) -> Draft {
    let created = SessionCreated {
        session,
        owner: particulars.owner,
        environment: Some(environment),
        title: Some(particulars.machine_name.clone()).filter(|name| !name.is_empty()),
        source: SOURCE.into(),
        mode: None,
        model: None,
        directory: None,
    };
    Draft::new(Stream::Session(session), Event::SessionCreated(created))
}

pub(super) fn register(
    world: &World,
    context: &Context<'_>,
    particulars: EnvironmentRegistered,
    session: SessionId,
    linked: &[EnvironmentId],
) -> Result<Decided, Refusal> {
    if world.environments.len() >= limits::ENVIRONMENTS_MAX {
        return Err(Refusal::Full { what: "the list of environments", max: limits::ENVIRONMENTS_MAX });
    }
    let environment = particulars.environment;
    let away = away(world, context.actor, &particulars, linked);
    let mut drafts = Vec::new();
    // One that comes back is told of the conversation that it had. Whether it does is decided when it holds a line.
    let session = predecessor(&away).and_then(home).unwrap_or_else(|| {
        drafts.push(first_session(&particulars, environment, session));
        session
    });
    for ghost in ghosts(context, away) {
        drafts.extend(forget(world, ghost)?);
    }
    drafts.insert(0, Draft::new(Stream::Environment(environment), Event::EnvironmentRegistered(particulars)));
    Ok(Decided { drafts, outcome: Outcome::Agent { environment, session } })
}

/// Records that nobody will come back to: those whose client never came, and the oldest of many that went.
fn ghosts<'a>(context: &Context<'_>, away: Vec<&'a Environment>) -> Vec<&'a Environment> {
    let is_known = |one: &&Environment| one.agent.as_ref().is_some_and(|agent| agent.identified);
    let (mut known, never): (Vec<_>, Vec<_>) = away.into_iter().partition(is_known);
    known.sort_by_key(|one| std::cmp::Reverse(one.changed_at));
    let late = never.into_iter().filter(|one| context.now.since_ms(one.registered_at) >= limits::AGENT_IDENTIFY_MS);
    known.into_iter().skip(limits::AGENTS_AWAY_MAX).chain(late).collect()
}

fn forget(world: &World, ghost: &Environment) -> Result<Vec<Draft>, Refusal> {
    let mut drafts = Vec::new();
    for session in sessions(world, ghost) {
        drafts.extend(session::archive(world, session.id)?.drafts);
    }
    drafts.extend(environment::deregister(world, ghost.particulars.environment)?.drafts);
    drafts.dedup();
    Ok(drafts)
}

pub(super) fn identify(
    world: &World,
    context: &Context<'_>,
    id: EnvironmentId,
    session: SessionId,
    linked: &[EnvironmentId],
) -> Result<Decided, Refusal> {
    let own_secret = Actor::Environment(id);
    let id = world.agent_id(id);
    let (found, agent) = find(world, id)?;
    // Somebody else's agent does not exist.
    if agent.registered_by != context.actor && context.actor != own_secret {
        return Err(Refusal::NoEnvironment(id));
    }
    let away = away(world, agent.registered_by, &found.particulars, linked);
    let was = if agent.identified { None } else { predecessor(&away) };
    let mut drafts = Vec::new();
    let goes_by = was.unwrap_or(found);
    let environment = goes_by.particulars.environment;
    if was.is_some() {
        for unused in &agent.sessions {
            drafts.extend(session::archive(world, *unused)?.drafts);
        }
        let event = Event::EnvironmentSucceeded { environment: id, by: environment };
        drafts.push(Draft::new(Stream::Environment(id), event));
    }
    drafts.extend(environment::seen(world, environment)?.drafts);
    let session = home(goes_by).unwrap_or_else(|| {
        drafts.push(first_session(&goes_by.particulars, environment, session));
        session
    });
    Ok(Decided { drafts, outcome: Outcome::Agent { environment, session } })
}

pub(super) fn report(world: &World, report: AgentReported, payload: Bytes, notice: &Bytes) -> Result<Decided, Refusal> {
    let id = report.environment;
    let (found, agent) = find(world, id)?;
    let runs = agent.program.is_some();
    if runs == report.connected && !report.fresh {
        return Ok(Decided::nothing(Outcome::Unchanged));
    }
    let mut drafts = vec![Draft::new(Stream::Environment(id), Event::AgentReported(report)).with_payload(payload)];
    if report.fresh || !report.connected {
        for session in sessions(world, found).filter(|session| in_turn(session)) {
            drafts.extend(ending(session, notice.clone()));
        }
    }
    Ok(Decided { drafts, outcome: Outcome::Done })
}

pub(super) fn switch(world: &World, id: EnvironmentId) -> Result<Decided, Refusal> {
    let (_, agent) = find(world, id)?;
    if agent.current.is_none() {
        return Ok(Decided::nothing(Outcome::Unchanged));
    }
    let event = Event::AgentSwitching { environment: id };
    Ok(Decided::one(Draft::new(Stream::Environment(id), event), Outcome::Done))
}

pub(super) fn bind(
    world: &World,
    environment: EnvironmentId,
    session: SessionId,
    foreign: String,
    offers: Offers,
    payload: Bytes,
) -> Result<Decided, Refusal> {
    let (found, agent) = find(world, environment)?;
    let session = agent.bound.get(&foreign).copied().unwrap_or(session);
    let mut drafts = Vec::new();
    match world.session(session) {
        Some(known) if known.environment != Some(environment) => return Err(Refusal::NoSession(session)),
        Some(known) if known.archived_at.is_some() => return Err(Refusal::Archived(session)),
        Some(_) => {}
        None if agent.sessions.len() >= limits::AGENT_SESSIONS_MAX => {
            return Err(Refusal::Full { what: "the agent's list of sessions", max: limits::AGENT_SESSIONS_MAX });
        }
        None => drafts.push(first_session(&found.particulars, environment, session)),
    }
    if found.online && world.session(session).is_none_or(|known| !known.worker.online) {
        drafts.push(Draft::new(Stream::Session(session), Event::WorkerOnline { session }));
    }
    let event = Event::SessionBound { session, foreign, offers };
    drafts.push(Draft::new(Stream::Session(session), event).with_payload(payload));
    Ok(Decided { drafts, outcome: Outcome::Agent { environment, session } })
}

/// Hands a prompt over, unless somebody's turn is under way: agents differ in what they make of a second prompt, and
/// one of them never answers it.
pub(super) fn begin_turn(
    world: &World,
    environment: EnvironmentId,
    session: SessionId,
    prompt: Sequence,
) -> Result<Decided, Refusal> {
    let (found, agent) = find(world, environment)?;
    let stands = turn(world, found).is_none() && agent.current == Some(session) && agent.has_open(session);
    let speaker = session::open(world, session)?;
    match speaker.outbox.get(prompt) {
        Some(Item::Prompt { message, delivered: false, .. }) if stands => {
            let mut drafts = vec![speaker.draft(Event::MessageDelivered { session, message: *message })];
            drafts.extend(speaker.status_draft(Status::Working));
            Ok(Decided { drafts, outcome: Outcome::Done })
        }
        _ => Ok(Decided::nothing(Outcome::Unchanged)),
    }
}

pub(super) fn tear_turn(world: &World, session: SessionId, payload: Bytes) -> Result<Decided, Refusal> {
    let found = session::find(world, session)?;
    if !in_turn(found) {
        return Ok(Decided::nothing(Outcome::Unchanged));
    }
    Ok(Decided::one(found.draft(Event::TurnTorn { session }).with_payload(payload), Outcome::Done))
}

pub(super) fn retell_turn(world: &World, session: SessionId, pieces: Vec<Bytes>) -> Result<Decided, Refusal> {
    let found = session::find(world, session)?;
    if !found.torn {
        return Ok(Decided::nothing(Outcome::Unchanged));
    }
    let (from, through) =
        if pieces.is_empty() { (Sequence::ZERO, Sequence::ZERO) } else { (found.handed_over.next(), found.latest) };
    let told = Event::TurnRetold { session, from, through, pieces: pieces.len() as u64 };
    let mut drafts = vec![found.draft(told)];
    drafts.extend(pieces.into_iter().map(|piece| {
        let event = Event::MessageReceived { message: None, kind: MessageKind::Other, ephemeral: false };
        found.draft(event).with_payload(piece)
    }));
    Ok(Decided { drafts, outcome: Outcome::Done })
}

pub(super) fn end_turn(world: &World, session: SessionId, payload: Bytes) -> Result<Decided, Refusal> {
    let found = session::find(world, session)?;
    if !in_turn(found) {
        return Ok(Decided::nothing(Outcome::Unchanged));
    }
    Ok(Decided { drafts: ending(found, payload), outcome: Outcome::Done })
}

/// The records of a turn's end: its prompt was taken, its questions are moot, its answers were heard.
fn ending(found: &Session, payload: Bytes) -> Vec<Draft> {
    let session = found.id;
    let over = Event::MessageReceived { message: None, kind: MessageKind::Result, ephemeral: false };
    let mut drafts = vec![found.draft(over).with_payload(payload)];
    for (_, item) in found.outbox.items() {
        let event = match item {
            Item::Prompt { message, delivered: true, .. } => {
                Event::MessageConsumed { session, message: *message, reported: false }
            }
            Item::Answer { request, .. } => Event::PermissionDelivered { session, request: request.clone() },
            _ => continue,
        };
        drafts.push(found.draft(event));
    }
    let moot = |request: &super::RequestId| Event::PermissionCancelled { session, request: request.clone() };
    drafts.extend(found.permissions.open().map(|open| found.draft(moot(&open.request))));
    drafts.extend(found.status_draft(Status::Idle));
    drafts
}

pub(super) fn apply(world: &mut World, record: &Record) {
    match &record.event {
        Event::EnvironmentSucceeded { environment, by } => succeed(world, *environment, *by),
        Event::AgentReported(report) => {
            let Some(agent) = agent_mut(world, report.environment) else { return };
            let before = agent.program.take().filter(|_| !report.fresh);
            agent.program = report.connected.then(|| Program {
                status: record.sequence,
                abilities: report.abilities,
                live: before.map(|before| before.live).unwrap_or_default(),
            });
            if report.fresh || !report.connected {
                agent.current = None;
            }
        }
        Event::AgentSwitching { environment } => {
            if let Some(agent) = agent_mut(world, *environment) {
                agent.current = None;
            }
        }
        Event::SessionCreated(SessionCreated { session, environment: Some(environment), .. }) => {
            if let Some(agent) = agent_mut(world, *environment) {
                agent.sessions.insert(*session);
                if agent.home.is_none_or(|home| !agent.sessions.contains(&home)) {
                    agent.home = Some(*session);
                }
            }
        }
        Event::SessionBound { session, foreign, .. } => {
            let Some(agent) = agent_of(world, *session) else { return };
            agent.bound.retain(|_, bound| bound != session);
            agent.bound.insert(foreign.clone(), *session);
            agent.current = Some(*session);
            if let Some(program) = &mut agent.program {
                program.live.insert(*session);
            }
        }
        Event::SessionArchived { session } => {
            let Some(agent) = agent_of(world, *session) else { return };
            agent.sessions.remove(session);
            agent.bound.retain(|_, bound| bound != session);
        }
        _ => {}
    }
}

fn agent_mut(world: &mut World, id: EnvironmentId) -> Option<&mut Agent> {
    world.environments.get_mut(&id)?.agent.as_mut()
}

fn agent_of(world: &mut World, session: SessionId) -> Option<&mut Agent> {
    let environment = world.sessions.get(&session)?.environment?;
    agent_mut(world, environment)
}

/// The record of a registration goes, its id stays good for a while.
fn succeed(world: &mut World, id: EnvironmentId, by: EnvironmentId) {
    world.environments.remove(&id);
    let Some(agent) = agent_mut(world, by) else { return };
    agent.aliases.push_back(id);
    let oldest = (agent.aliases.len() > limits::AGENT_ALIASES_MAX).then(|| agent.aliases.pop_front()).flatten();
    world.aliases.insert(id, by);
    if let Some(oldest) = oldest {
        world.aliases.remove(&oldest);
    }
}
