//! Somebody whom the server calls, on a real socket: what is heard goes to the test, what is answered comes from there.
//!
//! Tests inside the crate and over a whole server include this file, so it may know neither.

use std::{net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
    time::timeout,
};

/// Longer than anything takes; a test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    pub(crate) heard: mpsc::Receiver<Heard>,
}

/// One request, not yet answered.
pub(crate) struct Heard {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    answer: oneshot::Sender<String>,
}

impl Receiver {
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let (sender, heard) = mpsc::channel(16);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, sender.clone()));
            }
        });
        Self { address, heard }
    }

    pub(crate) async fn next(&mut self) -> Heard {
        timeout(PATIENCE, self.heard.recv()).await.expect("in time").expect("a request")
    }
}

async fn serve(mut socket: TcpStream, heard: mpsc::Sender<Heard>) {
    let mut bytes = Vec::new();
    let (head, start, length) = loop {
        let mut piece = [0; 4_096];
        let Ok(count @ 1..) = socket.read(&mut piece).await else { return };
        bytes.extend_from_slice(&piece[..count]);
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).expect("ASCII");
            let length = header_of(&head, "content-length").expect("a length").parse::<usize>().expect("a number");
            break (head, end + 4, length);
        }
    };
    while bytes.len() < start + length {
        let mut piece = [0; 4_096];
        let Ok(count @ 1..) = socket.read(&mut piece).await else { return };
        bytes.extend_from_slice(&piece[..count]);
    }
    let (answer, said) = oneshot::channel();
    let body = bytes[start..start + length].to_vec();
    if heard.send(Heard { head, body, answer }).await.is_err() {
        return;
    }
    // Without an answer the connection just ends.
    if let Ok(answer) = said.await {
        let _cut = socket.write_all(answer.as_bytes()).await;
    }
}

pub(crate) fn header_of<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

impl Heard {
    pub(crate) fn header(&self, name: &str) -> &str {
        header_of(&self.head, name).unwrap_or_else(|| panic!("no {name} in {}", self.head))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// Answers with this status, and with whatever headers stand behind it.
    pub(crate) fn reply(self, status: &str, body: &str) {
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len());
        let _gone = self.answer.send(head + body);
    }
}
