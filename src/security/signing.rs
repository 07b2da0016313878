//! The keys that tokens are signed with.
//!
//! Random, made at first start, kept in `signing.key` beside the journal and never in it: who has a copy of the journal
//! can read it, but cannot speak for a worker. Nothing is derived from an API key. A rotation adds a key and keeps the
//! earlier ones for verification for a while, so that nobody is cut off; one without such a while is for a leak.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;
use serde::{Deserialize, Serialize};

use super::{
    private_file::{self, PrivateFileError},
    random::{self, NoRandomness},
};
use crate::domain::{Timestamp, limits::SIGNING_KEYS_MAX};

/// Why there are no signing keys.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    #[error(transparent)]
    File(#[from] PrivateFileError),
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    /// It is there, private, and not ours.
    #[error("{} does not hold signing keys ({reason}): restore it from a backup, or remove it to have new ones made \
         (every worker must then register again)", path.display())]
    Damaged { path: PathBuf, reason: String },
}

/// The name of one signing key; tokens carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SigningKeyId(pub(super) [u8; SIGNING_KEY_ID_BYTES]);

pub(super) const SIGNING_KEY_ID_BYTES: usize = 6;

impl SigningKeyId {
    pub(super) fn encode(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    pub(super) fn decode(text: &str) -> Option<Self> {
        decode_exactly(text).map(Self)
    }
}

/// One HMAC-SHA256 key.
#[derive(Clone)]
struct SigningKey {
    id: SigningKeyId,
    secret: [u8; 32],
    hmac: hmac::Key,
    /// Verifies until then; the current one has no end.
    until: Option<Timestamp>,
}

impl SigningKey {
    fn new(id: SigningKeyId, secret: [u8; 32], until: Option<Timestamp>) -> Self {
        Self { id, secret, hmac: hmac::Key::new(hmac::HMAC_SHA256, &secret), until }
    }

    /// An earlier key, which verifies until `until` at most.
    fn ending(mut self, until: Timestamp) -> Self {
        self.until = Some(self.until.map_or(until, |known| known.min(until)));
        self
    }

    fn is_over(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    fn generate() -> Result<Self, NoRandomness> {
        Ok(Self::new(SigningKeyId(random::bytes()?), random::bytes()?, None))
    }
}

/// The current signing key and the earlier ones that still verify.
pub struct SigningKeys {
    path: PathBuf,
    /// Newest first, never empty.
    keys: RwLock<Arc<[SigningKey]>>,
    /// Held while the file is changed. Signing and verifying go on meanwhile.
    changing: Mutex<()>,
}

impl std::fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKeys").field("path", &self.path).finish_non_exhaustive()
    }
}

impl SigningKeys {
    /// Reads the file, or makes it with a fresh key if there is none. Call it while holding the journal, so that two
    /// first starts cannot make two different keys.
    pub fn open(path: &Path) -> Result<Self, SigningError> {
        let keys = if let Some(text) = private_file::read(path)? {
            parse(path, &text)?
        } else {
            let keys = vec![SigningKey::generate()?];
            save(path, &keys)?;
            keys
        };
        Ok(Self { path: path.to_owned(), keys: RwLock::new(keys.into()), changing: Mutex::new(()) })
    }

    /// Reads the file again: an operator replaced it.
    pub fn reload(&self) -> Result<(), SigningError> {
        let _changing = self.change();
        let missing = || SigningError::Damaged { path: self.path.clone(), reason: "it is gone".into() };
        let text = private_file::read(&self.path)?.ok_or_else(missing)?;
        self.replace(parse(&self.path, &text)?);
        Ok(())
    }

