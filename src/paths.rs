//! Where things lie on disk: the data directory and the files in it.
//!
//! Known to the server and to rcsctl, which looks into a stopped server's directory. It may not touch any of them.

use std::{
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
};

/// Neither the variable nor a home directory says where the data should lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither XDG_DATA_HOME nor HOME is set, so there is no default directory: name one")]
pub struct NoDataDirectory;

/// The directory that holds everything a server must not lose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDirectory(PathBuf);

impl DataDirectory {
    /// This directory.
    pub const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// `$XDG_DATA_HOME/rcs`, or `~/.local/share/rcs`. A relative `XDG_DATA_HOME` is invalid and ignored, as its
    /// specification asks.
    pub fn default_for(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, NoDataDirectory> {
        let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = absolute("XDG_DATA_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/share")));
        base.map(|base| Self(base.join("rcs"))).ok_or(NoDataDirectory)
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The journal.
    pub fn journal(&self) -> PathBuf {
        self.0.join("journal.redb")
    }

    /// The keys that tokens are signed with (0600, never in the journal).
    pub fn signing_keys(&self) -> PathBuf {
        self.0.join("signing.key")
    }

    /// The key that webhook notifications are signed with (0600, never in the journal).
    pub fn webhook_keys(&self) -> PathBuf {
        self.0.join("webhook.key")
    }

    /// The key that secrets of others are sealed with (0600, never in the journal).
    pub fn vault_key(&self) -> PathBuf {
        self.0.join("vault.key")
    }

    /// The key that push services know this server by (0600, never in the journal).
    pub fn push_key(&self) -> PathBuf {
        self.0.join("push.key")
    }

    /// The admin key that a first start makes (0600).
    pub fn admin_key(&self) -> PathBuf {
        self.0.join("admin.key")
    }
}

impl fmt::Display for DataDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_follows_the_xdg_rules() {
        let at = |xdg: &'static str, home: &'static str| {
            let directory = DataDirectory::default_for(|name| match name {
                "XDG_DATA_HOME" => Some(xdg.into()),
                _ => Some(home.into()),
            });
            directory.map(|directory| directory.to_string())
        };
        assert_eq!(at("/data", "/home/me").as_deref(), Ok("/data/rcs"));
        assert_eq!(at("relative", "/home/me").as_deref(), Ok("/home/me/.local/share/rcs"));
        assert_eq!(at("", ""), Err(NoDataDirectory));
    }
}
