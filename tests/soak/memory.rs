//! What a process holds, sampled: resident memory, open file descriptors, threads.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;

const MIB: f64 = 1024.0 * 1024.0;

/// Resident memory at moments: seconds since the start, and MiB.
pub type Samples = Vec<(f64, f64)>;

/// A number of `/proc/PID/status`.
fn status(id: u32, key: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{id}/status")).expect("the process runs");
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    let number = line.and_then(|line| line.split_whitespace().next()).expect("the key");
    number.parse().expect("a number")
}

/// Resident memory in MiB.
pub fn resident(id: u32) -> f64 {
    status(id, "VmRSS") * 1024.0 / MIB
}

/// Threads.
pub fn threads(id: u32) -> usize {
    status(id, "Threads") as usize
}

/// Open file descriptors: those of the database, and all others.
pub fn descriptors(id: u32) -> (usize, usize) {
    let all = fs::read_dir(format!("/proc/{id}/fd")).expect("the process runs");
    // One that was closed meanwhile leads nowhere.
    let targets = all.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let of_database = |target: &std::path::PathBuf| target.to_string_lossy().contains("confab.db");
    let (database, others): (Vec<_>, Vec<_>) = targets.partition(of_database);
    (database.len(), others.len())
}

/// Takes a sample every second until it is told to stop.
pub fn watch(id: u32, stop: Arc<AtomicBool>) -> JoinHandle<Samples> {
    tokio::spawn(async move {
        let (started, mut samples) = (Instant::now(), Samples::new());
        while !stop.load(Ordering::Relaxed) {
            samples.push((started.elapsed().as_secs_f64(), resident(id)));
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        samples
    })
}

/// What the samples say once the first quarter, the warm-up, is left out.
#[derive(Debug)]
pub struct Trend {
    /// Least squares, in MiB an hour.
    pub slope: f64,
    /// In MiB, as are the others.
    pub first: f64,
    pub last: f64,
    pub most: f64,
}

impl Trend {
    /// Of at least four samples.
    pub fn of(samples: &[(f64, f64)]) -> Self {
        let steady = &samples[samples.len() / 4..];
        let count = steady.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| steady.iter().map(of).sum::<f64>() / count;
        let (time, memory) = (mean(|sample| sample.0), mean(|sample| sample.1));
        let with = steady.iter().map(|(t, m)| (t - time) * (m - memory)).sum::<f64>();
        let spread = steady.iter().map(|(t, _)| (t - time).powi(2)).sum::<f64>();
        Self {
            slope: with / spread * 3600.0,
            first: steady[0].1,
            last: steady[steady.len() - 1].1,
            most: steady.iter().map(|sample| sample.1).fold(0.0, f64::max),
        }
    }
}

#[test]
fn a_line_has_its_slope() {
    let samples: Vec<_> = (0..100).map(|n| (f64::from(n), 50.0 + f64::from(n) / 3600.0)).collect();
    let trend = Trend::of(&samples);
    assert!((trend.slope - 1.0).abs() < 1e-6, "{trend:?}");
    assert_eq!((trend.first, trend.most), (50.0 + 25.0 / 3600.0, trend.last));
}
