//! The token of one wake: what a webhook calls back with, and a worker acks with.
//!
//! It names the subscription's life, the generation and the journal's epoch, so that it opens nothing after the next
//! wake, after a deletion, or after a restore that took generations back. Whether the generation is still the current
//! one only the world knows; the caller compares.

use uuid::Uuid;

use super::{
    secret::Secret,
    signing::SigningKeys,
    token::{TokenError, TokenKind, WAKE_PREFIX, open, seal},
};
use crate::domain::{Epoch, SubscriptionId, Timestamp};

/// What a wake's token stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WakeClaims {
    pub subscription: SubscriptionId,
    pub generation: u64,
    /// Of the journal: a restored one counts generations again.
    pub epoch: Epoch,
    pub expires_at: Timestamp,
}

const NUMBER_BYTES: usize = 8;
const UUID_BYTES: usize = 16;
const CLAIMS_BYTES: usize = UUID_BYTES + 3 * NUMBER_BYTES;

/// The token for whoever is given this wake.
pub fn sign_wake(keys: &SigningKeys, claims: WakeClaims) -> Secret {
    let mut body = Vec::with_capacity(CLAIMS_BYTES);
    body.extend_from_slice(claims.subscription.uuid().as_bytes());
    for number in [claims.generation, claims.epoch.0, claims.expires_at.0] {
        body.extend_from_slice(&number.to_be_bytes());
    }
    seal(keys, TokenKind::Wake, WAKE_PREFIX, &body)
}

/// Opens one.
pub fn verify_wake(keys: &SigningKeys, token: &str, now: Timestamp) -> Result<WakeClaims, TokenError> {
    let body: [u8; CLAIMS_BYTES] = open(keys, TokenKind::Wake, WAKE_PREFIX, token)?;
    let invalid = TokenError::Invalid(TokenKind::Wake);
    let (subscription, numbers) = body.split_at(UUID_BYTES);
    let (numbers, _) = numbers.as_chunks::<NUMBER_BYTES>();
    let &[generation, epoch, expires_at] = numbers else { return Err(invalid) };
    let claims = WakeClaims {
        subscription: SubscriptionId::from_uuid(Uuid::from_slice(subscription).map_err(|_| invalid)?),
        generation: u64::from_be_bytes(generation),
        epoch: Epoch(u64::from_be_bytes(epoch)),
        expires_at: Timestamp(u64::from_be_bytes(expires_at)),
    };
    if now >= claims.expires_at { Err(TokenError::Expired { at: claims.expires_at }) } else { Ok(claims) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::{
        signing::tests::fresh_keys,
        token::{verify_environment, verify_session},
    };

    #[test]
    fn a_wake_token_opens_its_wake_until_it_expires_and_is_no_other_kind() {
        let (_directory, keys) = fresh_keys();
        let claims = WakeClaims {
            subscription: SubscriptionId::from_uuid(Uuid::from_u128(0x5ab)),
            generation: 7,
            epoch: Epoch(3),
            expires_at: Timestamp(1_000),
        };
        let token = sign_wake(&keys, claims);
        assert_eq!(TokenKind::of(token.expose()), TokenKind::Wake);
        assert_eq!(verify_wake(&keys, token.expose(), Timestamp(999)), Ok(claims));
        let expired = TokenError::Expired { at: Timestamp(1_000) };
        assert_eq!(verify_wake(&keys, token.expose(), Timestamp(1_000)), Err(expired));
        assert!(verify_session(&keys, token.expose()).is_err() && verify_environment(&keys, token.expose()).is_err());
        let (_other, others) = fresh_keys();
        assert!(verify_wake(&others, token.expose(), Timestamp(0)).is_err());
        let changed = token.expose().replace("rcsw_", "rcsw_A");
        assert!(verify_wake(&keys, &changed, Timestamp(0)).is_err());
    }
}
