//! HTTP/1.1 over a bare socket: prebuilt requests out, as little as possible of the answer in. The load generator
//! shares the machine with what it measures, so it must not be what is slow.
//!
//! Understands answers with a length or in chunks; may not know what is asked.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use ureq::http::Uri;

use crate::ctl::{CtlError, error::Kind, origin::ApiKey};

/// An answer that takes longer than this is a failure. Long polls are answered within 10 s.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// An answer's head. Ours are a few hundred bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// The server under load.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    address: String,
    authority: String,
    prefix: String,
    bearer: String,
}

impl Target {
    pub(crate) fn new(base: &str, key: &ApiKey) -> Result<Self, CtlError> {
        let uri: Uri = base.parse().map_err(CtlError::usage)?;
        let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
        if uri.scheme_str() != Some("http") {
            let error = CtlError::usage("bench speaks plain HTTP only: TLS would measure the cipher");
            return Err(error.hint("point --server at the server itself, past the proxy"));
        }
        let address = if uri.port().is_some() { authority.clone() } else { format!("{authority}:80") };
        let prefix = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { address, authority, prefix, bearer: key.bearer() })
    }

    pub(crate) async fn connect(&self) -> Result<Connection, CtlError> {
        let stream = TcpStream::connect(&self.address).await.map_err(|error| {
            CtlError::new(Kind::Unavailable, format!("cannot connect to {}: {error}", self.address))
                .hint("is the server running? many connections need many file descriptors: see ulimit -n")
        })?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, buffer: Vec::with_capacity(16 * 1024), given: false })
    }

    /// A request with the key.
    pub(crate) fn request(&self, method: &str, path: &str, body: &str) -> Vec<u8> {
        self.request_as(&self.bearer, method, path, "application/json", body)
    }

    /// A request with another credential, accepting this media type.
    pub(crate) fn request_as(&self, bearer: &str, method: &str, path: &str, accept: &str, body: &str) -> Vec<u8> {
        let Self { authority, prefix, .. } = self;
        let length = match (method, body.len()) {
            ("GET", 0) => String::new(),
            (_, 0) => "content-length: 0\r\n".to_owned(),
            (_, bytes) => format!("content-type: application/json\r\ncontent-length: {bytes}\r\n"),
        };
        let head = format!("{method} {prefix}{path} HTTP/1.1\r\nhost: {authority}\r\nauthorization: {bearer}");
        format!("{head}\r\naccept: {accept}\r\n{length}\r\n{body}").into_bytes()
    }

    /// A follower's request.
    pub(crate) fn follow(&self, path: &str) -> Vec<u8> {
        self.request_as(&self.bearer, "GET", path, "text/event-stream", "")
    }
}

/// One connection, kept.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    /// What was read and not consumed yet.
    buffer: Vec<u8>,
    /// The buffer was handed over by [`Connection::next_bytes`].
    given: bool,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl Connection {
    /// Sends a request and reads the whole answer.
    pub(crate) async fn call(&mut self, request: &[u8]) -> io::Result<Answer> {
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "no answer in time");
        tokio::time::timeout(ANSWER_MAX, self.exchange(request)).await.map_err(late)?
    }

    async fn exchange(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.stream.write_all(request).await?;
        let head = self.head().await?;
        let mut body = Vec::new();
        match head.length {
            Length::Bytes(bytes) => {
                self.fill(bytes).await?;
                body.extend(self.buffer.drain(..bytes));
            }
            Length::Chunked => loop {
                let line = self.line().await?;
                let size = line.split(';').next().unwrap_or_default().trim();
                let size = usize::from_str_radix(size, 16).map_err(|_| broken("a chunk without a size"))?;
                self.fill(size + 2).await?;
                body.extend(self.buffer.drain(..size));
                self.buffer.drain(..2);
                if size == 0 {
                    break;
                }
            },
        }
        Ok(Answer { status: head.status, body })
    }

    /// Sends a request for a stream and returns when it has begun.
    pub(crate) async fn open_stream(&mut self, request: &[u8]) -> io::Result<u16> {
        self.stream.write_all(request).await?;
        Ok(self.head().await?.status)
    }

    /// The next bytes of a stream, as they come on the wire; empty at its end.
    pub(crate) async fn next_bytes(&mut self) -> io::Result<&[u8]> {
        if std::mem::replace(&mut self.given, true) {
            self.buffer.clear();
        }
        if self.buffer.is_empty() {
            self.stream.read_buf(&mut self.buffer).await?;
        }
        Ok(&self.buffer)
    }

    async fn head(&mut self) -> io::Result<Head> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                let head = Head::parse(&self.buffer[..end])?;
                self.buffer.drain(..end + 4);
                return Ok(head);
            }
            if self.buffer.len() > HEAD_BYTES_MAX {
                return Err(broken("an answer without an end of its head"));
            }
            self.more().await?;
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let line = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
                self.buffer.drain(..end + 2);
                return Ok(line);
            }
            self.more().await?;
        }
    }

    async fn fill(&mut self, bytes: usize) -> io::Result<()> {
        while self.buffer.len() < bytes {
            self.more().await?;
        }
        Ok(())
    }

    async fn more(&mut self) -> io::Result<()> {
        let read = self.stream.read_buf(&mut self.buffer).await?;
        if read == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    length: Length,
}

#[derive(Debug, PartialEq, Eq)]
enum Length {
    Bytes(usize),
    Chunked,
}

impl Head {
    fn parse(head: &[u8]) -> io::Result<Self> {
        let head = std::str::from_utf8(head).map_err(|_| broken("a head that is no text"))?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| broken("no status"))?;
        let mut length = Length::Bytes(0);
        for line in lines {
            let Some((name, value)) = line.split_once(':') else { continue };
            if name.eq_ignore_ascii_case("content-length") {
                length = Length::Bytes(value.trim().parse().map_err(|_| broken("a length that is no number"))?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                length = Length::Chunked;
            }
        }
        Ok(Self { status, length })
    }
}

/// Where `needle` begins.
pub(crate) fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    while let Some(at) = hay[from..].iter().position(|byte| *byte == first) {
        let at = from + at;
        if hay[at..].starts_with(needle) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

fn broken(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read() {
        let head = Head::parse(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nx: y").expect("reads");
        assert_eq!(head, Head { status: 200, length: Length::Bytes(12) });
        let head = Head::parse(b"HTTP/1.1 503 x\r\ntransfer-encoding: chunked").expect("reads");
        assert_eq!(head, Head { status: 503, length: Length::Chunked });
        assert!(Head::parse(b"nonsense").is_err());
        assert_eq!(find(b"ab\r\r\n\r\nx", b"\r\n\r\n"), Some(3));
        assert_eq!(find(b"aab", b"ab"), Some(1));
        assert_eq!(find(b"", b"ab"), None);
    }

    #[test]
    fn requests_say_how_long_they_are() {
        let target = Target::new("http://h:1/base/", &ApiKey::from("k")).expect("an address");
        let text = String::from_utf8(target.request("POST", "/x", "{}")).expect("text");
        assert!(text.starts_with("POST /base/x HTTP/1.1\r\nhost: h:1\r\nauthorization: Bearer k\r\n"));
        assert!(text.ends_with("content-length: 2\r\n\r\n{}"));
        assert!(Target::new("https://h", &ApiKey::from("k")).is_err());
    }
}
