//! The arithmetic of one token bucket: governor's generic cell rate algorithm (ITU-T I.371), on a
//! state that is handed in and given back.

use std::{cell::Cell, num::NonZeroU32, time::Duration};

use governor::{
    Quota, RateLimiter,
    clock::Clock,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{NotKeyed, StateStore},
};

/// The longest time in which a bucket may fill, so that no sum of times overflows.
pub const MAX_FILL: Duration = Duration::from_secs(366 * 24 * 3600);

/// How fast buckets fill and how many tokens they hold.
#[derive(Clone, Copy, Debug)]
pub struct Rate(Quota);

impl Rate {
    /// `events` tokens in each `every`, and at most `burst` at once; `None` if a number is 0 or a
    /// bucket takes longer than [`MAX_FILL`] to fill.
    pub fn new(events: u32, every: Duration, burst: u32) -> Option<Self> {
        // Rounded up to whole nanoseconds: never more than the rate, not even by rounding.
        let token = every.as_nanos().div_ceil(u128::from(NonZeroU32::new(events)?.get()));
        if token.checked_mul(u128::from(burst))? > MAX_FILL.as_nanos() {
            return None;
        }
        let quota = Quota::with_period(Duration::from_nanos(u64::try_from(token).ok()?))?;
        Some(Self(quota.allow_burst(NonZeroU32::new(burst)?)))
    }

    /// Takes a token from a bucket that would be full after `missing`, and says after how long it
    /// is full now.
    ///
    /// # Errors
    /// After how long there is a token, exactly.
    pub fn take(self, missing: Duration) -> Result<Duration, Duration> {
        // Made anew for each event: it is a few numbers on the stack. Its clock stands still at
        // the event's arrival, and its only state is the bucket's, counted from then; so what is
        // decided depends on nothing but the arguments.
        let bucket = Bucket(Cell::new(missing.into()));
        let limiter = RateLimiter::<_, _, _, NoOpMiddleware<Nanos>>::new(self.0, bucket, AtArrival);
        match limiter.check() {
            Ok(()) => Ok(limiter.into_state_store().0.get().into()),
            Err(not_until) => Err(not_until.wait_time_from(AtArrival.now())),
        }
    }

    /// How many tokens a bucket holds that would be full after `missing`.
    pub fn tokens(self, missing: Duration) -> u32 {
        let token = self.0.replenish_interval().as_nanos().max(1);
        let taken = u32::try_from(missing.as_nanos().div_ceil(token)).unwrap_or(u32::MAX);
        self.0.burst_size().get().saturating_sub(taken)
    }
}

/// After how long the bucket is full.
struct Bucket(Cell<Nanos>);

impl StateStore for Bucket {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _key: &NotKeyed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let (answer, missing) = decide(Some(self.0.get()))?;
        self.0.set(missing);
        Ok(answer)
    }
}

/// The moment from which governor counts: that of the event.
struct AtArrival;

impl Clock for AtArrival {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_burst_and_then_the_exact_wait() {
        let rate = Rate::new(10, MS * 1000, 3).unwrap();
        assert_eq!(rate.take(Duration::ZERO), Ok(100 * MS));
        assert_eq!(rate.take(100 * MS), Ok(200 * MS));
        assert_eq!(rate.take(200 * MS), Ok(300 * MS));
        assert_eq!(rate.take(300 * MS), Err(100 * MS));
        assert_eq!(rate.take(230 * MS), Err(30 * MS));
        let tokens = [0, 1, 100, 101, 200, 201, 300].map(|ms| rate.tokens(ms * MS));
        assert_eq!(tokens, [3, 2, 2, 1, 1, 0, 0]);
    }

    #[test]
    fn a_third_of_a_second_is_rounded_up() {
        let rate = Rate::new(3, MS * 1000, 1).unwrap();
        assert_eq!(rate.take(Duration::ZERO), Ok(Duration::from_nanos(333_333_334)));
    }

    #[test]
    fn impossible_rates_are_refused() {
        let day = Duration::from_secs(24 * 3600);
        for (events, every, burst) in
            [(0, MS, 1), (1, MS, 0), (1, Duration::ZERO, 1), (1, 366 * day, 2), (1, day, u32::MAX)]
        {
            assert!(Rate::new(events, every, burst).is_none(), "{events} {every:?} {burst}");
        }
        assert!(Rate::new(u32::MAX, MS, 1).is_some());
        assert!(Rate::new(1, day, 366).is_some());
    }

    proptest! {
        /// What is refused is refused until exactly the moment told.
        #[test]
        fn the_wait_is_true(events in 1u32..1000, ms in 1u32..100_000, burst in 1u32..100) {
            let rate = Rate::new(events, ms * MS, burst).unwrap();
            let mut missing = Duration::ZERO;
            for left in (0..burst).rev() {
                prop_assert_eq!(rate.tokens(missing), left + 1);
                missing = rate.take(missing).unwrap();
            }
            prop_assert_eq!(rate.tokens(missing), 0);
            let wait = rate.take(missing).unwrap_err();
            prop_assert!(rate.take(missing - wait).is_ok());
            prop_assert!(rate.take(missing - wait + Duration::from_nanos(1)).is_err());
        }
    }
}
