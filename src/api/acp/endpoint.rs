//! What can be asked of this room, and what each question needs.

use http::Method;

use crate::{
    domain::{EnvironmentId, id::InvalidId},
    security::Grant,
};

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    Register,
    /// The line of an agent's link.
    Line,
    /// A viewer's socket. An id that cannot exist is one that does not: told by a close code, which its client reads.
    Relay(Option<EnvironmentId>),
    Agents,
    Groups,
    Group(String),
    GroupEvents(String),
}

/// Why a request is no question of this room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoRoute {
    NotFound,
    /// The path exists, for this method.
    MethodNotAllowed(Method),
}

impl From<InvalidId> for NoRoute {
    /// A path with an id that cannot exist leads nowhere.
    fn from(_: InvalidId) -> Self {
        Self::NotFound
    }
}

/// What an endpoint needs of its caller. What is shown or touched is its caller's owner's: looked up where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs(pub Grant);

impl Endpoint {
    /// The question behind a method and a path.
    pub fn parse(method: &Method, segments: &[&str]) -> Result<Self, NoRoute> {
        let (only, endpoint) = match segments {
            ["v1", "environments", "bridge"] => (Method::POST, Self::Register),
            ["acp", "ws"] => (Method::GET, Self::Line),
            ["acp", "relay", id] => (Method::GET, Self::Relay(id.parse().ok())),
            ["acp", "agents"] => (Method::GET, Self::Agents),
            ["acp", "channel-groups"] => (Method::GET, Self::Groups),
            ["acp", "channel-groups", id] => (Method::GET, Self::Group((*id).to_owned())),
            ["acp", "channel-groups", id, "events"] => (Method::GET, Self::GroupEvents((*id).to_owned())),
            _ => return Err(NoRoute::NotFound),
        };
        if *method == only { Ok(endpoint) } else { Err(NoRoute::MethodNotAllowed(only)) }
    }

    /// The permission table.
    pub const fn needs(&self) -> Needs {
        Needs(match self {
            Self::Register | Self::Line => Grant::EnvironmentRun,
            Self::Relay(_) | Self::GroupEvents(_) => Grant::SessionRead,
            Self::Agents | Self::Groups | Self::Group(_) => Grant::EnvironmentRead,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn the_whole_room_on_one_page() {
        let mut page = String::new();
        for (method, path) in [
            ("POST", "/v1/environments/bridge"),
            ("GET", "/acp/ws"),
            ("GET", "/acp/relay/env_00000000000000000000000000000001"),
            ("GET", "/acp/agents"),
            ("GET", "/acp/channel-groups"),
            ("GET", "/acp/channel-groups/lab"),
            ("GET", "/acp/channel-groups/lab/events"),
            ("DELETE", "/acp/agents"),
            ("GET", "/acp/relay/nobody"),
            ("GET", "/acp/nothing"),
        ] {
            let segments: Vec<_> = path.split('/').filter(|segment| !segment.is_empty()).collect();
            let found = Endpoint::parse(&method.parse().expect("a method"), &segments);
            let needs = found.as_ref().map(|endpoint| format!("{:?}", endpoint.needs().0));
            let line = needs.unwrap_or_else(|route| format!("{route:?}"));
            writeln!(page, "{method:<6} {path:<56} {line}").expect("a string takes everything");
        }
        let committed = include_str!("../../../schema/acp/routes.txt");
        assert_eq!(page, committed, "the room changed: review schema/acp/routes.txt");
    }
}
