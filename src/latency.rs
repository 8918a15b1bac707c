//! A histogram that costs each value two atomic additions, and whose memory never grows.
//!
//! The recorder's own keeps every value until it is read; a busy node delivers too many for that.

use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// The upper ends of the buckets, in microseconds, and as Prometheus is told them, in seconds.
/// What is measured has a resolution of a millisecond.
const ENDS: [(u64, &str); 13] = [
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (2_500_000, "2.5"),
    (5_000_000, "5"),
    (10_000_000, "10"),
];

/// A histogram of durations from a millisecond to ten seconds.
#[derive(Debug)]
pub struct Latency {
    /// The last is of what is beyond the last end.
    cells: [AtomicU64; ENDS.len() + 1],
    micros: AtomicU64,
}

impl Latency {
    /// Without a value.
    pub const fn new() -> Self {
        Self { cells: [const { AtomicU64::new(0) }; ENDS.len() + 1], micros: AtomicU64::new(0) }
    }

    /// Counts one value.
    pub fn record(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let cell = ENDS.iter().position(|(end, _)| micros <= *end).unwrap_or(ENDS.len());
        if let Some(cell) = self.cells.get(cell) {
            cell.fetch_add(1, Ordering::Relaxed);
        }
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Adds it to `text` as the metric `name`, in Prometheus's text format.
    pub fn write(&self, text: &mut String, name: &str, help: &str) {
        // Before the cells: what is recorded meanwhile is missing in the sum alone.
        let seconds = self.micros.load(Ordering::Relaxed) as f64 / 1e6;
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} histogram");
        let mut count = 0;
        let ends = ENDS.iter().map(|(_, end)| *end).chain(["+Inf"]);
        for (cell, end) in self.cells.iter().zip(ends) {
            count += cell.load(Ordering::Relaxed);
            let _ = writeln!(text, "{name}_bucket{{le=\"{end}\"}} {count}");
        }
        let _ = writeln!(text, "{name}_sum {seconds}\n{name}_count {count}\n");
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_in_its_bucket_and_in_all_above() {
        let latency = Latency::new();
        for micros in [0, 1_000, 1_001, 9_999, 10_000_000, 10_000_001] {
            latency.record(Duration::from_micros(micros));
        }
        let mut text = String::new();
        latency.write(&mut text, "t_seconds", "For a test.");
        assert!(text.starts_with("# HELP t_seconds For a test.\n# TYPE t_seconds histogram\n"));
        let holds = |line: &str| assert!(text.contains(&format!("\nt_seconds_{line}\n")), "{text}");
        holds("bucket{le=\"0.001\"} 2");
        holds("bucket{le=\"0.0025\"} 3");
        holds("bucket{le=\"0.01\"} 4");
        holds("bucket{le=\"5\"} 4");
        holds("bucket{le=\"10\"} 5");
        holds("bucket{le=\"+Inf\"} 6");
        holds("count 6");
        holds("sum 20.012001");
    }

    #[test]
    fn the_ends_are_the_same_in_both_writings() {
        for (micros, seconds) in ENDS {
            assert_eq!(seconds.parse::<f64>().unwrap(), micros as f64 / 1e6);
        }
        assert!(ENDS.is_sorted());
    }
}