    /// Signs with a fresh key from now on; tokens of the earlier ones stay good for `overlap`, and without one are
    /// refused at once. The oldest beyond [`SIGNING_KEYS_MAX`] is forgotten. Returns how many keys verify.
    pub fn rotate(&self, now: Timestamp, overlap: Duration) -> Result<usize, SigningError> {
        let _changing = self.change();
        let until = now.plus_ms(u64::try_from(overlap.as_millis()).unwrap_or(u64::MAX));
        let mut keys = vec![SigningKey::generate()?];
        let earlier = self.snapshot();
        let earlier = earlier.iter().cloned().map(|key| key.ending(until)).filter(|key| !key.is_over(now));
        keys.extend(earlier.take(SIGNING_KEYS_MAX - 1));
        save(&self.path, &keys)?;
        let count = keys.len();
        self.replace(keys);
        Ok(count)
    }

    /// Forgets keys whose time is over. Returns how many.
    pub fn retire_due(&self, now: Timestamp) -> Result<usize, SigningError> {
        if !self.snapshot().iter().any(|key| key.is_over(now)) {
            return Ok(0);
        }
        let _changing = self.change();
        let all = self.snapshot();
        let kept: Vec<_> = all.iter().filter(|key| !key.is_over(now)).cloned().collect();
        let retired = all.len() - kept.len();
        save(&self.path, &kept)?;
        self.replace(kept);
        Ok(retired)
    }

    /// Signs a message with the current key. The message names that key, so it is built once the key is chosen.
    pub(super) fn sign<M: AsRef<[u8]>>(&self, build: impl FnOnce(SigningKeyId) -> M) -> (M, hmac::Tag) {
        let keys = self.snapshot();
        let message = build(keys[0].id);
        let tag = hmac::sign(&keys[0].hmac, message.as_ref());
        (message, tag)
    }

    /// Whether the tag is the message's, in constant time.
    pub(super) fn verify(&self, id: SigningKeyId, message: &[u8], tag: &[u8]) -> bool {
        let keys = self.snapshot();
        let key = keys.iter().find(|key| key.id == id);
        key.is_some_and(|key| hmac::verify(&key.hmac, message, tag).is_ok())
    }

    fn change(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn snapshot(&self) -> Arc<[SigningKey]> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, keys: Vec<SigningKey>) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys.into();
    }
}

/// The file: keys newest first.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredKeys {
    version: u32,
    keys: Vec<StoredKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredKey {
    id: String,
    hmac_sha256: String,
    /// Milliseconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
}

const VERSION: u32 = 1;

fn save(path: &Path, keys: &[SigningKey]) -> Result<(), SigningError> {
    let stored = keys
        .iter()
        .map(|key| StoredKey {
            id: key.id.encode(),
            hmac_sha256: URL_SAFE_NO_PAD.encode(key.secret),
            until: key.until.map(|until| until.0),
        })
        .collect();
    let text = serde_json::to_string_pretty(&StoredKeys { version: VERSION, keys: stored })
        .expect("a struct of strings and numbers always becomes JSON");
    Ok(private_file::write(path, &(text + "\n"))?)
}

fn parse(path: &Path, text: &str) -> Result<Vec<SigningKey>, SigningError> {
    let damaged = |reason: &str| SigningError::Damaged { path: path.to_owned(), reason: reason.to_owned() };
    // Not serde's own words: they may quote a piece of the secret.
    let stored: StoredKeys = serde_json::from_str(text).map_err(|_| damaged("it is not the expected JSON"))?;
    if stored.version != VERSION {
        return Err(damaged("it is of a later release"));
    }
    if stored.keys.is_empty() || stored.keys.len() > SIGNING_KEYS_MAX {
        return Err(damaged("it must hold between one and SIGNING_KEYS_MAX keys"));
    }
    if stored.keys[0].until.is_some() {
        return Err(damaged("its first key, the one that signs, has an end"));
    }
    let keys = stored.keys.iter().map(|key| {
        let (id, secret) = (SigningKeyId::decode(&key.id)?, decode_exactly(&key.hmac_sha256)?);
        Some(SigningKey::new(id, secret, key.until.map(Timestamp)))
    });
    keys.collect::<Option<Vec<_>>>().ok_or_else(|| damaged("a key is not 32 bytes of base64url"))
}

