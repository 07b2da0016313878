//! API keys: what they look like, and what one that was found by its digest is good for.
//!
//! Keys that we make are `rcs_` and 43 characters of base64url. An operator may bring their own. Looking a key up by
//! its SHA-256 needs no constant-time comparison: how far two digests agree says nothing about the keys.

use super::{
    principal::Principal,
    random::NoRandomness,
    secret::Secret,
    token::{ENVIRONMENT_PREFIX, SESSION_PREFIX, TokenKind},
};
use crate::domain::{
    KeyId, OwnerId, Timestamp,
    event::{Role, SecretDigest},
    limits::API_KEY_BYTES_MAX,
};

/// The prefix of keys that we make.
pub const API_KEY_PREFIX: &str = "rcs_";

/// Below this many characters an operator's own key is worth a warning.
pub const API_KEY_SHORT_BYTES: usize = 16;

/// A well-formed API key.
#[derive(Debug, Clone)]
pub struct ApiKey(Secret);

/// Why a text cannot be an API key. It never quotes the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidApiKey {
    #[error("an API key must have 1 to {API_KEY_BYTES_MAX} visible ASCII characters")]
    Form,
    #[error(
        "an API key must not start with `sk-ant-`: clients would take it for a key of another service; make one with \
         `rcsctl key create`"
    )]
    ForeignService,
    #[error(
        "an API key must not start with `{SESSION_PREFIX}` or `{ENVIRONMENT_PREFIX}` or look like a JWT: those are \
         tokens"
    )]
    Token,
}

impl ApiKey {
    /// Draws a key.
    pub fn generate() -> Result<Self, NoRandomness> {
        Secret::generate(API_KEY_PREFIX).map(Self)
    }

    /// Accepts an operator's own key.
    pub fn parse(text: &str) -> Result<Self, InvalidApiKey> {
        if text.is_empty() || text.len() > API_KEY_BYTES_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidApiKey::Form);
        }
        if text.starts_with("sk-ant-") {
            return Err(InvalidApiKey::ForeignService);
        }
        if TokenKind::of(text) != TokenKind::ApiKey {
            return Err(InvalidApiKey::Token);
        }
        Ok(Self(Secret::new(text)))
    }

    /// Whether it could be guessed: an operator's own and shorter than [`API_KEY_SHORT_BYTES`].
    pub fn is_short(&self) -> bool {
        self.0.expose().len() < API_KEY_SHORT_BYTES
    }

    /// What it is stored as and looked up by.
    pub fn digest(&self) -> SecretDigest {
        self.0.digest()
    }

    /// The text, for the one place that shows it to its maker.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// What is known of the key with a digest.
#[derive(Debug, Clone, Copy)]
pub struct KeyView<'a> {
    pub key: KeyId,
    pub owner: OwnerId,
    pub role: Role,
    pub name: &'a str,
    pub expires_at: Option<Timestamp>,
    pub revoked: bool,
}

/// Why a key opens nothing. Rooms answer 401 to all of them; the reason is for the holder of a key that was once good,
/// and says nothing to somebody who guesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    #[error("this API key is not known here: check RCS_API_KEYS, or make one with `rcsctl key create`")]
    Unknown,
    #[error("{key} expired at {at}: make a new one with `rcsctl key create`")]
    Expired { key: KeyId, at: Timestamp },
    #[error("{key} was revoked: make a new one with `rcsctl key create`")]
    Revoked { key: KeyId },
}

/// Turns what the caller found under the digest of the key that was shown into a principal, as of `now`.
pub fn authenticate(found: Option<&KeyView<'_>>, now: Timestamp) -> Result<Principal, Rejected> {
    let view = found.ok_or(Rejected::Unknown)?;
    if view.revoked {
        return Err(Rejected::Revoked { key: view.key });
    }
    if let Some(at) = view.expires_at.filter(|at| now >= *at) {
        return Err(Rejected::Expired { key: view.key, at });
    }
    Ok(Principal::Key { key: view.key, owner: view.owner, role: view.role, name: view.name.into(), device: None })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn our_own_keys_are_keys_and_are_not_guessable() {
        let key = ApiKey::generate().expect("random");
        assert_eq!(key.expose().len(), 47);
        assert!(!key.is_short());
        assert_eq!(ApiKey::parse(key.expose()).expect("valid").digest(), key.digest());
        assert_eq!(format!("{key:?}"), "ApiKey(Secret(..))");
    }

    #[test]
    fn an_operators_key_is_taken_unless_it_would_be_mistaken() {
        assert!(ApiKey::parse("test-key").expect("valid").is_short());
        assert!(ApiKey::parse(&"k".repeat(256)).is_ok());
        assert!(ApiKey::parse("eyJ.not.a.jwt").is_ok());
        for (text, error) in [
            ("", InvalidApiKey::Form),
            ("two words", InvalidApiKey::Form),
            ("clé", InvalidApiKey::Form),
            ("sk-ant-api03-x", InvalidApiKey::ForeignService),
            ("rcsi_x", InvalidApiKey::Token),
            ("rcse_x", InvalidApiKey::Token),
            ("eyJhbGciOiJIUzI1NiJ9.e30.x", InvalidApiKey::Token),
        ] {
            assert_eq!(ApiKey::parse(text).map(|_| ()), Err(error), "{text}");
        }
        assert_eq!(ApiKey::parse(&"k".repeat(257)).map(|_| ()), Err(InvalidApiKey::Form));
    }

    #[test]
    fn a_key_opens_until_it_expires_or_is_revoked() {
        let (key, owner) = (KeyId::from_uuid(Uuid::nil()), OwnerId::from_uuid(Uuid::nil()));
        let at = Timestamp(1_000);
        let view = KeyView { key, owner, role: Role::Viewer, name: "phone", expires_at: Some(at), revoked: false };
        let principal = Principal::Key { key, owner, role: Role::Viewer, name: "phone".into(), device: None };
        assert_eq!(authenticate(Some(&view), Timestamp(999)), Ok(principal));
        assert_eq!(authenticate(Some(&view), at), Err(Rejected::Expired { key, at }));
        assert_eq!(authenticate(Some(&KeyView { revoked: true, ..view }), at), Err(Rejected::Revoked { key }));
        assert_eq!(authenticate(None, at), Err(Rejected::Unknown));
        assert!(authenticate(Some(&KeyView { expires_at: None, ..view }), at).is_ok());
    }
}
