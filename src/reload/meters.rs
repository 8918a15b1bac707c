//! What is counted of reloads, and which configuration is in force.

use std::time::{SystemTime, UNIX_EPOCH};

use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};

use crate::config::Fingerprint;

/// The metrics of reloads.
pub struct Meters {
    hash: Gauge,
    generation: Gauge,
    successful: Gauge,
    success_timestamp: Gauge,
    restart_needed: Gauge,
    successes: Counter,
    failures: Counter,
}

impl Meters {
    /// Handles from the recorder that is in place now.
    pub fn new() -> Self {
        let reloads = |result: &'static str| {
            let counter = counter!("confab_config_reloads_total", "result" => result);
            counter.absolute(0);
            counter
        };
        Self {
            hash: gauge!("confab_config_hash"),
            generation: gauge!("confab_config_generation"),
            successful: gauge!("confab_config_last_reload_successful"),
            success_timestamp: gauge!("confab_config_last_reload_success_timestamp_seconds"),
            restart_needed: gauge!("confab_config_restart_needed_keys"),
            successes: reloads("success"),
            failures: reloads("failure"),
        }
    }

    /// The daemon started with this configuration, which is a success as well.
    pub fn started(&self, generation: u64, fingerprint: Fingerprint) {
        self.in_force(generation, fingerprint, 0);
    }

    /// This one came into force; `waits` keys of it wait for a restart.
    pub fn succeeded(&self, generation: u64, fingerprint: Fingerprint, waits: usize) {
        self.successes.increment(1);
        self.in_force(generation, fingerprint, waits);
    }

    /// That of before stays in force.
    pub fn failed(&self) {
        self.failures.increment(1);
        self.successful.set(0.0);
    }

    fn in_force(&self, generation: u64, fingerprint: Fingerprint, waits: usize) {
        self.generation.set(generation as f64);
        self.hash.set(fingerprint.number() as f64);
        self.restart_needed.set(waits as f64);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.success_timestamp.set(now.as_secs() as f64);
        self.successful.set(1.0);
    }
}

/// What each metric means.
pub fn describe_metrics() {
    describe_gauge!(
        "confab_config_hash",
        Unit::Count,
        "A hash of the configuration in force, without secrets and what is a node's own."
    );
    describe_gauge!(
        "confab_config_generation",
        Unit::Count,
        "Which chain events begin with: 1 at the start, one more with each reload."
    );
    describe_gauge!(
        "confab_config_last_reload_successful",
        Unit::Count,
        "Whether the last reload, or the start, put the configuration in force: 1 or 0."
    );
    describe_gauge!(
        "confab_config_last_reload_success_timestamp_seconds",
        Unit::Seconds,
        "When a configuration last came into force."
    );
    describe_gauge!(
        "confab_config_restart_needed_keys",
        Unit::Count,
        "Keys of the last configuration that was reloaded which wait for a restart."
    );
    describe_counter!("confab_config_reloads_total", Unit::Count, "Reloads, by result.");
}
