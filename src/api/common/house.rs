//! What every room is given: the relay, the keys to identity, the limits and the settings. One value instead of nine.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use uuid::Uuid;

use super::{notify::Notify, outbound::Outbound};
use crate::{
    domain::{Actor, Command, EnvironmentId, Outcome, SessionId, Timestamp, limits},
    relay::{Relay, RelayError},
    security::{
        self, AnonymousRights, NoRandomness, Secret, SigningKeys, Throttle, WebhookKeys,
        token::{WorkerClaims, sign_environment, sign_session, sign_worker},
    },
};

/// Settings that rooms see.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How clients reach us, without a trailing slash.
    pub base_url: String,
    pub version: String,
    /// How long a long poll is held. ccb gives up after 10 s.
    pub poll_timeout: Duration,
    /// Silence after which a stream sends a comment. ccb gives a silent stream up after 45 s.
    pub sse_keepalive: Duration,
    pub jwt_lifetime: Duration,
    /// How often each WebSocket is pinged.
    pub ws_keepalive: Duration,
    /// Silence after which a WebSocket peer is taken for gone; no pong came back either.
    pub ws_idle: Duration,
    /// Origins beside our own whose pages may call us.
    pub cors_origins: Vec<String>,
    /// What callers without a credential may do with streams.
    pub streams_anonymous: AnonymousRights,
    /// How long a long poll on a stream is held.
    pub streams_poll: Duration,
    /// How long an event stream of a stream lasts before its reader has to come back.
    pub streams_sse: Duration,
}

/// Names requests that come without one: the moment of the start and a running number, so that no two are alike.
#[derive(Debug)]
pub struct RequestNames {
    started_at: Timestamp,
    next: AtomicU64,
}

impl RequestNames {
    /// Names for a server that started then.
    pub const fn since(started_at: Timestamp) -> Self {
        Self { started_at, next: AtomicU64::new(1) }
    }

    /// A name that no other request has.
    pub fn next(&self) -> String {
        format!("{:x}-{:x}", self.started_at.0, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// Draws the metrics page.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// See the module.
pub struct House {
    pub relay: Relay,
    pub signing: Arc<SigningKeys>,
    pub throttle: Throttle,
    pub settings: Settings,
    pub metrics: RenderMetrics,
    pub names: RequestNames,
    /// The way to webhooks.
    pub outbound: Outbound,
    /// What they verify us with.
    pub webhook_keys: Arc<WebhookKeys>,
    /// What telling people needs.
    pub notify: Notify,
}

impl std::fmt::Debug for House {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("House").field("relay", &self.relay).field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl House {
    /// A fresh id: random, so that nobody can guess one, and ordered by time, so that lists and B-trees like it.
    pub fn fresh(&self) -> Result<Uuid, NoRandomness> {
        security::fresh_uuid(self.relay.now())
    }

    /// Carries out what the server itself has to say, waiting for a writer that is behind: nobody else would say it.
    pub async fn note(&self, command: Command) -> Result<Outcome, RelayError> {
        loop {
            match self.relay.submit(Actor::System, command.clone()).await {
                Err(RelayError::Busy { .. }) => {
                    tokio::time::sleep(Duration::from_millis(limits::BUSY_RETRY_MS)).await;
                }
                noted => return noted,
            }
        }
    }

    /// The token with which a session's worker speaks, valid as long as the session. Goes into work secrets.
    pub fn ingress_token(&self, session: SessionId) -> Secret {
        sign_session(&self.signing, session)
    }

    /// The secret with which a runner polls; the same one whenever it registers again.
    pub fn environment_secret(&self, environment: EnvironmentId) -> Secret {
        sign_environment(&self.signing, environment)
    }

    /// A worker's JWT for one epoch, and its lifetime in seconds.
    pub fn worker_jwt(&self, session: SessionId, epoch: u64) -> (Secret, u64) {
        let seconds = self.settings.jwt_lifetime.as_secs();
        let issued_at = self.relay.now();
        let expires_at = issued_at.plus_ms(seconds.saturating_mul(1_000));
        (sign_worker(&self.signing, WorkerClaims { session, epoch, issued_at, expires_at }), seconds)
    }
}
