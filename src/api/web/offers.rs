//! What a new session at a runner may ask for, and whether one that is asked for can be.
//!
//! It follows from how the runner registered and from what its agent said of itself: nothing is offered that would be
//! silently left out.

use super::{
    caller::{Caller, plain_text},
    control,
    error::Failure,
};
use crate::{
    domain::{
        EnvironmentId, RequestId, Sequence, Stream, World,
        environment::Environment,
        event::{self, Control},
        limits,
    },
    relay::{Bounds, RelayError},
    security::Grant,
    wire::{
        acp::about::{self as acp, About, Called},
        web::{Choice, Closed, CreateSession, Offers, Spawn},
    },
};

/// What the world knows of it; the rest stands in records.
struct Seen {
    spawn: Spawn,
    closed: Option<Closed>,
    free: Option<u64>,
    directories: Vec<String>,
    used_models: Vec<String>,
    /// Where an agent said what it is, and what can be chosen in a conversation.
    about: Option<Sequence>,
    described: Option<(Stream, Sequence)>,
    /// What of that can be asked for when one begins.
    modes: Vec<String>,
    models: Vec<String>,
}

/// What this runner offers to this caller.
pub(super) fn of(caller: &Caller<'_>, id: EnvironmentId) -> Result<Offers, Failure> {
    let seen = {
        let world = caller.house.relay.world();
        let found = world.environment(id).ok_or_else(|| Failure::absent(id))?;
        look(&world, found)
    };
    let told = |stream, sequence| record(caller, stream, sequence);
    if seen.spawn == Spawn::Shared {
        let about = seen.about.and_then(|at| told(Stream::Environment(id), at));
        let About { name, capabilities } = about.map(|payload| acp::about(&payload)).unwrap_or_default();
        let names = seen.described.and_then(|(stream, at)| told(stream, at)).map(|payload| acp::names(&payload));
        let names = names.unwrap_or_default();
        let choice = |id: String| {
            let Called { name, description } = names.get(&id).cloned().unwrap_or_default();
            Choice { id, name, description }
        };
        let modes = seen.modes.into_iter().filter(|mode| control::may_use(caller, mode));
        return Ok(Offers {
            spawn: seen.spawn,
            closed: seen.closed,
            free: None,
            any_directory: true,
            directories: seen.directories,
            modes: modes.map(choice).collect(),
            models: seen.models.into_iter().map(choice).collect(),
            any_model: false,
            agent: name,
            capabilities,
        });
    }
    let named = |id: &str| Choice { id: id.to_owned(), name: None, description: None };
    Ok(Offers {
        spawn: seen.spawn,
        closed: seen.closed,
        free: seen.free,
        any_directory: false,
        directories: Vec::new(),
        modes: control::MODES.into_iter().filter(|mode| control::may_use(caller, mode)).map(named).collect(),
        models: seen.used_models.iter().map(|model| named(model)).collect(),
        any_model: true,
        agent: None,
        capabilities: None,
    })
}

fn look(world: &World, found: &Environment) -> Seen {
    let particulars = &found.particulars;
    let id = particulars.environment;
    let mut sessions: Vec<_> = world.sessions().filter(|session| session.environment == Some(id)).collect();
    sessions.sort_unstable_by_key(|session| std::cmp::Reverse(session.active_at));
    let open = || sessions.iter().filter(|session| session.archived_at.is_none());
    let max = u64::from(particulars.max_sessions.max(1));
    let (spawn, closed, free) = match &found.agent {
        Some(agent) => {
            let full = agent.sessions.len() >= limits::AGENT_SESSIONS_MAX;
            (Spawn::Shared, full.then_some(Closed::Full), None)
        }
        None if max == 1 => (Spawn::Single, open().next().map(|_| Closed::Taken), None),
        None => {
            let running = open().filter(|session| session.worker.online).count() as u64;
            (Spawn::Several, None, Some(max.saturating_sub(running)))
        }
    };
    let agent = found.agent.as_ref();
    // The conversation that the agent is in was told of last.
    let current = agent.and_then(|agent| agent.current).and_then(|id| world.session(id));
    let bound = current
        .into_iter()
        .chain(sessions.iter().copied())
        .find_map(|session| Some((session, session.bound.as_ref()?)));
    let (modes, models) = bound.map(|(session, _)| begins_with(found, &session.offers)).unwrap_or_default();
    let each = |name: fn(&crate::domain::session::Session) -> Option<&String>| {
        let mut names: Vec<String> = Vec::new();
        for name in sessions.iter().filter_map(|session| name(session)) {
            if names.len() < limits::RECENT_CHOICES_MAX && !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    };
    Seen {
        spawn,
        closed: if found.deregistered { Some(Closed::Deregistered) } else { closed },
        free,
        directories: each(|session| session.requested_directory.as_ref()),
        used_models: each(|session| session.model.as_ref()),
        about: agent.and_then(|agent| agent.program.as_ref()).map(|program| program.status),
        described: bound.map(|(session, bound)| (Stream::Session(session.id), bound.described)),
        modes,
        models,
    }
}

/// The modes that a link takes along when it begins a conversation, and the models that it can switch to then.
fn begins_with(found: &Environment, told: &event::Offers) -> (Vec<String>, Vec<String>) {
    let ids = |offer: &Option<event::Offer>| offer.as_ref().map(|offer| offer.ids.clone()).unwrap_or_default();
    let mut modes = ids(&told.modes);
    modes.retain(|mode| acp::BEGINNING_MODES.contains(&mode.as_str()));
    let abilities = found.agent.as_ref().and_then(|agent| agent.program.as_ref()).map(|program| program.abilities);
    let by_option = told.models.as_ref().is_some_and(|offer| offer.option.is_some());
    let can = !by_option || abilities.is_some_and(|abilities| abilities.set_option);
    (modes, if can { ids(&told.models) } else { Vec::new() })
}

/// What a record holds. One that was forgotten offers nothing.
fn record(caller: &Caller<'_>, stream: Stream, sequence: Sequence) -> Option<bytes::Bytes> {
    let one = Bounds { records_max: 1, bytes_max: 1 };
    let records = match caller.house.relay.read(stream, sequence, one) {
        Ok(records) => records,
        Err(RelayError::Gap { .. }) => return None,
        Err(error) => {
            tracing::error!(%error, %stream, %sequence, "what an agent said of itself could not be read");
            return None;
        }
    };
    records.first().filter(|record| record.sequence == sequence).map(|record| record.payload.clone())
}

/// What was asked for beside the words, checked.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) mode: Option<String>,
    pub(super) model: Option<String>,
    pub(super) directory: Option<String>,
    /// What the worker is told before the first prompt.
    pub(super) course: Vec<(RequestId, Control)>,
}

