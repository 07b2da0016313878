//! What telling people needs: the vault with their addresses, the key that push services know us by, and who looks.

use std::{path::Path, sync::Arc};

use super::presence::Presence;
use crate::{
    domain::{SessionId, notify::Target},
    security::{PushKey, Recipient, Vault, signing::SigningError, vault::NotOurs},
};

/// See the module.
#[derive(Debug, Clone)]
pub struct Notify {
    pub vault: Arc<Vault>,
    pub push: Arc<PushKey>,
    pub presence: Presence,
    /// Whom push services may write to: `mailto:` or `https:`.
    pub contact: Arc<str>,
}

/// Push services of one maker refuse tokens without a contact that could be one. Where the operator names none and the
/// server has no public name, it is the page of this program.
const CONTACT_DEFAULT: &str = env!("CARGO_PKG_REPOSITORY");

impl Notify {
    /// Reads the two keys, or makes them. Call it while holding the journal.
    pub fn open(vault: &Path, push: &Path, contact: Option<&str>, base_url: &str) -> Result<Self, SigningError> {
        let public = Some(base_url).filter(|url| url.starts_with("https://"));
        let contact = contact.or(public).unwrap_or(CONTACT_DEFAULT);
        Ok(Self {
            vault: Arc::new(Vault::open(vault)?),
            push: Arc::new(PushKey::open(push)?),
            presence: Presence::default(),
            contact: contact.into(),
        })
    }

    /// Where a target lies.
    pub fn recipient(&self, target: &Target) -> Result<Recipient, NotOurs> {
        Recipient::unseal(&self.vault, target.id(), &target.added.sealed.0)
    }
}

/// The link to what a target is told of, as people follow it.
pub fn place_of(base_url: &str, session: SessionId) -> String {
    format!("{}/code/{session}", base_url.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn push_services_are_told_a_contact_that_could_be_one() {
        let directory = tempfile::tempdir().expect("a directory");
        let of = |contact, base| {
            let (vault, push) = (directory.path().join("vault.key"), directory.path().join("push.key"));
            Notify::open(&vault, &push, contact, base).expect("keys").contact.to_string()
        };
        assert_eq!(of(Some("mailto:me@example.com"), "https://rcs.example"), "mailto:me@example.com");
        assert_eq!(of(None, "https://rcs.example"), "https://rcs.example");
        assert!(of(None, "http://localhost:3000").starts_with("https://github.com/"));
    }
}
