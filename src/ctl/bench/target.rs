//! A server under load: where it is, who we are there, and requests to it as bytes.

use std::time::{Duration, Instant};

use ureq::http::Uri;

use super::http::{Answer, Connection};
use crate::ctl::{CtlError, error::Kind, origin::ApiKey};

/// A connection that was quiet for so long is not used again: servers close such ones, ours after 15 s.
const QUIET_MAX: Duration = Duration::from_secs(5);

/// The server under load.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    address: String,
    authority: String,
    prefix: String,
    /// Nobody's, at a server that asks for no key.
    bearer: Option<String>,
}

/// What is asked of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) accept: &'a str,
    pub(crate) content_type: Option<&'a str>,
    pub(crate) body: &'a [u8],
    /// A credential instead of the target's.
    pub(crate) bearer: Option<&'a str>,
}

impl<'a> Ask<'a> {
    pub(crate) const fn new(method: &'a str, path: &'a str) -> Self {
        Self { method, path, accept: "application/json", content_type: None, body: &[], bearer: None }
    }
}

impl Target {
    pub(crate) fn new(base: &str, key: Option<&ApiKey>) -> Result<Self, CtlError> {
        let uri: Uri = base.parse().map_err(CtlError::usage)?;
        let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
        if uri.scheme_str() != Some("http") {
            let error = CtlError::usage("bench speaks plain HTTP only: TLS would measure the cipher");
            return Err(error.hint("point it at the server itself, past the proxy"));
        }
        let address = if uri.port().is_some() { authority.clone() } else { format!("{authority}:80") };
        let prefix = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { address, authority, prefix, bearer: key.map(ApiKey::bearer) })
    }

    pub(crate) async fn connect(&self) -> Result<Connection, CtlError> {
        Connection::open(&self.address).await.map_err(|error| {
            CtlError::new(Kind::Unavailable, format!("cannot connect to {}: {error}", self.address))
                .hint("is the server running? many connections need many file descriptors: see ulimit -n")
        })
    }

    /// A request as it goes over the wire.
    pub(crate) fn bytes(&self, ask: &Ask<'_>) -> Vec<u8> {
        let Self { authority, prefix, .. } = self;
        let Ask { method, path, accept, .. } = ask;
        let mut head = format!("{method} {prefix}{path} HTTP/1.1\r\nhost: {authority}\r\n");
        if let Some(bearer) = ask.bearer.or(self.bearer.as_deref()) {
            head += &format!("authorization: {bearer}\r\n");
        }
        head += &format!("accept: {accept}\r\n");
        if let Some(media) = ask.content_type {
            head += &format!("content-type: {media}\r\n");
        }
        if *method != "GET" || !ask.body.is_empty() {
            head += &format!("content-length: {}\r\n", ask.body.len());
        }
        head += "\r\n";
        [head.as_bytes(), ask.body].concat()
    }

    /// A request with the key and a body of JSON, if any.
    pub(crate) fn request(&self, method: &str, path: &str, body: &str) -> Vec<u8> {
        let content_type = (!body.is_empty()).then_some("application/json");
        self.bytes(&Ask { content_type, body: body.as_bytes(), ..Ask::new(method, path) })
    }

    /// A follower's request.
    pub(crate) fn follow(&self, path: &str) -> Vec<u8> {
        self.bytes(&Ask { accept: "text/event-stream", ..Ask::new("GET", path) })
    }
}

/// Calls of the setting up, between which whole runs may pass.
#[derive(Debug)]
pub(crate) struct Line {
    target: Target,
    connection: Connection,
    used: Instant,
}

impl Line {
    pub(crate) async fn open(target: &Target) -> Result<Self, CtlError> {
        Ok(Self { target: target.clone(), connection: target.connect().await?, used: Instant::now() })
    }

    pub(crate) async fn call(&mut self, request: &[u8]) -> Result<Answer, CtlError> {
        if self.used.elapsed() > QUIET_MAX {
            self.connection = self.target.connect().await?;
        }
        let answer = self.connection.call(request).await?;
        self.used = Instant::now();
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[test]
    fn requests_say_how_long_they_are() {
        let target = Target::new("http://h:1/base/", Some(&ApiKey::from("k"))).expect("an address");
        let text = String::from_utf8(target.request("POST", "/x", "{}")).expect("text");
        assert!(text.starts_with("POST /base/x HTTP/1.1\r\nhost: h:1\r\nauthorization: Bearer k\r\n"));
        assert!(text.ends_with("content-length: 2\r\n\r\n{}"));
        let nobody = Target::new("http://h:1", None).expect("an address");
        assert_eq!(
            nobody.bytes(&Ask::new("GET", "/x")),
            b"GET /x HTTP/1.1\r\nhost: h:1\r\naccept: application/json\r\n\r\n"
        );
        let made = nobody.bytes(&Ask { content_type: Some("a/b"), ..Ask::new("PUT", "/x") });
        assert!(made.ends_with(b"content-type: a/b\r\ncontent-length: 0\r\n\r\n"));
        assert!(Target::new("https://h", None).is_err());
    }

    #[tokio::test]
    async fn a_line_that_was_quiet_does_not_break_where_the_server_closed_it() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("bound");
        let server = tokio::spawn(async move {
            drop(listener.accept().await.expect("the first one"));
            let (mut stream, _) = listener.accept().await.expect("the second one");
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.expect("written");
            stream
        });
        let target = Target::new(&format!("http://{address}"), None).expect("an address");
        let mut line = Line::open(&target).await.expect("connects");
        line.used = Instant::now().checked_sub(QUIET_MAX + Duration::from_secs(1)).expect("an earlier time");
        let request = target.request("POST", "/", "{}");
        assert_eq!(line.call(&request).await.expect("an answer").status, 204);
        server.await.expect("its own assertions");
    }
}
