//! A webhook receiver on a real socket: what it hears goes to the test, what it answers comes from there.

use std::{net::SocketAddr, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
    time::timeout,
};

/// Longer than anything takes; a test that waits so long has failed.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    heard: mpsc::Receiver<Heard>,
}

/// One notification, not yet answered.
pub(super) struct Heard {
    head: String,
    pub(super) body: Vec<u8>,
    answer: oneshot::Sender<String>,
}

impl Receiver {
    pub(super) async fn open() -> Self {
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

    pub(super) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// The next notification.
    pub(super) async fn next(&mut self) -> Heard {
        timeout(PATIENCE, self.heard.recv()).await.expect("in time").expect("a notification")
    }

    /// Whether somebody called and was not heard yet.
    pub(super) fn was_called(&self) -> bool {
        !self.heard.is_empty()
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

fn header_of<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

impl Heard {
    pub(super) fn header(&self, name: &str) -> &str {
        header_of(&self.head, name).expect("the header")
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub(super) fn text(&self, name: &str) -> String {
        self.json()[name].as_str().expect("text").to_owned()
    }

    pub(super) fn generation(&self) -> u64 {
        self.json()["generation"].as_u64().expect("a number")
    }

    pub(super) fn answer(self, status: &str, body: &str) {
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nlocation: http://127.0.0.1:1/\r\n\r\n");
        let _gone = self.answer.send(head + body);
    }

    /// Whether one of these keys signed it.
    pub(super) fn is_signed_by(&self, keys: &Value) -> bool {
        let signature = self.header("webhook-signature");
        let parts: Vec<&str> = signature.split(',').collect();
        let [time, kid, signature] = parts[..] else { return false };
        let part = |text: &'static str, part| -> &str { str::strip_prefix(part, text).expect("in this order") };
        let (time, kid, signature) = (part("t=", time), part("kid=", kid), part("ed25519=", signature));
        let keys = keys["keys"].as_array().expect("keys");
        let Some(key) = keys.iter().find(|key| key["kid"] == kid) else { return false };
        let bytes = URL_SAFE_NO_PAD.decode(key["x"].as_str().expect("a key")).expect("base64url");
        let signed = [time.as_bytes(), b".", self.body.as_slice()].concat();
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        UnparsedPublicKey::new(&ED25519, bytes).verify(&signed, &signature).is_ok()
    }
}
