//! The accept loop: connections in, requests to the front door, and an orderly end with a time limit.
//!
//! `warp::serve` hides the connection, so this drives hyper itself: it bounds headers and the time to send them, turns
//! Nagle off for small frames, tells the rooms who the peer is, and cuts what is still open when the time is up.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use http::{HeaderMap, Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
};
use warp::filters::BoxedFilter;

use crate::{
    api::common::{Response, front::Peer},
    domain::limits,
};

/// What the accept loop needs to know.
#[derive(Debug, Clone)]
pub struct Door {
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
}

/// Serves until `closing` becomes true, then waits for open requests, at most [`limits::SHUTDOWN_MS`].
pub async fn serve(
    listener: TcpListener,
    door: Door,
    filter: BoxedFilter<(Response,)>,
    mut closing: watch::Receiver<bool>,
) {
    let door = Arc::new(door);
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(limits::CONNECTIONS_MAX));
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
        let connection = connection(stream, address, &door, filter.clone());
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
    filter: BoxedFilter<(Response,)>,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> + Send + 'static {
    // Frames are small and somebody waits for each. A socket that refuses is about to fail anyway.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, peer = %address, "nodelay refused");
    }
    let rooms = TowerToHyperService::new(warp::service(filter));
    let door = Arc::clone(door);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let peer = client_address(address.ip(), request.headers(), &door.trusted_proxies);
        request.extensions_mut().insert(Peer(peer));
        hyper::service::Service::call(&rooms, request)
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(limits::HEADER_READ_MS))
        .max_buf_size(limits::HEADER_BYTES_MAX)
        .pipeline_flush(true)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
}

/// The nearest address that is no trusted proxy. Whoever is not trusted speaks for itself only.
fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpAddr]) -> IpAddr {
    if !trusted.contains(&peer) {
        return peer;
    }
    let forwarded = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let hops: Vec<IpAddr> = forwarded.flat_map(|value| value.split(',')).filter_map(|hop| hop.trim().parse().ok()).collect();
    hops.into_iter().rev().find(|hop| !trusted.contains(hop)).unwrap_or(peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_speak_for_others() {
        let proxy: IpAddr = "10.0.0.1".parse().expect("address");
        let stranger: IpAddr = "203.0.113.9".parse().expect("address");
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "198.51.100.7, 203.0.113.5".parse().expect("header"));
        headers.append("x-forwarded-for", "10.0.0.1".parse().expect("header"));
        let seen = |peer| client_address(peer, &headers, &[proxy]);
        assert_eq!(seen(stranger), stranger);
        assert_eq!(seen(proxy), "203.0.113.5".parse::<IpAddr>().expect("address"));
        assert_eq!(client_address(proxy, &HeaderMap::new(), &[proxy]), proxy);
    }
}
