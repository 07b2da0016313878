//! Who holds the line to an agent, and how somebody else is heard on it.
//!
//! An agent's line is one connection, and many want to ask it something that no journal knows: to be started, to list
//! what it has. A question is a signal: it is kept nowhere, and whoever asked hears when the line is gone. What
//! questions and answers say is the rooms' business.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};

use super::{Held, Lease, Relay, hub::lock};
use crate::domain::{Actor, Command, EnvironmentId, limits};

/// The current line of each agent.
#[derive(Default)]
pub(super) struct Links {
    count: AtomicU64,
    current: Mutex<HashMap<EnvironmentId, Current>>,
    /// Held by whoever is about to take a line.
    arrival: tokio::sync::Mutex<()>,
    viewers: Mutex<HashMap<EnvironmentId, usize>>,
}

struct Current {
    id: u64,
    asks: mpsc::Sender<Question>,
    replaced: watch::Sender<bool>,
}

/// A question for whoever holds a line. Dropping it unanswered tells the asker that the line is gone.
#[derive(Debug)]
pub struct Question {
    pub words: Bytes,
    pub reply: oneshot::Sender<Bytes>,
}

/// Why a question had no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    #[error("nobody holds a line to this agent")]
    Offline,
    #[error("too many questions wait for this agent; try again in a moment")]
    Busy,
    #[error("the line to this agent was cut before it answered")]
    Cut,
}

/// A line that is held. Dropping it lets go of it.
pub struct Link {
    relay: Relay,
    environment: EnvironmentId,
    id: u64,
    asks: mpsc::Receiver<Question>,
    replaced: watch::Receiver<bool>,
    _held: Held,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("environment", &self.environment).field("id", &self.id).finish_non_exhaustive()
    }
}

/// What a holder hears that does not come over its line.
#[derive(Debug)]
pub enum Heard {
    /// A newer line took over.
    Replaced,
    Asked(Question),
}

impl Link {
    /// What comes next. Cancel-safe.
    pub async fn heard(&mut self) -> Heard {
        tokio::select! {
            biased;
            // The sender goes away only after it said so.
            _ = self.replaced.wait_for(|replaced| *replaced) => Heard::Replaced,
            Some(question) = self.asks.recv() => Heard::Asked(question),
        }
    }

    /// Whether no newer line has taken over.
    pub fn is_current(&self) -> bool {
        !*self.replaced.borrow()
    }

    /// Lets go, and tells so at once if nobody else holds a line: those who look on should not wait for a lease to end.
    pub async fn release(self) {
        let (relay, environment) = (self.relay.clone(), self.environment);
        drop(self);
        if relay.is_linked(environment) {
            return;
        }
        let lost = Command::EnvironmentLost { environment };
        if let Err(error) = relay.submit(Actor::System, lost).await {
            tracing::debug!(%error, %environment, "the end of a line was not recorded");
        }
        // A new line may have come while that was on its way.
        if relay.is_linked(environment) {
            relay.announce(Lease::Environment(environment)).await;
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let mut current = lock(&self.relay.shared.links.current);
        if current.get(&self.environment).is_some_and(|found| found.id == self.id) {
            current.remove(&self.environment);
        }
    }
}

/// A viewer's place. Dropping it leaves it.
pub struct Viewing {
    relay: Relay,
    environment: EnvironmentId,
}

impl fmt::Debug for Viewing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Viewing").field("environment", &self.environment).finish_non_exhaustive()
    }
}

impl Drop for Viewing {
    fn drop(&mut self) {
        let mut viewers = lock(&self.relay.shared.links.viewers);
        if let Some(count) = viewers.get_mut(&self.environment) {
            *count -= 1;
            if *count == 0 {
                viewers.remove(&self.environment);
            }
        }
    }
}

impl Relay {
    /// Makes a new line the one to this agent.
    pub fn link(&self, environment: EnvironmentId) -> Link {
        let links = &self.shared.links;
        let id = links.count.fetch_add(1, Ordering::Relaxed);
        let (sender, asks) = mpsc::channel(limits::AGENT_ASKS_MAX);
        let (says, replaced) = watch::channel(false);
        let before = lock(&links.current).insert(environment, Current { id, asks: sender, replaced: says });
        if let Some(before) = before {
            before.replaced.send_replace(true);
        }
        let held = self.hold(Lease::Environment(environment));
        Link { relay: self.clone(), environment, id, asks, replaced, _held: held }
    }

    /// Waits for the right to take a line: while it is held nobody else takes one.
    pub async fn arrival(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.shared.links.arrival.lock().await
    }

    /// A viewer's place at this agent, if there is one left.
    pub fn view(&self, environment: EnvironmentId) -> Option<Viewing> {
        let mut viewers = lock(&self.shared.links.viewers);
        let count = viewers.entry(environment).or_default();
        if *count >= limits::AGENT_VIEWERS_MAX {
            return None;
        }
        *count += 1;
        Some(Viewing { relay: self.clone(), environment })
    }

    /// Whether somebody holds a line to this agent at this moment.
    pub fn is_linked(&self, environment: EnvironmentId) -> bool {
        lock(&self.shared.links.current).contains_key(&environment)
    }

    /// All agents to which somebody holds a line.
    pub fn linked(&self) -> Vec<EnvironmentId> {
        lock(&self.shared.links.current).keys().copied().collect()
    }

    /// Asks whoever holds the line to this agent. Waits as long as the line is held.
    pub async fn ask(&self, environment: EnvironmentId, words: Bytes) -> Result<Bytes, NoAnswer> {
        let (reply, answer) = oneshot::channel();
        {
            let current = lock(&self.shared.links.current);
            let line = current.get(&environment).ok_or(NoAnswer::Offline)?;
            line.asks.try_send(Question { words, reply }).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => NoAnswer::Busy,
                mpsc::error::TrySendError::Closed(_) => NoAnswer::Offline,
            })?;
        }
        answer.await.map_err(|_| NoAnswer::Cut)
    }
}
