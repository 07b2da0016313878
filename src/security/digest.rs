//! Digests: what stands for a secret, a command's id or a request's content where the thing itself may not or need not
//! be kept.
//!
//! Parts are hashed with their lengths, so that moving a byte from one part to the next gives another digest.

use ring::digest::{Context, SHA256};

use crate::domain::{
    DedupeKey,
    event::{Fingerprint, SecretDigest},
};

/// What is stored of a secret, and what it is looked up by.
///
/// Bare SHA-256 is right for secrets of 256 random bits. An operator's own key may be weaker; the journal is then worth
/// as much as the key, which is why the configuration warns about short ones.
pub fn secret_digest(secret: &str) -> SecretDigest {
    let mut context = Context::new(&SHA256);
    context.update(secret.as_bytes());
    SecretDigest(finish(context))
}

/// What makes a record or a command unique: the text (a message's UUID, an idempotency key) within a scope (its kind).
pub fn dedupe_key(scope: &str, text: &[u8]) -> DedupeKey {
    DedupeKey(half(hash_parts([scope.as_bytes(), text])))
}

/// Tells a repeated request from another one under the same id.
pub fn fingerprint<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Fingerprint {
    Fingerprint(half(hash_parts(parts)))
}

fn hash_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    finish(context)
}

fn finish(context: Context) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    bytes
}

/// 128 bits: collisions among 2^40 records are still a matter of 2^-49.
fn half(digest: [u8; 32]) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_stored_as_its_sha256() {
        let digest = secret_digest("abc").0;
        // FIPS 180-2, appendix B.1.
        let expected = 0xba78_16bf_8f01_cfea_4141_40de_5dae_2223_u128;
        assert_eq!(digest[..16], expected.to_be_bytes());
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(dedupe_key("ab", b"c"), dedupe_key("a", b"bc"));
        assert_ne!(fingerprint([&b"ab"[..], b"c"]), fingerprint([&b"a"[..], b"bc"]));
        assert_ne!(fingerprint([&b"a"[..]]), fingerprint([&b"a"[..], b""]));
        assert_eq!(fingerprint([&b"a"[..], b"b"]), fingerprint([&b"a"[..], b"b"]));
    }

    #[test]
    fn stored_keys_never_change_their_meaning() {
        // Both are on disk: another value here would accept every old message a second time.
        assert_eq!(format!("{:?}", dedupe_key("message", b"x")), "0f90403fa2f41d46df4f8b0179869752");
    }
}
