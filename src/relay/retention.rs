//! What may be forgotten, and when.
//!
//! By default nothing is. With an age set, the words of sessions that were archived and have been quiet for so long are
//! forgotten: their streams keep their numbers and their place in the chain, and a reader below the horizon is told
//! where the stream now begins. What decisions rest on stays.

use std::time::Duration;

use super::{Relay, RelayError};
use crate::domain::{Sequence, SessionId, Stream, Timestamp, limits};

/// How long words are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Quiet time after which an archived session's streams are trimmed; `None` keeps them for ever.
    pub archived_after: Option<Duration>,
}

impl Relay {
    /// Applies the policy now and then, until the relay closes.
    pub async fn run_retention(&self, policy: Retention) {
        let Some(age) = policy.archived_after else { return };
        let mut closing = self.closing();
        let mut ticks = tokio::time::interval(Duration::from_millis(limits::RETENTION_INTERVAL_MS));
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = closing.wait_for(|closing| *closing) => return,
            }
            match self.forget_archived(age).await {
                Ok(0) => {}
                Ok(records) => tracing::info!(records, "archived sessions were trimmed"),
                // Tried again at the next tick; nothing depends on it.
                Err(error) => tracing::warn!(%error, "archived sessions could not be trimmed"),
            }
        }
    }

    /// Trims every archived session that has been quiet for `age`. Returns how many records were forgotten.
    pub async fn forget_archived(&self, age: Duration) -> Result<usize, RelayError> {
        let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        let before = Timestamp(self.now().0.saturating_sub(age_ms));
        let due: Vec<SessionId> = {
            let world = self.world();
            let archived = world.sessions().filter(|session| session.archived_at.is_some());
            archived.filter(|session| session.active_at <= before).map(|session| session.id).collect()
        };
        let mut forgotten = 0;
        for session in due {
            for stream in [Stream::Session(session), Stream::Transcript(session)] {
                let Some(tail) = self.stream_tail(stream)? else { continue };
                if tail.earliest <= tail.latest {
                    forgotten += self.trim(stream, Sequence(tail.latest.0)).await?;
                }
            }
        }
        Ok(forgotten)
    }
}
