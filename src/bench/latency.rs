//! Latencies, and what is told of them.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// The longest latency that is told apart from longer ones.
const LONGEST: Duration = Duration::from_secs(600);

/// A histogram of latencies with three significant digits, from 100 ns to ten minutes.
#[derive(Clone, Debug)]
pub struct Latencies {
    histogram: Histogram<u64>,
    longest: u64,
}

/// Latencies in microseconds; all 0 when nothing was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Quantiles {
    /// How many were recorded.
    pub count: u64,
    /// The mean.
    pub mean_us: f64,
    /// Half of them took no longer.
    pub p50_us: f64,
    /// 90 % took no longer.
    pub p90_us: f64,
    /// 99 % took no longer.
    pub p99_us: f64,
    /// 99.9 % took no longer.
    pub p999_us: f64,
    /// The longest.
    pub max_us: f64,
}

impl Default for Latencies {
    #[allow(clippy::expect_used)] // the arguments are constants
    fn default() -> Self {
        let longest = nanos(LONGEST);
        let histogram = Histogram::new_with_bounds(100, longest, 3).expect("valid bounds");
        Self { histogram, longest: 0 }
    }
}

impl Latencies {
    /// Records a latency in nanoseconds.
    pub fn record(&mut self, nanos: u64) {
        self.histogram.saturating_record(nanos);
        self.longest = self.longest.max(nanos);
    }

    /// Adds what others were recorded.
    pub fn add(&mut self, others: &Self) {
        // Both have the same bounds.
        let _ = self.histogram.add(&others.histogram);
        self.longest = self.longest.max(others.longest);
    }

    /// How many took at least this long, in nanoseconds and within the precision.
    pub fn count_from(&self, nanos: u64) -> u64 {
        self.histogram.count_between(nanos, u64::MAX)
    }

    /// What is told.
    pub fn quantiles(&self) -> Quantiles {
        // The highest value of a bucket may be above the highest that was recorded.
        let at = |quantile| self.histogram.value_at_quantile(quantile).min(self.longest);
        Quantiles {
            count: self.histogram.len(),
            mean_us: rounded(self.histogram.mean()),
            p50_us: micros(at(0.5)),
            p90_us: micros(at(0.9)),
            p99_us: micros(at(0.99)),
            p999_us: micros(at(0.999)),
            max_us: micros(self.longest),
        }
    }
}

/// A time in nanoseconds; saturates after 584 years.
pub fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

// Below 2^53, which is 104 days.
#[allow(clippy::cast_precision_loss)]
fn micros(nanos: u64) -> f64 {
    rounded(nanos as f64)
}

/// Nanoseconds as microseconds with one decimal.
fn rounded(nanos: f64) -> f64 {
    (nanos / 100.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_what_was_recorded() {
        let (mut some, mut others) = (Latencies::default(), Latencies::default());
        for millis in 1..=500 {
            some.record(millis * 1_000_000);
            others.record((500 + millis) * 1_000_000);
        }
        some.add(&others);
        let Quantiles { count, mean_us, p50_us, p90_us, p99_us, p999_us, max_us } =
            some.quantiles();
        assert_eq!(count, 1000);
        assert_eq!(max_us, 1_000_000.0);
        for (found, expected) in [
            (mean_us, 500_500.0),
            (p50_us, 500_000.0),
            (p90_us, 900_000.0),
            (p99_us, 990_000.0),
            (p999_us, 999_000.0),
        ] {
            assert!((found / expected - 1.0_f64).abs() < 0.001, "{found} is not {expected}");
        }
        assert_eq!(Latencies::default().quantiles(), Quantiles::default());
    }

    #[test]
    fn what_is_too_long_is_kept() {
        let mut latencies = Latencies::default();
        latencies.record(u64::MAX);
        assert_eq!(latencies.quantiles().count, 1);
        assert_eq!(latencies.count_from(nanos(Duration::from_secs(500))), 1);
    }
}
