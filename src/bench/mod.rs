//! A load generator that speaks the public protocol to a running server, and measures it.
//!
//! Invariant: nothing here names the daemon. All that is known of the server is what any client
//! sees: so a figure means the same for a server that is not confab.

use std::time::Duration;

pub mod connect;
pub mod crowd;
pub mod error;
pub mod frame;
pub mod http;
pub mod latency;
pub mod load;
pub mod memory;
pub mod phase;
pub mod plan;
pub mod progress;
pub mod report;
pub mod schedule;
pub mod socket;
pub mod summary;
pub mod target;
pub mod trust;
pub mod verify;

/// Processor time that this process has used, in all its threads.
pub fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), nanos)
}
