//! Credentials that the server signs and need not store: what a worker, a session and an environment show.
//!
//! | kind | form | bound to | good until |
//! |---|---|---|---|
//! | worker ([`sign_worker`]) | JWT, HS256 | session and epoch | it expires, or the epoch is superseded |
//! | session ingress | `rcsi_…` | session | the session is archived, or the signing key is retired |
//! | environment | `rcse_…` | environment | the signing key is retired |
//! | wake | `rcsw_…` | subscription, generation and journal epoch | it expires, or the generation is over |
//! | answer | `rcsq_…` | target, question and journal epoch | it expires, or the question is settled |
//!
//! The opaque kinds are `prefix ‖ base64url(key id ‖ claims ‖ HMAC-SHA256(purpose ‖ key id ‖ claims))`. The
//! purpose is in the tag and not in the token: a token of one kind with the prefix of another does not verify. They
//! have no dots on purpose: a client that could decode one as a JWT would look for an expiry in it and exchange it for
//! an API key.
//!
//! Whether the epoch is still the current one, and the session still open, only the world knows; the caller compares.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

use super::{
    secret::Secret,
    signing::{SIGNING_KEY_ID_BYTES, SigningKeyId, SigningKeys},
};
use crate::domain::{EnvironmentId, SessionId, Timestamp, limits::TOKEN_BYTES_MAX};

pub use super::{
    answer_token::{AnswerClaims, sign_answer, verify_answer},
    wake_token::{WakeClaims, sign_wake, verify_wake},
    worker_token::{WorkerClaims, sign_worker, verify_worker},
};

/// The prefix of a session ingress token. Never `sk-ant-`: clients treat such tokens in another way.
pub const SESSION_PREFIX: &str = "rcsi_";
/// The prefix of an environment secret.
pub const ENVIRONMENT_PREFIX: &str = "rcse_";
/// The prefix of a wake's token.
pub const WAKE_PREFIX: &str = "rcsw_";
/// The prefix of the token in a notification.
pub const ANSWER_PREFIX: &str = "rcsq_";

/// What a bearer text claims to be, by its form alone. Nothing is verified yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    Worker,
    Session,
    Environment,
    Wake,
    Answer,
    /// Everything else: to be looked up by its digest.
    ApiKey,
}

impl TokenKind {
    /// Sorts a bearer text. API keys that would be taken for a token are refused when they are made or configured.
    pub fn of(text: &str) -> Self {
        if text.starts_with(SESSION_PREFIX) {
            Self::Session
        } else if text.starts_with(ENVIRONMENT_PREFIX) {
            Self::Environment
        } else if text.starts_with(WAKE_PREFIX) {
            Self::Wake
        } else if text.starts_with(ANSWER_PREFIX) {
            Self::Answer
        } else if text.starts_with("eyJ") && text.bytes().filter(|byte| *byte == b'.').count() == 2 {
            Self::Worker
        } else {
            Self::ApiKey
        }
    }
}

impl std::fmt::Display for TokenKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Worker => "worker token",
            Self::Session => "session token",
            Self::Environment => "environment secret",
            Self::Wake => "wake token",
            Self::Answer => "notification token",
            Self::ApiKey => "API key",
        })
    }
}

/// Why a token is refused. Which byte was wrong is nobody's business; that it expired is its holder's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("this is not a valid {0}: ask the server for a new one")]
    Invalid(TokenKind),
    #[error("the token expired at {at}: ask the server for a new one")]
    Expired { at: Timestamp },
}

const TAG_BYTES: usize = 32;
const UUID_BYTES: usize = 16;

/// The token that a runner hands to the worker of one session. The agent's shell can read it, so it opens that session
/// and nothing else.
pub fn sign_session(keys: &SigningKeys, session: SessionId) -> Secret {
    seal(keys, TokenKind::Session, SESSION_PREFIX, session.uuid().as_bytes())
}

/// Opens a session ingress token.
pub fn verify_session(keys: &SigningKeys, token: &str) -> Result<SessionId, TokenError> {
    let body: [u8; UUID_BYTES] = open(keys, TokenKind::Session, SESSION_PREFIX, token)?;
    Ok(SessionId::from_uuid(Uuid::from_bytes(body)))
}

/// The secret of a runner. The same for the same environment and signing key, so that a runner which registers again
/// under its old id does not cut off its own poll that is still open.
pub fn sign_environment(keys: &SigningKeys, environment: EnvironmentId) -> Secret {
    seal(keys, TokenKind::Environment, ENVIRONMENT_PREFIX, environment.uuid().as_bytes())
}

/// Opens an environment secret.
pub fn verify_environment(keys: &SigningKeys, token: &str) -> Result<EnvironmentId, TokenError> {
    let body: [u8; UUID_BYTES] = open(keys, TokenKind::Environment, ENVIRONMENT_PREFIX, token)?;
    Ok(EnvironmentId::from_uuid(Uuid::from_bytes(body)))
}

/// What only the tag knows of. Other text than any JWT's signing input, which is base64url with one dot.
const fn purpose(kind: TokenKind) -> &'static [u8] {
    match kind {
        TokenKind::Session => b"rcs session token, version 2\0",
        TokenKind::Environment => b"rcs environment secret, version 1\0",
        TokenKind::Wake => b"rcs wake token, version 1\0",
        TokenKind::Answer => b"rcs notification token, version 1\0",
        // Neither is sealed here; distinct all the same.
        TokenKind::Worker => b"rcs worker token, version 1\0",
        TokenKind::ApiKey => b"rcs API key, version 1\0",
    }
}