/// Whether what is asked for can be had at this environment; without one, by whichever worker comes.
pub(super) fn check(caller: &Caller<'_>, asked: &CreateSession) -> Result<Wanted, Failure> {
    if asked.permission_mode.is_some() {
        caller.holds(Grant::ControlMode)?;
    }
    let offers = asked.environment_id.map(|id| of(caller, id)).transpose()?;
    if let (Some(offers), Some(id)) = (&offers, asked.environment_id) {
        let why = match offers.closed {
            None => None,
            Some(Closed::Taken) => Some(format!("names {id}, which runs one session and has it: begin it elsewhere")),
            Some(Closed::Full) => Some(format!("names {id}, whose list of sessions is full: archive some")),
            Some(Closed::Deregistered) => return Err(Failure::absent(id)),
        };
        if let Some(why) = why {
            return Err(Failure::field("environment_id", &why));
        }
    }
    let shared = offers.as_ref().filter(|offers| offers.spawn == Spawn::Shared);
    let mode = asked.permission_mode.clone();
    if let Some(mode) = &mode {
        match shared {
            Some(offers) => one_of("permission_mode", mode, &offers.modes)?,
            None => control::check_mode(caller, "permission_mode", mode)?,
        }
    }
    let model = asked.model.as_deref().map(|model| plain_text("model", model, limits::NAME_BYTES_MAX)).transpose()?;
    if let (Some(model), Some(offers)) = (&model, shared) {
        one_of("model", model, &offers.models)?;
    }
    let directory = directory(caller, asked, offers.as_ref())?;
    let mut course = Vec::new();
    // An agent behind a link is told its mode with the beginning, and has no other way to hear of it.
    let told = mode.clone().filter(|_| shared.is_none()).map(|mode| Control::SetPermissionMode { mode });
    for control in told.into_iter().chain(model.clone().map(|model| Control::SetModel { model })) {
        course.push((caller.house.fresh()?.to_string().parse()?, control));
    }
    Ok(Wanted { mode, model, directory, course })
}

fn one_of(field: &str, wanted: &str, offered: &[Choice]) -> Result<(), Failure> {
    if offered.iter().any(|choice| choice.id == wanted) {
        return Ok(());
    }
    let ids: Vec<&str> = offered.iter().map(|choice| choice.id.as_str()).collect();
    Err(if ids.is_empty() {
        Failure::field(field, "cannot be chosen: this agent has offered none")
    } else {
        Failure::field(field, &format!("must be one that this agent offers: {}", ids.join(", ")))
    })
}

/// Where it begins, if that is not where it would begin anyhow.
fn directory(caller: &Caller<'_>, asked: &CreateSession, offers: Option<&Offers>) -> Result<Option<String>, Failure> {
    const FIELD: &str = "directory";
    let Some(directory) = &asked.directory else { return Ok(None) };
    let directory = plain_text(FIELD, directory, limits::NAME_BYTES_MAX)?;
    let own = asked.environment_id.and_then(|id| {
        let world = caller.house.relay.world();
        world.environment(id).map(|found| found.particulars.directory.clone())
    });
    if own.as_ref() == Some(&directory) {
        return Ok(None);
    }
    if !offers.is_some_and(|offers| offers.any_directory) {
        let own =
            own.filter(|own| !own.is_empty()).map_or_else(|| "its own".to_owned(), |own| format!("its own, {own}"));
        return Err(Failure::field(FIELD, &format!("cannot be chosen: this runner begins sessions in {own}")));
    }
    // A drive's letter, as Windows has them.
    let drive = directory.as_bytes().get(1..3).is_some_and(|rest| matches!(rest, b":\\" | b":/"));
    if !directory.starts_with('/') && !drive {
        return Err(Failure::field(FIELD, "must be an absolute path on that machine"));
    }
    Ok(Some(directory))
}
