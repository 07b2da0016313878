//! Web addresses: the URL that clients know this server by, and the origins that browsers may call it from.

use std::{fmt, str::FromStr};

use http::Uri;

/// `scheme://host[:port]` as a browser sends it: lower case, without the scheme's own port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

/// Why a text is not such an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    #[error("{0:?} is not an origin: expected https://host or http://host:port, and `*` is not allowed")]
    Origin(String),
    #[error("{0:?} is not a base URL: expected http:// or https://, a host, and no user, query or fragment")]
    BaseUrl(String),
}

impl Origin {
    /// As the `Origin` header has it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Our own page on this machine.
    pub fn local(host: &str, port: u16) -> Self {
        Self(if port == 80 { format!("http://{host}") } else { format!("http://{host}:{port}") })
    }

    fn of(uri: &Uri) -> Option<Self> {
        let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
        let own_port = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        let host = authority.host();
        if host.is_empty() || authority.as_str().contains('@') || authority.as_str().ends_with(':') {
            return None;
        }
        let port = authority.port_u16().filter(|port| *port != own_port);
        // A port that is not a number would otherwise be dropped in silence.
        if authority.port_u16().is_none() && authority.as_str().len() != host.len() {
            return None;
        }
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        Some(Self(format!("{scheme}://{}{port}", host.to_ascii_lowercase())))
    }
}

impl FromStr for Origin {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let uri = text.parse::<Uri>().ok().filter(|uri| uri.path_and_query().is_none_or(|path| path.as_str() == "/"));
        uri.as_ref().and_then(Self::of).ok_or_else(|| InvalidAddress::Origin(shown(text)))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The URL that clients know this server by; may have a path, ends without a slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    text: String,
    origin: Origin,
}

impl BaseUrl {
    /// The URL, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where our own page comes from under this URL.
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }
}

impl FromStr for BaseUrl {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let invalid = || InvalidAddress::BaseUrl(shown(text));
        let uri: Uri = text.parse().map_err(|_| invalid())?;
        // `Uri` drops a fragment without a word.
        if uri.query().is_some() || text.contains('#') {
            return Err(invalid());
        }
        let origin = Origin::of(&uri).ok_or_else(invalid)?;
        Ok(Self { text: format!("{origin}{}", uri.path().trim_end_matches('/')), origin })
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A URL with a password in it must not end up in a log by way of its refusal.
fn shown(text: &str) -> String {
    let shown = text.rsplit_once('@').map_or(text.to_owned(), |(_, rest)| format!("...@{rest}"));
    shown.chars().take(128).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        for (text, origin) in [
            ("https://App.Example.com", "https://app.example.com"),
            ("https://app.example.com:443/", "https://app.example.com"),
            ("http://localhost:5173", "http://localhost:5173"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(text.parse::<Origin>().map(|origin| origin.to_string()).as_deref(), Ok(origin));
        }
        for text in
            ["*", "null", "app.example.com", "https://a/b", "ftp://a", "https://u:p@a", "https://a:x", "https://"]
        {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_base_url_may_have_a_path_and_no_secrets() {
        let url: BaseUrl = "https://example.com/rcs//".parse().expect("valid");
        assert_eq!((url.as_str(), url.origin().as_str()), ("https://example.com/rcs", "https://example.com"));
        for text in ["example.com", "https://a?x", "https://a#x", "", "https://me:hunter2@a"] {
            let error = text.parse::<BaseUrl>().unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
