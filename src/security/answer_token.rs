//! The token in a notification: the right to answer one question of an agent, once.
//!
//! It names the target that it was sent to, the question by its place in its session and the journal's numbering, so
//! that it opens nothing after a restore that took places back, and no later question under the same id. That it is
//! used once is the question's own doing: it is settled then, for ever. Whether whoever was told may still answer only
//! the world knows; the caller asks.

use uuid::Uuid;

use super::{
    secret::Secret,
    signing::SigningKeys,
    token::{ANSWER_PREFIX, TokenError, TokenKind, open, seal},
};
use crate::domain::{Epoch, Sequence, SessionId, TargetId, Timestamp};

/// What an answer's token stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerClaims {
    pub target: TargetId,
    pub session: SessionId,
    /// Where the question stands.
    pub asked: Sequence,
    /// Of the journal: a restored one counts places again.
    pub epoch: Epoch,
    pub expires_at: Timestamp,
    /// Drawn anew for each notification.
    pub nonce: u64,
    /// Whether it may say yes: only where what is asked was shown whole.
    pub may_allow: bool,
}

const NUMBER_BYTES: usize = 8;
const UUID_BYTES: usize = 16;
const CLAIMS_BYTES: usize = 2 * UUID_BYTES + 4 * NUMBER_BYTES + 1;

/// The token for whoever is told.
pub fn sign_answer(keys: &SigningKeys, claims: AnswerClaims) -> Secret {
    let mut body = Vec::with_capacity(CLAIMS_BYTES);
    body.extend_from_slice(claims.target.uuid().as_bytes());
    body.extend_from_slice(claims.session.uuid().as_bytes());
    for number in [claims.asked.0, claims.epoch.0, claims.expires_at.0, claims.nonce] {
        body.extend_from_slice(&number.to_be_bytes());
    }
    body.push(u8::from(claims.may_allow));
    seal(keys, TokenKind::Answer, ANSWER_PREFIX, &body)
}

/// Opens one.
pub fn verify_answer(keys: &SigningKeys, token: &str, now: Timestamp) -> Result<AnswerClaims, TokenError> {
    let body: [u8; CLAIMS_BYTES] = open(keys, TokenKind::Answer, ANSWER_PREFIX, token)?;
    let invalid = TokenError::Invalid(TokenKind::Answer);
    let (ids, rest) = body.split_at(2 * UUID_BYTES);
    let (target, session) = ids.split_at(UUID_BYTES);
    let (numbers, flags) = rest.as_chunks::<NUMBER_BYTES>();
    let (&[asked, epoch, expires_at, nonce], &[may_allow]) = (numbers, flags) else { return Err(invalid) };
    let uuid = |bytes| Uuid::from_slice(bytes).map_err(|_| invalid);
    let claims = AnswerClaims {
        target: TargetId::from_uuid(uuid(target)?),
        session: SessionId::from_uuid(uuid(session)?),
        asked: Sequence(u64::from_be_bytes(asked)),
        epoch: Epoch(u64::from_be_bytes(epoch)),
        expires_at: Timestamp(u64::from_be_bytes(expires_at)),
        nonce: u64::from_be_bytes(nonce),
        may_allow: may_allow == 1,
    };
    if now >= claims.expires_at { Err(TokenError::Expired { at: claims.expires_at }) } else { Ok(claims) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::{
        signing::tests::fresh_keys,
        token::{verify_session, verify_wake},
    };

    #[test]
    fn an_answer_token_is_its_own_kind_until_it_expires() {
        let (_directory, keys) = fresh_keys();
        let claims = AnswerClaims {
            target: TargetId::from_uuid(Uuid::from_u128(1)),
            session: SessionId::from_uuid(Uuid::from_u128(2)),
            asked: Sequence(7),
            epoch: Epoch(3),
            expires_at: Timestamp(1_000),
            nonce: 9,
            may_allow: false,
        };
        let token = sign_answer(&keys, claims);
        assert_eq!(TokenKind::of(token.expose()), TokenKind::Answer);
        assert_eq!(verify_answer(&keys, token.expose(), Timestamp(999)), Ok(claims));
        let allowing = AnswerClaims { may_allow: true, ..claims };
        let other = sign_answer(&keys, allowing);
        assert_eq!(verify_answer(&keys, other.expose(), Timestamp(0)), Ok(allowing));
        let expired = TokenError::Expired { at: Timestamp(1_000) };
        assert_eq!(verify_answer(&keys, token.expose(), Timestamp(1_000)), Err(expired));
        assert!(verify_session(&keys, token.expose()).is_err());
        assert!(verify_wake(&keys, token.expose(), Timestamp(0)).is_err());
        let (_other, others) = fresh_keys();
        assert!(verify_answer(&others, token.expose(), Timestamp(0)).is_err());
        for place in ANSWER_PREFIX.len()..token.expose().len() {
            let mut changed = token.expose().to_owned();
            let instead = if changed.as_bytes()[place] == b'A' { "B" } else { "A" };
            changed.replace_range(place..=place, instead);
            assert!(verify_answer(&keys, &changed, Timestamp(0)).is_err(), "{place}");
        }
    }
}
