//! Why a question was not answered, in the one shape that these clients read. Sockets have close codes and frames
//! instead.

use http::{HeaderValue, StatusCode, header};

use super::endpoint::NoRoute;
use crate::{
    api::common::{BadRequest, Response, identity::Unknown, reply},
    domain::{Outcome, Refusal},
    relay::RelayError,
    security::{Denied, NoRandomness, RetryAfter},
    wire::acp::ErrorBody,
};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("there is nothing here: check the path, the id and whose key this is")]
    NotFound,
    #[error("Channel group not found")]
    NoGroup,
    #[error("this method is not allowed here: use {0}")]
    MethodNotAllowed(http::Method),
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
    /// A fault of ours: a command had the outcome of another one.
    #[error("the server made a mistake")]
    Unexpected,
}

impl From<NoRoute> for Failure {
    fn from(route: NoRoute) -> Self {
        match route {
            NoRoute::NotFound => Self::NotFound,
            NoRoute::MethodNotAllowed(only) => Self::MethodNotAllowed(only),
        }
    }
}

impl Failure {
    /// A command that had the outcome of another one.
    pub(super) fn unexpected(command: &str, outcome: &Outcome) -> Self {
        tracing::error!(command, ?outcome, "a command had the outcome of another one");
        Self::Unexpected
    }

    fn class(&self) -> (StatusCode, &'static str, Option<u64>) {
        let (status, kind) = match self {
            Self::NotFound | Self::NoGroup | Self::Denied(Denied::Foreign) => (StatusCode::NOT_FOUND, "not_found"),
            Self::MethodNotAllowed(_) => (StatusCode::METHOD_NOT_ALLOWED, "invalid_request"),
            Self::UpgradeRequired => (StatusCode::UPGRADE_REQUIRED, "invalid_request"),
            Self::Unknown(Unknown::Throttled(RetryAfter { seconds })) | Self::Throttled(RetryAfter { seconds }) => {
                return (StatusCode::TOO_MANY_REQUESTS, "rate_limited", Some(*seconds));
            }
            Self::Unknown(_) => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::Denied(_) => (StatusCode::FORBIDDEN, "forbidden"),
            Self::Random(_) | Self::Relay(RelayError::Busy { .. } | RelayError::Closing) => {
                return (StatusCode::SERVICE_UNAVAILABLE, "overloaded", Some(1));
            }
            Self::Relay(RelayError::Refused(Refusal::Full { .. })) => {
                return (StatusCode::TOO_MANY_REQUESTS, "rate_limited", Some(10));
            }
            Self::Relay(RelayError::Refused(Refusal::NoEnvironment(_) | Refusal::NoSession(_))) => {
                (StatusCode::NOT_FOUND, "not_found")
            }
            Self::Bad(_) | Self::Relay(RelayError::Refused(_)) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::Relay(_) | Self::Unexpected => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        };
        (status, kind, None)
    }

    /// The answer.
    pub(super) fn into_response(self) -> Response {
        let (status, kind, wait) = self.class();
        let words = match &self {
            // Somebody else's thing is told from one that does not exist by nobody.
            Self::Denied(Denied::Foreign) => Self::NotFound.to_string(),
            Self::Relay(error @ (RelayError::Journal(_) | RelayError::Gap { .. })) => {
                tracing::error!(%error, "the journal could not be read");
                "the server could not read its journal; its operator finds the reason in the log".into()
            }
            other => other.to_string(),
        };
        let mut response = reply::json(status, &ErrorBody::new(kind, words));
        let headers = response.headers_mut();
        if let Some(seconds) = wait {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Self::MethodNotAllowed(only) = self
            && let Ok(only) = HeaderValue::from_str(only.as_str())
        {
            headers.insert(header::ALLOW, only);
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
