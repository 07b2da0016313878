//! A text that must not be seen: keys, tokens, environment secrets.
//!
//! It has no `Display` and no `Serialize`, and `Debug` prints nothing of it; who needs the text says so with
//! [`Secret::expose`], which is what to look for in a review.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;

use super::{
    digest,
    random::{self, NoRandomness},
};
use crate::domain::event::SecretDigest;

/// A secret text.
#[derive(Clone)]
pub struct Secret(Box<str>);

/// Random bytes in a generated secret: 256 bits cannot be guessed, so their bare SHA-256 may be stored.
const SECRET_BYTES: usize = 32;

impl Secret {
    /// Takes a text that is secret from now on.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// Draws a secret: the prefix, then 43 characters of base64url.
    pub fn generate(prefix: &str) -> Result<Self, NoRandomness> {
        let body = URL_SAFE_NO_PAD.encode(random::bytes::<SECRET_BYTES>()?);
        Ok(Self(format!("{prefix}{body}").into()))
    }

    /// The text itself, for the one place that must send, compare or write it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is stored in its stead.
    pub fn digest(&self) -> SecretDigest {
        digest::secret_digest(&self.0)
    }

    /// Whether the text is this secret, in a time that does not tell how much of it is right.
    pub fn matches(&self, text: &str) -> bool {
        same_bytes(self.0.as_bytes(), text.as_bytes())
    }
}

/// Compares in a time that depends on the lengths only. ring compares tags in constant time, so both sides become tags.
fn same_bytes(ours: &[u8], theirs: &[u8]) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"rcs comparison");
    hmac::verify(&key, theirs, hmac::sign(&key, ours).as_ref()).is_ok()
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_it() {
        assert_eq!(format!("{:?}", Some(Secret::new("hunter2"))), "Some(Secret(..))");
    }

    #[test]
    fn generated_secrets_differ_and_have_256_bits() {
        let (a, b) = (Secret::generate("rcs_").expect("random"), Secret::generate("rcs_").expect("random"));
        assert_eq!(a.expose().len(), "rcs_".len() + 43);
        assert!(a.matches(a.expose()));
        assert!(!a.matches(b.expose()));
        assert!(!a.matches(""));
        assert!(!a.matches(&a.expose()[..46]));
        assert_ne!(a.digest(), b.digest());
    }
}
