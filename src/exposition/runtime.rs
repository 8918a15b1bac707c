//! Whether the async runtime keeps up: how late its timers fire, and how busy its threads are.

use std::time::Duration;

use metrics::{Unit, describe_histogram, histogram};
use tokio::{
    runtime::Handle,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::sample::{counter, gauge};

/// How often a timer is set. Seldom enough to cost nothing.
const INTERVAL: Duration = Duration::from_millis(100);

/// Measures how late timers fire, until `stop`. They are a millisecond late at most on a runtime
/// whose threads are free; more means that tasks hold all of them.
pub async fn watch_lag(stop: CancellationToken) {
    describe_histogram!(
        "confab_runtime_lag_seconds",
        Unit::Seconds,
        "How late a timer of the async runtime fired; every 100 ms."
    );
    let lag = histogram!("confab_runtime_lag_seconds");
    loop {
        let due = Instant::now() + INTERVAL;
        if stop.run_until_cancelled(sleep_until(due)).await.is_none() {
            return;
        }
        lag.record(due.elapsed());
    }
}

/// Adds what the runtime counts itself to `text`.
pub fn write(text: &mut String) {
    let runtime = Handle::current().metrics();
    let workers = runtime.num_workers();
    let busy: Duration =
        (0..workers).map(|worker| runtime.worker_total_busy_duration(worker)).sum();
    let help = "Time that the runtime's threads spent on tasks, in seconds.";
    counter(text, "confab_runtime_busy_seconds_total", help, busy.as_secs_f64());
    gauge(text, "confab_runtime_workers", "Threads of the async runtime.", workers as f64);
    let help = "Tasks that live: sessions, connections, background work.";
    gauge(text, "confab_runtime_tasks", help, runtime.num_alive_tasks() as f64);
    let help = "Tasks that are ready and that no thread has taken yet, in the shared queue.";
    gauge(text, "confab_runtime_queue_tasks", help, runtime.global_queue_depth() as f64);
}
