//! Which connection speaks for a session's worker. The newest does; the one before is told to go.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::watch;

use super::{Held, Lease, Relay, hub::lock};
use crate::domain::SessionId;

/// The current connection of each session.
#[derive(Default)]
pub(super) struct Connections {
    count: AtomicU64,
    current: Mutex<HashMap<SessionId, Current>>,
}

struct Current {
    id: u64,
    /// The epoch that its token names, if it names one.
    epoch: Option<u64>,
    replaced: watch::Sender<bool>,
}

/// A worker's open connection. Dropping it starts the worker's grace time, unless a newer one took its place.
pub struct Connection {
    relay: Relay,
    session: SessionId,
    id: u64,
    replaced: watch::Receiver<bool>,
    _held: Held,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("session", &self.session).field("id", &self.id).finish_non_exhaustive()
    }
}

impl Connection {
    /// Whether no newer connection of the same session has taken over yet.
    pub fn is_current(&self) -> bool {
        !*self.replaced.borrow()
    }

    /// Completes when a newer connection of the same session has taken over.
    pub async fn replaced(&mut self) {
        // The sender goes away only after it said so.
        let _said = self.replaced.wait_for(|replaced| *replaced).await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut current = lock(&self.relay.shared.connections.current);
        if current.get(&self.session).is_some_and(|found| found.id == self.id) {
            current.remove(&self.session);
        }
    }
}

impl Relay {
    /// Makes a new connection the one that speaks for the session's worker, and holds its lease while it lasts.
    pub fn connect(&self, session: SessionId) -> Connection {
        self.connect_as(session, None)
    }

    /// As [`connect`](Self::connect), for a worker whose token names its epoch.
    pub fn connect_as(&self, session: SessionId, epoch: Option<u64>) -> Connection {
        let connections = &self.shared.connections;
        let id = connections.count.fetch_add(1, Ordering::Relaxed);
        let sender = watch::Sender::new(false);
        let replaced = sender.subscribe();
        let before = lock(&connections.current).insert(session, Current { id, epoch, replaced: sender });
        if let Some(before) = before {
            before.replaced.send_replace(true);
        }
        let held = self.hold(Lease::Worker(session));
        Connection { relay: self.clone(), session, id, replaced, _held: held }
    }

    /// The epoch for which the session's open connection was made; `None` if none is open or it named none.
    pub fn connected_epoch(&self, session: SessionId) -> Option<u64> {
        lock(&self.shared.connections.current).get(&session).and_then(|found| found.epoch)
    }

    /// Whether a worker's connection is open at this moment.
    pub fn is_connected(&self, session: SessionId) -> bool {
        lock(&self.shared.connections.current).contains_key(&session)
    }
}
