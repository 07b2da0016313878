//! What can be asked of this room, and what each question needs.
//!
//! [`Endpoint::parse`] reads like a page of the manual; [`Endpoint::needs`] is the permission table. Session ids are
//! taken under both of their prefixes everywhere. May not know what is answered.

use http::Method;
use uuid::Uuid;

use crate::{
    api::common::House,
    domain::{EnvironmentId, FileId, SessionId, WorkId, id::InvalidId},
    security::{self, Denied, Grant, Principal, grant::holds},
};

/// A question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    // --- environments ---
    Register,
    Deregister { environment: EnvironmentId },
    Poll { environment: EnvironmentId },
    Ack { environment: EnvironmentId, work: WorkId },
    Stop { environment: EnvironmentId, work: WorkId },
    WorkHeartbeat { environment: EnvironmentId, work: WorkId },
    Reconnect { environment: EnvironmentId },
    // --- sessions ---
    SessionCreate,
    SessionShow { session: SessionId },
    SessionRename { session: SessionId },
    SessionArchive { session: SessionId },
    SessionPost { session: SessionId },
    PeerMessage { session: SessionId },
    // --- v1 workers ---
    IngressEvents { session: SessionId },
    IngressSocket { session: SessionId },
    // --- v2 sessions and workers ---
    CodeCreate,
    CodeShow { session: SessionId },
    CodeRename { session: SessionId },
    CodeArchive { session: SessionId },
    CodeBridge { session: SessionId },
    WorkerRegister { session: SessionId },
    WorkerShow { session: SessionId },
    WorkerReport { session: SessionId },
    WorkerHeartbeat { session: SessionId },
    WorkerStream { session: SessionId },
    WorkerEvents { session: SessionId },
    WorkerDelivery { session: SessionId },
    WorkerTranscriptRead { session: SessionId },
    WorkerTranscriptAppend { session: SessionId },
    // --- files ---
    FileUpload,
    FileContent { file: FileId },
}

/// Why a request is no question of this room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoRoute {
    NotFound,
    /// The path exists; these are its methods, as `Allow` wants them.
    MethodNotAllowed(String),
}

impl From<InvalidId> for NoRoute {
    /// A path with an id that cannot exist leads nowhere.
    fn from(_: InvalidId) -> Self {
        Self::NotFound
    }
}

/// What an endpoint needs of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// A key with this grant; what is made belongs to its owner.
    Key(Grant),
    /// A key with this grant on this session.
    Session(Grant, SessionId),
    /// The runner's own secret, or a key that may run it.
    Runner(EnvironmentId),
    /// As [`Needs::Runner`], or the token of a worker whose session the runner has.
    RunnerOrItsWorker(EnvironmentId),
    /// The session's own worker, or a key that may run it.
    Worker(SessionId),
    /// A key that may read the file or run the agents that it is sent to.
    Reader(FileId),
}

impl Endpoint {
    /// The question behind a method and a path.
    pub fn parse(method: &Method, segments: &[&str]) -> Result<Self, NoRoute> {
        match segments {
            ["v1", "environments", rest @ ..] => Self::environments(method, rest),
            ["v1", "sessions", rest @ ..] => Self::sessions(method, rest),
            ["v1" | "v2", "session_ingress", rest @ ..] => Self::ingress(method, rest),
            ["v1", "code", "sessions"] => one_of(method, &[(Method::POST, Self::CodeCreate)]),
            ["v1", "code", "sessions", id, "worker", rest @ ..] => Self::worker(method, id.parse()?, rest),
            ["v1", "code", "sessions", id, rest @ ..] => Self::code(method, id.parse()?, rest),
            ["api", "oauth", "files"] => one_of(method, &[(Method::POST, Self::FileUpload)]),
            ["api", "oauth", "files", id, "content"] => {
                let file = FileId::from_uuid(Uuid::try_parse(id).map_err(|_| NoRoute::NotFound)?);
                one_of(method, &[(Method::GET, Self::FileContent { file })])
            }
            _ => Err(NoRoute::NotFound),
        }
    }

