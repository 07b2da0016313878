//! The keys that webhook notifications are signed with: Ed25519, so that receivers need to know nothing secret.
//!
//! Random, made at first start, kept in `webhook.key` beside the journal and never in it. A rotation throws the old
//! private key away and goes on publishing its public half while somebody may still verify with it.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest,
    signature::{Ed25519KeyPair, KeyPair},
};
use serde::{Deserialize, Serialize};

use super::{
    private_file,
    random::{self},
    signing::SigningError,
};
use crate::domain::{
    Timestamp,
    limits::{SIGNING_KEYS_MAX, WEBHOOK_KEY_RETIRED_MS},
};

/// A public key as it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// Made from the key itself (RFC 7638), so that it names one key for ever.
    pub kid: String,
    /// The 32 bytes, in base64url.
    pub x: String,
}

impl PublicKey {
    fn of(bytes: &[u8]) -> Self {
        let x = URL_SAFE_NO_PAD.encode(bytes);
        // The members of a thumbprint in their required order, without blanks.
        let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        let thumbprint = digest::digest(&digest::SHA256, members.as_bytes());
        Self { kid: format!("ds_{}", URL_SAFE_NO_PAD.encode(thumbprint)), x }
    }
}

/// See the module.
pub struct WebhookKeys {
    path: PathBuf,
    keys: RwLock<Arc<Keys>>,
}

struct Keys {
    seed: [u8; 32],
    pair: Ed25519KeyPair,
    current: PublicKey,
    retired: Vec<Retired>,
}

#[derive(Clone)]
struct Retired {
    key: PublicKey,
    bytes: [u8; 32],
    at: Timestamp,
}

impl std::fmt::Debug for WebhookKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookKeys").field("path", &self.path).finish_non_exhaustive()
    }
}

impl WebhookKeys {
    /// Reads the file, or makes it with a fresh key if there is none. Call it while holding the journal, so that two
    /// first starts cannot make two different keys.
    pub fn open(path: &Path) -> Result<Self, SigningError> {
        let keys = if let Some(text) = private_file::read(path)? {
            parse(path, &text)?
        } else {
            let keys = Keys::new(path, random::bytes()?, Vec::new())?;
            save(path, &keys)?;
            keys
        };
        Ok(Self { path: path.to_owned(), keys: RwLock::new(Arc::new(keys)) })
    }

    /// Signs with a fresh key from now on. The private half of the one before is forgotten; its public half stays
    /// published for [`WEBHOOK_KEY_RETIRED_MS`].
    pub fn rotate(&self, now: Timestamp) -> Result<(), SigningError> {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let mut retired = vec![Retired { key: keys.current.clone(), bytes: keys.public_bytes(), at: now }];
        retired.extend(keys.retired.iter().filter(|key| key.is_published(now)).cloned());
        retired.truncate(SIGNING_KEYS_MAX - 1);
        let fresh = Keys::new(&self.path, random::bytes()?, retired)?;
        save(&self.path, &fresh)?;
        *keys = Arc::new(fresh);
        Ok(())
    }

    /// The key that signs now.
    pub fn kid(&self) -> String {
        self.snapshot().current.kid.clone()
    }

    /// All keys that receivers may meet, the current one first.
    pub fn published(&self, now: Timestamp) -> Vec<PublicKey> {
        let keys = self.snapshot();
        let retired = keys.retired.iter().filter(|key| key.is_published(now)).map(|key| key.key.clone());
        std::iter::once(keys.current.clone()).chain(retired).collect()
    }

    /// The value of `Webhook-Signature` for this body at this moment. The time is signed with it, against replays.
    pub fn signature(&self, now: Timestamp, body: &[u8]) -> String {
        let keys = self.snapshot();
        let seconds = now.0 / 1_000;
        let signed = [format!("{seconds}.").as_bytes(), body].concat();
        let signature = URL_SAFE_NO_PAD.encode(keys.pair.sign(&signed));
        format!("t={seconds},kid={},ed25519={signature}", keys.current.kid)
    }

    fn snapshot(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Retired {
    const fn is_published(&self, now: Timestamp) -> bool {
        now.since_ms(self.at) < WEBHOOK_KEY_RETIRED_MS
    }
}

impl Keys {
    fn new(path: &Path, seed: [u8; 32], retired: Vec<Retired>) -> Result<Self, SigningError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed);
        let pair = pair.map_err(|_| damaged(path, "the key is none of Ed25519"))?;
        let current = PublicKey::of(pair.public_key().as_ref());
        Ok(Self { seed, pair, current, retired })
    }

