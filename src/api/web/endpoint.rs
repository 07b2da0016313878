//! What can be asked under `/api/v1`, and what each needs. The two tables to read first.

use http::Method;

use crate::{
    domain::{DeviceId, EnvironmentId, FileId, InvalidId, KeyId, MessageId, RequestId, SessionId, TargetId, WorkId},
    security::Grant,
};

/// Everything that can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    ListEnvironments,
    ShowEnvironment(EnvironmentId),
    /// Replace a work item, parked ones included, by a fresh one.
    RequeueWork(EnvironmentId, WorkId),

    ListSessions,
    CreateSession,
    ArchiveSessions,
    ShowSession(SessionId),
    /// Its title, its pin.
    ArrangeSession(SessionId),
    ArchiveSession(SessionId),
    /// A page of history, or with `Accept: text/event-stream` the history and all that follows.
    ReadEvents(SessionId),
    /// The same over a WebSocket.
    OpenSocket(SessionId),

    PostMessage(SessionId),
    ShowMessage(SessionId, MessageId),
    CancelMessage(SessionId, MessageId),

    /// What was said somewhere.
    Search,

    ListPermissions,
    ShowPermission(SessionId, RequestId),
    DecidePermission(SessionId, RequestId),

    Interrupt(SessionId),
    SetMode(SessionId),
    SetModel(SessionId),
    SetThinking(SessionId),

    StoreFile,
    /// A stored file's bytes.
    ReadFile(FileId),

    /// Let a browser in: a login link or a key against a cookie.
    SignIn,
    /// Take this browser's power away.
    SignOut,
    CreateLoginLink,
    ListDevices,
    /// All of the caller's, this one included.
    SignOutEverywhere,
    SignOutDevice(DeviceId),
    RenameDevice(DeviceId),
    /// Who the caller is.
    ShowMe,
    /// All sessions and runners as they are, and every change.
    Overview,

    /// Where the caller is told that an agent waits.
    ListTargets,
    AddTarget,
    ChangeTarget(TargetId),
    RemoveTarget(TargetId),
    /// Tell something there, to see whether it arrives.
    TestTarget(TargetId),
    /// The key that browsers tie their subscriptions to.
    ShowVapid,
    /// Answer straight from a notification, with what came in it.
    AnswerNotification,

    ListKeys,
    CreateKey,
    RevokeKey(KeyId),
    /// Sign tokens with a fresh key.
    RotateSigning,

    ReadAudit,
    ListCommits,
    VerifyAudit,

    /// The whole journal, as it is at one moment.
    Backup,

    /// Who is woken when streams grow.
    ListSubscriptions,

    ShowStatus,
    /// The description of all this, as OpenAPI 3.1.
    Describe,
}

/// What a caller needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing, not even a credential: it says nothing that is anybody's.
    Nothing,
    /// The grant, for what is theirs.
    Own(Grant),
    /// The grant, with this session.
    Session(Grant, SessionId),
    /// The grant, with this environment.
    Environment(Grant, EnvironmentId),
}

/// Why there is nothing to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoEndpoint {
    NotFound,
    /// There is something, for these methods.
    MethodNotAllowed(Vec<Method>),
    /// An id in the path is none.
    Invalid(InvalidId),
}

impl From<InvalidId> for NoEndpoint {
    fn from(error: InvalidId) -> Self {
        Self::Invalid(error)
    }
}