    fn environments(method: &Method, segments: &[&str]) -> Result<Self, NoRoute> {
        match segments {
            ["bridge"] => one_of(method, &[(Method::POST, Self::Register)]),
            ["bridge", id] => one_of(method, &[(Method::DELETE, Self::Deregister { environment: id.parse()? })]),
            [id, "work", "poll"] => one_of(method, &[(Method::GET, Self::Poll { environment: id.parse()? })]),
            [id, "bridge", "reconnect"] => {
                one_of(method, &[(Method::POST, Self::Reconnect { environment: id.parse()? })])
            }
            [id, "work", work, verb] => {
                let (environment, work) = (id.parse()?, work.parse()?);
                let endpoint = match *verb {
                    "ack" => Self::Ack { environment, work },
                    "stop" => Self::Stop { environment, work },
                    "heartbeat" => Self::WorkHeartbeat { environment, work },
                    _ => return Err(NoRoute::NotFound),
                };
                one_of(method, &[(Method::POST, endpoint)])
            }
            _ => Err(NoRoute::NotFound),
        }
    }

    fn sessions(method: &Method, segments: &[&str]) -> Result<Self, NoRoute> {
        match segments {
            [] => one_of(method, &[(Method::POST, Self::SessionCreate)]),
            [id] => {
                let session = id.parse()?;
                let show = (Method::GET, Self::SessionShow { session });
                one_of(method, &[show, (Method::PATCH, Self::SessionRename { session })])
            }
            [id, verb] => {
                let session = id.parse()?;
                let endpoint = match *verb {
                    "archive" => Self::SessionArchive { session },
                    "events" => Self::SessionPost { session },
                    "messages" => Self::PeerMessage { session },
                    _ => return Err(NoRoute::NotFound),
                };
                one_of(method, &[(Method::POST, endpoint)])
            }
            _ => Err(NoRoute::NotFound),
        }
    }

    fn ingress(method: &Method, segments: &[&str]) -> Result<Self, NoRoute> {
        match segments {
            ["session", id, "events"] => {
                one_of(method, &[(Method::POST, Self::IngressEvents { session: id.parse()? })])
            }
            ["ws", id] => one_of(method, &[(Method::GET, Self::IngressSocket { session: id.parse()? })]),
            _ => Err(NoRoute::NotFound),
        }
    }

    fn code(method: &Method, session: SessionId, segments: &[&str]) -> Result<Self, NoRoute> {
        match segments {
            [] => {
                let show = (Method::GET, Self::CodeShow { session });
                one_of(method, &[show, (Method::PATCH, Self::CodeRename { session })])
            }
            ["archive"] => one_of(method, &[(Method::POST, Self::CodeArchive { session })]),
            ["bridge"] => one_of(method, &[(Method::POST, Self::CodeBridge { session })]),
            _ => Err(NoRoute::NotFound),
        }
    }

    fn worker(method: &Method, session: SessionId, segments: &[&str]) -> Result<Self, NoRoute> {
        match segments {
            [] => {
                let show = (Method::GET, Self::WorkerShow { session });
                one_of(method, &[show, (Method::PUT, Self::WorkerReport { session })])
            }
            ["register"] => one_of(method, &[(Method::POST, Self::WorkerRegister { session })]),
            ["heartbeat"] => one_of(method, &[(Method::POST, Self::WorkerHeartbeat { session })]),
            ["events"] => one_of(method, &[(Method::POST, Self::WorkerEvents { session })]),
            ["events", "stream"] => one_of(method, &[(Method::GET, Self::WorkerStream { session })]),
            ["events", "delivery"] => one_of(method, &[(Method::POST, Self::WorkerDelivery { session })]),
            ["internal-events"] => {
                let read = (Method::GET, Self::WorkerTranscriptRead { session });
                one_of(method, &[read, (Method::POST, Self::WorkerTranscriptAppend { session })])
            }
            _ => Err(NoRoute::NotFound),
        }
    }

