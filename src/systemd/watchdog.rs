//! Answers the service manager's watchdog, only while the daemon really makes progress.
//!
//! Invariant: a beat is sent only after every part has shown, since the beat before, that it
//! turns: each worker of the runtime went on to another task or has none; the runtime's timer and
//! its queue work; the listeners accept; every lane to the store and the writer of the embedded
//! store ended a round, or is in one that is not older than the store's own time limit. So a
//! stalled runtime, a lane that is stuck and a writer that hangs let the watchdog expire; a store
//! that is slow or away does not: what waits for it fails by itself, and goes on.

use std::{
    io,
    sync::mpsc,
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use tokio::runtime::{Handle, RuntimeMetrics};

/// How often a late answer is looked for.
const SLICE: Duration = Duration::from_millis(20);

/// A part of the daemon that can be asked.
pub struct Part {
    /// What it is, for the log.
    pub name: &'static str,
    /// Answers when the part has shown that it turns.
    pub ask: Box<dyn Fn() -> BoxFuture<'static, ()> + Send>,
}

impl Part {
    /// A part that is asked by this.
    pub fn new(
        name: &'static str,
        ask: impl Fn() -> BoxFuture<'static, ()> + Send + 'static,
    ) -> Self {
        Self { name, ask: Box::new(ask) }
    }
}

/// What the manager wants: a beat at least this often. None if it does not watch this process.
pub fn wanted() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|time| !time.is_zero())
}

/// Tells the manager that the daemon makes progress.
pub fn beat() {
    if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

/// Calls `beat` about twice in `time`, as long as all `parts` and the runtime turn, from a thread
/// of its own. A part may take half of `time` to answer. Ends with the process.
///
/// # Errors
/// When the thread cannot be started.
pub fn start(
    time: Duration,
    runtime: &Handle,
    mut parts: Vec<Part>,
    beat: impl Fn() + Send + 'static,
) -> io::Result<()> {
    // Made within the task: the timer is the runtime's.
    let timer = || -> BoxFuture<'static, ()> {
        Box::pin(async { tokio::time::sleep(Duration::from_millis(1)).await })
    };
    parts.push(Part::new("the runtime's timer", timer));
    let watch = Watch { period: time / 2, runtime: runtime.clone(), parts };
    std::thread::Builder::new().name("confab-watchdog".into()).spawn(move || {
        loop {
            let begun = Instant::now();
            watch.wait();
            beat();
            std::thread::sleep(watch.period.saturating_sub(begun.elapsed()));
        }
    })?;
    Ok(())
}

struct Watch {
    period: Duration,
    runtime: Handle,
    parts: Vec<Part>,
}

impl Watch {
    /// Blocks until every part has answered.
    fn wait(&self) {
        let asked = Instant::now();
        let (answer, answers) = mpsc::channel();
        for (number, part) in self.parts.iter().enumerate() {
            let (ask, answer) = ((part.ask)(), answer.clone());
            self.runtime.spawn(async move {
                ask.await;
                // The thread that asked waits for it.
                let _ = answer.send(number);
            });
        }
        let mut workers = Workers::look(self.runtime.metrics());
        let mut silent: Vec<usize> = (0..self.parts.len()).collect();
        let mut told = false;
        loop {
            workers.look_again();
            if silent.is_empty() && workers.stuck.is_empty() {
                break;
            }
            // The sender above is alive.
            if let Ok(number) = answers.recv_timeout(SLICE) {
                silent.retain(|waiting| *waiting != number);
            } else if !told && asked.elapsed() > self.period / 2 {
                told = true;
                let silent = silent.iter().filter_map(|number| self.parts.get(*number));
                let silent: Vec<_> = silent.map(|part| part.name).collect();
                let workers = &workers.stuck;
                tracing::error!(?silent, ?workers, "parts of the daemon do not go on");
            }
        }
        if told {
            let seconds = asked.elapsed().as_secs_f32();
            tracing::warn!(seconds, "all parts of the daemon go on again");
        }
    }
}

/// Which workers have not gone on since they were first looked at.
struct Workers {
    metrics: RuntimeMetrics,
    seen: Vec<(u64, Duration)>,
    stuck: Vec<usize>,
}

impl Workers {
    fn look(metrics: RuntimeMetrics) -> Self {
        let all = 0..metrics.num_workers();
        let seen = all.clone().map(|worker| state(&metrics, worker)).collect();
        Self { metrics, seen, stuck: all.collect() }
    }

    /// A worker that is parked has nothing to do. One that is at work counts it up now and then,
    /// after some 60 tasks at the latest.
    fn look_again(&mut self) {
        let Self { metrics, seen, stuck } = self;
        stuck.retain(|worker| {
            let now = state(metrics, *worker);
            let parked = now.0 % 2 == 1;
            !parked && seen.get(*worker) == Some(&now)
        });
    }
}

fn state(metrics: &RuntimeMetrics, worker: usize) -> (u64, Duration) {
    (metrics.worker_park_unpark_count(worker), metrics.worker_total_busy_duration(worker))
}

#[cfg(test)]
#[path = "watchdog_tests.rs"]
mod tests;
