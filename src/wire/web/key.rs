//! API keys. The secret is shown once, in the reply that creates it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::id::{KeyId, OwnerId};

/// A key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    pub id: KeyId,
    pub owner_id: OwnerId,
    pub name: String,
    pub role: Role,
    /// It comes from the configuration and is revoked when it is gone from there.
    pub configured: bool,
    pub created_at: String,
    pub expires_at: Option<String>,
    pub revoked_at: Option<String>,
    /// To the hour.
    pub used_at: Option<String>,
}

/// What a key may do, in rising order of trust; a runner neither reads nor steers sessions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Viewer,
    Runner,
    #[default]
    Member,
    Admin,
}

/// Asks for a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateKey {
    pub name: String,
    #[serde(default)]
    pub role: Role,
    /// Seconds from now; without it the key does not expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u64>,
    #[serde(default)]
    pub owner: KeyOwner,
}

/// Asks for another signing key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotateSigning {
    /// Seconds for which tokens of the earlier keys stay good; 0 refuses them at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<u64>,
}

/// There is another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningRotated {
    /// Until when tokens of the earlier keys are good.
    pub previous_until: String,
    /// Keys that verify, the new one included.
    pub keys: usize,
}

/// For whom a key acts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyOwner {
    /// For the owner of the key that creates it.
    #[default]
    Mine,
    /// For somebody new, who shares nothing with anybody. Needs an admin.
    New,
}

/// A new key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatedKey {
    pub key: Key,
    /// Shown here and never again.
    pub secret: String,
}

impl fmt::Debug for CreatedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreatedKey").field("key", &self.key).finish_non_exhaustive()
    }
}
