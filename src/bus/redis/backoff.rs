//! How long to wait before the next attempt.

use std::time::Duration;

/// The longest first wait.
const FIRST: Duration = Duration::from_millis(100);

/// Exponential backoff with full jitter: a random part of a bound that doubles, so that the nodes
/// of a deployment do not all return at the same moment.
#[derive(Debug)]
pub struct Backoff {
    most: Duration,
    failures: u32,
}

impl Backoff {
    /// No wait is longer than `most`.
    pub fn new(most: Duration) -> Self {
        Self { most, failures: 0 }
    }

    /// The wait after one more failure.
    pub fn next(&mut self) -> Duration {
        let bound = self.bound();
        self.failures = self.failures.saturating_add(1);
        bound.mul_f64(rand::random::<f64>())
    }

    /// It works again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    fn bound(&self) -> Duration {
        let doubled = 2u32.checked_pow(self.failures).and_then(|factor| FIRST.checked_mul(factor));
        doubled.map_or(self.most, |bound| bound.min(self.most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_bound_and_vary() {
        let most = Duration::from_secs(5);
        let mut backoff = Backoff::new(most);
        let mut bounds = Vec::new();
        for _ in 0..100 {
            let bound = backoff.bound();
            assert!(backoff.next() <= bound);
            bounds.push(bound.as_millis());
        }
        assert_eq!(bounds[..7], [100, 200, 400, 800, 1600, 3200, 5000]);
        assert!(bounds[7..].iter().all(|bound| *bound == 5000));
        let waits: std::collections::HashSet<_> = (0..50).map(|_| backoff.next()).collect();
        assert!(waits.len() > 40, "all nodes would return at once: {waits:?}");
        backoff.reset();
        assert_eq!(backoff.bound(), FIRST);
    }
}
