//! The ACP room: agents behind acp-link, and those who look on.
//!
//! # Whose ids, and where they are kept
//!
//! ACP is JSON-RPC, but only between a link and the program behind it. What comes here has no request ids: a link says
//! `session_created` and not which `new_session` it answers. So each thing that is asked is one of two.
//!
//! **A request that matters is a command, and waits in the log.** It has an id of ours, the world knows how far it got,
//! and a server that is killed in the middle of a turn goes on where it was:
//!
//! - `prompt` is `PostMessage` under the message's UUID. The link is told `prompt` once `BeginTurn` is recorded;
//!   `prompt_complete` or `error` settles it (`EndTurn`).
//! - `permission_response` is `DecidePermission` under the link's `requestId`. The link is told the same, and that it
//!   was written settles it (`PermissionDelivered`).
//! - `cancel` is `RequestControl(Interrupt)`. The link is told `permission_response` cancelled for all that is open,
//!   and `cancel`; that it was written settles it, for the turn's end is another thing.
//! - `set_session_model` is `RequestControl(SetModel)`. The link is told the same, or `set_config_option`;
//!   `model_changed`, `config_option_changed` or `error` settles it.
//! - `set_session_mode` is `RequestControl(SetPermissionMode)`. The link is told the same, or `set_config_option`;
//!   `mode_changed`, `config_option_changed` or `error` settles it.
//!
//! `/api/v1` asks for the same by the same commands.
//!
//! Every link has the word `set_session_model`, and answers no word that it does not know. One that has
//! `set_session_mode` and `set_config_option` as well says so in its `status`, as `"words": [...]`; to others they are
//! not said, and what is asked for is refused. Which modes and models there are is what the agent announced when the
//! conversation began. A mode that is asked for before that goes along with `new_session`.
//!
//! A prompt is recorded as handed over before it is written, and never written twice: a prompt that runs a command must
//! not run it again. Behind it goes a `ping`: links answer in order, so the `pong` says that the prompt arrived
//! (`MessageConsumed`). One that was handed over when the line broke is waited for, and if nothing is heard of it the
//! conversation says so.
//!
//! **A question about the agent is a signal** (`Relay::ask`): `connect`, `list_sessions`, and turning to a
//! conversation. It is kept nowhere: when the server dies its asker is gone as well, and asks again. A line has one
//! such question out at a time, so the next frame that fits is its answer. What came of it is a fact: `AgentReported`
//! (the program runs), `SessionBound` (a conversation of ours is this one of the agent). `AgentSwitching` is recorded
//! before a link is told to turn: if the answer is lost with the line, nobody believes to know where it is.
//!
//! A conversation of the agent *is* a session: its id there is [`Bound`](crate::domain::session::Bound), the world
//! finds one by the other, and no viewer's frame goes to a link without having been a command or a question first. A
//! link is in one conversation at a time; [`next_step`](crate::domain::agent::next_step) turns it when nobody's turn is
//! under way. So viewers have conversations of their own, and one that the agent has open is told from our log: its
//! history, then its open questions, then what comes.
//!
//! The room holds no state. A line and a viewer are each one task; what they know beside the world is what is in
//! flight on their own socket.

use std::sync::Arc;

use self::{
    endpoint::{Endpoint, Needs},
    error::Failure,
};
use super::common::{Call, House, Response};
use crate::{domain::EnvironmentId, security::Principal, security::grant, wire::acp::listing};

mod ask;
mod door;
pub mod endpoint;
mod error;
mod events;
mod hear;
mod line;
mod listings;
mod outgoing;
mod registration;
mod retelling;
mod retold;
mod show;
mod steps;
mod viewer;
mod wishes;

/// Whether a call for the bridge's registration is an agent's.
pub fn is_registration(call: &Call) -> bool {
    call.method == http::Method::POST && listing::is_agent(&call.body)
}

/// Answers a request.
pub async fn answer(house: Arc<House>, call: Call) -> Response {
    let answered = match Endpoint::parse(&call.method, &call.segments()) {
        Ok(endpoint) => dispatch(&house, &call, endpoint).await,
        Err(route) => Err(route.into()),
    };
    answered.unwrap_or_else(Failure::into_response)
}

/// Opens a socket. Who is not let in is let in and told why by a close code: these clients read nothing else.
#[expect(clippy::needless_pass_by_value, reason = "the corridor gives every room its call")]
pub fn open_socket(house: Arc<House>, call: Call, ws: warp::ws::Ws) -> Response {
    match Endpoint::parse(&call.method, &call.segments()) {
        Ok(Endpoint::Line) => door::open(house, &call, ws),
        Ok(Endpoint::Relay(agent)) => viewer::open(house, &call, ws, agent),
        Ok(_) => Failure::NotFound.into_response(),
        Err(route) => Failure::from(route).into_response(),
    }
}

async fn dispatch(house: &Arc<House>, call: &Call, endpoint: Endpoint) -> Result<Response, Failure> {
    let principal = house.identify(call)?;
    let Needs(grant) = endpoint.needs();
    grant::holds(&principal, grant)?;
    match endpoint {
        Endpoint::Register => registration::answer(house, call, &principal).await,
        Endpoint::Agents => Ok(listings::agents(house, &principal)),
        Endpoint::Groups => Ok(listings::groups(house, &principal)),
        Endpoint::Group(id) => listings::group(house, &principal, &id),
        Endpoint::GroupEvents(id) => events::follow(house, call, principal, id),
        Endpoint::Line | Endpoint::Relay(_) => Err(Failure::UpgradeRequired),
    }
}

/// Whether the key behind a socket is still good. A token of an environment is as long as its agent is known.
fn may_go_on(house: &House, principal: &Principal, agent: Option<EnvironmentId>) -> bool {
    let world = house.relay.world();
    match principal {
        Principal::Key { key, .. } => world.key(*key).is_some_and(|key| key.is_valid(house.relay.now())),
        Principal::Environment(own) => agent.is_none_or(|agent| world.agent_id(*own) == agent),
        Principal::Worker { .. } => false,
    }
}
