//! Streams of users that end by themselves, and the bytes of those that ended.
//!
//! Writing is in the log, reading is not: when a stream was last read is kept in memory. After a restart every sliding
//! lifetime begins anew, so that a restart never ends a stream early; it may end late by one lifetime. A stream that
//! somebody is reading does not end. Fixed ends are kept to the millisecond.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::{Arc, Mutex},
};

use tokio::task::JoinSet;

use super::{Relay, RelayError, hub::lock};
use crate::domain::{
    Actor, Command, Event, Record, Sequence, Stream, Timestamp, UserStreamId, World, event::Lifetime, limits,
    user_stream::UserStream,
};

/// When streams were last read, and which to look at when.
pub(super) struct Expiry {
    started_at: Timestamp,
    uses: Mutex<HashMap<UserStreamId, Use>>,
    due: Mutex<Due>,
}

/// When to look at which stream: never later than its end.
#[derive(Debug, Default)]
struct Due {
    order: BTreeSet<(Timestamp, UserStreamId)>,
    of: HashMap<UserStreamId, Timestamp>,
}

impl Due {
    fn set(&mut self, id: UserStreamId, at: Timestamp) {
        self.remove(id);
        self.of.insert(id, at);
        self.order.insert((at, id));
    }

    fn remove(&mut self, id: UserStreamId) {
        if let Some(at) = self.of.remove(&id) {
            self.order.remove(&(at, id));
        }
    }

    fn pop(&mut self, now: Timestamp) -> Option<UserStreamId> {
        let (_, id) = self.order.first().copied().filter(|(at, _)| *at <= now)?;
        self.remove(id);
        Some(id)
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Use {
    readers: usize,
    last: Timestamp,
}

impl Expiry {
    pub(super) fn of(world: &World, started_at: Timestamp) -> Self {
        let live = world.user_streams().iter().filter(|stream| stream.is_live());
        let mut due = Due::default();
        for stream in live {
            if let Some(end) = stream.ends_at(started_at) {
                due.set(stream.id, end);
            }
        }
        Self { started_at, uses: Mutex::default(), due: Mutex::new(due) }
    }

    /// Takes note of the streams that a commit made.
    pub(super) fn note(&self, batch: &[Arc<Record>]) {
        for record in batch {
            let Event::UserStreamCreated(created) = &record.event else { continue };
            let end = match created.lifetime {
                Lifetime::Forever => continue,
                Lifetime::Sliding { seconds } => record.at.plus_ms(seconds.saturating_mul(1_000)),
                Lifetime::Until { at } => at,
            };
            lock(&self.due).set(created.stream, end);
        }
    }

    fn used_at(&self, id: UserStreamId, now: Timestamp) -> Timestamp {
        match lock(&self.uses).get(&id) {
            Some(found) if found.readers > 0 => now,
            Some(found) => found.last.max(self.started_at),
            None => self.started_at,
        }
    }

    /// The streams to look at now, a bounded number of them.
    fn take_due(&self, now: Timestamp) -> Vec<UserStreamId> {
        let mut due = lock(&self.due);
        std::iter::from_fn(|| due.pop(now)).take(limits::EXPIRY_CHECKS_MAX).collect()
    }

    /// There is no such stream any more.
    fn drop_all_of(&self, id: UserStreamId) {
        lock(&self.uses).remove(&id);
        lock(&self.due).remove(id);
    }
}

/// Somebody reads a stream; dropping it says that they stopped now.
pub struct InUse {
    relay: Relay,
    stream: UserStreamId,
}

impl fmt::Debug for InUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InUse").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        let now = self.relay.now();
        if let Some(found) = lock(&self.relay.shared.expiry.uses).get_mut(&self.stream) {
            found.readers = found.readers.saturating_sub(1);
            found.last = now;
        }
    }
}

impl Relay {
    /// Says that somebody reads this stream, if that has a say in when it ends.
    pub fn use_stream(&self, stream: UserStreamId, lifetime: Lifetime) -> Option<InUse> {
        let Lifetime::Sliding { .. } = lifetime else { return None };
        lock(&self.shared.expiry.uses).entry(stream).or_default().readers += 1;
        Some(InUse { relay: self.clone(), stream })
    }

    /// Whether a stream's time is over, though nobody may have recorded it yet.
    pub fn is_over(&self, stream: &UserStream) -> bool {
        let Lifetime::Sliding { .. } = stream.lifetime else {
            return stream.ends_at(Timestamp(0)).is_some_and(|end| end <= self.now());
        };
        let now = self.now();
        stream.ends_at(self.shared.expiry.used_at(stream.id, now)).is_some_and(|end| end <= now)
    }

    /// Records that a stream's time is over, if it still is when the writer looks.
    pub async fn expire(&self, stream: UserStreamId) -> Result<(), RelayError> {
        let used_at = self.shared.expiry.used_at(stream, self.now());
        match self.submit(Actor::System, Command::ExpireUserStream { stream, used_at }).await {
            // Somebody deleted it meanwhile.
            Ok(_) | Err(RelayError::Refused(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Ends the streams whose time is over. Part of the timers.
    pub(super) async fn expire_due(&self) {
        let now = self.now();
        // Together, so that a thousand ends are a commit or two and not a thousand.
        let mut ends = JoinSet::new();
        for id in self.shared.expiry.take_due(now) {
            let used_at = self.shared.expiry.used_at(id, now);
            let end =
                self.world().user_streams().get(id).filter(|found| found.is_live()).and_then(|s| s.ends_at(used_at));
            let Some(end) = end else {
                self.shared.expiry.drop_all_of(id);
                continue;
            };
            if end <= now {
                let relay = self.clone();
                ends.spawn(async move { relay.expire(id).await });
            }
            // Looked at again: when it may be over, or to see that it is.
            lock(&self.shared.expiry.due).set(id, end.max(now.plus_ms(1)));
        }
        while let Some(ended) = ends.join_next().await {
            if let Ok(Err(error)) = ended {
                tracing::debug!(%error, "the end of a stream was not recorded; trying again");
            }
        }
    }

    /// Forgets the bytes of deleted streams, a bounded number of records at a time. Part of the timers.
    pub(super) async fn forget_deleted(&self) {
        let garbage: Vec<UserStreamId> =
            self.world().user_streams().garbage().take(limits::FORGET_STREAMS_MAX).collect();
        let mut records_left = limits::TRIM_RECORDS_MAX;
        for id in garbage {
            match self.forget_stream(id, &mut records_left).await {
                Ok(true) => {}
                // The rest at the next tick: commits go first.
                Ok(false) => return,
                Err(error) => return tracing::debug!(%error, stream = %id, "a deleted stream was not forgotten"),
            }
        }
    }

    /// Forgets what it may of one stream; whether that was all.
    async fn forget_stream(&self, id: UserStreamId, records_left: &mut usize) -> Result<bool, RelayError> {
        let stream = Stream::User(id);
        if let Some(tail) = self.stream_tail(stream)?.filter(|tail| tail.earliest <= tail.latest) {
            let bite = *records_left as u64;
            let through = Sequence(tail.latest.0.min(tail.earliest.0.saturating_add(bite).saturating_sub(1)));
            if bite == 0 {
                return Ok(false);
            }
            *records_left = records_left.saturating_sub(self.trim(stream, through).await?);
            // One trim is bounded, whatever it was asked for.
            if self.stream_tail(stream)?.is_some_and(|tail| tail.earliest <= tail.latest) {
                return Ok(false);
            }
        }
        self.submit(Actor::System, Command::ForgetUserStream { stream: id }).await?;
        self.shared.expiry.drop_all_of(id);
        Ok(true)
    }
}
