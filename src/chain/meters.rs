//! What is counted of an entry: its verdicts and its time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use confab_plugin::Verdict;
use metrics::{Counter, counter, histogram};

use super::{
    entry::{Answer, Failure, Ran},
    timing::Timing,
};

/// Registered once, so that counting is an atomic add.
pub struct Meters {
    /// What most events get: gathered here, and handed over with the times.
    passes: AtomicU64,
    pass: Counter,
    change: Counter,
    deny: Counter,
    drop: Counter,
    would_change: Counter,
    would_deny: Counter,
    would_drop: Counter,
    error: Counter,
    panic: Counter,
    timeout: Counter,
    skipped: Counter,
    seconds: Timing,
}

impl Meters {
    pub fn new(entry: &Arc<str>) -> Self {
        let verdict = |verdict: &'static str| counter!("confab_plugin_verdicts_total", "plugin" => entry.to_string(), "verdict" => verdict);
        Self {
            passes: AtomicU64::new(0),
            pass: verdict("pass"),
            change: verdict("change"),
            deny: verdict("deny"),
            drop: verdict("drop"),
            would_change: verdict("would_change"),
            would_deny: verdict("would_deny"),
            would_drop: verdict("would_drop"),
            error: verdict("error"),
            panic: verdict("panic"),
            timeout: verdict("timeout"),
            skipped: verdict("skipped"),
            seconds: Timing::new(
                histogram!("confab_plugin_duration_seconds", "plugin" => entry.to_string()),
            ),
        }
    }

    /// Counts a hook that let an event pass as it was.
    pub fn passed(&self, took: Duration) {
        self.passes.fetch_add(1, Ordering::Relaxed);
        self.seconds.record(took);
    }

    /// Hands over what was gathered.
    pub fn publish(&self) {
        self.pass.increment(self.passes.swap(0, Ordering::Relaxed));
        self.seconds.publish();
    }

    /// Counts any other answer of a hook, and times it. Each run is counted as one verdict.
    pub fn count(&self, ran: &Ran, took: Duration) {
        let counter = match (&ran.answer, ran.enforced) {
            (Answer::Verdict(Verdict::Pass), true) => &self.change,
            (Answer::Verdict(Verdict::Pass), false) => &self.would_change,
            (Answer::Verdict(Verdict::Deny { .. }), true) => &self.deny,
            (Answer::Verdict(Verdict::Deny { .. }), false) => &self.would_deny,
            (Answer::Verdict(Verdict::Drop), true) => &self.drop,
            (Answer::Verdict(Verdict::Drop), false) => &self.would_drop,
            (Answer::Failed(failure), _) => self.of(failure),
            (Answer::Out, _) => {
                self.skipped.increment(1);
                return;
            }
        };
        counter.increment(1);
        self.seconds.record(took);
    }

    /// Counts a failure outside the `before` hook.
    pub fn failed(&self, failure: &Failure) {
        self.of(failure).increment(1);
    }

    fn of(&self, failure: &Failure) -> &Counter {
        match failure {
            Failure::Error(_) => &self.error,
            Failure::Panic(_) => &self.panic,
            Failure::Timeout(_) => &self.timeout,
        }
    }
}

impl Drop for Meters {
    fn drop(&mut self) {
        self.publish();
    }
}
