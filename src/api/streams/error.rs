//! Why a question was not answered, in the one shape of this room: `{"error": {"code", "message"}}`, and the headers
//! that the protocol gives to each status.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::{endpoint::NoRoute, subscriptions::Problem};
use crate::{
    api::common::{BadRequest, Response, identity::Unknown, reply},
    domain::{Outcome, Refusal, user_stream::StreamRefusal},
    relay::RelayError,
    security::{Denied, NoRandomness, RetryAfter},
    wire::streams::{ErrorBody, ErrorDetail, Offset, header as name},
};

/// Seconds after which a client may try again when the writer is behind or the server restarts.
const BUSY_RETRY_SECONDS: u64 = 1;
/// Seconds after which a full list may have room again.
const FULL_RETRY_SECONDS: u64 = 10;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("there is no such stream: check the name, and whose key this is")]
    NotFound,
    #[error("this method is not allowed here: use {0}")]
    MethodNotAllowed(&'static str),
    #[error(transparent)]
    Bad(#[from] BadRequest),
    #[error(transparent)]
    Unknown(#[from] Unknown),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error("pages of {0} may not change streams without a credential: add the origin to RCS_WEB_CORS_ORIGINS")]
    ForeignOrigin(String),
    #[error(transparent)]
    Throttled(#[from] RetryAfter),
    #[error(transparent)]
    Relay(#[from] RelayError),
    #[error(transparent)]
    Random(#[from] NoRandomness),
    /// It was deleted, and forks still read from it.
    #[error("the stream was deleted")]
    Gone,
    #[error("the stream is closed at {0}: nothing can be added")]
    Closed(Offset),
    /// The reader's place is not, or not any more, in the stream.
    #[error("the stream cannot be read on from {asked}: what is left of it begins after {earliest}; start over there")]
    Lost { asked: String, earliest: Offset },
    /// It is about a subscription, which has codes of its own.
    #[error(transparent)]
    Subscription(#[from] Problem),
    /// A fault of ours: a command had the outcome of another one.
    #[error("the server made a mistake")]
    Unexpected,
}

impl From<NoRoute> for Failure {
    fn from(route: NoRoute) -> Self {
        match route {
            NoRoute::NotFound => Self::NotFound,
            NoRoute::MethodNotAllowed(allowed) => Self::MethodNotAllowed(allowed),
            NoRoute::BadName(reason) => Self::bad("the stream's name", reason),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Relay(refusal.into())
    }
}

impl Failure {
    /// A header, parameter or body that is not what it must be.
    pub(super) fn bad(what: &str, reason: &str) -> Self {
        BadRequest::parameter(what, reason).into()
    }

    /// A command that had the outcome of another one.
    pub(super) fn unexpected(outcome: &Outcome) -> Self {
        tracing::error!(?outcome, "a command had the outcome of another one");
        Self::Unexpected
    }

    /// The status, the code that the body names, and the seconds to wait.
    fn class(&self) -> (StatusCode, &'static str, Option<u64>) {
        let (status, code) = match self {
            Self::NotFound | Self::Denied(Denied::Foreign) => (StatusCode::NOT_FOUND, "not_found"),
            Self::MethodNotAllowed(_) => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::Bad(_) => (StatusCode::BAD_REQUEST, "bad_request"),
            Self::Unknown(Unknown::Throttled(RetryAfter { seconds })) | Self::Throttled(RetryAfter { seconds }) => {
                return (StatusCode::TOO_MANY_REQUESTS, "rate_limited", Some(*seconds));
            }
            Self::Unknown(_) => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::Denied(_) => (StatusCode::FORBIDDEN, "forbidden"),
            Self::ForeignOrigin(_) => (StatusCode::FORBIDDEN, "foreign_origin"),
            Self::Gone => (StatusCode::GONE, "gone"),
            Self::Closed(_) => (StatusCode::CONFLICT, "stream_closed"),
            Self::Lost { .. } => (StatusCode::GONE, "offset_gone"),
            Self::Random(_) => return (StatusCode::SERVICE_UNAVAILABLE, "busy", Some(BUSY_RETRY_SECONDS)),
            Self::Subscription(_) | Self::Unexpected => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
            Self::Relay(RelayError::Refused(Refusal::Stream(refusal))) => class_of(refusal),
            Self::Relay(RelayError::Refused(Refusal::Full { .. })) => {
                return (StatusCode::TOO_MANY_REQUESTS, "full", Some(FULL_RETRY_SECONDS));
            }
            Self::Relay(RelayError::Busy { .. } | RelayError::Closing) => {
                return (StatusCode::SERVICE_UNAVAILABLE, "busy", Some(BUSY_RETRY_SECONDS));
            }
            Self::Relay(RelayError::Refused(_)) => (StatusCode::CONFLICT, "conflict"),
            Self::Relay(RelayError::Gap { .. } | RelayError::Journal(_)) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal")
            }
        };
        (status, code, None)
    }

    /// The answer.
    pub fn into_response(self) -> Response {
        if let Self::Subscription(problem) = self {
            return problem.into_response();
        }
        let (status, code, wait) = self.class();
        let body = ErrorBody { error: ErrorDetail { code: code.to_owned(), message: self.words() } };
        let mut response = reply::json(status, &body);
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = wait {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        self.tell(status, headers);
        response
    }

    /// The headers that go with it.
    fn tell(&self, status: StatusCode, headers: &mut HeaderMap) {
        let mut put = |name: &'static str, value: String| {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        match self {
            Self::MethodNotAllowed(allowed) => put("allow", (*allowed).to_owned()),
            Self::Unknown(_) if status == StatusCode::UNAUTHORIZED => put("www-authenticate", "Bearer".to_owned()),
            Self::Closed(offset) => {
                put(name::CLOSED, "true".to_owned());
                put(name::NEXT_OFFSET, offset.to_string());
            }
            Self::Lost { earliest, .. } => put(name::EARLIEST_OFFSET, earliest.to_string()),
            Self::Relay(RelayError::Refused(Refusal::Stream(refusal))) => match refusal {
                StreamRefusal::StaleEpoch { current } => put(name::PRODUCER_EPOCH, current.to_string()),
                StreamRefusal::ProducerGap { expected, received } => {
                    put(name::PRODUCER_EXPECTED_SEQ, expected.to_string());
                    put(name::PRODUCER_RECEIVED_SEQ, received.to_string());
                }
                _ => {}
            },
            _ => {}
        }
    }

    /// What is said. Somebody else's stream is told from one that does not exist by nobody, and what is wrong with our
    /// disk is the operator's business.
    fn words(&self) -> String {
        match self {
            Self::Denied(Denied::Foreign)
            | Self::Relay(RelayError::Refused(Refusal::Stream(StreamRefusal::Absent(_)))) => Self::NotFound.to_string(),
            Self::Relay(error @ (RelayError::Journal(_) | RelayError::Gap { .. })) => {
                tracing::error!(%error, "the journal could not be read");
                "the server could not read its journal; its operator finds the reason in the log".into()
            }
            other => other.to_string(),
        }
    }
}

const fn class_of(refusal: &StreamRefusal) -> (StatusCode, &'static str) {
    match refusal {
        StreamRefusal::Absent(_) => (StatusCode::NOT_FOUND, "not_found"),
        StreamRefusal::Gone(_) => (StatusCode::GONE, "gone"),
        StreamRefusal::Exists => (StatusCode::CONFLICT, "exists"),
        StreamRefusal::NameTaken => (StatusCode::CONFLICT, "name_taken"),
        StreamRefusal::SourceGone => (StatusCode::CONFLICT, "source_gone"),
        StreamRefusal::BeyondTail => (StatusCode::BAD_REQUEST, "beyond_tail"),
        StreamRefusal::TooDeep { .. } => (StatusCode::BAD_REQUEST, "too_deep"),
        StreamRefusal::Closed { .. } => (StatusCode::CONFLICT, "stream_closed"),
        StreamRefusal::ContentType => (StatusCode::CONFLICT, "content_type"),
        StreamRefusal::StreamSeq { .. } => (StatusCode::CONFLICT, "stream_seq"),
        StreamRefusal::StaleEpoch { .. } => (StatusCode::FORBIDDEN, "stale_epoch"),
        StreamRefusal::EpochStart => (StatusCode::BAD_REQUEST, "epoch_start"),
        StreamRefusal::ProducerGap { .. } => (StatusCode::CONFLICT, "producer_gap"),
    }
}
