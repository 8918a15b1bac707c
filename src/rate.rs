//! Rates: how much somebody may do over time, and how much at once; and how often the log says
//! the same.

use std::{
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use quick_cache::sync::Cache;

/// A permitted rate: so many a second on average, so many at once. Uses the generic cell rate
/// algorithm (ITU-T I.371): the only state is one moment in time.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// The time one costs; zero means no limit.
    cost: Duration,
    /// How far ahead of time one may be.
    burst: Duration,
}

/// A wait as clients are told it: in seconds, rounded up.
pub fn whole_seconds(wait: Duration) -> u32 {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

/// How much of a rate somebody has used.
#[derive(Clone, Copy, Debug)]
pub struct Usage(Instant);

impl Usage {
    /// Nothing used yet.
    pub fn none(now: Instant) -> Self {
        Self(now)
    }
}

impl Rate {
    /// `count` in each `period`, and `burst` at once. A count of 0 means no limit.
    pub fn new(count: u32, period: Duration, burst: u32) -> Self {
        let cost = if count == 0 { Duration::ZERO } else { period / count };
        Self { cost, burst: cost.saturating_mul(burst) }
    }

    /// Takes one.
    ///
    /// # Errors
    /// After how long one may try again.
    pub fn take(&self, usage: &mut Usage, now: Instant) -> Result<(), Duration> {
        if self.cost.is_zero() {
            return Ok(());
        }
        let next = usage.0.max(now) + self.cost;
        match next.checked_duration_since(now + self.burst) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => {
                usage.0 = next;
                Ok(())
            }
        }
    }
}

/// A rate for each of many keys. Remembers a bounded number of them; a key that is forgotten
/// starts afresh.
pub struct KeyedRate<K> {
    rate: Rate,
    usage: Cache<K, Arc<Mutex<Usage>>>,
}

/// The rate of one key, held by whoever uses it often.
#[derive(Clone)]
pub struct SharedRate {
    rate: Rate,
    usage: Arc<Mutex<Usage>>,
}

impl SharedRate {
    /// Takes one.
    ///
    /// # Errors
    /// After how long one may try again.
    pub fn take(&self, now: Instant) -> Result<(), Duration> {
        let mut usage = self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        self.rate.take(&mut usage, now)
    }
}

impl<K: Eq + Hash + Clone> KeyedRate<K> {
    /// The same rate for every key, of which `keys` are remembered.
    pub fn new(rate: Rate, keys: usize) -> Self {
        Self { rate, usage: Cache::new(keys) }
    }

    /// Takes one for `key`.
    ///
    /// # Errors
    /// After how long one may try again.
    pub fn take(&self, key: &K, now: Instant) -> Result<(), Duration> {
        self.of(key, now).take(now)
    }

    /// The rate of `key`, which all who hold it share.
    pub fn of(&self, key: &K, now: Instant) -> SharedRate {
        let fresh = || Ok::<_, std::convert::Infallible>(Arc::new(Mutex::new(Usage::none(now))));
        let Ok(usage) = self.usage.get_or_insert_with(key, fresh);
        SharedRate { rate: self.rate, usage }
    }
}

/// Lets something be said at most once in a period, and counts what was not said: for the log,
/// which trouble that lasts must not fill.
pub struct Seldom {
    period: Duration,
    said: Mutex<(Option<Instant>, u64)>,
}

impl Seldom {
    /// At most once in each `period`.
    pub const fn new(period: Duration) -> Self {
        Self { period, said: Mutex::new((None, 0)) }
    }

    /// Whether to say it now, and then how often it was not said since the last time.
    pub fn due(&self, now: Instant) -> Option<u64> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, unsaid) = &mut *said;
        if last.is_some_and(|last| now.saturating_duration_since(last) < self.period) {
            *unsaid = unsaid.saturating_add(1);
            return None;
        }
        *last = Some(now);
        Some(std::mem::take(unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seldom_counts_what_it_does_not_say() {
        let seldom = Seldom::new(Duration::from_secs(10));
        let start = Instant::now();
        assert_eq!(seldom.due(start), Some(0));
        for second in 1..10 {
            assert_eq!(seldom.due(start + Duration::from_secs(second)), None);
        }
        assert_eq!(seldom.due(start + Duration::from_secs(10)), Some(9));
        assert_eq!(seldom.due(start + Duration::from_secs(25)), Some(0));
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let rate = Rate::new(10, Duration::from_secs(1), 3);
        let start = Instant::now();
        let mut usage = Usage::none(start);
        for _ in 0..3 {
            assert_eq!(rate.take(&mut usage, start), Ok(()));
        }
        assert_eq!(rate.take(&mut usage, start), Err(Duration::from_millis(100)));
        let later = start + Duration::from_millis(100);
        assert_eq!(rate.take(&mut usage, later), Ok(()));
        assert!(rate.take(&mut usage, later).is_err());
        let much_later = start + Duration::from_secs(60);
        let taken = (0..10).filter(|_| rate.take(&mut usage, much_later).is_ok()).count();
        assert_eq!(taken, 3, "what was not used does not add up beyond the burst");
    }

    #[test]
    fn zero_means_no_limit() {
        let rate = Rate::new(0, Duration::from_secs(1), 1);
        let now = Instant::now();
        let mut usage = Usage::none(now);
        assert!((0..10_000).all(|_| rate.take(&mut usage, now).is_ok()));
        // Who shares a rate may have looked at the clock before another, and take after it.
        let earlier = now - Duration::from_millis(1);
        assert_eq!(rate.take(&mut usage, earlier), Ok(()));
    }

    #[test]
    fn keys_do_not_share() {
        let rates = KeyedRate::new(Rate::new(1, Duration::from_secs(60), 1), 16);
        let now = Instant::now();
        assert!(rates.take(&1, now).is_ok());
        assert!(rates.take(&1, now).is_err());
        assert!(rates.take(&2, now).is_ok());
        assert!(rates.of(&2, now).take(now).is_err(), "however it is held");
    }
}
