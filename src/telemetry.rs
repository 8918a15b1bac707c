//! What the daemon says of itself: log lines, metrics, and where panics go.

use std::{io, sync::Arc, time::Duration};

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{EnvFilter, reload::Handle};

use crate::config::{Log, LogFormat};

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

/// What sends log lines. Keep it until the end: dropped, it writes what is queued.
pub struct Logging {
    /// What it sends.
    pub level: LogLevel,
    _writer: WorkerGuard,
}

/// What is logged, for a reload to change.
#[derive(Clone)]
pub struct LogLevel(Arc<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>);

impl LogLevel {
    fn of<S: 'static>(handle: Handle<EnvFilter, S>) -> Self {
        Self(Arc::new(move |filter| handle.reload(filter).map_err(|error| error.to_string())))
    }

    /// From here on, logs what `level` says: a value of `log.level` that was checked.
    pub fn set(&self, level: &str) {
        if let Err(error) = (self.0)(filter(level)) {
            tracing::error!(error, "the log level cannot be changed");
        }
    }
}

/// What of all events is logged: the hot path asks it only for lines that it lets through.
fn filter(level: &str) -> EnvFilter {
    // The level was checked with the configuration. The libraries tell of every start and stop,
    // and of every close; so do we. What they would log at "trace", the frames with the text of
    // messages, is not compiled in: see `log` in Cargo.toml.
    let level = format!("poem=warn,tungstenite=warn,{level}");
    EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"))
}

/// Sends log lines to standard error, from a thread of their own. Lines are dropped, and counted,
/// rather than hold up a message.
pub fn start_log(config: &Log) -> Logging {
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(config.queue)
        .lossy(true)
        .thread_name("confab-log")
        .finish(io::stderr());
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter(&config.level)).with_writer(writer);
    let (level, result) = match config.format {
        LogFormat::Text => {
            let builder = builder.with_ansi(false).with_filter_reloading();
            (LogLevel::of(builder.reload_handle()), builder.try_init())
        }
        LogFormat::Json => {
            let builder = builder.json().flatten_event(true).with_filter_reloading();
            (LogLevel::of(builder.reload_handle()), builder.try_init())
        }
    };
    if let Err(error) = result {
        tracing::warn!(%error, "another logger is in place");
    }
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(at, message = %message.escape_debug(), "a panic was contained");
    }));
    Logging { level, _writer: guard }
}

/// Gathers metrics in this process.
///
/// # Errors
/// When something in the process gathers them already.
pub fn start_metrics() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)?
        .set_buckets_for_metric(
            Matcher::Full("confab_plugin_duration_seconds".to_owned()),
            PLUGIN_SECONDS,
        )?
        .set_buckets_for_metric(Matcher::Suffix("_bytes".to_owned()), SIZES)?
        .set_buckets_for_metric(Matcher::Suffix("_messages".to_owned()), SIZES)?
        .install_recorder()?;
    describe();
    gauge!("confab_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(handle)
}

/// Folds histograms until `stop`; without it they would grow for ever between scrapes.
/// `publish` hands over what is counted elsewhere.
pub async fn upkeep(handle: PrometheusHandle, publish: impl Fn(), stop: CancellationToken) {
    let mut tick = tokio::time::interval(UPKEEP);
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        publish();
        handle.run_upkeep();
    }
}

fn describe() {
    crate::auth::describe_metrics();
    crate::bus::redis::describe_metrics();
    crate::reload::describe_metrics();
    crate::tls::describe_metrics();
    describe_gauge!("confab_build_info", "The version that runs; always 1.");
    describe_gauge!("confab_websocket_connections", "Sessions open on this node.");
    describe_counter!("confab_websocket_closed_total", "Sessions that ended, by reason.");
    describe_counter!(
        "confab_connections_failed_total",
        "Connections that could not be accepted, as when file descriptors run out."
    );
    describe_counter!("confab_messages_accepted_total", "Messages stored for the first time.");
    describe_counter!("confab_messages_duplicate_total", "Retries of messages stored before.");
    describe_counter!(
        "confab_messages_delivered_total",
        "Frames queued to sessions that must not be lost, by the way they came."
    );
    describe_counter!("confab_ephemeral_dropped_total", "Typing frames left out for slow clients.");
    describe_counter!(
        "confab_ephemeral_replaced_total",
        "Typing frames that gave way, while they waited, to a newer one of the same sender."
    );
    describe_counter!(
        "confab_frames_refused_total",
        "Frames that were malformed or over the rate."
    );
    describe_gauge!(
        "confab_outbox_bytes",
        Unit::Bytes,
        "What waits to be written to the sessions of this node."
    );
    describe_gauge!("confab_store_queue_events", "Messages and read marks that are being stored.");
    describe_gauge!("confab_store_queue_bytes", Unit::Bytes, "Their bytes, as limits count them.");
    describe_counter!(
        "confab_overloaded_total",
        "Messages and read marks refused because too much waits for the store."
    );
    describe_counter!("confab_tokens_refused_total", "Tokens that were not good, by reason.");
    describe_counter!("confab_store_errors_total", "What the store could not do, by operation.");
    describe_counter!(
        "confab_store_odd_documents_total",
        "Documents in MongoDB that were skipped: their fields are missing or odd."
    );
    describe_counter!(
        "confab_store_seq_conflicts_total",
        "Inserts into MongoDB that another node's message came before."
    );
    describe_histogram!(
        "confab_store_operation_duration_seconds",
        Unit::Seconds,
        "How long the store took, by operation."
    );
    describe_histogram!("confab_store_batch_messages", "Messages handed to the store at once.");
    describe_counter!(
        "confab_plugin_verdicts_total",
        "What entries decided, by entry and verdict."
    );
    describe_gauge!(
        "confab_plugin_breaker_open",
        "1 while an entry is out because it failed too often."
    );
    describe_counter!(
        "confab_plugin_jobs_total",
        "What became of the background jobs of entries, by entry and result."
    );
    describe_gauge!(
        "confab_plugin_jobs_held",
        "Background jobs of entries that wait, run or pause, by entry."
    );
    describe_histogram!(
        "confab_plugin_duration_seconds",
        Unit::Seconds,
        "How long the before hook of an entry took."
    );
    describe_gauge!("process_resident_memory_bytes", Unit::Bytes, "Resident memory.");
    describe_gauge!("process_open_fds", "Open file descriptors.");
}
