//! Who is there: agents and their groups. A caller sees its owner's, and no one else's.

use std::{collections::BTreeMap, sync::Arc};

use http::StatusCode;

use super::error::Failure;
use crate::{
    api::common::{House, Response, reply},
    domain::{Timestamp, environment::Environment},
    security::Principal,
    wire::acp::listing::{Agent, Group},
};

/// The group of those that named none.
pub(super) const NO_GROUP: &str = "default";

/// `GET /acp/agents`.
pub(super) fn agents(house: &Arc<House>, principal: &Principal) -> Response {
    reply::json(StatusCode::OK, &listed(house, principal))
}

/// `GET /acp/channel-groups`.
pub(super) fn groups(house: &Arc<House>, principal: &Principal) -> Response {
    reply::json(StatusCode::OK, &grouped(house, principal))
}

/// `GET /acp/channel-groups/{id}`. Those without a group are no group.
pub(super) fn group(house: &Arc<House>, principal: &Principal, id: &str) -> Result<Response, Failure> {
    let mut groups = grouped(house, principal).into_iter();
    let found = groups.find(|group| group.channel_group_id == id && group.members.iter().any(is_member));
    found.map(|group| reply::json(StatusCode::OK, &group)).ok_or(Failure::NoGroup)
}

const fn is_member(agent: &Agent) -> bool {
    agent.channel_group_id.is_some()
}

/// Agents that came at least once, the oldest first. What only registered has nothing to show.
fn listed(house: &House, principal: &Principal) -> Vec<Agent> {
    let scope = principal.scope();
    let world = house.relay.world();
    let found = world.environments().filter(|found| scope.includes(found.particulars.owner) && !found.deregistered);
    let mut agents: Vec<_> = found.filter(|found| found.agent.as_ref().is_some_and(|agent| agent.identified)).collect();
    agents.sort_unstable_by_key(|found| (found.registered_at, found.particulars.environment));
    agents.into_iter().map(|found| shown(house, found)).collect()
}

/// After a restart nobody is taken for gone before the grace is over, but nobody reaches an agent whose link is not
/// back.
fn shown(house: &House, found: &Environment) -> Agent {
    let particulars = &found.particulars;
    let reachable = found.online && house.relay.is_linked(particulars.environment);
    Agent {
        id: particulars.environment.to_string(),
        agent_name: particulars.machine_name.clone(),
        channel_group_id: particulars.group.clone(),
        status: if reachable { "online" } else { "offline" },
        max_sessions: particulars.max_sessions,
        last_seen_at: seconds(found.changed_at),
        created_at: seconds(found.registered_at),
    }
}

/// Unix seconds with a fraction.
fn seconds(at: Timestamp) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of this century fit in 52 bits")]
    let ms = at.0 as f64;
    ms / 1_000.0
}

fn grouped(house: &House, principal: &Principal) -> Vec<Group> {
    let mut groups: BTreeMap<String, Vec<Agent>> = BTreeMap::new();
    for agent in listed(house, principal) {
        groups.entry(agent.channel_group_id.clone().unwrap_or_else(|| NO_GROUP.into())).or_default().push(agent);
    }
    let group = |(channel_group_id, members): (String, Vec<Agent>)| Group {
        channel_group_id,
        member_count: members.len(),
        members,
    };
    groups.into_iter().map(group).collect()
}
