//! How often somebody may: token buckets per principal, or per address before authentication, and a count of open
//! polls.
//!
//! A throttle protects others from one client that runs wild; what protects the server from all of them together are
//! the bounded queues below. So the defaults are generous, and the answer is 429 with the seconds to wait.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::NoOpMiddleware,
    state::keyed::DefaultKeyedStateStore,
};

use super::principal::ThrottleKey;
use crate::domain::limits;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ThrottleKind {
    /// Environments registered and sessions begun, per principal.
    Registration,
    /// By address: before a password or login link is tried, and after a bearer token was refused. A good key always
    /// passes: behind a proxy that is not trusted everybody has one address, and one of them could lock out all.
    Login,
    /// Messages received from a worker or written by a client, per principal.
    Ingestion,
}

/// So much per second in the long run, so much at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How long until one more is allowed.
    pub interval: Duration,
    /// How many are allowed at once after a silence.
    pub burst: u32,
}

impl Rate {
    /// So many per second; 0 counts as 1.
    pub const fn per_second(count: u32, burst: u32) -> Self {
        let count = if count == 0 { 1 } else { count as u64 };
        Self { interval: Duration::from_nanos(1_000_000_000 / count), burst }
    }
}

/// All rates; by default those of [`limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThrottleConfig {
    pub registration: Rate,
    pub login: Rate,
    pub ingestion: Rate,
    /// Long polls open at once, per principal.
    pub polls_max: usize,
}

impl Default for ThrottleConfig {
    fn default() -> Self {
        Self {
            registration: Rate::per_second(limits::REGISTRATIONS_PER_SECOND, limits::REGISTRATIONS_BURST),
            login: Rate { interval: Duration::from_mins(1) / limits::LOGINS_PER_MINUTE, burst: limits::LOGINS_BURST },
            ingestion: Rate::per_second(limits::MESSAGES_PER_SECOND, limits::MESSAGES_BURST),
            polls_max: limits::POLLS_PER_PRINCIPAL_MAX,
        }
    }
}

/// Too often: 429, and how long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many requests: try again in {seconds} s")]
pub struct RetryAfter {
    /// Whole seconds, at least 1, as the header wants them.
    pub seconds: u64,
}

/// How often each throttle said no, since the start.
#[derive(Debug, Default)]
pub struct Refusals {
    registration: AtomicU64,
    login: AtomicU64,
    ingestion: AtomicU64,
    polls: AtomicU64,
    searches: AtomicU64,
    audits: AtomicU64,
}

impl Refusals {
    /// Each throttle's name and number.
    pub fn counts(&self) -> [(&'static str, u64); 6] {
        let Self { registration, login, ingestion, polls, searches, audits } = self;
        let named = [
            ("registration", registration),
            ("login", login),
            ("ingestion", ingestion),
            ("polls", polls),
            ("searches", searches),
            ("audits", audits),
        ];
        named.map(|(name, count)| (name, count.load(Ordering::Relaxed)))
    }

    const fn of(&self, kind: ThrottleKind) -> &AtomicU64 {
        match kind {
            ThrottleKind::Registration => &self.registration,
            ThrottleKind::Login => &self.login,
            ThrottleKind::Ingestion => &self.ingestion,
        }
    }
}

fn one_more(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

type Buckets<C> =
    RateLimiter<ThrottleKey, DefaultKeyedStateStore<ThrottleKey>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// All throttles of the server. Tests bring a clock of their own.
pub struct Throttle<C: Clock = DefaultClock> {
    clock: C,
    registration: Buckets<C>,
    login: Buckets<C>,
    ingestion: Buckets<C>,
    ingestion_burst: u32,
    polls: Arc<Polls>,
    searches: Arc<Polls>,
    audits: Arc<Polls>,
    polls_max: usize,
    refusals: Arc<Refusals>,
}

impl<C: Clock> std::fmt::Debug for Throttle<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Throttle").field("polls_max", &self.polls_max).finish_non_exhaustive()
    }
}

impl Throttle {
    /// Starts with nobody counted.
    pub fn new(config: ThrottleConfig) -> Self {
        Self::with_clock(config, DefaultClock::default())
    }
}

impl<C: Clock + Clone> Throttle<C> {
    fn with_clock(config: ThrottleConfig, clock: C) -> Self {
        Self {
            registration: buckets(config.registration, &clock),
            login: buckets(config.login, &clock),
            ingestion: buckets(config.ingestion, &clock),
            clock,
            ingestion_burst: config.ingestion.burst.max(1),
            polls: Arc::default(),
            searches: Arc::default(),
            audits: Arc::default(),
            polls_max: config.polls_max,
            refusals: Arc::default(),
        }
    }

    /// How often it said no: for metrics.
    pub fn refusals(&self) -> Arc<Refusals> {
        Arc::clone(&self.refusals)
    }