/// Reads a path below `/api/v1`.
pub fn parse(method: &Method, segments: &[&str]) -> Result<Endpoint, NoEndpoint> {
    use Endpoint as E;
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    const PATCH: Method = Method::PATCH;
    const DELETE: Method = Method::DELETE;
    let on = |ways: &[(Method, Endpoint)]| choose(method, ways);
    match segments {
        ["environments"] => on(&[(GET, E::ListEnvironments)]),
        ["environments", id] => on(&[(GET, E::ShowEnvironment(id.parse()?))]),
        ["environments", id, "work", work, "requeue"] => on(&[(POST, E::RequeueWork(id.parse()?, work.parse()?))]),

        ["sessions"] => on(&[(GET, E::ListSessions), (POST, E::CreateSession)]),
        ["sessions", "archive"] => on(&[(POST, E::ArchiveSessions)]),
        ["sessions", id] => {
            let id = id.parse()?;
            on(&[(GET, E::ShowSession(id)), (PATCH, E::ArrangeSession(id))])
        }
        ["sessions", id, "archive"] => on(&[(POST, E::ArchiveSession(id.parse()?))]),
        ["sessions", id, "events"] => on(&[(GET, E::ReadEvents(id.parse()?))]),
        ["sessions", id, "socket"] => on(&[(GET, E::OpenSocket(id.parse()?))]),

        ["sessions", id, "messages"] => on(&[(POST, E::PostMessage(id.parse()?))]),
        ["sessions", id, "messages", message] => {
            let (id, message) = (id.parse()?, message.parse()?);
            on(&[(GET, E::ShowMessage(id, message)), (DELETE, E::CancelMessage(id, message))])
        }

        ["search"] => on(&[(GET, E::Search)]),

        ["permissions"] => on(&[(GET, E::ListPermissions)]),
        ["sessions", id, "permissions", request] => {
            let (id, request) = (id.parse()?, request_id(request)?);
            on(&[(GET, E::ShowPermission(id, request.clone())), (POST, E::DecidePermission(id, request))])
        }

        ["sessions", id, "interrupt"] => on(&[(POST, E::Interrupt(id.parse()?))]),
        ["sessions", id, "mode"] => on(&[(POST, E::SetMode(id.parse()?))]),
        ["sessions", id, "model"] => on(&[(POST, E::SetModel(id.parse()?))]),
        ["sessions", id, "thinking"] => on(&[(POST, E::SetThinking(id.parse()?))]),

        ["files"] => on(&[(POST, E::StoreFile)]),
        ["files", id] => on(&[(GET, E::ReadFile(id.parse()?))]),

        ["login"] => on(&[(POST, E::SignIn)]),
        ["logout"] => on(&[(POST, E::SignOut)]),
        ["login-links"] => on(&[(POST, E::CreateLoginLink)]),
        ["devices"] => on(&[(GET, E::ListDevices), (DELETE, E::SignOutEverywhere)]),
        ["devices", id] => {
            let id = id.parse()?;
            on(&[(PATCH, E::RenameDevice(id)), (DELETE, E::SignOutDevice(id))])
        }
        ["me"] => on(&[(GET, E::ShowMe)]),
        ["overview"] => on(&[(GET, E::Overview)]),

        ["notifications", "targets"] => on(&[(GET, E::ListTargets), (POST, E::AddTarget)]),
        ["notifications", "targets", id] => {
            let id = id.parse()?;
            on(&[(PATCH, E::ChangeTarget(id)), (DELETE, E::RemoveTarget(id))])
        }
        ["notifications", "targets", id, "test"] => on(&[(POST, E::TestTarget(id.parse()?))]),
        ["notifications", "vapid"] => on(&[(GET, E::ShowVapid)]),
        ["notifications", "answer"] => on(&[(POST, E::AnswerNotification)]),

        ["keys"] => on(&[(GET, E::ListKeys), (POST, E::CreateKey)]),
        ["keys", id] => on(&[(DELETE, E::RevokeKey(id.parse()?))]),

        ["signing", "rotate"] => on(&[(POST, E::RotateSigning)]),

        ["audit"] => on(&[(GET, E::ReadAudit)]),
        ["audit", "commits"] => on(&[(GET, E::ListCommits)]),
        ["audit", "verify"] => on(&[(POST, E::VerifyAudit)]),

        ["backup"] => on(&[(GET, E::Backup)]),

        ["subscriptions"] => on(&[(GET, E::ListSubscriptions)]),

        ["status"] => on(&[(GET, E::ShowStatus)]),
        ["openapi.json"] => on(&[(GET, E::Describe)]),
        _ => Err(NoEndpoint::NotFound),
    }
}

