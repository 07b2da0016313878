//! HTTP/1.1 over a bare socket: prebuilt requests out, as little as possible of the answer in. The load generator
//! shares the machine with what it measures, so it must not be what is slow.
//!
//! Understands answers with a length or in chunks; may not know what is asked.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// An answer that takes longer than this is a failure. Long polls are answered within 10 s.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// An answer's head. Ours are a few hundred bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// A body that is only counted is read in pieces of this size, which a second-level cache holds.
const WEIGHED_READ_BYTES: usize = 256 * 1024;

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

/// An answer whose body was counted and let go.
#[derive(Debug)]
pub(crate) struct Weighed {
    pub(crate) status: u16,
    pub(crate) bytes: u64,
    head: String,
}

impl Weighed {
    /// The value of a header, whose name is given in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }
}

impl Answer {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl Connection {
    pub(crate) async fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(16 * 1024), given: false })
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn call(&mut self, request: &[u8]) -> io::Result<Answer> {
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "no answer in time");
        tokio::time::timeout(ANSWER_MAX, self.exchange(request)).await.map_err(late)?
    }

    /// Sends a request and counts what the answer holds, for bodies that are too long to keep.
    pub(crate) async fn weigh(&mut self, request: &[u8]) -> io::Result<Weighed> {
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "no answer in time");
        tokio::time::timeout(ANSWER_MAX, self.exchange_weighed(request)).await.map_err(late)?
    }

    async fn exchange_weighed(&mut self, request: &[u8]) -> io::Result<Weighed> {
        self.buffer.reserve(WEIGHED_READ_BYTES);
        self.stream.write_all(request).await?;
        let end = self.head_end().await?;
        let text = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        let head = self.head().await?;
        let mut bytes = 0;
        match head.length {
            Length::Bytes(length) => {
                self.skip(length).await?;
                bytes += length;
            }
            Length::Chunked => loop {
                let size = self.chunk().await?;
                self.skip(size + 2).await?;
                bytes += size;
                if size == 0 {
                    break;
                }
            },
        }
        Ok(Weighed { status: head.status, bytes: bytes as u64, head: text })
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
                let size = self.chunk().await?;
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
        let end = self.head_end().await?;
        let head = Head::parse(&self.buffer[..end])?;
        self.buffer.drain(..end + 4);
        Ok(head)
    }

    /// Reads until a head is in the buffer; where it ends.
    async fn head_end(&mut self) -> io::Result<usize> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                return Ok(end);
            }
            if self.buffer.len() > HEAD_BYTES_MAX {
                return Err(broken("an answer without an end of its head"));
            }
            self.more().await?;
        }
    }

    /// The size of the chunk that begins here.
    async fn chunk(&mut self) -> io::Result<usize> {
        let line = self.line().await?;
        let size = line.split(';').next().unwrap_or_default().trim();
        usize::from_str_radix(size, 16).map_err(|_| broken("a chunk without a size"))
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

    async fn skip(&mut self, mut bytes: usize) -> io::Result<()> {
        loop {
            let here = bytes.min(self.buffer.len());
            self.buffer.drain(..here);
            bytes -= here;
            if bytes == 0 {
                return Ok(());
            }
            self.more().await?;
        }
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
    fn headers_are_found_whatever_their_case() {
        let head = "HTTP/1.1 200 OK\r\nStream-Next-Offset: 1_2\r\nx: y".to_owned();
        let weighed = Weighed { status: 200, bytes: 0, head };
        assert_eq!(weighed.header("stream-next-offset"), Some("1_2"));
        assert_eq!(weighed.header("HTTP/1.1 200 OK"), None);
    }

    #[tokio::test]
    async fn bodies_are_counted_with_a_length_and_in_chunks() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("bound").to_string();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("accepts");
            let mut request = [0; 1];
            let answers = [
                "HTTP/1.1 200 OK\r\ncontent-length: 5\r\na: b\r\n\r\n12345",
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\na;x=y\r\n1234567890\r\n1\r\n1\r\n0\r\n\r\n",
                "HTTP/1.1 204 No Content\r\n\r\n",
            ];
            for answer in answers {
                stream.read_exact(&mut request).await.expect("a request");
                stream.write_all(answer.as_bytes()).await.expect("written");
            }
        });
        let mut connection = Connection::open(&address).await.expect("connects");
        let mut bytes = Vec::new();
        for _ in 0..3 {
            bytes.push(connection.weigh(b"?").await.expect("an answer").bytes);
        }
        assert_eq!(bytes, [5, 11, 0]);
        server.await.expect("its own assertions");
    }
}
