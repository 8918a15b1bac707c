//! What the process costs, by the names that Prometheus's own clients use.

use std::{
    fs,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::{
    param,
    process::{Resource, getrlimit},
    time::{ClockId, Timespec, clock_gettime},
};

use super::sample::{counter, gauge};

/// The place of the number of threads in what follows the program's name in `stat` (proc(5)).
const THREADS: usize = 17;

/// The place of the start, in ticks since the machine started.
const START: usize = 19;

/// This process.
pub struct Process {
    /// When it started, in seconds since 1970. Fixed, so that a clock that is set is no restart.
    started: Option<f64>,
}

impl Process {
    /// Reads when it started.
    pub fn new() -> Self {
        let started = || {
            let ticks = stat()?.get(START)?.parse::<f64>().ok()?;
            let running = seconds(clock_gettime(ClockId::Boottime))
                - ticks / param::clock_ticks_per_second() as f64;
            Some(now().as_secs_f64() - running)
        };
        Self { started: started() }
    }

    /// Adds its metrics to `text`; those that the system does not tell are left out.
    pub fn write(&self, text: &mut String) {
        let cpu = seconds(clock_gettime(ClockId::ProcessCPUTime));
        counter(text, "process_cpu_seconds_total", "User and system time spent, in seconds.", cpu);
        if let Some(started) = self.started {
            let help = "When the process started, in seconds since 1970.";
            gauge(text, "process_start_time_seconds", help, started);
        }
        for (place, name, help) in [
            (0, "process_virtual_memory_bytes", "Virtual memory."),
            (1, "process_resident_memory_bytes", "Resident memory."),
        ] {
            if let Some(pages) = pages(place) {
                gauge(text, name, help, pages * param::page_size() as f64);
            }
        }
        if let Ok(descriptors) = fs::read_dir("/proc/self/fd") {
            // One is of this very folder.
            let open = descriptors.count().saturating_sub(1) as f64;
            gauge(text, "process_open_fds", "Open file descriptors.", open);
        }
        if let Some(most) = getrlimit(Resource::Nofile).current {
            let help = "The most file descriptors that may be open.";
            gauge(text, "process_max_fds", help, most as f64);
        }
        if let Some(threads) = stat().and_then(|stat| stat.get(THREADS)?.parse().ok()) {
            gauge(text, "process_threads", "Threads.", threads);
        }
        let help = "The machine's clock, in seconds since 1970.";
        gauge(text, "confab_time_seconds", help, now().as_secs_f64());
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn seconds(time: Timespec) -> f64 {
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn pages(place: usize) -> Option<f64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    statm.split(' ').nth(place)?.parse().ok()
}

/// What follows the program's name, which may hold spaces and brackets itself.
fn stat() -> Option<Vec<String>> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    Some(rest.split(' ').map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_plausible_values() {
        let mut text = String::new();
        Process::new().write(&mut text);
        let value = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
            line.unwrap_or_else(|| panic!("{name} is missing: {text}")).parse().unwrap()
        };
        let now = now().as_secs_f64();
        let started = value("process_start_time_seconds");
        assert!((now - 3600.0..=now).contains(&started), "{started} {now}");
        assert!((now - 60.0..=now).contains(&value("confab_time_seconds")));
        assert!(value("process_cpu_seconds_total") > 0.0);
        assert!(value("process_resident_memory_bytes") > 1e6);
        assert!(value("process_virtual_memory_bytes") > value("process_resident_memory_bytes"));
        assert!((3.0..value("process_max_fds")).contains(&value("process_open_fds")));
        assert!((1.0..10_000.0).contains(&value("process_threads")));
    }
}