/// The endpoint of this method, or the methods that there are.
pub(super) fn choose<E: Clone>(method: &Method, ways: &[(Method, E)]) -> Result<E, NoEndpoint> {
    let found = ways.iter().find(|(way, _)| way == method).map(|(_, endpoint)| endpoint.clone());
    found.ok_or_else(|| NoEndpoint::MethodNotAllowed(ways.iter().map(|(way, _)| way.clone()).collect()))
}

/// Workers make these ids up, so unlike ours they may need percent-encoding in a path.
fn request_id(segment: &str) -> Result<RequestId, InvalidId> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let [first, tail @ ..] = rest {
        let encoded = (*first == b'%').then(|| tail.get(..2)).flatten();
        let decoded = encoded.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(decoded.unwrap_or(*first));
        rest = if decoded.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).parse()
}

impl Endpoint {
    /// The permission table.
    pub fn needs(&self) -> Need {
        match *self {
            // An answer carries what it needs in its body.
            Self::Describe | Self::SignIn | Self::AnswerNotification => Need::Nothing,
            Self::ListEnvironments => Need::Own(Grant::EnvironmentRead),
            Self::ShowEnvironment(id) => Need::Environment(Grant::EnvironmentRead, id),
            Self::RequeueWork(id, _) => Need::Environment(Grant::SessionWrite, id),

            // Whose devices, files and targets: asked where they are looked up. A link is worth no more than the
            // credential that asks, and whoever reads may be told; what leaves the house needs more, asked there.
            Self::ListSessions
            | Self::Search
            | Self::ListPermissions
            | Self::ShowStatus
            | Self::Overview
            | Self::ShowMe
            | Self::ReadFile(_)
            | Self::CreateLoginLink
            | Self::ListDevices
            | Self::SignOut
            | Self::SignOutDevice(_)
            | Self::RenameDevice(_)
            | Self::SignOutEverywhere
            | Self::ListTargets
            | Self::AddTarget
            | Self::ChangeTarget(_)
            | Self::RemoveTarget(_)
            | Self::TestTarget(_)
            | Self::ShowVapid => Need::Own(Grant::SessionRead),
            Self::ShowSession(id)
            | Self::ReadEvents(id)
            | Self::OpenSocket(id)
            | Self::ShowMessage(id, _)
            | Self::ShowPermission(id, _) => Need::Session(Grant::SessionRead, id),

            // Which sessions, or which environment, stands in the body: asked there for each.
            Self::CreateSession | Self::ArchiveSessions | Self::StoreFile => Need::Own(Grant::SessionWrite),
            Self::ArrangeSession(id)
            | Self::ArchiveSession(id)
            | Self::PostMessage(id)
            | Self::CancelMessage(id, _) => Need::Session(Grant::SessionWrite, id),

            Self::DecidePermission(id, _) => Need::Session(Grant::PermissionDecide, id),
            Self::Interrupt(id) => Need::Session(Grant::ControlInterrupt, id),
            // A mode that stops all questions needs more: asked where the body is read.
            Self::SetMode(id) => Need::Session(Grant::ControlMode, id),
            Self::SetModel(id) | Self::SetThinking(id) => Need::Session(Grant::ControlModel, id),

            // Whose key: asked where it is looked up.
            Self::ListKeys | Self::CreateKey | Self::RevokeKey(_) => Need::Own(Grant::KeyManage),
            Self::ListSubscriptions => Need::Own(Grant::StreamRead),
            Self::ReadAudit | Self::ListCommits | Self::VerifyAudit => Need::Own(Grant::AuditRead),
            Self::Backup | Self::RotateSigning => Need::Own(Grant::AdminAll),
        }
    }
}