    /// Counts one, or says how long to wait; nothing is counted then.
    pub fn check(&self, kind: ThrottleKind, key: ThrottleKey) -> Result<(), RetryAfter> {
        let buckets = self.buckets(kind);
        let checked = buckets.check_key(&seat(buckets, key)).map_err(|until| self.wait(&until));
        checked.inspect_err(|_| one_more(self.refusals.of(kind)))
    }

    /// Counts so many messages at once, all or none. A batch larger than the burst counts as the burst, so that it
    /// passes after a silence instead of never.
    pub fn check_messages(&self, key: ThrottleKey, count: usize) -> Result<(), RetryAfter> {
        let count = u32::try_from(count).unwrap_or(u32::MAX).min(self.ingestion_burst);
        let Some(count) = NonZeroU32::new(count) else { return Ok(()) };
        let checked = match self.ingestion.check_key_n(&seat(&self.ingestion, key), count) {
            Ok(outcome) => outcome.map_err(|until| self.wait(&until)),
            Err(_) => Err(RetryAfter { seconds: limits::POLL_RETRY_SECONDS }),
        };
        checked.inspect_err(|_| one_more(&self.refusals.ingestion))
    }

    /// Takes one of the principal's places for a long poll; dropping it frees the place.
    pub fn open_poll(&self, key: ThrottleKey) -> Result<PollPlace, RetryAfter> {
        let place = self.polls.take(key, self.polls_max);
        place.ok_or(RetryAfter { seconds: limits::POLL_RETRY_SECONDS }).inspect_err(|_| one_more(&self.refusals.polls))
    }

    /// Takes one of the principal's places for a search; dropping it frees the place.
    pub fn open_search(&self, key: ThrottleKey) -> Result<PollPlace, RetryAfter> {
        let place = self.searches.take(key, limits::SEARCHES_PER_PRINCIPAL_MAX);
        place.ok_or(RetryAfter { seconds: 1 }).inspect_err(|_| one_more(&self.refusals.searches))
    }

    /// Takes the place for a walk over the whole journal; dropping it frees the place. It is everybody's: what it costs
    /// is the disk, whoever asks.
    pub fn open_audit(&self) -> Result<PollPlace, RetryAfter> {
        let place = self.audits.take(ThrottleKey::Crowd, limits::AUDIT_WALKS_MAX);
        let seconds = limits::POLL_RETRY_SECONDS;
        place.ok_or(RetryAfter { seconds }).inspect_err(|_| one_more(&self.refusals.audits))
    }

    /// Forgets whoever was quiet long enough to be as good as new. Due every [`limits::THROTTLE_PRUNE_MS`].
    pub fn prune(&self) {
        for buckets in [&self.registration, &self.login, &self.ingestion] {
            buckets.retain_recent();
            buckets.shrink_to_fit();
        }
    }

    fn wait(&self, until: &governor::NotUntil<C::Instant>) -> RetryAfter {
        RetryAfter { seconds: until.wait_time_from(self.clock.now()).as_secs().saturating_add(1) }
    }

    const fn buckets(&self, kind: ThrottleKind) -> &Buckets<C> {
        match kind {
            ThrottleKind::Registration => &self.registration,
            ThrottleKind::Login => &self.login,
            ThrottleKind::Ingestion => &self.ingestion,
        }
    }
}

fn buckets<C: Clock + Clone>(rate: Rate, clock: &C) -> Buckets<C> {
    let burst = NonZeroU32::new(rate.burst).unwrap_or(NonZeroU32::MIN);
    let interval = rate.interval.max(Duration::from_nanos(1));
    let quota = Quota::with_period(interval).expect("the interval is at least a nanosecond");
    RateLimiter::dashmap_with_clock(quota.allow_burst(burst), clock.clone())
}

/// Principals are bounded by the world; addresses are not, so when their table is full the new ones share a seat.
fn seat<C: Clock>(buckets: &Buckets<C>, key: ThrottleKey) -> ThrottleKey {
    match key {
        ThrottleKey::Address(_) if buckets.len() >= limits::THROTTLE_ADDRESSES_MAX => ThrottleKey::Crowd,
        key => key,
    }
}

/// What is open per principal; a principal with nothing open has no entry.
#[derive(Debug, Default)]
struct Polls(Mutex<HashMap<ThrottleKey, usize>>);