    fn public_bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.pair.public_key().as_ref());
        bytes
    }
}

/// The file: the current key's seed, and what is left of the earlier ones.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    ed25519_seed: String,
    retired: Vec<StoredRetired>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredRetired {
    public: String,
    at_ms: u64,
}

const VERSION: u32 = 1;

fn save(path: &Path, keys: &Keys) -> Result<(), SigningError> {
    let retired = keys.retired.iter();
    let retired =
        retired.map(|key| StoredRetired { public: URL_SAFE_NO_PAD.encode(key.bytes), at_ms: key.at.0 }).collect();
    let stored = Stored { version: VERSION, ed25519_seed: URL_SAFE_NO_PAD.encode(keys.seed), retired };
    let text =
        serde_json::to_string_pretty(&stored).expect("a struct of strings and numbers always becomes JSON") + "\n";
    Ok(private_file::write(path, &text)?)
}

fn damaged(path: &Path, reason: &str) -> SigningError {
    SigningError::Damaged { path: path.to_owned(), reason: reason.to_owned() }
}

fn parse(path: &Path, text: &str) -> Result<Keys, SigningError> {
    // Not serde's own words: they may quote a piece of the secret.
    let stored: Stored = serde_json::from_str(text).map_err(|_| damaged(path, "it is not the expected JSON"))?;
    if stored.version != VERSION {
        return Err(damaged(path, "it is of a later release"));
    }
    let bytes = |text: &str| -> Option<[u8; 32]> { URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok() };
    let no_key = || damaged(path, "a key is not 32 bytes of base64url");
    let seed = bytes(&stored.ed25519_seed).ok_or_else(no_key)?;
    let retired = stored.retired.iter().take(SIGNING_KEYS_MAX).map(|key| {
        let bytes = bytes(&key.public)?;
        Some(Retired { key: PublicKey::of(&bytes), bytes, at: Timestamp(key.at_ms) })
    });
    let retired = retired.collect::<Option<Vec<_>>>().ok_or_else(no_key)?;
    Keys::new(path, seed, retired)
}

#[cfg(test)]
mod tests {
    use ring::signature::{ED25519, UnparsedPublicKey};

    use super::*;

    fn verifies(key: &PublicKey, signature: &str, body: &[u8]) -> bool {
        let (time, rest) = signature.strip_prefix("t=").and_then(|text| text.split_once(",kid=")).expect("a time");
        let (kid, signature) = rest.split_once(",ed25519=").expect("a signature");
        let bytes = URL_SAFE_NO_PAD.decode(&key.x).expect("base64url");
        let signed = [time.as_bytes(), b".", body].concat();
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        kid == key.kid && UnparsedPublicKey::new(&ED25519, bytes).verify(&signed, &signature).is_ok()
    }

    #[test]
    fn a_signature_verifies_with_the_published_key_over_restarts_and_rotations() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("webhook.key");
        let keys = WebhookKeys::open(&path).expect("made");
        let now = Timestamp(1_763_719_200_999);
        let signature = keys.signature(now, b"{}");
        assert!(signature.starts_with("t=1763719200,kid=ds_"));
        let first = keys.published(now).remove(0);
        assert!(verifies(&first, &signature, b"{}") && !verifies(&first, &signature, b"{ }"));
        assert_eq!(WebhookKeys::open(&path).expect("read").published(now), std::slice::from_ref(&first));
        keys.rotate(now).expect("rotated");
        for keys in [&keys, &WebhookKeys::open(&path).expect("read")] {
            let published = keys.published(now.plus_ms(1));
            assert_eq!((published.len(), &published[1]), (2, &first), "the old one is still known");
            assert!(verifies(&published[0], &keys.signature(now, b"x"), b"x"));
            assert_eq!(published[0].kid, keys.kid());
            assert_eq!(keys.published(now.plus_ms(WEBHOOK_KEY_RETIRED_MS)).len(), 1, "and forgotten in time");
        }
    }

    #[test]
    fn the_name_of_a_key_is_its_thumbprint() {
        // RFC 8037, appendix A.3.
        let bytes = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").expect("base64url");
        assert_eq!(PublicKey::of(&bytes).kid, "ds_kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_damaged_file_is_refused_without_quoting_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("webhook.key");
        for text in ["", "hunter2", r#"{"version":1,"ed25519_seed":"hunter2","retired":[]}"#] {
            private_file::write(&path, text).expect("written");
            let error = WebhookKeys::open(&path).unwrap_err().to_string();
            assert!(error.contains("webhook.key") && !error.contains("hunter2"), "{error}");
        }
    }
}
