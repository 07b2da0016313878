//! Why a question about subscriptions was refused, with the codes that clients of the protocol look for.

use http::{HeaderValue, StatusCode, header};

use super::super::error::Failure;
use crate::{
    api::common::{BadRequest, Response, outbound::BadTarget, reply},
    domain::Refusal,
    relay::RelayError,
    security::token::TokenError,
    wire::streams::subscription::{Reason, Refused},
};

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    #[error(transparent)]
    Invalid(#[from] BadRequest),
    #[error("there is no such subscription: check its name, and whose key this is")]
    Absent,
    #[error("webhook.url {0}")]
    Target(#[from] BadTarget),
    #[error("send the token of the wake as `Authorization: Bearer`")]
    NoToken,
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("stream {path}: this is no offset of it")]
    Offset { path: String },
    #[error("there is nothing to be woken for")]
    NothingPending,
    #[error(transparent)]
    Refused(Refusal),
}

impl Problem {
    /// Refusals have codes of their own here; everything else is the room's.
    pub(super) fn of(error: RelayError) -> Failure {
        match error {
            RelayError::Refused(Refusal::NoSubscription(_)) => Self::Absent.into(),
            RelayError::Refused(refusal @ (Refusal::Full { .. } | Refusal::Stream(_))) => {
                RelayError::Refused(refusal).into()
            }
            RelayError::Refused(refusal) => Self::Refused(refusal).into(),
            other => other.into(),
        }
    }

    const fn class(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Invalid(_) | Self::Refused(Refusal::WrongDelivery { .. } | Refusal::OwnWakeStream) => {
                (StatusCode::BAD_REQUEST, "INVALID_REQUEST")
            }
            Self::Absent => (StatusCode::NOT_FOUND, "SUBSCRIPTION_NOT_FOUND"),
            Self::Target(_) => (StatusCode::BAD_REQUEST, "WEBHOOK_URL_REJECTED"),
            Self::Token(TokenError::Expired { .. }) => (StatusCode::UNAUTHORIZED, "TOKEN_EXPIRED"),
            Self::NoToken | Self::Token(_) => (StatusCode::UNAUTHORIZED, "TOKEN_INVALID"),
            Self::Offset { .. } | Self::Refused(Refusal::BadAck { .. }) => (StatusCode::CONFLICT, "INVALID_OFFSET"),
            Self::NothingPending => (StatusCode::CONFLICT, "NO_PENDING_WORK"),
            Self::Refused(Refusal::SubscriptionDiffers { .. }) => (StatusCode::CONFLICT, "SUBSCRIPTION_ALREADY_EXISTS"),
            Self::Refused(Refusal::AlreadyClaimed { .. }) => (StatusCode::CONFLICT, "ALREADY_CLAIMED"),
            Self::Refused(Refusal::Fenced { .. }) => (StatusCode::CONFLICT, "FENCED"),
            Self::Refused(_) => (StatusCode::CONFLICT, "CONFLICT"),
        }
    }

    /// The answer.
    pub fn into_response(self) -> Response {
        let (status, code) = self.class();
        let message = self.to_string();
        let (current_holder, generation) = match self {
            Self::Refused(Refusal::AlreadyClaimed { holder, generation }) => (Some(holder), Some(generation)),
            Self::Refused(Refusal::Fenced { current, .. }) => (None, Some(current)),
            _ => (None, None),
        };
        let body = Refused { error: Reason { code, message, current_holder, generation } };
        let mut response = reply::json(status, &body);
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