impl Polls {
    /// One more for this principal, if it has fewer than `max`.
    fn take(self: &Arc<Self>, key: ThrottleKey, max: usize) -> Option<PollPlace> {
        let mut open = self.lock();
        let count = open.get(&key).copied().unwrap_or(0);
        if count >= max {
            return None;
        }
        open.insert(key, count + 1);
        Some(PollPlace { key, polls: Arc::clone(self) })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ThrottleKey, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place for one long poll, search or audit, held while it is open.
#[derive(Debug)]
#[must_use = "dropping it frees the place"]
pub struct PollPlace {
    key: ThrottleKey,
    polls: Arc<Polls>,
}

impl Drop for PollPlace {
    fn drop(&mut self) {
        let mut open = self.polls.lock();
        if let Some(count) = open.get_mut(&self.key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn key(last: u8) -> ThrottleKey {
        ThrottleKey::address([192, 0, 2, last].into())
    }

    fn throttle(burst: u32) -> Throttle {
        let hourly = Rate { interval: Duration::from_hours(1), burst };
        Throttle::new(ThrottleConfig { login: hourly, ingestion: hourly, polls_max: 2, ..ThrottleConfig::default() })
    }

    #[test]
    fn each_key_has_its_own_bucket_and_is_told_how_long_to_wait() {
        let throttle = throttle(2);
        assert_eq!(throttle.check(ThrottleKind::Login, key(1)), Ok(()));
        assert_eq!(throttle.check(ThrottleKind::Login, key(1)), Ok(()));
        let refused = throttle.check(ThrottleKind::Login, key(1)).unwrap_err();
        assert!((3_500..=3_601).contains(&refused.seconds), "{refused}");
        assert_eq!(throttle.check(ThrottleKind::Login, key(2)), Ok(()));
        assert_eq!(throttle.check(ThrottleKind::Registration, key(1)), Ok(()));
    }

    #[test]
    fn a_batch_counts_as_its_messages_and_is_never_refused_for_ever() {
        let throttle = throttle(10);
        assert_eq!(throttle.check_messages(key(1), 8), Ok(()));
        assert!(throttle.check_messages(key(1), 3).is_err());
        assert_eq!(throttle.check_messages(key(1), 2), Ok(()), "a refused batch counts nothing");
        assert_eq!(throttle.check_messages(key(2), 1_000), Ok(()));
        assert_eq!(throttle.check_messages(key(1), 0), Ok(()));
    }

    #[test]
    fn one_key_may_use_the_whole_server() {
        let throttle = Throttle::new(ThrottleConfig::default());
        for _ in 0..60 {
            assert_eq!(throttle.check_messages(key(1), 1_000), Ok(()));
        }
    }

    #[test]
    fn a_poll_place_is_free_again_when_the_poll_ends() {
        let throttle = throttle(1);
        let first = throttle.open_poll(key(1)).expect("free");
        let _second = throttle.open_poll(key(1)).expect("free");
        assert!(throttle.open_poll(key(1)).is_err());
        assert!(throttle.open_poll(key(2)).is_ok());
        drop(first);
        assert!(throttle.open_poll(key(1)).is_ok());
        assert_eq!(throttle.polls.lock().len(), 1, "who holds none has no entry");
    }

    #[test]
    fn whoever_was_quiet_is_forgotten() {
        let clock = FakeRelativeClock::default();
        let hourly = Rate { interval: Duration::from_hours(1), burst: 1 };
        let config = ThrottleConfig { login: hourly, ..ThrottleConfig::default() };
        let throttle = Throttle::with_clock(config, clock.clone());
        throttle.check(ThrottleKind::Login, key(1)).expect("fresh");
        clock.advance(Duration::from_mins(30));
        throttle.prune();
        assert_eq!(throttle.login.len(), 1);
        let refused = throttle.check(ThrottleKind::Login, key(1)).unwrap_err();
        assert_eq!(refused.seconds, 1_801);
        // As good as new after the hour, and let go an interval later at the latest.
        clock.advance(Duration::from_mins(91));
        throttle.prune();
        assert!(throttle.login.is_empty());
        throttle.check(ThrottleKind::Login, key(1)).expect("as good as new");
    }

    #[test]
    fn each_refusal_is_counted_under_what_was_counted() {
        let throttle = throttle(1);
        for _ in 0..3 {
            let _checked = throttle.check(ThrottleKind::Login, key(1));
        }
        let _checked = throttle.check_messages(key(1), 1);
        let _refused = throttle.check_messages(key(1), 1);
        let _places = [throttle.open_poll(key(1)), throttle.open_poll(key(1)), throttle.open_poll(key(1))];
        let (_walking, _refused) = (throttle.open_audit(), throttle.open_audit());
        let counts =
            [("registration", 0), ("login", 2), ("ingestion", 1), ("polls", 1), ("searches", 0), ("audits", 1)];
        assert_eq!(throttle.refusals().counts(), counts);
    }

    #[test]
    fn addresses_beyond_the_table_share_a_seat() {
        let throttle = throttle(1);
        for n in 0..u32::try_from(limits::THROTTLE_ADDRESSES_MAX).expect("small") {
            throttle.check(ThrottleKind::Login, ThrottleKey::address(n.to_be_bytes().into())).expect("fresh");
        }
        let late = |n: u8| throttle.check(ThrottleKind::Login, ThrottleKey::address([203, 0, 113, n].into()));
        assert_eq!(late(1), Ok(()));
        assert!(late(2).is_err());
        assert_eq!(throttle.login.len(), limits::THROTTLE_ADDRESSES_MAX + 1);
    }
}
