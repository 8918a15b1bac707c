//! A histogram that costs a hook one atomic addition.
//!
//! The recorder's own histogram takes some 60 ns a value, more than most hooks. So short times are
//! gathered here, by cells, and handed over now and then.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use metrics::Histogram;

/// The upper ends of the cells, in nanoseconds. Every bucket of `confab_plugin_duration_seconds`
/// up to the last of them ends where a cell ends.
const ENDS: [u64; 8] = [250, 1_000, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000];

/// The number of values of a cell stands above this bit, their sum in nanoseconds below.
const COUNT: u32 = 44;

/// At so many values a cell is handed over at once: half of what the count has room for, and a
/// sum of at most 2^39 ns.
const MOST: u64 = 1 << 19;

/// A histogram of durations.
///
/// Invariant: what was recorded is in the cells or was handed over, never both; the number of
/// values and their sum stay exact.
pub struct Timing {
    cells: [AtomicU64; ENDS.len()],
    histogram: Histogram,
}

impl Timing {
    pub fn new(histogram: Histogram) -> Self {
        Self { cells: [const { AtomicU64::new(0) }; ENDS.len()], histogram }
    }

    pub fn record(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let cell = ENDS.iter().zip(&self.cells).find(|(end, _)| nanos <= **end);
        let Some((_, cell)) = cell else {
            self.histogram.record(took.as_secs_f64());
            return;
        };
        let before = cell.fetch_add(1 << COUNT | nanos, Ordering::Relaxed);
        if before >> COUNT == MOST {
            self.hand_over(cell);
        }
    }

    /// Hands everything over.
    pub fn publish(&self) {
        self.cells.iter().for_each(|cell| self.hand_over(cell));
    }

    fn hand_over(&self, cell: &AtomicU64) {
        let gathered = cell.swap(0, Ordering::Relaxed);
        let (count, sum) = (gathered >> COUNT, gathered & ((1 << COUNT) - 1));
        if count > 0 {
            // Their mean lies in the cell, and so in the bucket where each of them belongs.
            let mean = sum as f64 / count as f64 / 1e9;
            self.histogram.record_many(mean, usize::try_from(count).unwrap_or(usize::MAX));
        }
    }
}

impl Drop for Timing {
    fn drop(&mut self) {
        self.publish();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use metrics::HistogramFn;

    use super::*;

    #[derive(Default)]
    struct Kept(Mutex<Vec<f64>>);

    impl HistogramFn for Kept {
        fn record(&self, value: f64) {
            self.0.lock().unwrap().push(value);
        }
    }

    #[test]
    fn number_and_sum_are_exact_and_every_value_finds_its_cell() {
        let kept = Arc::new(Kept::default());
        let timing = Timing::new(Histogram::from_arc(Arc::clone(&kept)));
        let values = [0, 1, 250, 251, 999, 1_000, 1_001, 777_777, 1_000_000, 1_000_001, 5 << 30];
        for nanos in values {
            timing.record(Duration::from_nanos(nanos));
        }
        timing.publish();
        let mut told = kept.0.lock().unwrap().clone();
        told.sort_unstable_by(f64::total_cmp);
        assert_eq!(told.len(), values.len());
        let sum: u64 = values.iter().sum();
        assert!((told.iter().sum::<f64>() - sum as f64 / 1e9).abs() < 1e-9);
        for end in ENDS {
            let cell = |nanos: f64| nanos <= end as f64 / 1e9 + 1e-12;
            let expected = values.iter().filter(|nanos| **nanos <= end).count();
            assert_eq!(told.iter().filter(|value| cell(**value)).count(), expected, "{end}");
        }
    }

    #[test]
    fn a_full_cell_hands_over_by_itself() {
        let kept = Arc::new(Kept::default());
        let timing = Timing::new(Histogram::from_arc(Arc::clone(&kept)));
        for _ in 0..=MOST {
            timing.record(Duration::from_nanos(100));
        }
        assert_eq!(kept.0.lock().unwrap().len() as u64, MOST + 1);
    }

    #[test]
    fn threads_lose_nothing() {
        let kept = Arc::new(Kept::default());
        let timing = Timing::new(Histogram::from_arc(Arc::clone(&kept)));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|n| timing.record(Duration::from_nanos(n))));
            }
            for _ in 0..100 {
                timing.publish();
            }
        });
        drop(timing);
        assert_eq!(kept.0.lock().unwrap().len(), 40_000);
    }
}
