//! The worker's token: a real JWT (RFC 7519), HS256, bound to a session and the epoch under which the worker holds it.
//!
//! A JWT because clients read its expiry to refresh it in time. Nothing of it is believed before its tag is verified,
//! and the algorithm is not its own choice: a header that names another one is refused.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::{
    secret::Secret,
    signing::{SigningKeyId, SigningKeys},
    token::{TokenError, TokenKind},
};
use crate::domain::{SessionId, Timestamp, limits::TOKEN_BYTES_MAX};

/// What a worker's token stands for. Times in it are whole seconds, as the format wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerClaims {
    pub session: SessionId,
    /// The worker's claim to the session; a higher one supersedes it. The caller compares.
    pub epoch: u64,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
}

const ALGORITHM: &str = "HS256";
const PURPOSE: &str = "rcs-worker";
const MS_PER_SECOND: u64 = 1_000;

#[derive(Serialize, Deserialize)]
struct Header<'a> {
    alg: &'a str,
    typ: &'a str,
    kid: &'a str,
}

#[derive(Serialize, Deserialize)]
struct Payload<'a> {
    purpose: &'a str,
    session: SessionId,
    epoch: u64,
    iat: u64,
    exp: u64,
}

/// Signs a worker's token.
pub fn sign_worker(keys: &SigningKeys, claims: WorkerClaims) -> Secret {
    let payload = Payload {
        purpose: PURPOSE,
        session: claims.session,
        epoch: claims.epoch,
        iat: claims.issued_at.0 / MS_PER_SECOND,
        exp: claims.expires_at.0 / MS_PER_SECOND,
    };
    let (signed, tag) = keys.sign(|id| {
        let header = Header { alg: ALGORITHM, typ: "JWT", kid: &id.encode() };
        format!("{}.{}", encode_json(&header), encode_json(&payload))
    });
    Secret::from(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag)))
}

/// Opens a worker's token as of `now`.
pub fn verify_worker(keys: &SigningKeys, token: &str, now: Timestamp) -> Result<WorkerClaims, TokenError> {
    let claims = open(keys, token).ok_or(TokenError::Invalid(TokenKind::Worker))?;
    if now >= claims.expires_at {
        return Err(TokenError::Expired { at: claims.expires_at });
    }
    Ok(claims)
}

/// The claims of a token whose tag is right; its times are not looked at.
fn open(keys: &SigningKeys, token: &str) -> Option<WorkerClaims> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let (signed, tag) = token.rsplit_once('.')?;
    let (header, payload) = signed.split_once('.')?;
    let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
    let header = URL_SAFE_NO_PAD.decode(header).ok()?;
    let header: Header<'_> = serde_json::from_slice(&header).ok()?;
    if header.alg != ALGORITHM || !keys.verify(SigningKeyId::decode(header.kid)?, signed.as_bytes(), &tag) {
        return None;
    }
    // Ours from here on; the purpose still tells it from whatever else may be signed as a JWT one day.
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let payload: Payload<'_> = serde_json::from_slice(&payload).ok()?;
    (payload.purpose == PURPOSE).then_some(WorkerClaims {
        session: payload.session,
        epoch: payload.epoch,
        issued_at: Timestamp(payload.iat.checked_mul(MS_PER_SECOND)?),
        expires_at: Timestamp(payload.exp.checked_mul(MS_PER_SECOND)?),
    })
}

