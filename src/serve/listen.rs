//! The accept loop: connections in, requests to the front door, and an orderly end with a time limit.
//!
//! `warp::serve` hides the connection, so this drives hyper itself: it bounds headers and the time to send them, turns
//! Nagle off for small frames, tells the rooms who the peer is, and cuts what is still open when the time is up.

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use http::{HeaderMap, Request};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
};

use super::linger::Lingering;
use crate::{
    api::{Corridor, common::front::Peer},
    domain::limits,
    security::TrustedProxies,
};

/// Why a connection ended, in the words of the HTTP library.
type ConnectionError = Box<dyn std::error::Error + Send + Sync>;

/// What the accept loop needs to know.
#[derive(Debug, Clone)]
pub struct Door {
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: TrustedProxies,
}

/// Serves until `closing` becomes true, then waits for open requests, at most [`limits::SHUTDOWN_MS`].
pub(super) async fn serve(listener: TcpListener, door: Door, corridor: Corridor, mut closing: watch::Receiver<bool>) {
    let (door, corridor) = (Arc::new(door), Arc::new(corridor));
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(limits::CONNECTIONS_MAX));
    let lingering = Arc::new(Semaphore::new(limits::LINGERING_MAX));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = closing.wait_for(|closing| *closing) => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                pause_after(&error).await;
                continue;
            }
        };
        // Beyond the limit the connection is dropped: the client sees a reset and backs off.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let connection = connection(stream, address, &door, &lingering, &corridor);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, peer = %address, "connection ended");
            }
            drop(place);
        });
    }
    drop(listener);
    let limit = Duration::from_millis(limits::SHUTDOWN_MS);
    if tokio::time::timeout(limit, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still open after {} ms and are cut", limits::SHUTDOWN_MS);
    }
}

/// Out of file descriptors or the like: accepting again at once would spin.
async fn pause_after(error: &io::Error) {
    let peer_gave_up = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    );
    if !peer_gave_up {
        tracing::error!(%error, "cannot accept connections; trying again in a second");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn connection(
    stream: TcpStream,
    address: SocketAddr,
    door: &Arc<Door>,
    lingering: &Arc<Semaphore>,
    corridor: &Arc<Corridor>,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = ConnectionError> + Send + 'static {
    // Frames are small and somebody waits for each. A socket that refuses is about to fail anyway.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, peer = %address, "nodelay refused");
    }
    let (door, corridor) = (Arc::clone(door), Arc::clone(corridor));
    let service = service_fn(move |mut request: Request<Incoming>| {
        let peer = client_address(address.ip(), request.headers(), &door.trusted_proxies);
        request.extensions_mut().insert(Peer(peer));
        let corridor = Arc::clone(&corridor);
        // Boxed: a connection keeps room for this as long as it lives, and those of followers live long.
        Box::pin(async move { Ok::<_, Infallible>(corridor.answer(request).await) })
    });
    let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(limits::HEADER_READ_MS))
        .max_buf_size(limits::HEADER_BYTES_MAX)
        .pipeline_flush(true);
    let stream = Lingering::new(stream, Arc::clone(lingering));
    builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned()
}

/// Where the request came from, as far as trusted proxies tell.
fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &TrustedProxies) -> IpAddr {
    let forwarded: Vec<&str> =
        headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).collect();
    trusted.client(peer, forwarded.into_iter())
}