    /// The permission table.
    pub const fn needs(&self) -> Needs {
        match *self {
            Self::Register => Needs::Key(Grant::EnvironmentRun),
            Self::Poll { environment }
            | Self::Stop { environment, .. }
            | Self::Reconnect { environment }
            | Self::Deregister { environment } => Needs::Runner(environment),
            // The runner sends the token of the item's session here, which is all that it was given for it.
            Self::Ack { environment, .. } | Self::WorkHeartbeat { environment, .. } => {
                Needs::RunnerOrItsWorker(environment)
            }
            Self::SessionCreate | Self::CodeCreate => Needs::Key(Grant::SessionRun),
            Self::SessionShow { session }
            | Self::SessionRename { session }
            | Self::SessionArchive { session }
            | Self::CodeShow { session }
            | Self::CodeRename { session }
            | Self::CodeArchive { session }
            | Self::CodeBridge { session } => Needs::Session(Grant::SessionRun, session),
            Self::SessionPost { session } | Self::PeerMessage { session } => {
                Needs::Session(Grant::SessionWrite, session)
            }
            Self::IngressEvents { session }
            | Self::IngressSocket { session }
            | Self::WorkerRegister { session }
            | Self::WorkerShow { session }
            | Self::WorkerReport { session }
            | Self::WorkerHeartbeat { session }
            | Self::WorkerStream { session }
            | Self::WorkerEvents { session }
            | Self::WorkerDelivery { session }
            | Self::WorkerTranscriptRead { session }
            | Self::WorkerTranscriptAppend { session } => Needs::Worker(session),
            Self::FileUpload => Needs::Key(Grant::SessionWrite),
            Self::FileContent { file } => Needs::Reader(file),
        }
    }
}

impl Needs {
    /// Whether the caller has what is needed.
    pub fn check(self, house: &House, principal: &Principal) -> Result<(), Denied> {
        let owner_of = |id| house.relay.world().environment(id).map(|found| found.particulars.owner);
        match (self, principal) {
            (Self::Key(grant), _) => holds(principal, grant),
            (Self::Session(grant, session), _) => house.may(principal, grant, session),
            (Self::Worker(session), _) => house.may_run(principal, session),
            (Self::RunnerOrItsWorker(environment), Principal::Worker { session, .. }) => {
                let world = house.relay.world();
                let its = world.session(*session).is_some_and(|found| found.environment == Some(environment));
                if its { Ok(()) } else { Err(Denied::Foreign) }
            }
            (Self::Runner(environment) | Self::RunnerOrItsWorker(environment), _) => {
                security::may_run_environment(principal, environment, owner_of(environment))
            }
            (Self::Reader(file), _) => {
                let owner = house.relay.world().file(file).map(|found| found.owner);
                // A runner's key fetches what its agents are sent; it reads nothing else.
                security::may(principal, Grant::SessionRead, owner)
                    .or_else(|_| security::may(principal, Grant::SessionRun, owner))
            }
        }
    }
}

