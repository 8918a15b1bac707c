//! The background queue of an entry: bounded, with attempts and pauses, and everything counted.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use confab_plugin::{
    HookError, Job, JobError, JobOrder, QueueFull,
    host::{Queue, backoff},
};
use metrics::{Counter, Gauge, counter, gauge};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
};
use tokio_util::sync::CancellationToken;

use super::{
    contained::{Contained, contain_drop},
    entry::Failure,
};
use crate::config::PluginEntry;

/// The entry's `job_…` keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobLimits {
    queue: usize,
    concurrency: usize,
    attempts: u32,
    timeout: Duration,
    backoff: Duration,
    max_backoff: Duration,
}

impl JobLimits {
    pub fn of(entry: &PluginEntry) -> Self {
        Self {
            queue: entry.job_queue.min(Semaphore::MAX_PERMITS),
            concurrency: entry.job_concurrency,
            attempts: entry.job_attempts,
            timeout: entry.job_timeout.0,
            backoff: entry.job_backoff.0,
            max_backoff: entry.job_max_backoff.0,
        }
    }
}

/// A queue and what works it off.
pub struct JobQueue {
    sender: mpsc::UnboundedSender<Held>,
    shared: Arc<Shared>,
}

/// A job with its place among those that the queue may hold, from `push` until it is done.
///
/// Invariant: there are never more than `job_queue` of them, waiting, running or in a pause.
struct Held {
    job: Box<dyn Job>,
    _place: OwnedSemaphorePermit,
}

struct Shared {
    entry: Arc<str>,
    limits: JobLimits,
    places: Arc<Semaphore>,
    running: Arc<Semaphore>,
    closing: CancellationToken,
    waiting: AtomicUsize,
    /// Jobs dropped in a row, since one was taken.
    dropped_in_a_row: AtomicU64,
    held: Gauge,
    done: Counter,
    retried: Counter,
    dropped: Counter,
    failed: Counter,
}

impl JobQueue {
    /// A queue on the current runtime.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(entry: &Arc<str>, limits: &JobLimits, order: JobOrder) -> Arc<Self> {
        let counter = |result: &'static str| counter!("confab_plugin_jobs_total", "plugin" => entry.to_string(), "result" => result);
        let shared = Arc::new(Shared {
            entry: Arc::clone(entry),
            limits: limits.clone(),
            places: Arc::new(Semaphore::new(limits.queue)),
            running: Arc::new(Semaphore::new(limits.concurrency)),
            closing: CancellationToken::new(),
            waiting: AtomicUsize::new(0),
            dropped_in_a_row: AtomicU64::new(0),
            held: gauge!("confab_plugin_jobs_held", "plugin" => entry.to_string()),
            done: counter("done"),
            retried: counter("retried"),
            dropped: counter("dropped"),
            failed: counter("failed"),
        });
        let (sender, jobs) = mpsc::unbounded_channel();
        let worker = Arc::clone(&shared);
        match order {
            JobOrder::Any => Handle::current().spawn(worker.work_in_any_order(jobs)),
            JobOrder::Pushed => Handle::current().spawn(worker.work_in_order(jobs)),
        };
        Arc::new(Self { sender, shared })
    }

    /// See [`EntryServices::close`](super::host::EntryServices::close).
    pub async fn close(&self) {
        self.shared.closing.cancel();
        let all = u32::try_from(self.shared.limits.queue).unwrap_or(u32::MAX);
        // Every job gives its place back. The permits are forgotten: nothing is taken any more.
        if let Ok(places) = self.shared.places.acquire_many(all).await {
            places.forget();
        }
    }
}

impl Queue for JobQueue {
    fn push(&self, job: Box<dyn Job>) -> Result<(), QueueFull> {
        let shared = &self.shared;
        let place = match Arc::clone(&shared.places).try_acquire_owned() {
            Ok(place) if !shared.closing.is_cancelled() => place,
            _ => {
                shared.drop_one();
                return Err(QueueFull);
            }
        };
        shared.took_one();
        if self.sender.send(Held { job, _place: place }).is_err() {
            shared.began_one();
            shared.held.decrement(1.0);
            shared.drop_one();
            return Err(QueueFull);
        }
        Ok(())
    }

