//! The one mapping from what went wrong, on any floor below, to a problem.

use http::{HeaderName, HeaderValue, Method, StatusCode, header};

use super::endpoint::NoEndpoint;
use crate::{
    api::common::{
        BadRequest, Call, House, Response,
        identity::Unknown,
        origin::ForeignOrigin,
        reply::{empty, json_as},
    },
    domain::{InvalidId, Outcome, Refusal},
    relay::{JournalError, RelayError},
    security::{Denied, NoRandomness, RetryAfter},
    wire::web::{EPOCH, Problem, ProblemKind},
};

/// The writer works off a full queue in well under this.
const BUSY_RETRY_SECONDS: u64 = 1;
/// A restart takes about this long.
const CLOSING_RETRY_SECONDS: u64 = 2;

/// Why there is no answer but this.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) problem: Box<Problem>,
    /// With 405.
    allow: Option<String>,
}

impl Failure {
    pub(super) fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Problem::new(kind, detail).into()
    }

    /// A field or parameter that is not what it must be.
    pub(super) fn field(field: &str, reason: &str) -> Self {
        Problem::new(ProblemKind::BadRequest, format!("{field} {reason}")).with_field(field).into()
    }

    /// The same, naming the field at fault.
    pub(super) fn at(mut self, field: &str) -> Self {
        self.problem.field = Some(field.to_owned());
        self
    }

    /// Something that is not there, or not the caller's: the same words for both.
    pub(super) fn absent(what: impl std::fmt::Display) -> Self {
        Self::new(ProblemKind::NotFound, format!("there is no {what}"))
    }

    /// Why the caller may not, where the thing has an id to name.
    pub(super) fn denied(denied: Denied, id: impl std::fmt::Display) -> Self {
        match denied {
            Denied::Foreign => Self::absent(id),
            Denied::Role { .. } | Denied::Token { .. } => denied.into(),
        }
    }

    /// A socket's path without an upgrade.
    pub(super) fn no_upgrade() -> Self {
        Self::new(ProblemKind::BadRequest, "connect by WebSocket: send `Connection: Upgrade` and `Upgrade: websocket`")
    }

    /// An offset that is not of this stream as it is now.
    pub(super) fn gap(detail: impl Into<String>, earliest: u64, latest: u64) -> Self {
        let mut problem = Problem::new(ProblemKind::Gap, detail);
        (problem.earliest, problem.latest) = (Some(earliest), Some(latest));
        problem.into()
    }

    /// The relay answered a command with the outcome of another: a fault of ours.
    pub(super) fn unexpected(outcome: &Outcome) -> Self {
        tracing::error!(?outcome, "a command had the outcome of another");
        Self::new(ProblemKind::Internal, "the server confused two commands; look at its log")
    }

    /// What is added once the epoch is known.
    pub(super) fn in_epoch(mut self, house: &House) -> Self {
        if self.problem.kind == ProblemKind::Gap {
            self.problem.epoch.get_or_insert_with(|| house.relay.epoch().to_string());
        }
        self
    }

    /// What both error shapes share: the status and its headers.
    pub(super) fn dress(&self, mut response: Response) -> Response {
        *response.status_mut() = StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut set = |name: HeaderName, value: &str| {
            // Digits and method names always make a header.
            if let Ok(value) = HeaderValue::from_str(value) {
                response.headers_mut().insert(name, value);
            }
        };
        if let Some(allow) = &self.allow {
            set(header::ALLOW, allow);
        }
        if let Some(seconds) = self.problem.retry_after {
            set(header::RETRY_AFTER, &seconds.to_string());
        }
        if self.problem.kind == ProblemKind::Unauthenticated {
            set(header::WWW_AUTHENTICATE, "Bearer");
        }
        response
    }

    /// As `application/problem+json`.
    pub(super) fn response(self, house: &House) -> Response {
        let failure = self.in_epoch(house);
        failure.dress(json_as(StatusCode::OK, Problem::MEDIA_TYPE, &failure.problem))
    }
}

