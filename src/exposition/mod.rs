//! What `/metrics` answers: what the recorder has gathered, and what is read when it is asked for.

mod entries;
mod memory;
mod process;
mod runtime;
mod sample;

use std::{collections::HashSet, sync::Arc, time::Duration};

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;

use crate::{auth, bus, dispatch, dispatch::Dispatch, http, hub, reload, telemetry, tls};
pub use runtime::watch_lag;

/// How often what histograms have gathered is folded into their buckets.
const UPKEEP: Duration = Duration::from_secs(5);

/// From 50 µs to 10 s: a hook takes the least, an overloaded store the most.
const SECONDS: &[f64] = &[
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0,
];

/// A hook takes microseconds.
const PLUGIN_SECONDS: &[f64] = &[
    0.000_001, 0.000_005, 0.000_01, 0.000_05, 0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5,
    1.0, 5.0,
];

/// Counts and sizes.
const SIZES: &[f64] = &[1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16_384.0, 65_536.0];

/// Gathers metrics in this process. To be called before anything registers one.
///
/// # Errors
/// When something in the process gathers them already.
pub fn start() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)?
        .set_buckets_for_metric(
            Matcher::Full("confab_plugin_duration_seconds".to_owned()),
            PLUGIN_SECONDS,
        )?
        .set_buckets_for_metric(Matcher::Suffix("_bytes".to_owned()), SIZES)?
        .set_buckets_for_metric(Matcher::Suffix("_messages".to_owned()), SIZES)?
        .install_recorder()?;
    auth::describe_metrics();
    bus::redis::describe_metrics();
    dispatch::describe_metrics();
    http::describe_metrics();
    hub::describe_metrics();
    telemetry::describe_metrics();
    reload::describe_metrics();
    tls::describe_metrics();
    describe_chain();
    describe_gauge!("confab_build_info", Unit::Count, "The version that runs; always 1.");
    gauge!("confab_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(handle)
}

fn describe_chain() {
    describe_counter!(
        "confab_plugin_verdicts_total",
        Unit::Count,
        "What entries decided, by entry and verdict."
    );
    describe_gauge!(
        "confab_plugin_breaker_open",
        Unit::Count,
        "1 while an entry is out because it failed too often."
    );
    describe_counter!(
        "confab_plugin_jobs_total",
        Unit::Count,
        "What became of the background jobs of entries, by entry and result."
    );
    describe_gauge!(
        "confab_plugin_jobs_held",
        Unit::Count,
        "Background jobs of entries that wait, run or pause, by entry."
    );
    describe_histogram!(
        "confab_plugin_duration_seconds",
        Unit::Seconds,
        "How long the before hook of an entry took."
    );
}

/// All that a scrape tells.
pub struct Exposition {
    recorder: PrometheusHandle,
    dispatch: Arc<Dispatch>,
    process: process::Process,
}

impl Exposition {
    /// What `recorder` has gathered, and what is read of `dispatch` and the process.
    pub fn new(recorder: PrometheusHandle, dispatch: Arc<Dispatch>) -> Self {
        Self { recorder, dispatch, process: process::Process::new() }
    }

    /// Everything, in Prometheus's text format. Reads small files of the system: not for a thread
    /// of the runtime that others wait for. Must be called where there is a runtime.
    pub fn text(&self) -> String {
        self.dispatch.publish();
        let chain = self.dispatch.chain();
        let names: HashSet<&str> = chain.names().collect();
        let mut text = entries::without_removed(&self.recorder.render(), &names);
        hub::write_times(&mut text);
        runtime::write(&mut text);
        self.process.write(&mut text);
        memory::write(&mut text);
        sample::counter(
            &mut text,
            "confab_log_lines_dropped_total",
            "Lines of the log that were dropped because log.queue others waited to be written.",
            telemetry::dropped_lines() as f64,
        );
        text
    }

    /// Folds histograms until `stop`; without it they would grow for ever between scrapes.
    pub async fn upkeep(self: Arc<Self>, stop: CancellationToken) {
        let mut tick = tokio::time::interval(UPKEEP);
        while stop.run_until_cancelled(tick.tick()).await.is_some() {
            self.dispatch.publish();
            self.recorder.run_upkeep();
        }
    }
}
