//! Changes of an agent's course in a conversation: whether it offers what is asked for, and by which word its link
//! asks.
//!
//! Links differ: the common one has a word for models and none for modes, whatever its agent offers. What cannot be
//! done is refused when it is asked for; what is not known yet is found out on the line.

use super::Agent;
use crate::domain::{
    command::Refusal,
    event::{Abilities, Control},
    session::Session,
    world::World,
};

/// The word by which a link brings a change of course to its agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Steering {
    Mode,
    Model,
    /// An option of the agent's configuration, by its id.
    Option(String),
}

/// How this is asked for in this conversation, once it has begun.
pub fn steering(abilities: Abilities, session: &Session, control: &Control) -> Result<Steering, Refusal> {
    let (what, wanted, offer, word) = match control {
        Control::SetPermissionMode { mode } => {
            ("mode", mode, &session.offers.modes, abilities.set_mode.then_some(Steering::Mode))
        }
        // Every link has this one.
        Control::SetModel { model } => ("model", model, &session.offers.models, Some(Steering::Model)),
        Control::SetMaxThinkingTokens { .. } => return Err(Refusal::NoWord { what: "thinking budget" }),
        // It has a step of its own.
        Control::Interrupt => return Err(Refusal::NoWord { what: "turn" }),
    };
    let Some(offer) = offer else { return word.ok_or(Refusal::NoWord { what }) };
    if !offer.ids.contains(wanted) {
        return Err(Refusal::NotOffered { what, id: wanted.clone(), offered: offer.ids.clone() });
    }
    match &offer.option {
        Some(option) => abilities.set_option.then(|| Steering::Option(option.clone())),
        None => word,
    }
    .ok_or(Refusal::NoWord { what })
}

/// Whether this can be asked for at all. Workers that are no agents behind a link answer for themselves.
pub(in crate::domain) fn check(world: &World, session: &Session, control: &Control) -> Result<(), Refusal> {
    let environment = session.environment.and_then(|id| world.environment(id));
    let Some(agent) = environment.and_then(|found| found.agent.as_ref()) else { return Ok(()) };
    match control {
        Control::Interrupt => Ok(()),
        Control::SetMaxThinkingTokens { .. } => steering(Abilities::default(), session, control).map(drop),
        // A mode goes along when the conversation begins.
        Control::SetPermissionMode { .. } | Control::SetModel { .. } if session.bound.is_none() => Ok(()),
        Control::SetPermissionMode { .. } | Control::SetModel { .. } => {
            let able = able(agent);
            steering(able.unwrap_or(EVERYTHING), session, control).map(drop)
        }
    }
}

/// What its link can do, while its program runs.
fn able(agent: &Agent) -> Option<Abilities> {
    agent.program.as_ref().map(|program| program.abilities)
}

/// What a link may turn out to be able to do.
const EVERYTHING: Abilities = Abilities { load: true, resume: true, list: true, set_mode: true, set_option: true };