fn one_of(method: &Method, routes: &[(Method, Endpoint)]) -> Result<Endpoint, NoRoute> {
    let found = routes.iter().find(|(allowed, _)| allowed == method);
    found.map(|(_, endpoint)| *endpoint).ok_or_else(|| {
        let allowed: Vec<&str> = routes.iter().map(|(allowed, _)| allowed.as_str()).collect();
        NoRoute::MethodNotAllowed(allowed.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    const ENV: &str = "env_00000000000000000000000000000001";
    const WORK: &str = "work_00000000000000000000000000000002";
    const CSE: &str = "cse_00000000000000000000000000000003";
    const SESSION: &str = "session_00000000000000000000000000000003";
    const FILE: &str = "00000000-0000-0000-0000-000000000004";

    fn parse(method: &str, path: &str) -> Result<Endpoint, NoRoute> {
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        Endpoint::parse(&method.parse().expect("a method"), &segments)
    }

    #[test]
    fn the_whole_room_on_one_page() {
        let paths = [
            "/v1/environments/bridge",
            "/v1/environments/bridge/ENV",
            "/v1/environments/ENV/work/poll",
            "/v1/environments/ENV/work/WORK/ack",
            "/v1/environments/ENV/work/WORK/stop",
            "/v1/environments/ENV/work/WORK/heartbeat",
            "/v1/environments/ENV/bridge/reconnect",
            "/v1/sessions",
            "/v1/sessions/SESSION",
            "/v1/sessions/SESSION/archive",
            "/v1/sessions/SESSION/events",
            "/v1/sessions/SESSION/messages",
            "/v1/session_ingress/session/SESSION/events",
            "/v2/session_ingress/session/SESSION/events",
            "/v1/session_ingress/ws/SESSION",
            "/v2/session_ingress/ws/SESSION",
            "/v1/code/sessions",
            "/v1/code/sessions/CSE",
            "/v1/code/sessions/CSE/archive",
            "/v1/code/sessions/CSE/bridge",
            "/v1/code/sessions/CSE/worker",
            "/v1/code/sessions/CSE/worker/register",
            "/v1/code/sessions/CSE/worker/heartbeat",
            "/v1/code/sessions/CSE/worker/events",
            "/v1/code/sessions/CSE/worker/events/stream",
            "/v1/code/sessions/CSE/worker/events/delivery",
            "/v1/code/sessions/CSE/worker/internal-events",
            "/api/oauth/files",
            "/api/oauth/files/FILE/content",
        ];
        let mut page = String::new();
        for path in paths {
            let real = path.replace("ENV", ENV).replace("WORK", WORK).replace("CSE", CSE);
            let real = real.replace("SESSION", SESSION).replace("FILE", FILE);
            for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
                if let Ok(endpoint) = parse(method, &real) {
                    let needs = format!("{:?}", endpoint.needs());
                    // Which session or runner it is stands in the path.
                    let needs = needs.split("session_").next().unwrap_or_default();
                    let needs = needs.split("env_").next().unwrap_or_default();
                    let needs = needs.split("file_").next().unwrap_or_default();
                    let needs = needs.trim_end_matches(['(', ',', ' ']);
                    let closed = if needs.contains('(') && !needs.ends_with(')') { ")" } else { "" };
                    let line = format!("{method:<7}{path:<50} {needs}{closed}\n");
                    page.write_str(&line).expect("a string takes everything");
                }
            }
            let refused = parse("OPTIONS", &real);
            assert!(matches!(refused, Err(NoRoute::MethodNotAllowed(_))), "{path}");
        }
        let committed = include_str!("../../../schema/bridge/routes.txt");
        assert_eq!(page, committed, "the room changed: review schema/bridge/routes.txt");
    }

    #[test]
    fn a_session_is_found_under_both_prefixes_everywhere() {
        for path in ["/v1/sessions/{}", "/v1/sessions/{}/archive", "/v2/session_ingress/session/{}/events"] {
            for method in ["GET", "POST"] {
                let found = parse(method, &path.replace("{}", SESSION));
                assert_eq!(found, parse(method, &path.replace("{}", CSE)), "{path}");
            }
        }
        let worker = |id: &str| parse("GET", &format!("/v1/code/sessions/{id}/worker/events/stream"));
        assert_eq!(worker(SESSION), worker(CSE));
    }

    #[test]
    fn what_is_no_id_leads_nowhere_and_a_wrong_method_is_told_the_right_ones() {
        assert_eq!(parse("GET", "/v1/sessions/../../etc"), Err(NoRoute::NotFound));
        assert_eq!(parse("GET", "/v1/environments/session_1/work/poll"), Err(NoRoute::NotFound));
        assert_eq!(parse("GET", "/v1"), Err(NoRoute::NotFound));
        let refused = parse("DELETE", &format!("/v1/sessions/{SESSION}"));
        assert_eq!(refused, Err(NoRoute::MethodNotAllowed("GET, PATCH".into())));
    }
}
