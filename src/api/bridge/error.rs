//! Why a question was not answered, in the one shape that these clients read.
//!
//! The statuses are part of the protocol. A v1 worker drops a batch for good on any 4xx but 429; a v2 worker sends the
//! same again for ever on anything but 409, which ends it; a runner gives up on 401, 403 and 410 and registers again on
//! 404. So whatever may pass is 503, and 409 is said of two things only: a superseded worker, and an archive of what
//! was archived.

use http::{HeaderValue, StatusCode, header};

use super::endpoint::NoRoute;
use crate::{
    api::common::{BadRequest, Response, identity::Unknown, reply},
    domain::{Outcome, Refusal, SessionId},
    relay::RelayError,
    security::{Denied, NoRandomness, RetryAfter},
    wire::bridge::ErrorBody,
};

/// Seconds after which a client may try again when the writer is behind or the server restarts.
const BUSY_RETRY_SECONDS: u64 = 1;
/// Seconds after which a full list may have room again.
const FULL_RETRY_SECONDS: u64 = 10;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("there is nothing here: check the path, the id and whose key this is")]
    NotFound,
    #[error("this method is not allowed here: use {0}")]
    MethodNotAllowed(String),
    #[error("this path takes WebSocket upgrades only")]
    UpgradeRequired,
    #[error(transparent)]
    Bad(#[from] BadRequest),
    #[error(transparent)]
    Unknown(#[from] Unknown),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Throttled(#[from] RetryAfter),
    #[error(transparent)]
    Relay(#[from] RelayError),
    #[error(transparent)]
    Random(#[from] NoRandomness),
    #[error("session {0} is already archived")]
    AlreadyArchived(SessionId),
    /// Nothing will come any more for the worker of this session.
    #[error("session {0} is archived: there is nothing more to follow")]
    Over(SessionId),
    #[error("{what} holds {count} entries; send at most {max} at once")]
    TooMany { what: &'static str, count: usize, max: usize },
    /// A fault of ours: a command had the outcome of another one.
    #[error("the server made a mistake")]
    Unexpected,
}

impl From<NoRoute> for Failure {
    fn from(route: NoRoute) -> Self {
        match route {
            NoRoute::NotFound => Self::NotFound,
            NoRoute::MethodNotAllowed(allowed) => Self::MethodNotAllowed(allowed),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Relay(refusal.into())
    }
}

impl Failure {
    /// A command that had the outcome of another one.
    pub(super) fn unexpected(command: &str, outcome: &Outcome) -> Self {
        tracing::error!(command, ?outcome, "a command had the outcome of another one");
        Self::Unexpected
    }

    /// The status, the type that the body names, and the seconds to wait.
    fn class(&self) -> (StatusCode, &'static str, Option<u64>) {
        let (status, kind) = match self {
            Self::NotFound | Self::Denied(Denied::Foreign) => (StatusCode::NOT_FOUND, "not_found_error"),
            Self::MethodNotAllowed(_) => (StatusCode::METHOD_NOT_ALLOWED, "invalid_request_error"),
            Self::UpgradeRequired => (StatusCode::UPGRADE_REQUIRED, "invalid_request_error"),
            Self::Bad(BadRequest::MediaType { .. }) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid_request_error"),
            Self::Bad(_) => (StatusCode::BAD_REQUEST, "invalid_request_error"),
            Self::Unknown(Unknown::Throttled(RetryAfter { seconds })) | Self::Throttled(RetryAfter { seconds }) => {
                return (StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", Some(*seconds));
            }
            Self::Unknown(_) => (StatusCode::UNAUTHORIZED, "authentication_error"),
            Self::Denied(_) => (StatusCode::FORBIDDEN, "permission_error"),
            // Not 410: the client would ask again for ten minutes, and its agent wait for a conversation that is over.
            Self::Over(_) => (StatusCode::NOT_FOUND, "session_archived"),
            Self::AlreadyArchived(_) => (StatusCode::CONFLICT, "already_archived"),
            Self::TooMany { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "request_too_large"),
            Self::Random(_) => return (StatusCode::SERVICE_UNAVAILABLE, "overloaded_error", Some(BUSY_RETRY_SECONDS)),
            Self::Unexpected => (StatusCode::INTERNAL_SERVER_ERROR, "api_error"),
            Self::Relay(error) => return class_of(error),
        };
        (status, kind, None)
    }

    /// The answer.
    pub fn into_response(self) -> Response {
        let (status, kind, wait) = self.class();
        let message = self.words();
        let mut response = reply::json(status, &ErrorBody::new(kind, message));
        let headers = response.headers_mut();
        if let Some(seconds) = wait {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        match self {
            Self::MethodNotAllowed(allowed) => {
                if let Ok(allowed) = HeaderValue::from_str(&allowed) {
                    headers.insert(header::ALLOW, allowed);
                }
            }
            Self::UpgradeRequired => {
                headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            }
            Self::Unknown(_) if status == StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
        response
    }

    /// What is said. A thing of somebody else's is told from one that does not exist by nobody, and what is wrong with
    /// our disk is the operator's business.
    fn words(&self) -> String {
        match self {
            Self::Denied(Denied::Foreign) => Self::NotFound.to_string(),
            Self::Relay(error @ (RelayError::Journal(_) | RelayError::Gap { .. })) => {
                tracing::error!(%error, "the journal could not be read");
                "the server could not read its journal; its operator finds the reason in the log".into()
            }
            other => other.to_string(),
        }
    }
}

fn class_of(error: &RelayError) -> (StatusCode, &'static str, Option<u64>) {
    let (status, kind) = match error {
        RelayError::Busy { .. } | RelayError::Closing => {
            return (StatusCode::SERVICE_UNAVAILABLE, "overloaded_error", Some(BUSY_RETRY_SECONDS));
        }
        RelayError::Gap { .. } | RelayError::Journal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "api_error"),
        RelayError::Refused(refusal) => match refusal {
            Refusal::NoEnvironment(_)
            | Refusal::NoSession(_)
            | Refusal::NoKey(_)
            | Refusal::NoDevice(_)
            | Refusal::NoLoginLink
            | Refusal::NoWork { .. }
            | Refusal::NoPermission { .. }
            | Refusal::NoMessage { .. } => (StatusCode::NOT_FOUND, "not_found_error"),
            Refusal::Archived(_) => (StatusCode::GONE, "session_archived"),
            Refusal::Superseded { .. } => (StatusCode::CONFLICT, "worker_superseded"),
            Refusal::Full { .. } => {
                return (StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", Some(FULL_RETRY_SECONDS));
            }
            _ => (StatusCode::BAD_REQUEST, "invalid_request_error"),
        },
    };
    (status, kind, None)
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
