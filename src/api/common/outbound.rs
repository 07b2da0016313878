//! Requests of ours to URLs that somebody else named.
//!
//! Each is one connection, to an address that was looked up for it and checked after that: a name that points elsewhere
//! by now is noticed, whoever changed it. Redirects are answers like any other and not followed. What comes back is
//! read up to a bound.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    path::Path,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header, uri::Authority};
use hyper::{
    body::{Body as _, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring::default_provider,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};

use crate::{
    domain::{limits, subscription::backoff_ms},
    security::PrivateTargets,
};

#[cfg(test)]
mod tests;

/// Where to send something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Over TLS.
    secure: bool,
    host: String,
    port: u16,
    authority: Authority,
    path: String,
}

/// Why a URL is no target of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTarget {
    #[error("is longer than {} bytes", limits::WEBHOOK_URL_BYTES_MAX)]
    TooLong,
    #[error("is no absolute URL with http or https")]
    Form,
    #[error("must not hold a name and password: they would be shown with the URL")]
    Credentials,
    #[error("must begin with https://: http is only for private addresses that the operator allows")]
    Insecure,
    /// The address is not told: whoever may name a URL must not learn what names mean in here.
    #[error("leads to a private or local address, which the operator does not allow")]
    Private(IpAddr),
    #[error("names a host of private networks")]
    PrivateName,
}

/// Why there was no answer. In words for the operator.
#[derive(Debug, thiserror::Error)]
pub enum Unsent {
    #[error("its URL {0}")]
    Target(#[from] BadTarget),
    #[error("its name could not be looked up: {0}")]
    Lookup(io::Error),
    #[error("its name has no address")]
    NoAddress,
    #[error("no connection: {0}")]
    Connect(io::Error),
    #[error("no TLS connection: {0}")]
    Tls(io::Error),
    #[error("no answer: {0}")]
    Http(#[from] hyper::Error),
    #[error("no request could be made of it: {0}")]
    Request(#[from] http::Error),
    #[error("no connection within {} s", limits::WEBHOOK_CONNECT_MS / 1_000)]
    SlowConnect,
    #[error("no whole answer within {} s", limits::WEBHOOK_DELIVERY_MS / 1_000)]
    Slow,
}

/// Why something did not arrive, as it is kept and shown. Others have a hand in the words, so they are bounded and
/// stand on one line.
pub fn reason(why: &impl fmt::Display) -> String {
    let words = why.to_string();
    let mut plain = words.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut kept: String = plain.by_ref().take(limits::UNSENT_REASON_CHARS_MAX).collect();
    if plain.next().is_some() {
        kept.push('\u{2026}');
    }
    kept
}

/// The wait before the next attempt, a fifth more or less by chance: receivers that fail together are not called
/// together.
pub fn retry_ms(failures: u32, dice: u64) -> u64 {
    let base = backoff_ms(failures);
    let fifth = base / 5;
    base - fifth + dice % (2 * fifth + 1)
}

/// An answer, read up to the bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: StatusCode,
    /// `None`: there was more than [`limits::WEBHOOK_ANSWER_BYTES_MAX`].
    pub body: Option<Bytes>,
    /// Seconds that the answer asks to wait before another try.
    pub retry_after: Option<u64>,
}

/// The addresses of a name, in the order in which to try them.
pub type Lookup =
    Arc<dyn Fn(String, u16) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>> + Send + Sync>;

/// The way out of the house.
#[derive(Clone)]
pub struct Outbound {
    private: PrivateTargets,
    lookup: Lookup,
    tls: Arc<ClientConfig>,
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound").field("private", &self.private).finish_non_exhaustive()
    }
}

impl Target {
    /// Reads a URL. Nothing is looked up.
    pub fn parse(url: &str) -> Result<Self, BadTarget> {
        if url.len() > limits::WEBHOOK_URL_BYTES_MAX {
            return Err(BadTarget::TooLong);
        }
        let uri: Uri = url.parse().map_err(|_| BadTarget::Form)?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(BadTarget::Form),
        };
        let authority = uri.authority().ok_or(BadTarget::Form)?.clone();
        if authority.as_str().contains('@') {
            return Err(BadTarget::Credentials);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        if host.is_empty() {
            return Err(BadTarget::Form);
        }
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str).to_owned();
        Ok(Self { secure, host, port, authority, path })
    }

    /// The scheme, the host and the port: what RFC 6454 calls its origin.
    pub fn origin(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}", self.authority.as_str().to_ascii_lowercase())
    }

    /// Names that lead to private networks by their form, wherever they are looked up.
    fn is_private_name(&self) -> bool {
        let host = self.host.trim_end_matches('.');
        let ends = [".localhost", ".local", ".internal", ".home.arpa"];
        host == "localhost" || ends.iter().any(|end| host.ends_with(end))
    }
}

impl Outbound {
    /// Out to the world, and to these private networks. These authorities are trusted besides the public ones.
    pub fn new(private: PrivateTargets, authorities: Vec<CertificateDer<'static>>) -> Self {
        let system: Lookup = Arc::new(|host, port| {
            Box::pin(async move { Ok(tokio::net::lookup_host((host.as_str(), port)).await?.collect()) })
        });
        Self::with_lookup(private, authorities, system)
    }

