//! What is sealed: secrets of others that the server has to use again, so that a digest would not do.
//!
//! The journal holds them as this gives them out; the key is random, made at first start and kept in `vault.key` beside
//! the journal and never in it. Whoever has a copy of the journal alone has no secret; whoever loses the key loses what
//! was sealed, and nothing else.

use std::path::Path;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hmac,
};
use serde::{Deserialize, Serialize};

use super::{
    private_file,
    random::{self, NoRandomness},
    signing::SigningError,
};
use crate::domain::event::Fingerprint;

/// See the module.
pub struct Vault {
    sealing: LessSafeKey,
    knowing: hmac::Key,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault").finish_non_exhaustive()
    }
}

/// It was sealed with another key, for another purpose, or changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this was not sealed with the key in vault.key: restore that file from the backup of the same time")]
pub struct NotOurs;

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    root: String,
}

const VERSION: u32 = 1;
/// The first byte of what is sealed, so that another cipher can come.
const SEALED_AES_256_GCM: u8 = 1;

impl Vault {
    /// Reads the file, or makes it with a fresh key if there is none. Call it while holding the journal, so that two
    /// first starts cannot make two different keys.
    pub fn open(path: &Path) -> Result<Self, SigningError> {
        let damaged = |reason: &str| SigningError::Damaged { path: path.to_owned(), reason: reason.to_owned() };
        let root: [u8; 32] = if let Some(text) = private_file::read(path)? {
            // Not serde's own words: they may quote a piece of the secret.
            let stored: Stored = serde_json::from_str(&text).map_err(|_| damaged("it is not the expected JSON"))?;
            if stored.version != VERSION {
                return Err(damaged("it is of a later release"));
            }
            let bytes = URL_SAFE_NO_PAD.decode(stored.root).ok().and_then(|bytes| bytes.try_into().ok());
            bytes.ok_or_else(|| damaged("its key is not 32 bytes of base64url"))?
        } else {
            let root = random::bytes()?;
            save(path, &root)?;
            root
        };
        Self::of(&root).ok_or_else(|| damaged("its key is none of AES-256"))
    }

    /// Each use has a key of its own.
    fn of(root: &[u8; 32]) -> Option<Self> {
        let root = hmac::Key::new(hmac::HMAC_SHA256, root);
        let derived = |purpose: &str| hmac::sign(&root, purpose.as_bytes());
        let sealing = UnboundKey::new(&AES_256_GCM, derived("rcs vault: sealing, version 1").as_ref()).ok()?;
        let knowing = hmac::Key::new(hmac::HMAC_SHA256, derived("rcs vault: knowing again, version 1").as_ref());
        Some(Self { sealing: LessSafeKey::new(sealing), knowing })
    }

    /// Seals a secret. `place` is what it belongs to: it opens nowhere else.
    pub fn seal(&self, place: &[u8], secret: &[u8]) -> Result<Vec<u8>, NoRandomness> {
        // Random nonces are safe for 2^32 secrets under one key.
        let nonce: [u8; NONCE_LEN] = random::bytes()?;
        let mut sealed = secret.to_vec();
        let tag =
            self.sealing.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place), &mut sealed);
        let tag = tag.map_err(|_| NoRandomness)?;
        Ok([&[SEALED_AES_256_GCM][..], &nonce, &sealed, tag.as_ref()].concat())
    }

    /// Opens it again.
    pub fn unseal(&self, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, NotOurs> {
        let (&version, rest) = sealed.split_first().ok_or(NotOurs)?;
        let (nonce, rest) = rest.split_at_checked(NONCE_LEN).ok_or(NotOurs)?;
        if version != SEALED_AES_256_GCM {
            return Err(NotOurs);
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| NotOurs)?;
        let mut bytes = rest.to_vec();
        let length = self.sealing.open_in_place(nonce, Aad::from(place), &mut bytes).map_err(|_| NotOurs)?.len();
        bytes.truncate(length);
        Ok(bytes)
    }

    /// A digest by which a secret is known again, and that nobody else can check a guess against.
    pub fn know(&self, secret: &[u8]) -> Fingerprint {
        let tag = hmac::sign(&self.knowing, secret);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&tag.as_ref()[..16]);
        Fingerprint(bytes)
    }
}

fn save(path: &Path, root: &[u8; 32]) -> Result<(), SigningError> {
    let stored = Stored { version: VERSION, root: URL_SAFE_NO_PAD.encode(root) };
    let text = serde_json::to_string_pretty(&stored).expect("a number and a string always become JSON");
    Ok(private_file::write(path, &(text + "\n"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_in_its_place_with_its_key_over_a_restart_and_nowhere_else() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("vault.key");
        let vault = Vault::open(&path).expect("made");
        let sealed = vault.seal(b"here", b"hunter2").expect("sealed");
        assert!(!sealed.windows(7).any(|part| part == b"hunter2"));
        assert_ne!(vault.seal(b"here", b"hunter2").expect("sealed"), sealed, "two are never alike");
        let again = Vault::open(&path).expect("read");
        assert_eq!(again.unseal(b"here", &sealed).expect("ours"), b"hunter2");
        assert_eq!(again.unseal(b"there", &sealed), Err(NotOurs));
        assert_eq!(again.know(b"hunter2"), vault.know(b"hunter2"));
        let other = Vault::open(&directory.path().join("other.key")).expect("made");
        assert_eq!(other.unseal(b"here", &sealed), Err(NotOurs));
        assert_ne!(other.know(b"hunter2"), vault.know(b"hunter2"));
        for cut in 0..sealed.len() {
            assert_eq!(vault.unseal(b"here", &sealed[..cut]), Err(NotOurs));
        }
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(vault.unseal(b"here", &damaged), Err(NotOurs));
        }
    }

    #[test]
    fn a_damaged_file_is_refused_without_quoting_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("vault.key");
        for text in ["", "hunter2", r#"{"version":1,"root":"hunter2"}"#, r#"{"version":2,"root":"hunter2"}"#] {
            private_file::write(&path, text).expect("written");
            let error = Vault::open(&path).unwrap_err().to_string();
            assert!(error.contains("vault.key") && !error.contains("hunter2"), "{error}");
        }
    }
}
