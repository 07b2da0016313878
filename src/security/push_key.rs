//! The key by which push services know this server (VAPID, RFC 8292): ECDSA on P-256.
//!
//! Random, made at first start, kept in `push.key` beside the journal and never in it. Browsers tie their subscriptions
//! to its public half, so it is not rotated: another key means that everybody switches notifications on again.

use std::path::Path;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde::{Deserialize, Serialize};

use super::{private_file, random::NoRandomness, signing::SigningError};
use crate::domain::{Timestamp, limits::VAPID_TOKEN_SECONDS};

/// See the module.
pub struct PushKey {
    pair: EcdsaKeyPair,
    public: String,
}

impl std::fmt::Debug for PushKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PushKey").field("public", &self.public).finish_non_exhaustive()
    }
}

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    p256_pkcs8: String,
}

const VERSION: u32 = 1;

/// The claims of a token, in the order of the standard's example.
#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    exp: u64,
    sub: &'a str,
}

impl Claims<'_> {
    fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a struct of strings and numbers always becomes JSON")
    }
}

fn save(path: &Path, pkcs8: &[u8]) -> Result<(), SigningError> {
    let stored = Stored { version: VERSION, p256_pkcs8: URL_SAFE_NO_PAD.encode(pkcs8) };
    let text = serde_json::to_string_pretty(&stored).expect("a number and a string always become JSON");
    Ok(private_file::write(path, &(text + "\n"))?)
}

impl PushKey {
    /// Reads the file, or makes it with a fresh key if there is none. Call it while holding the journal, so that two
    /// first starts cannot make two different keys.
    pub fn open(path: &Path) -> Result<Self, SigningError> {
        let damaged = |reason: &str| SigningError::Damaged { path: path.to_owned(), reason: reason.to_owned() };
        let document = if let Some(text) = private_file::read(path)? {
            // Not serde's own words: they may quote a piece of the secret.
            let stored: Stored = serde_json::from_str(&text).map_err(|_| damaged("it is not the expected JSON"))?;
            if stored.version != VERSION {
                return Err(damaged("it is of a later release"));
            }
            URL_SAFE_NO_PAD.decode(stored.p256_pkcs8).map_err(|_| damaged("its key is not base64url"))?
        } else {
            let fresh = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
            let fresh = fresh.map_err(|_| NoRandomness)?;
            save(path, fresh.as_ref())?;
            fresh.as_ref().to_vec()
        };
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &document, &SystemRandom::new());
        let pair = pair.map_err(|_| damaged("its key is none of P-256"))?;
        let public = URL_SAFE_NO_PAD.encode(pair.public_key());
        Ok(Self { pair, public })
    }

    /// What a browser ties its subscription to, as its `applicationServerKey`.
    pub fn public(&self) -> &str {
        &self.public
    }

    /// The value of `Authorization` for a push service of this origin. `subject` is whom it may write to.
    pub fn authorization(&self, origin: &str, subject: &str, now: Timestamp) -> Result<String, NoRandomness> {
        let claims = Claims { aud: origin, exp: now.0 / 1_000 + VAPID_TOKEN_SECONDS, sub: subject }.to_json();
        let head = URL_SAFE_NO_PAD.encode(br#"{"typ":"JWT","alg":"ES256"}"#);
        let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).map_err(|_| NoRandomness)?;
        Ok(format!("vapid t={signed}.{}, k={}", URL_SAFE_NO_PAD.encode(signature), self.public))
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    #[test]
    fn a_push_service_can_tell_that_it_is_us_over_restarts() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("push.key");
        let key = PushKey::open(&path).expect("made");
        let now = Timestamp(1_763_719_200_999);
        let value = key.authorization("https://push.example.net", "mailto:push@example.com", now).expect("signed");
        assert_eq!(PushKey::open(&path).expect("read").public(), key.public());
        let (token, public) = value.strip_prefix("vapid t=").and_then(|text| text.split_once(", k=")).expect("parts");
        assert_eq!(public, key.public());
        let (signed, signature) = token.rsplit_once('.').expect("a signature");
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).expect("base64url");
        let verifier = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, bytes(public));
        verifier.verify(signed.as_bytes(), &bytes(signature)).expect("its signature");
        let (head, claims) = signed.split_once('.').expect("two parts");
        assert_eq!(bytes(head), br#"{"typ":"JWT","alg":"ES256"}"#);
        let expected = r#"{"aud":"https://push.example.net","exp":1763762400,"sub":"mailto:push@example.com"}"#;
        assert_eq!(String::from_utf8(bytes(claims)).expect("text"), expected);
    }

    #[test]
    fn a_damaged_file_is_refused_without_quoting_it_and_debug_shows_no_key() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("push.key");
        let key = PushKey::open(&path).expect("made");
        let kept = private_file::read(&path).expect("readable").expect("there");
        let secret = kept.split('"').nth(5).expect("a key").to_owned();
        assert!(secret.len() > 100 && !format!("{key:?}").contains(&secret));
        for text in ["", "hunter2", r#"{"version":1,"p256_pkcs8":"hunter2"}"#] {
            private_file::write(&path, text).expect("written");
            let error = PushKey::open(&path).unwrap_err().to_string();
            assert!(error.contains("push.key") && !error.contains("hunter2"), "{error}");
        }
    }
}
