//! Which server is meant, with which key, and where the server's own files are.
//!
//! A key is never on a command line in our examples: command lines are seen by everybody on the machine. The generated
//! admin key is used only towards this very machine, so that a mistyped `--server` does not give it away.

use std::{
    env, fmt, fs, io,
    path::{Path, PathBuf},
};

use ureq::http::Uri;

use super::{CtlError, error::Kind};
use crate::paths::DataDirectory;

/// Where rcsd listens when nobody says otherwise.
pub(crate) const SERVER_DEFAULT: &str = "http://127.0.0.1:3000";

/// A secret on its way into a header. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ApiKey(String);

impl ApiKey {
    /// The value of the `Authorization` header.
    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl From<&str> for ApiKey {
    fn from(text: &str) -> Self {
        Self(text.trim().to_owned())
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(..)")
    }
}

/// Where things are, from flags and environment.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// Without a slash at its end.
    pub(crate) base: String,
    /// Whether somebody said so, or it is the default.
    pub(crate) is_named: bool,
    key: Option<ApiKey>,
    data: Option<PathBuf>,
}

impl Origin {
    /// What flags (or the environment behind them) say.
    pub(crate) fn new(server: Option<&str>, key: Option<ApiKey>, data: Option<PathBuf>) -> Result<Self, CtlError> {
        let (server, is_named) = (server.unwrap_or(SERVER_DEFAULT), server.is_some());
        let base = server.trim_end_matches('/').to_owned();
        let uri: Uri = base.parse().map_err(|_| not_a_url(server))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() || uri.query().is_some() {
            return Err(not_a_url(server));
        }
        Ok(Self { base, is_named, key, data })
    }

    /// The key to show to the server.
    pub(crate) fn key(&self) -> Result<ApiKey, CtlError> {
        if let Some(key) = &self.key {
            return Ok(key.clone());
        }
        let none = || {
            CtlError::new(Kind::Unauthorised, format!("there is no key for {}", self.base))
                .hint("set RCS_API_KEY to an API key of that server")
        };
        if !self.is_this_machine() {
            return Err(none());
        }
        let path = self.data_directory()?.admin_key();
        match fs::read_to_string(&path) {
            Ok(text) if !text.trim().is_empty() => Ok(ApiKey::from(text.as_str())),
            Ok(_) => Err(none().hint(format!("{} is empty", path.display()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(none().hint(format!("or run this where {} is", path.display())))
            }
            Err(error) => Err(none().hint(format!("{}: {error}", path.display()))),
        }
    }

    /// The journal's file: the one given, or the one in the data directory.
    pub(crate) fn journal_file(&self, given: Option<&Path>) -> Result<PathBuf, CtlError> {
        let path = match given {
            Some(path) => path.to_owned(),
            None => self.data_directory()?.journal(),
        };
        match fs::metadata(&path) {
            Ok(found) if found.is_file() => Ok(path),
            Ok(_) => Err(CtlError::usage(format!("{} is not a file", path.display()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let error = CtlError::new(Kind::NotFound, format!("there is no file {}", path.display()));
                Err(error.hint("name the journal with --file, or its directory with --data or RCS_DATA"))
            }
            Err(error) => Err(CtlError::failed(format!("{}: {error}", path.display()))),
        }
    }

    /// Where the server on this machine keeps its files.
    pub(crate) fn data_directory(&self) -> Result<DataDirectory, CtlError> {
        match &self.data {
            Some(data) => Ok(DataDirectory::new(data.clone())),
            None => DataDirectory::default_for(|name| env::var_os(name))
                .map_err(|error| CtlError::usage(error).hint("name it with --data or RCS_DATA")),
        }
    }

    fn is_this_machine(&self) -> bool {
        let uri: Option<Uri> = self.base.parse().ok();
        let host = uri.as_ref().and_then(Uri::host).unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        bare == "localhost" || bare.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
    }
}

fn not_a_url(server: &str) -> CtlError {
    CtlError::usage(format!("{server:?} is not the address of a server")).hint(format!("such as {SERVER_DEFAULT}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(server: &str, data: &Path) -> Origin {
        Origin::new(Some(server), None, Some(data.to_owned())).expect("an address")
    }

    #[test]
    fn the_generated_key_is_shown_to_this_machine_only() {
        let data = tempfile::tempdir().expect("a directory");
        fs::write(DataDirectory::new(data.path().to_owned()).admin_key(), "rcs_secret\n").expect("writes");
        for local in ["http://127.0.0.1:3000", "http://localhost:3000/", "http://[::1]:3000", "http://127.8.0.1"] {
            assert_eq!(origin(local, data.path()).key().expect("is used").bearer(), "Bearer rcs_secret");
        }
        for remote in ["https://rcs.example.com", "http://10.0.0.7:3000", "http://localhost.example.com"] {
            assert_eq!(origin(remote, data.path()).key().unwrap_err().kind, Kind::Unauthorised, "{remote}");
        }
    }

    #[test]
    fn no_key_says_what_to_do_and_no_secret_is_printed() {
        let data = tempfile::tempdir().expect("a directory");
        let error = origin(SERVER_DEFAULT, data.path()).key().unwrap_err();
        assert!(error.lines().iter().any(|line| line.contains("RCS_API_KEY")));
        assert_eq!(format!("{:?}", ApiKey::from("rcs_secret")), "ApiKey(..)");
    }

    #[test]
    fn what_is_no_address_is_refused_at_once() {
        for text in ["", "localhost:3000", "ftp://x", "http://", "http://x?y"] {
            assert_eq!(Origin::new(Some(text), None, None).unwrap_err().kind, Kind::Usage, "{text}");
        }
    }
}