    fn waiting(&self) -> usize {
        self.shared.waiting.load(Ordering::Relaxed)
    }
}

impl Shared {
    async fn work_in_order(self: Arc<Self>, mut jobs: mpsc::UnboundedReceiver<Held>) {
        while let Some(held) = jobs.recv().await {
            self.began_one();
            self.carry_out(held, None).await;
        }
    }

    async fn work_in_any_order(self: Arc<Self>, mut jobs: mpsc::UnboundedReceiver<Held>) {
        while let Some(held) = jobs.recv().await {
            let Ok(turn) = Arc::clone(&self.running).acquire_owned().await else { return };
            self.began_one();
            let shared = Arc::clone(&self);
            tokio::spawn(async move { shared.carry_out(held, Some(turn)).await });
        }
    }

    /// Tries a job until it is done or given up. A `turn` is handed back for the pauses.
    async fn carry_out(&self, mut held: Held, turn: Option<OwnedSemaphorePermit>) {
        self.try_often(&mut held.job, turn).await;
        self.held.decrement(1.0);
        let Held { job, _place } = held;
        contain_drop(job);
    }

    async fn try_often(&self, job: &mut Box<dyn Job>, mut turn: Option<OwnedSemaphorePermit>) {
        let takes_turns = turn.is_some();
        for attempt in 1..=self.limits.attempts {
            if takes_turns && turn.is_none() {
                turn = Arc::clone(&self.running).acquire_owned().await.ok();
            }
            let (again, why) = match self.attempt(job, attempt).await {
                Ok(()) => {
                    self.done.increment(1);
                    return;
                }
                Err(JobError::Retry(why)) => (true, why),
                Err(JobError::GiveUp(why)) => (false, why),
            };
            let last = attempt == self.limits.attempts || self.closing.is_cancelled();
            if !again || last {
                self.failed.increment(1);
                let error = why.to_string();
                tracing::warn!(plugin = &*self.entry, attempt, error = %error.escape_debug(), "a plugin's job was given up");
                return;
            }
            self.retried.increment(1);
            tracing::debug!(plugin = &*self.entry, attempt, error = %why.to_string().escape_debug(), "a plugin's job failed, and is tried again");
            drop(turn.take());
            let pause = backoff(attempt, self.limits.backoff, self.limits.max_backoff);
            // Up to a quarter less, so that what failed together is not tried together.
            let pause = pause.mul_f64(1.0 - rand::random::<f64>() / 4.0);
            self.closing.run_until_cancelled(tokio::time::sleep(pause)).await;
        }
    }

    async fn attempt(&self, job: &mut Box<dyn Job>, attempt: u32) -> Result<(), JobError> {
        let run = Contained::new(Box::pin(async { job.run(attempt).await }));
        match tokio::time::timeout(self.limits.timeout, run).await {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => {
                Err(JobError::GiveUp(HookError::new(Failure::panic(&*panic).to_string())))
            }
            Err(_) => {
                let timeout = Failure::Timeout(self.limits.timeout);
                Err(JobError::Retry(HookError::new(timeout.to_string())))
            }
        }
    }

    fn took_one(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.held.increment(1.0);
        if self.dropped_in_a_row.load(Ordering::Relaxed) > 0 {
            let dropped = self.dropped_in_a_row.swap(0, Ordering::Relaxed);
            tracing::warn!(plugin = &*self.entry, dropped, "a plugin's queue has room again");
        }
    }

    fn began_one(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    fn drop_one(&self) {
        self.dropped.increment(1);
        if self.dropped_in_a_row.fetch_add(1, Ordering::Relaxed) == 0 {
            let queue = self.limits.queue;
            tracing::warn!(
                plugin = &*self.entry,
                queue,
                "a plugin's queue is full: jobs are dropped"
            );
        }
    }
}

#[cfg(test)]
#[path = "background_tests.rs"]
mod tests;