fn decode_exactly<const N: usize>(text: &str) -> Option<[u8; N]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Keys in a directory that is gone when the first value is dropped.
    pub(in crate::security) fn fresh_keys() -> (tempfile::TempDir, SigningKeys) {
        let directory = directory();
        let keys = SigningKeys::open(&directory.path().join("signing.key")).expect("made");
        (directory, keys)
    }

    fn directory() -> tempfile::TempDir {
        tempfile::tempdir().expect("directory")
    }

    #[test]
    fn keys_survive_a_restart_and_a_rotation() {
        let directory = directory();
        let path = directory.path().join("signing.key");
        let keys = SigningKeys::open(&path).expect("made");
        let first = keys.snapshot()[0].id;
        let (message, tag) = keys.sign(|id| [&id.0[..], b"message"].concat());
        assert!(message.starts_with(&first.0));
        assert_eq!(keys.rotate(Timestamp(1_000), Duration::from_secs(5)).expect("rotated"), 2);
        let current = keys.snapshot()[0].id;
        assert_ne!(current, first);
        let again = SigningKeys::open(&path).expect("read");
        assert!(again.verify(first, &message, tag.as_ref()));
        assert!(!again.verify(current, &message, tag.as_ref()));
        // A later rotation with a longer while gives the first key no more time.
        again.rotate(Timestamp(2_000), Duration::from_mins(1)).expect("rotated");
        assert_eq!(again.retire_due(Timestamp(5_999)).expect("looked"), 0);
        assert!(again.verify(first, &message, tag.as_ref()));
        assert_eq!(again.retire_due(Timestamp(6_000)).expect("retired"), 1);
        assert!(!again.verify(first, &message, tag.as_ref()));
        keys.reload().expect("read again");
        assert!(!keys.verify(first, &message, tag.as_ref()), "it is gone from the file too");
        assert!(keys.snapshot().iter().any(|key| key.id == current), "the second has its own time");
    }

    #[test]
    fn a_rotation_without_an_overlap_is_for_a_leak() {
        let (_directory, keys) = fresh_keys();
        let (message, tag) = keys.sign(|id| [&id.0[..], b"message"].concat());
        let leaked = keys.snapshot()[0].id;
        assert_eq!(keys.rotate(Timestamp(1_000), Duration::ZERO).expect("rotated"), 1);
        assert!(!keys.verify(leaked, &message, tag.as_ref()));
    }

    #[test]
    fn the_number_of_keys_is_bounded() {
        let directory = directory();
        let path = directory.path().join("signing.key");
        let keys = SigningKeys::open(&path).expect("made");
        let first = keys.snapshot()[0].id;
        for _ in 0..SIGNING_KEYS_MAX {
            keys.rotate(Timestamp(0), Duration::from_secs(1)).expect("rotated");
        }
        let kept = SigningKeys::open(&path).expect("read").snapshot();
        assert_eq!(kept.len(), SIGNING_KEYS_MAX);
        assert!(kept.iter().all(|key| key.id != first));
    }

    #[test]
    fn a_damaged_file_is_refused_without_quoting_it() {
        let directory = directory();
        let path = directory.path().join("signing.key");
        for text in [
            "",
            "{}",
            "hunter2",
            r#"{"version":1,"keys":[]}"#,
            r#"{"version":1,"keys":[{"id":"AAAAAAAA","hmac_sha256":"hunter2"}]}"#,
            r#"{"version":1,"keys":[{"id":"AAAAAAAA","hmac_sha256":"hunter2","until":5}]}"#,
        ] {
            private_file::write(&path, text).expect("written");
            let error = SigningKeys::open(&path).unwrap_err().to_string();
            assert!(error.contains("signing.key") && error.contains("restore"), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn debug_shows_no_key() {
        let directory = directory();
        let keys = SigningKeys::open(&directory.path().join("signing.key")).expect("made");
        let secret = URL_SAFE_NO_PAD.encode(keys.snapshot()[0].secret);
        assert!(!format!("{keys:?}").contains(&secret));
    }
}