    /// The certificates of a file in PEM, at least one. Says in words what is wrong with it.
    pub fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
        let mut store = RootCertStore::empty();
        let certificates = CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())?;
        let certificates = certificates.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
        if certificates.is_empty() {
            return Err("there is none in it".into());
        }
        for certificate in &certificates {
            store.add(certificate.clone()).map_err(|error| error.to_string())?;
        }
        Ok(certificates)
    }

    /// The same with another way to look names up.
    ///
    /// # Panics
    ///
    /// If the TLS library has no cipher suites for its own versions.
    pub fn with_lookup(private: PrivateTargets, authorities: Vec<CertificateDer<'static>>, lookup: Lookup) -> Self {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        // What cannot be used was refused when the file was read.
        roots.add_parsable_certificates(authorities);
        let tls = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has suites for the default versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { private, lookup, tls: Arc::new(tls) }
    }

    /// Whether this may be sent to, as far as can be told now. A name that does not resolve in time may be: what counts
    /// is the address when it is connected to.
    pub async fn examine(&self, target: &Target) -> Result<(), BadTarget> {
        if self.private.is_empty() {
            if !target.secure {
                return Err(BadTarget::Insecure);
            }
            if target.is_private_name() {
                return Err(BadTarget::PrivateName);
            }
        }
        let wait = Duration::from_millis(limits::WEBHOOK_RESOLVE_MS);
        match timeout(wait, self.addresses(target)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(Unsent::Target(bad))) => Err(bad),
            // Without an address nothing says that it is one of those where http is allowed.
            _ if !target.secure => Err(BadTarget::Insecure),
            _ => Ok(()),
        }
    }

    /// The addresses of a target, all of them checked: one that may not be reached spoils the name.
    async fn addresses(&self, target: &Target) -> Result<Vec<SocketAddr>, Unsent> {
        let addresses = match target.host.parse::<IpAddr>() {
            Ok(literal) => vec![SocketAddr::new(literal, target.port)],
            Err(_) => (self.lookup)(target.host.clone(), target.port).await.map_err(Unsent::Lookup)?,
        };
        for address in &addresses {
            let ip = address.ip();
            if !self.private.may_reach(ip) {
                return Err(BadTarget::Private(ip).into());
            }
            if !target.secure && !self.private.include(ip) {
                return Err(BadTarget::Insecure.into());
            }
        }
        if addresses.is_empty() { Err(Unsent::NoAddress) } else { Ok(addresses) }
    }

    /// Posts a body and reads the answer, whatever it is.
    pub async fn post(&self, target: &Target, headers: HeaderMap, body: Bytes) -> Result<Answer, Unsent> {
        let whole = async {
            let connecting = Duration::from_millis(limits::WEBHOOK_CONNECT_MS);
            let stream = timeout(connecting, self.connect(target)).await.map_err(|_| Unsent::SlowConnect)??;
            let mut request = Request::new(Whole(Some(body)));
            *request.method_mut() = Method::POST;
            *request.uri_mut() = target.path.parse().map_err(http::Error::from)?;
            *request.headers_mut() = headers;
            let host = HeaderValue::from_str(target.authority.as_str()).map_err(http::Error::from)?;
            request.headers_mut().insert(header::HOST, host);
            request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            exchange(stream, request).await
        };
        timeout(Duration::from_millis(limits::WEBHOOK_DELIVERY_MS), whole).await.map_err(|_| Unsent::Slow)?
    }

    async fn connect(&self, target: &Target) -> Result<Box<dyn Duplex>, Unsent> {
        let addresses = self.addresses(target).await?;
        // By address: nothing is looked up again behind the check.
        let tcp = TcpStream::connect(addresses.as_slice()).await.map_err(Unsent::Connect)?;
        if !target.secure {
            return Ok(Box::new(tcp));
        }
        let name = ServerName::try_from(target.host.clone()).map_err(|_| BadTarget::Form)?;
        let tls = TlsConnector::from(Arc::clone(&self.tls)).connect(name, tcp).await.map_err(Unsent::Tls)?;
        Ok(Box::new(tls))
    }
}

/// A connection, with TLS or without.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

async fn exchange(stream: Box<dyn Duplex>, request: Request<Whole>) -> Result<Answer, Unsent> {
    let io = TokioIo::new(stream);
    let (mut sender, connection) = http1::handshake(io).await?;
    let mut connection = std::pin::pin!(connection);
    let mut answer = std::pin::pin!(async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let wait = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = wait.and_then(|seconds| seconds.trim().parse().ok());
        Ok(Answer { status, body: read(response.into_body()).await?, retry_after })
    });
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        // It ended; whatever it brought is there to be read.
        _ended = &mut connection => answer.await,
    }
}

async fn read(mut body: Incoming) -> Result<Option<Bytes>, hyper::Error> {
    let mut whole = BytesMut::new();
    while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        if let Ok(piece) = frame?.into_data() {
            if whole.len() + piece.len() > limits::WEBHOOK_ANSWER_BYTES_MAX {
                return Ok(None);
            }
            whole.extend_from_slice(&piece);
        }
    }
    Ok(Some(whole.freeze()))
}

/// A body that is there at once.
struct Whole(Option<Bytes>);

impl hyper::body::Body for Whole {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Ready(self.0.take().map(|bytes| Ok(hyper::body::Frame::data(bytes))))
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }
}
