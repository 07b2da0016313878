//! The composition root of `rcsd`: configuration in, a running server out, an orderly end.
//!
//! The listener is bound before the journal is read: a client that comes early waits in the backlog and is never told
//! that its session does not exist.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{net::TcpListener, runtime::Handle, task::JoinHandle};
use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::{
    api::{
        self,
        common::{House, Notify, Outbound, RequestNames, Settings},
        web::{NoLink, make_link},
    },
    config::local_url,
    domain::{Actor, KeyId, limits},
    journal::{JournalError, redb::RedbJournal},
    paths::DataDirectory,
    relay::{Observer, Options, Relay, RelayError, Retention, Terms, WriterHandle},
    security::{
        ApiKey, NoRandomness, PrivateTargets, SigningKeys, Throttle, ThrottleConfig, TrustedProxies, WebhookKeys,
        private_file::PrivateFileError, recipient::Configured, signing::SigningError,
    },
    telemetry::Metrics,
    ui,
    wire::web::LoginLink,
};

mod gauges;
mod keys;
mod linger;
mod listen;
pub mod program;
mod targets;

pub use listen::Door;

/// Everything that a server is started with.
pub struct Start {
    pub listen: SocketAddr,
    pub data: DataDirectory,
    /// Keys from the configuration.
    pub api_keys: Vec<ApiKey>,
    pub settings: Settings,
    pub throttle: ThrottleConfig,
    pub leases: Terms,
    pub retention: Retention,
    pub trusted_proxies: TrustedProxies,
    pub webhook_private_targets: PrivateTargets,
    /// Notification targets from the configuration.
    pub notify: Vec<Configured>,
    /// Whom push services may write to.
    pub push_contact: Option<String>,
    /// Authorities that are trusted besides the public ones, where the server calls others: a file in PEM.
    pub outbound_ca: Option<PathBuf>,
    pub observer: Observer,
    /// The recorder of this process; `None` where a server runs inside another program.
    pub metrics: Option<Metrics>,
}

