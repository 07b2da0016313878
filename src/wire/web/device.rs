//! Browsers that are signed in, and the links that let one in.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::key::Role;
use crate::domain::id::{DeviceId, KeyId, OwnerId};

/// Lets a browser in: one of the two.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// The secret of a login link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// An API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What people will know the browser by; without it, what it says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignIn").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A browser.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    pub id: DeviceId,
    pub name: String,
    /// The key that it acts for.
    pub key_id: KeyId,
    pub signed_in_at: String,
    /// To the hour.
    pub used_at: String,
    /// When it lost its power: it was signed out, its key ended, or nobody used it for too long.
    pub signed_out_at: Option<String>,
    /// It is the one that asks.
    pub current: bool,
}

/// Calls a browser something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenameDevice {
    pub name: String,
}

/// A link that lets one browser in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginLink {
    /// Shown here and never again. The secret is in the fragment, which browsers send to nobody.
    pub url: String,
    pub expires_at: String,
}

impl fmt::Debug for LoginLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginLink").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Me {
    pub key_id: KeyId,
    pub key_name: String,
    pub owner_id: OwnerId,
    pub role: Role,
    /// The browser, if it is one.
    pub device: Option<Device>,
}
