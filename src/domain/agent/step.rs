//! What is to be done next on an agent's line. A function of the world, so that a server that was killed in the middle
//! of a turn goes on where it was, and so that a test needs no line.

use super::{Agent, turn};
use crate::domain::{
    envelope::Sequence,
    event::Control,
    id::{EnvironmentId, MessageId, RequestId, SessionId},
    outbox::Item,
    session::Session,
    world::World,
};

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Write the answer to a question. `moot`: somebody stopped the turn, which takes its questions back.
    Answer { session: SessionId, sequence: Sequence, moot: bool },
    /// Stop the turn; if there is none in this conversation, say so.
    Stop { session: SessionId, request: RequestId, sequence: Sequence, running: bool },
    /// Write a change of course.
    Control { session: SessionId, request: RequestId, sequence: Sequence },
    /// Write a prompt.
    Prompt { session: SessionId, sequence: Sequence, message: MessageId },
    /// Start the program, which this conversation needs.
    Start { session: SessionId },
    /// Begin the conversation at the agent.
    Open { session: SessionId },
    /// Turn back to a conversation; with its history told again, if there is no other way.
    Return { session: SessionId, load: bool },
    /// Have a torn turn told again, if the agent `can`; else give up on it.
    Retell { session: SessionId, can: bool },
    /// The agent cannot turn back to this conversation: what waits in it will never be heard.
    Unreachable { session: SessionId },
}

/// The next step on this agent's line, if there is one. `asking`: it was asked something and has not answered, so that
/// nothing may be asked beside it: its answers do not say what they answer.
pub fn next_step(world: &World, id: EnvironmentId, asking: bool) -> Option<Step> {
    let environment = world.environment(id)?;
    let agent = environment.agent.as_ref()?;
    let turn = turn(world, environment).map(|session| session.id);
    if let Some(step) = super::sessions(world, environment).find_map(|session| urgent(session, turn)) {
        return Some(step);
    }
    if asking {
        return None;
    }
    let controls = super::sessions(world, environment).filter_map(|session| Some((session, control(session)?)));
    for (session, (sequence, request)) in controls {
        match approach(agent, session) {
            None => return Some(Step::Control { session: session.id, request, sequence }),
            // Nobody turns to another conversation while a turn is under way.
            Some(_) if turn.is_some() => {}
            Some(step) => return Some(step),
        }
    }
    if turn.is_some() {
        return None;
    }
    if let Some(program) = &agent.program
        && let Some(torn) = super::sessions(world, environment).find(|session| session.torn)
    {
        return Some(Step::Retell { session: torn.id, can: program.abilities.load && torn.bound.is_some() });
    }
    let prompts = super::sessions(world, environment).filter_map(|session| Some((session, prompt(session)?)));
    let (session, (_, sequence, message)) = prompts.min_by_key(|(_, (position, ..))| *position)?;
    approach(agent, session).or(Some(Step::Prompt { session: session.id, sequence, message }))
}

/// What cannot wait for anything: the agent stands still for it, or shall.
fn urgent(session: &Session, turn: Option<SessionId>) -> Option<Step> {
    let stop = |(sequence, item): (Sequence, &Item)| match item {
        Item::Control { request, control: Control::Interrupt, delivered: false } => Some((sequence, request.clone())),
        _ => None,
    };
    // No link has a word for this one, so it is answered without it.
    let other = |(sequence, item): (Sequence, &Item)| match item {
        Item::Control { request, control: Control::SetMaxThinkingTokens { .. }, delivered: false } => {
            Some((sequence, request.clone()))
        }
        _ => None,
    };
    let stopped = session.outbox.items().find_map(stop);
    let answer = session.outbox.items().find(|(_, item)| matches!(item, Item::Answer { .. }));
    if let Some((sequence, _)) = answer {
        let moot = stopped.as_ref().is_some_and(|(stop, _)| sequence < *stop);
        return Some(Step::Answer { session: session.id, sequence, moot });
    }
    if let Some((sequence, request)) = session.outbox.items().find_map(other) {
        return Some(Step::Control { session: session.id, request, sequence });
    }
    let (sequence, request) = stopped?;
    Some(Step::Stop { session: session.id, request, sequence, running: turn == Some(session.id) })
}

fn control(session: &Session) -> Option<(Sequence, RequestId)> {
    session.outbox.items().find_map(|(sequence, item)| match item {
        Item::Control { request, delivered: false, .. } => Some((sequence, request.clone())),
        _ => None,
    })
}

fn prompt(session: &Session) -> Option<(crate::domain::Position, Sequence, MessageId)> {
    session.outbox.items().find_map(|(sequence, item)| match item {
        Item::Prompt { message, delivered: false, position, .. } => Some((*position, sequence, *message)),
        _ => None,
    })
}

/// What must be done before something can be said in this conversation; `None` if nothing.
fn approach(agent: &Agent, session: &Session) -> Option<Step> {
    let session_id = session.id;
    let Some(program) = &agent.program else { return Some(Step::Start { session: session_id }) };
    if session.bound.is_none() {
        return Some(Step::Open { session: session_id });
    }
    if agent.current == Some(session_id) && program.live.contains(&session_id) {
        return None;
    }
    let abilities = program.abilities;
    Some(if abilities.resume || abilities.load {
        Step::Return { session: session_id, load: !abilities.resume }
    } else {
        Step::Unreachable { session: session_id }
    })
}
