//! A connection that ends in peace: its peer reads our last words although it is still sending.
//!
//! When a socket is closed with bytes in it that nobody read, the system resets the connection, and the close code or
//! the answer on its way is lost with it. So a connection that we let go of first says that nothing more will come, and
//! then reads away what still arrives, within bounds.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::TcpStream,
    runtime::Handle,
    sync::Semaphore,
    time::timeout,
};

use crate::domain::limits;

/// See the module.
pub(super) struct Lingering {
    /// Taken when it is dropped.
    stream: Option<TcpStream>,
    places: Arc<Semaphore>,
}

impl Lingering {
    /// `places`: how many may linger at once.
    pub(super) const fn new(stream: TcpStream, places: Arc<Semaphore>) -> Self {
        Self { stream: Some(stream), places }
    }

    fn inner(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let Some(stream) = self.stream.take() else { return };
        // Nothing is lost on a peer that is done, or gone.
        let is_over = match stream.try_read(&mut [0; 1]) {
            Ok(read) => read == 0,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        };
        let (Ok(runtime), Ok(place)) = (Handle::try_current(), Arc::clone(&self.places).try_acquire_owned()) else {
            return;
        };
        if is_over {
            return;
        }
        runtime.spawn(async move {
            let _late = timeout(Duration::from_millis(limits::LINGER_MS), read_away(stream)).await;
            drop(place);
        });
    }
}

async fn read_away(mut stream: TcpStream) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut buffer = vec![0; 64 * 1024];
    let mut left = limits::LINGER_BYTES_MAX;
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        let Some(rest) = left.checked_sub(read) else { return };
        left = rest;
    }
}

impl AsyncRead for Lingering {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.inner()?.poll_read(context, buffer)
    }
}

impl AsyncWrite for Lingering {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.inner()?.poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.inner()?.poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner()?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner()?.poll_shutdown(context)
    }
}
