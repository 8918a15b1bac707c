//! How long a good client waits before it connects again: exponential, with full jitter.
//!
//! Full jitter spreads a crowd that was cut off together over the whole of the wait, so that the
//! daemon which comes back is not run over.

use std::time::Duration;

/// The first wait is at most this.
const FIRST: Duration = Duration::from_millis(100);

/// And none is longer than this, unless the daemon asks for more.
const LONGEST: Duration = Duration::from_secs(5);

/// The waits of one client, from failure to failure.
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// How long to wait after one more failure. `random` is evenly spread from 0 to 1; the daemon
    /// may have asked for `at_least`, and then that is the floor on which the jitter stands.
    pub fn next(&mut self, at_least: Option<Duration>, random: f64) -> Duration {
        // 100 ms doubled six times is beyond the longest.
        let most = FIRST.saturating_mul(1 << self.failures.min(6)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        at_least.unwrap_or_default().saturating_add(most.mul_f64(random.clamp(0.0, 1.0)))
    }

    /// It works again: the next failure is a first one.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// How many failures there were in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_wait_doubles_up_to_five_seconds() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..9).map(|_| backoff.next(None, 1.0).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
        backoff.reset();
        assert_eq!(backoff.next(None, 1.0).as_millis(), 100);
    }

    #[test]
    fn the_wait_is_anything_from_nothing_up() {
        let mut backoff = Backoff { failures: 3 };
        assert_eq!(backoff.clone().next(None, 0.0), Duration::ZERO);
        assert_eq!(backoff.clone().next(None, 0.5), Duration::from_millis(400));
        assert_eq!(backoff.next(None, f64::INFINITY), Duration::from_millis(800));
    }

    #[test]
    fn what_the_daemon_asks_for_is_a_floor() {
        let mut backoff = Backoff::default();
        let wait = backoff.next(Some(Duration::from_secs(30)), 0.5);
        assert_eq!(wait, Duration::from_millis(30_050));
    }
}