pub(super) fn seal(keys: &SigningKeys, kind: TokenKind, prefix: &str, claims: &[u8]) -> Secret {
    let (message, tag) = keys.sign(|id| [purpose(kind), &id.0, claims].concat());
    let sealed = [&message[purpose(kind).len()..], tag.as_ref()].concat();
    Secret::from(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(sealed)))
}

pub(super) fn open<const N: usize>(
    keys: &SigningKeys,
    kind: TokenKind,
    prefix: &str,
    token: &str,
) -> Result<[u8; N], TokenError> {
    let invalid = TokenError::Invalid(kind);
    let text = token.strip_prefix(prefix).filter(|text| text.len() <= TOKEN_BYTES_MAX).ok_or(invalid)?;
    // Strict decoding: one token has one spelling.
    let sealed = URL_SAFE_NO_PAD.decode(text).map_err(|_| invalid)?;
    if sealed.len() != SIGNING_KEY_ID_BYTES + N + TAG_BYTES {
        return Err(invalid);
    }
    let (signed, tag) = sealed.split_at(SIGNING_KEY_ID_BYTES + N);
    let (id, claims) = signed.split_at(SIGNING_KEY_ID_BYTES);
    let id = SigningKeyId(id.try_into().map_err(|_| invalid)?);
    if !keys.verify(id, &[purpose(kind), signed].concat(), tag) {
        return Err(invalid);
    }
    claims.try_into().map_err(|_| invalid)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::security::signing::tests::fresh_keys;

    const SESSION: SessionId = SessionId::from_uuid(Uuid::from_u128(0x5e55));
    const ENVIRONMENT: EnvironmentId = EnvironmentId::from_uuid(Uuid::from_u128(0x5e55));

    #[test]
    fn a_session_token_opens_its_session_and_looks_like_nothing_else() {
        let (_directory, keys) = fresh_keys();
        let token = sign_session(&keys, SESSION);
        assert_eq!(verify_session(&keys, token.expose()), Ok(SESSION));
        assert!(!token.expose().contains('.'), "a client would read an expiry out of it");
        assert!(!token.expose().starts_with("sk-ant"), "a client would switch to cookies");
        assert_eq!(TokenKind::of(token.expose()), TokenKind::Session);
        keys.rotate(Timestamp(0), Duration::from_secs(1)).expect("rotated");
        assert_eq!(verify_session(&keys, token.expose()), Ok(SESSION), "a rotation cuts nobody off");
        keys.retire_due(Timestamp(1_000)).expect("retired");
        assert!(verify_session(&keys, token.expose()).is_err());
    }

    #[test]
    fn an_environment_keeps_its_secret_when_it_registers_again() {
        let (_directory, keys) = fresh_keys();
        let first = sign_environment(&keys, ENVIRONMENT);
        assert!(first.matches(sign_environment(&keys, ENVIRONMENT).expose()));
        keys.rotate(Timestamp(0), Duration::from_secs(1)).expect("rotated");
        assert!(!first.matches(sign_environment(&keys, ENVIRONMENT).expose()));
        assert_eq!(verify_environment(&keys, first.expose()), Ok(ENVIRONMENT));
    }

    #[test]
    fn a_token_of_one_kind_is_never_one_of_another() {
        let (_directory, keys) = fresh_keys();
        let environment = sign_environment(&keys, ENVIRONMENT);
        let body = &environment.expose()[ENVIRONMENT_PREFIX.len()..];
        assert!(verify_session(&keys, environment.expose()).is_err());
        assert!(verify_session(&keys, &format!("{SESSION_PREFIX}{body}")).is_err());
        // The same claims under the other purpose: only the tag can tell.
        let foreign = seal(&keys, TokenKind::Session, ENVIRONMENT_PREFIX, ENVIRONMENT.uuid().as_bytes());
        assert!(verify_environment(&keys, foreign.expose()).is_err());
        let session = sign_session(&keys, SESSION);
        assert!(verify_environment(&keys, session.expose()).is_err());
        assert!(verify_worker(&keys, session.expose(), Timestamp(0)).is_err());
    }

    #[test]
    fn another_servers_token_is_refused() {
        let ((_a, ours), (_b, theirs)) = (fresh_keys(), fresh_keys());
        let token = sign_environment(&theirs, ENVIRONMENT);
        assert_eq!(verify_environment(&ours, token.expose()), Err(TokenError::Invalid(TokenKind::Environment)));
    }

    proptest! {
        #[test]
        fn a_changed_token_is_refused(session: u128, at: prop::sample::Index, flip in 1..=255u8) {
            let (_directory, keys) = fresh_keys();
            let session = SessionId::from_uuid(Uuid::from_u128(session));
            let token = sign_session(&keys, session);
            let mut bytes = token.expose().as_bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            if let Ok(changed) = String::from_utf8(bytes) {
                prop_assert!(verify_session(&keys, &changed).is_err());
            }
            prop_assert!(verify_session(&keys, &token.expose()[..at]).is_err());
            let longer = format!("{}A", token.expose());
            prop_assert!(verify_session(&keys, &longer).is_err());
            prop_assert_eq!(verify_session(&keys, token.expose()), Ok(session));
        }

        #[test]
        fn no_text_is_a_token_by_chance(text in "(rcsi_|rcse_|eyJ)?[A-Za-z0-9_.=-]{0,200}") {
            let (_directory, keys) = fresh_keys();
            prop_assert!(verify_session(&keys, &text).is_err());
            prop_assert!(verify_environment(&keys, &text).is_err());
            prop_assert!(verify_worker(&keys, &text, Timestamp(0)).is_err());
        }
    }
}
