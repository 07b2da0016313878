//! What every room is given: the relay, the keys to identity, the limits and the settings. One value instead of nine.

use std::{sync::Arc, time::Duration};

use uuid::Uuid;

use crate::{
    domain::{EnvironmentId, SessionId},
    relay::Relay,
    security::{self, Secret, SigningKeys, Throttle},
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
    /// Silence after which a WebSocket is pinged.
    pub ws_keepalive: Duration,
    /// Silence after which a WebSocket peer is taken for gone; no pong came back either.
    pub ws_idle: Duration,
    /// Origins beside our own whose pages may call us.
    pub cors_origins: Vec<String>,
}

/// See the module.
#[derive(Debug)]
pub struct House {
    pub relay: Relay,
    pub signing: Arc<SigningKeys>,
    pub throttle: Throttle,
    pub settings: Settings,
}

impl House {
    /// A fresh id: random, so that nobody can guess one, and ordered by time, so that lists and B-trees like it.
    pub fn fresh(&self) -> Uuid {
        security::fresh_uuid(self.relay.now())
    }

    /// The token with which a session's worker speaks, valid as long as the session. Goes into work secrets.
    pub fn ingress_token(&self, session: SessionId) -> Secret {
        security::token::ingress(&self.signing, session)
    }

    /// The secret with which a runner polls; the same one whenever it registers again.
    pub fn environment_secret(&self, environment: EnvironmentId) -> Secret {
        security::token::environment(&self.signing, environment)
    }

    /// A worker's JWT for one epoch, and its lifetime in seconds.
    pub fn worker_jwt(&self, session: SessionId, epoch: u64) -> (Secret, u64) {
        let lifetime = self.settings.jwt_lifetime.as_secs();
        (security::token::worker_jwt(&self.signing, session, epoch, self.relay.now(), lifetime), lifetime)
    }
}