fn encode_json(value: &impl Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(value).expect("a struct of strings and numbers always becomes JSON"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::security::{
        signing::tests::fresh_keys,
        token::{verify_environment, verify_session},
    };

    const NOW: Timestamp = Timestamp(1_763_719_200_000);

    fn claims(epoch: u64) -> WorkerClaims {
        let session = SessionId::from_uuid(Uuid::from_u128(0x5e55));
        WorkerClaims { session, epoch, issued_at: NOW, expires_at: NOW.plus_ms(3_600_000) }
    }

    /// Any header and payload, signed with the real key.
    fn signed(keys: &SigningKeys, header: impl Fn(&str) -> String, payload: &str) -> String {
        let (message, tag) = keys.sign(|id| {
            let header = header(&id.encode());
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload))
        });
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    #[test]
    fn it_opens_until_it_expires() {
        let (_directory, keys) = fresh_keys();
        let token = sign_worker(&keys, claims(3));
        assert_eq!(TokenKind::of(token.expose()), TokenKind::Worker);
        assert!(token.expose().len() < TOKEN_BYTES_MAX);
        assert_eq!(verify_worker(&keys, token.expose(), NOW), Ok(claims(3)));
        let expired = TokenError::Expired { at: NOW.plus_ms(3_600_000) };
        assert!(verify_worker(&keys, token.expose(), NOW.plus_ms(3_599_999)).is_ok());
        assert_eq!(verify_worker(&keys, token.expose(), NOW.plus_ms(3_600_000)), Err(expired));
        keys.rotate(Timestamp(0), std::time::Duration::from_secs(1)).expect("rotated");
        assert!(verify_worker(&keys, token.expose(), NOW).is_ok());
        assert!(verify_session(&keys, token.expose()).is_err());
        assert!(verify_environment(&keys, token.expose()).is_err());
    }

    #[test]
    fn anybody_can_read_its_expiry() {
        let (_directory, keys) = fresh_keys();
        let token = sign_worker(&keys, claims(1));
        let payload = token.expose().split('.').nth(1).expect("payload");
        let payload = URL_SAFE_NO_PAD.decode(payload).expect("base64url");
        let payload: serde_json::Value = serde_json::from_slice(&payload).expect("json");
        assert_eq!(payload["exp"], 1_763_722_800_u64);
        assert_eq!(payload["session"], "session_00000000000000000000000000005e55");
    }

    #[test]
    fn the_algorithm_and_the_purpose_are_ours_to_choose() {
        let (_directory, keys) = fresh_keys();
        let payload = |purpose| {
            format!(r#"{{"purpose":"{purpose}","session":"session_{:032x}","epoch":1,"iat":0,"exp":99999999999}}"#, 1)
        };
        let header = |alg| move |kid: &str| format!(r#"{{"alg":"{alg}","typ":"JWT","kid":"{kid}"}}"#);
        assert!(verify_worker(&keys, &signed(&keys, header("HS256"), &payload(PURPOSE)), NOW).is_ok());
        for alg in ["none", "HS512", "RS256", "hs256", ""] {
            assert!(verify_worker(&keys, &signed(&keys, header(alg), &payload(PURPOSE)), NOW).is_err(), "{alg}");
        }
        assert!(verify_worker(&keys, &signed(&keys, header("HS256"), &payload("rcs-login")), NOW).is_err());
        let huge = payload(PURPOSE).replace("99999999999", &u64::MAX.to_string());
        assert!(verify_worker(&keys, &signed(&keys, header("HS256"), &huge), NOW).is_err());
        let unsigned = signed(&keys, header("none"), &payload(PURPOSE));
        let (unsigned, _) = unsigned.rsplit_once('.').expect("three parts");
        assert!(verify_worker(&keys, &format!("{unsigned}."), NOW).is_err());
        let long = format!("{}.x", "e".repeat(TOKEN_BYTES_MAX));
        assert!(verify_worker(&keys, &long, NOW).is_err());
    }

    proptest! {
        #[test]
        fn a_changed_token_is_refused(epoch: u64, at: prop::sample::Index, flip in 1..=255u8) {
            let (_directory, keys) = fresh_keys();
            let token = sign_worker(&keys, claims(epoch));
            let mut bytes = token.expose().as_bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            if let Ok(changed) = String::from_utf8(bytes) {
                prop_assert!(verify_worker(&keys, &changed, NOW).is_err());
            }
            prop_assert!(verify_worker(&keys, &token.expose()[..at], NOW).is_err());
            let longer = format!("{}A", token.expose());
            prop_assert!(verify_worker(&keys, &longer, NOW).is_err());
            prop_assert_eq!(verify_worker(&keys, token.expose(), NOW), Ok(claims(epoch)));
        }
    }
}
