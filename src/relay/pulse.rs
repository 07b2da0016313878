//! How the disk has been of late, for whoever looks after the server: how long commits took, and the last copy.
//!
//! In memory and bounded: what matters longer than a process is a metric or an event.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::Relay;
use crate::domain::{Timestamp, limits};

/// Of the last commits, at most [`limits::COMMITS_REMEMBERED`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitTimes {
    /// How many were looked at.
    pub commits: usize,
    pub median: Duration,
    /// One in a hundred took longer.
    pub slow: Duration,
    pub slowest: Duration,
}

/// A copy that was handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    pub at: Timestamp,
    pub bytes: u64,
}

/// What the relay remembers of it.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    took: Mutex<VecDeque<Duration>>,
    copied: Mutex<Option<Copied>>,
}

impl Pulse {
    /// One commit, sync included.
    pub(super) fn commit(&self, took: Duration) {
        let mut last = self.took.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() == limits::COMMITS_REMEMBERED {
            last.pop_front();
        }
        last.push_back(took);
    }

    pub(super) fn copied(&self, copied: Copied) {
        *self.copied.lock().unwrap_or_else(PoisonError::into_inner) = Some(copied);
    }
}

impl Relay {
    /// How long the last commits took; `None` before the first.
    pub fn commit_times(&self) -> Option<CommitTimes> {
        let mut took: Vec<Duration> =
            self.shared.pulse.took.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        took.sort_unstable();
        let slowest = *took.last()?;
        let at = |hundredths: usize| took[(took.len() - 1) * hundredths / 100];
        Some(CommitTimes { commits: took.len(), median: at(50), slow: at(99), slowest })
    }

    /// The last backup that was asked for since the start, if there was one. Those that were made of the file are not
    /// known here.
    pub fn last_copy(&self) -> Option<Copied> {
        *self.shared.pulse.copied.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_slow_ones_are_told_from_the_rest_and_old_ones_are_forgotten() {
        let relay = Relay::in_memory();
        assert_eq!((relay.commit_times(), relay.last_copy()), (None, None));
        let pulse = &relay.shared.pulse;
        for _ in 0..limits::COMMITS_REMEMBERED {
            pulse.commit(Duration::from_mins(1));
        }
        for ms in 1..=limits::COMMITS_REMEMBERED as u64 {
            pulse.commit(Duration::from_millis(ms));
        }
        let times = relay.commit_times().expect("there were some");
        assert_eq!(times.commits, limits::COMMITS_REMEMBERED);
        assert_eq!(times.slowest, Duration::from_millis(limits::COMMITS_REMEMBERED as u64), "the minute is forgotten");
        assert!(times.median * 2 <= times.slowest + Duration::from_millis(1));
        assert!(times.slow < times.slowest && times.slow > times.median);
    }
}
