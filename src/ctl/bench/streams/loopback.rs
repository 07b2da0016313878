//! A server that does nothing: it answers every append, keeps none of it, and gives every reader the same zeros. What
//! it takes is the client, the kernel's loopback and the framing of HTTP, which no server can do without.

use std::io;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

use crate::ctl::{
    CtlError,
    bench::{http::find, target::Target},
};

/// Zeros are written in pieces of this size, which a second-level cache holds.
const PIECE: &[u8] = &[0; 64 * 1024];

/// A running one. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Loopback {
    address: String,
    _end: oneshot::Sender<()>,
}

impl Loopback {
    /// Starts one on a thread of its own, as another process would have, with bodies of so many bytes.
    pub(super) fn start(bytes: u64) -> Result<Self, CtlError> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?.to_string();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (end, ended) = oneshot::channel();
        std::thread::Builder::new().name("loopback".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    // An error is the client's to notice: nobody answers it.
                    _ = accept(listener, bytes) => {}
                    _ = ended => {}
                }
            });
        })?;
        Ok(Self { address, _end: end })
    }

    pub(super) fn target(&self) -> Result<Target, CtlError> {
        Target::new(&format!("http://{}", self.address), None)
    }
}

async fn accept(listener: std::net::TcpListener, bytes: u64) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(serve(stream, bytes));
    }
}

async fn serve(mut stream: TcpStream, bytes: u64) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(16 * 1024);
    loop {
        while let Some(request) = request(&buffer) {
            buffer.drain(..request.length);
            if !request.is_read {
                stream.write_all(b"HTTP/1.1 204 No Content\r\nstream-next-offset: 0\r\n\r\n").await?;
                continue;
            }
            let head = format!("HTTP/1.1 200 OK\r\nstream-up-to-date: true\r\ncontent-length: {bytes}\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            let mut left = usize::try_from(bytes).unwrap_or(usize::MAX);
            while left > 0 {
                let piece = &PIECE[..left.min(PIECE.len())];
                stream.write_all(piece).await?;
                left -= piece.len();
            }
        }
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Request {
    is_read: bool,
    /// With its head.
    length: usize,
}

/// The request that the bytes begin with, once it is there whole. It comes from our own client.
fn request(bytes: &[u8]) -> Option<Request> {
    const LENGTH: &[u8] = b"\r\ncontent-length: ";
    let head = find(bytes, b"\r\n\r\n")? + 4;
    let body = find(&bytes[..head], LENGTH).map_or(0, |at| {
        let digits = bytes[at + LENGTH.len()..].iter().take_while(|byte| byte.is_ascii_digit());
        digits.fold(0, |number: usize, digit| number * 10 + usize::from(digit - b'0'))
    });
    let length = head + body;
    (bytes.len() >= length).then(|| Request { is_read: bytes.starts_with(b"GET "), length })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::bench::target::Ask;

    #[test]
    fn a_request_is_taken_when_it_is_whole() {
        let target = Target::new("http://h:1", None).expect("an address");
        let post = target.bytes(&Ask { body: b"12345678901", ..Ask::new("POST", "/") });
        for cut in 0..post.len() {
            assert_eq!(request(&post[..cut]), None, "cut at {cut}");
        }
        let both = [&post[..], b"GET / HTTP/1.1\r\n\r\n"].concat();
        assert_eq!(request(&both), Some(Request { is_read: false, length: post.len() }));
        assert_eq!(request(&both[post.len()..]), Some(Request { is_read: true, length: 18 }));
    }

    #[tokio::test]
    async fn it_gives_what_was_ordered() {
        let loopback = Loopback::start(100_000).expect("starts");
        let target = loopback.target().expect("an address");
        let mut connection = target.connect().await.expect("connects");
        let answer = connection.weigh(&target.bytes(&Ask::new("GET", "/"))).await.expect("an answer");
        assert_eq!((answer.status, answer.bytes), (200, 100_000));
        let append = target.request("POST", "/", "{}");
        assert_eq!(connection.call(&append).await.expect("an answer").status, 204);
    }
}
