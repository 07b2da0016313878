//! A WebSocket as rooms see it: text in, text out, a close code with a reason, and nobody who hangs for ever.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::timeout;
use warp::ws::{Message, WebSocket};

use super::stream::Open;
use crate::domain::limits;

/// How long one write may take: a peer that reads nothing for so long is gone.
const WRITE_MAX: Duration = Duration::from_secs(30);

/// What came in.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    Text(String),
    /// Most rooms take no binary frames; they are told apart so that a room can say so.
    Binary(Bytes),
    /// A sign of life that needs no answer from the room.
    Alive,
}

/// Why a socket cannot be used any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Gone {
    #[error("the peer closed the socket")]
    Closed,
    #[error("the peer sent a frame beyond the limit")]
    TooLarge,
    #[error("the connection broke")]
    Broken,
}

/// Close codes that rooms use (RFC 6455 section 7.4.1, and the private range).
pub mod code {
    pub const NORMAL: u16 = 1000;
    pub const GOING_AWAY: u16 = 1001;
    pub const UNSUPPORTED: u16 = 1003;
    pub const TOO_LARGE: u16 = 1009;
    pub const REPLACED: u16 = 4000;
    pub const SESSION_GONE: u16 = 4001;
    pub const FORBIDDEN: u16 = 4003;
    pub const AGENT_GONE: u16 = 4004;
}

/// An open socket.
#[derive(Debug)]
pub struct Socket {
    inner: WebSocket,
    _open: Open,
}

impl Socket {
    /// Wraps an upgraded connection.
    pub fn new(inner: WebSocket) -> Self {
        Self { inner, _open: Open::new(Open::SOCKET) }
    }

    /// Sends one text frame.
    pub async fn send(&mut self, text: String) -> Result<(), Gone> {
        self.write(Message::text(text)).await
    }

    /// Sends a ping.
    pub async fn ping(&mut self) -> Result<(), Gone> {
        self.write(Message::ping(Vec::new())).await
    }

    async fn write(&mut self, message: Message) -> Result<(), Gone> {
        match timeout(WRITE_MAX, self.inner.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Gone::Broken),
        }
    }

    /// The next frame. Cancel-safe. Pings are answered by the socket itself.
    pub async fn receive(&mut self) -> Result<Frame, Gone> {
        match self.inner.next().await {
            None => Err(Gone::Closed),
            Some(Ok(message)) if message.is_close() => Err(Gone::Closed),
            Some(Ok(message)) if message.as_bytes().len() > limits::SOCKET_MESSAGE_BYTES_MAX => Err(Gone::TooLarge),
            Some(Ok(message)) => Ok(match message.to_str() {
                Ok(text) => Frame::Text(text.to_owned()),
                Err(()) if message.is_binary() => Frame::Binary(message.into_bytes()),
                Err(()) => Frame::Alive,
            }),
            Some(Err(error)) => Err(gone(&error)),
        }
    }

    /// Says goodbye with a code and gives the peer a moment to read it.
    pub async fn close(mut self, code: u16, reason: impl Into<Cow<'static, str>>) {
        if self.write(Message::close_with(code, reason)).await.is_err() {
            return;
        }
        let drained = async { while let Some(Ok(_)) = self.inner.next().await {} };
        // A peer that does not answer the close is cut.
        let _late = timeout(Duration::from_secs(1), drained).await;
    }
}

/// What an error of the socket library means. Its types are not public; its words for the size limit are stable.
fn gone(error: &warp::Error) -> Gone {
    let text = error.to_string();
    if text.contains("too long") || text.contains("Space limit exceeded") { Gone::TooLarge } else { Gone::Broken }
}
