//! What can be asked under `/web`, and what each needs. The paths are those of ccb's stock server.

use http::Method;

use super::super::endpoint::{Need, NoEndpoint, choose};
use crate::{domain::SessionId, security::Grant};

/// Everything that can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    Bind,
    ListEnvironments,
    ListSessions,
    ListSummaries,
    CreateSession,
    ShowSession(SessionId),
    ReadHistory(SessionId),
    FollowEvents(SessionId),
    PostEvent(SessionId),
    PostControl(SessionId),
    Interrupt(SessionId),
}

/// Reads a path below `/web`.
pub fn parse(method: &Method, segments: &[&str]) -> Result<Endpoint, NoEndpoint> {
    use Endpoint as E;
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    let on = |ways: &[(Method, Endpoint)]| choose(method, ways);
    match segments {
        ["bind"] => on(&[(POST, E::Bind)]),
        ["environments"] => on(&[(GET, E::ListEnvironments)]),
        ["sessions"] => on(&[(GET, E::ListSessions), (POST, E::CreateSession)]),
        ["sessions", "all"] => on(&[(GET, E::ListSummaries)]),
        ["sessions", id] => on(&[(GET, E::ShowSession(id.parse()?))]),
        ["sessions", id, "history"] => on(&[(GET, E::ReadHistory(id.parse()?))]),
        ["sessions", id, "events"] => {
            let id = id.parse()?;
            on(&[(GET, E::FollowEvents(id)), (POST, E::PostEvent(id))])
        }
        ["sessions", id, "control"] => on(&[(POST, E::PostControl(id.parse()?))]),
        ["sessions", id, "interrupt"] => on(&[(POST, E::Interrupt(id.parse()?))]),
        _ => Err(NoEndpoint::NotFound),
    }
}

impl Endpoint {
    /// The permission table. The stock server lets anybody in who makes up a `?uuid=`; here it counts for nothing.
    pub fn needs(&self) -> Need {
        match *self {
            Self::ListEnvironments => Need::Own(Grant::EnvironmentRead),
            // Which session stands in the body.
            Self::Bind | Self::ListSessions | Self::ListSummaries => Need::Own(Grant::SessionRead),
            Self::CreateSession => Need::Own(Grant::SessionWrite),
            Self::ShowSession(id) | Self::ReadHistory(id) | Self::FollowEvents(id) => {
                Need::Session(Grant::SessionRead, id)
            }
            // What is posted has a type, and each type its own grant: asked where the body is read.
            Self::PostEvent(id) | Self::PostControl(id) => Need::Session(Grant::SessionRead, id),
            Self::Interrupt(id) => Need::Session(Grant::ControlInterrupt, id),
        }
    }
}