impl std::fmt::Debug for Start {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Start").field("listen", &self.listen).field("data", &self.data).finish_non_exhaustive()
    }
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen on {address}: {source}; choose another port with --port or RCS_PORT")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("cannot use the data directory {}: {source}; choose another with --data or RCS_DATA", path.display())]
    Data { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Signing(#[from] SigningError),
    #[error(transparent)]
    PrivateFile(#[from] PrivateFileError),
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    #[error("{} holds no usable certificates: {problem}; see --outbound-ca or RCS_OUTBOUND_CA", path.display())]
    Authorities { path: PathBuf, problem: String },
    #[error("the keys could not be set up: {0}")]
    Keys(RelayError),
    #[error("the notification targets could not be set up: {0}")]
    Targets(RelayError),
    #[error("the journal could not be replayed: {0}")]
    Replay(RelayError),
}

/// A server that runs.
#[derive(Debug)]
pub struct Server {
    /// Where it listens; the port is known now if it was 0.
    pub address: SocketAddr,
    /// Where the admin key lies.
    pub admin_key: PathBuf,
    /// Whom a login link lets in as.
    admin: KeyId,
    base_url: String,
    relay: Relay,
    writer: WriterHandle,
    tasks: Vec<JoinHandle<()>>,
}

impl Server {
    /// Starts a server. Returns when it accepts requests.
    pub async fn start(start: Start) -> Result<Self, StartError> {
        prepare_data(start.data.path())?;
        let authorities = start.outbound_ca.as_deref().map(authorities).transpose()?.unwrap_or_default();
        let listening = |source| StartError::Listen { address: start.listen, source };
        let listener = TcpListener::bind(start.listen).await.map_err(listening)?;
        let address = listener.local_addr().map_err(listening)?;
        let signing = Arc::new(SigningKeys::open(&start.data.signing_keys())?);
        let journal = RedbJournal::open_or_create(start.data.journal())?;
        let webhook_keys = Arc::new(WebhookKeys::open(&start.data.webhook_keys())?);
        let options = Options {
            observer: Arc::clone(&start.observer),
            leases: start.leases,
            retention: start.retention,
            lead_max: lead_max(Handle::current().metrics().num_workers()),
            ..Options::default()
        };
        let (relay, writer) = Relay::start(Box::new(journal), options).map_err(StartError::Replay)?;
        keys::configure(&relay, &start.api_keys).await?;
        let (admin_key, admin) = keys::ensure_admin(&relay, &start.data.admin_key()).await?;
        let mut settings = start.settings;
        if settings.base_url.is_empty() {
            settings.base_url = local_url(address);
        }
        let base_url = settings.base_url.clone();
        let (vault, push) = (start.data.vault_key(), start.data.push_key());
        let notify = Notify::open(&vault, &push, start.push_contact.as_deref(), &base_url)?;
        targets::configure(&relay, &notify, admin, &start.notify).await?;
        let throttle = Throttle::new(start.throttle);
        let metrics = gauges::render(relay.clone(), throttle.refusals(), start.metrics.clone());
        let names = RequestNames::since(relay.now());
        let house = Arc::new(House {
            relay: relay.clone(),
            signing,
            throttle,
            settings,
            metrics,
            names,
            outbound: Outbound::new(start.webhook_private_targets, authorities),
            webhook_keys,
            notify,
        });
        let door = Door { trusted_proxies: start.trusted_proxies };
        let serving =
            listen::serve(listener, door, api::Corridor::new(Arc::clone(&house), ui::answer), relay.closing());
        let (timers, forgetting) = (relay.clone(), relay.clone());
        let tasks = vec![
            tokio::spawn(serving),
            tokio::spawn(async move { timers.run_timers().await }),
            tokio::spawn(async move { forgetting.run_retention().await }),
            tokio::spawn(api::streams::subscriptions::deliver(Arc::clone(&house))),
            tokio::spawn(api::web::notify::run(Arc::clone(&house))),
            tokio::spawn(prune(house, start.metrics)),
        ];
        Ok(Self { address, admin_key, admin, base_url, relay, writer, tasks })
    }

    /// A link that lets one browser in as the operator.
    pub async fn login_link(&self) -> Result<LoginLink, NoLink> {
        make_link(&self.relay, &self.base_url, self.admin, Actor::System).await
    }

    /// Ends it in order: refuses new work, tells all streams, lets the writer finish, and cuts what is left after
    /// [`limits::SHUTDOWN_MS`].
    pub async fn stop(self) {
        let Self { relay, writer, tasks, .. } = self;
        relay.close();
        for task in tasks {
            // A task that panicked has ended too.
            let _ended = task.await;
        }
        if tokio::time::timeout(Duration::from_millis(limits::SHUTDOWN_MS), relay.drained()).await.is_err() {
            tracing::warn!("streams were still open after {} ms and are cut", limits::SHUTDOWN_MS);
        }
        let _joined = tokio::task::spawn_blocking(move || writer.join()).await;
    }
}

/// Forgets callers that were quiet for long and keys whose time is over, and folds what was measured, until the server
/// closes.
async fn prune(house: Arc<House>, metrics: Option<Metrics>) {
    let mut closing = house.relay.closing();
    let mut ticks = tokio::time::interval(Duration::from_millis(limits::THROTTLE_PRUNE_MS));
    let mut folds = tokio::time::interval(Duration::from_millis(limits::METRICS_FOLD_MS));
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                house.throttle.prune();
                // Its file may be slow; nothing waits for it.
                drop(tokio::spawn(retire_keys(Arc::clone(&house))));
            }
            _ = folds.tick() => metrics.iter().for_each(Metrics::fold),
            _ = closing.wait_for(|closing| *closing) => return,
        }
    }
}

/// Forgets signing keys whose time is over. Tried again a minute later if the disk refuses.
async fn retire_keys(house: Arc<House>) {
    let (signing, now) = (Arc::clone(&house.signing), house.relay.now());
    match tokio::task::spawn_blocking(move || signing.retire_due(now)).await {
        Ok(Ok(0)) | Err(_) => {}
        Ok(Ok(count)) => tracing::info!(count, "earlier signing keys were retired: tokens they signed are refused"),
        Ok(Err(error)) => tracing::error!(%error, "earlier signing keys could not be retired"),
    }
}

fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, StartError> {
    Outbound::authorities(path).map_err(|problem| StartError::Authorities { path: path.to_owned(), problem })
}

/// Makes the data directory, for its owner only.
fn prepare_data(path: &Path) -> Result<(), StartError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|source| StartError::Data { path: path.into(), source })
}

/// How long a commit may hold up one of the threads that serve. Where one thread serves all, there is no other that
/// could take over at once what it has to do, and while it commits nothing arrives: every command would be alone for
/// ever.
fn lead_max(threads: usize) -> Duration {
    if threads == 1 { Duration::ZERO } else { Options::default().lead_max }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_only_thread_that_serves_never_commits_and_one_of_several_may() {
        assert_eq!(lead_max(1), Duration::ZERO);
        assert!(lead_max(2) > Duration::ZERO);
    }
}