/// Marks a reply with the numbering that its offsets belong to, and keeps it out of caches.
pub(super) fn mark(mut response: Response, house: &House) -> Response {
    let headers = response.headers_mut();
    if let Ok(epoch) = HeaderValue::from_str(&house.relay.epoch().to_string()) {
        headers.insert(EPOCH, epoch);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Nothing to say.
pub(super) fn no_content() -> Response {
    empty(StatusCode::NO_CONTENT)
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self { problem: Box::new(problem), allow: None }
    }
}

impl Failure {
    /// Why a path has nothing to answer.
    pub(super) fn no_endpoint(error: NoEndpoint, call: &Call) -> Self {
        match error {
            NoEndpoint::NotFound => Self::new(ProblemKind::NotFound, format!("nothing is served under {}", call.path)),
            NoEndpoint::Invalid(error) => error.into(),
            NoEndpoint::MethodNotAllowed(allowed) => {
                let allow = allowed.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
                let detail = format!("{} does not take {}; it takes {allow}", call.path, call.method);
                Self { allow: Some(allow), ..Self::new(ProblemKind::MethodNotAllowed, detail) }
            }
        }
    }
}

/// An id in a path that is none names nothing.
impl From<InvalidId> for Failure {
    fn from(error: InvalidId) -> Self {
        Self::new(ProblemKind::NotFound, error.to_string())
    }
}

impl From<BadRequest> for Failure {
    fn from(error: BadRequest) -> Self {
        let kind = match error {
            BadRequest::MediaType { .. } => ProblemKind::UnsupportedMediaType,
            BadRequest::NoObject { .. } | BadRequest::Json { .. } | BadRequest::Parameter { .. } => {
                ProblemKind::BadRequest
            }
        };
        let problem = Problem::new(kind, error.to_string());
        match error.field() {
            Some(field) => problem.with_field(field).into(),
            None => problem.into(),
        }
    }
}

impl From<Unknown> for Failure {
    fn from(error: Unknown) -> Self {
        match error {
            Unknown::Throttled(wait) => wait.into(),
            _ => Self::new(ProblemKind::Unauthenticated, error.to_string()),
        }
    }
}

impl From<Denied> for Failure {
    fn from(error: Denied) -> Self {
        match error {
            Denied::Role { .. } | Denied::Token { .. } => Self::new(ProblemKind::Forbidden, error.to_string()),
            Denied::Foreign => Self::absent("such thing"),
        }
    }
}

impl From<ForeignOrigin> for Failure {
    fn from(error: ForeignOrigin) -> Self {
        Self::new(ProblemKind::ForeignOrigin, error.to_string())
    }
}

impl From<RetryAfter> for Failure {
    fn from(wait: RetryAfter) -> Self {
        Problem::new(ProblemKind::TooManyRequests, wait.to_string()).with_retry_after(wait.seconds).into()
    }
}

impl From<NoRandomness> for Failure {
    fn from(error: NoRandomness) -> Self {
        tracing::error!(%error, "no fresh id could be drawn");
        Problem::new(ProblemKind::Unavailable, error.to_string()).with_retry_after(CLOSING_RETRY_SECONDS).into()
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        RelayError::from(error).into()
    }
}

impl From<RelayError> for Failure {
    fn from(error: RelayError) -> Self {
        let unavailable = |seconds| Problem::new(ProblemKind::Unavailable, error.to_string()).with_retry_after(seconds);
        match &error {
            RelayError::Refused(refusal) => Self::refused(refusal),
            RelayError::Busy { .. } => unavailable(BUSY_RETRY_SECONDS).into(),
            RelayError::Closing => unavailable(CLOSING_RETRY_SECONDS).into(),
            RelayError::Gap { earliest, latest, .. } => Self::gap(error.to_string(), earliest.0, latest.0),
            RelayError::Journal(inner) => {
                tracing::error!(error = %inner, "the journal could not be read");
                Self::new(ProblemKind::Internal, "the journal could not be read; look at the server's log")
            }
        }
    }
}

impl Failure {
    fn refused(refusal: &Refusal) -> Self {
        if let Refusal::NotOffered { what, .. } = refusal {
            return Problem::new(ProblemKind::BadRequest, refusal.to_string()).with_field(*what).into();
        }
        let kind = match refusal {
            Refusal::NotOffered { .. } => ProblemKind::BadRequest,
            Refusal::NoWord { .. } => ProblemKind::NotSupported,
            Refusal::NoEnvironment(_)
            | Refusal::NoSession(_)
            | Refusal::NoKey(_)
            | Refusal::NoDevice(_)
            | Refusal::NoWork { .. }
            | Refusal::NoPermission { .. }
            | Refusal::NoMessage { .. }
            | Refusal::NoTarget(_)
            | Refusal::NoSubscription(_) => ProblemKind::NotFound,
            Refusal::NoLoginLink => ProblemKind::Unauthenticated,
            Refusal::Archived(_) => ProblemKind::Archived,
            // The room of streams has its own errors; nothing here asks for streams and subscriptions.
            Refusal::Stream(_)
            | Refusal::SubscriptionDiffers { .. }
            | Refusal::WrongDelivery { .. }
            | Refusal::OwnWakeStream
            | Refusal::AlreadyClaimed { .. }
            | Refusal::Fenced { .. }
            | Refusal::BadAck { .. }
            | Refusal::Superseded { .. } => ProblemKind::Conflict,
            Refusal::AlreadyDecided { .. } => ProblemKind::AlreadyDecided,
            Refusal::TakenBack { .. } => ProblemKind::TakenBack,
            Refusal::AlreadyDelivered { .. } => ProblemKind::AlreadyDelivered,
            Refusal::WorkerOffline(_) => ProblemKind::WorkerOffline,
            Refusal::KeyReused { .. } => ProblemKind::KeyReused,
            Refusal::Full { .. } => ProblemKind::Full,
        };
        Self::new(kind, refusal.to_string())
    }
}
