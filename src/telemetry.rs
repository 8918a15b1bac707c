//! What the daemon says of itself: log lines, and where panics go.

use std::{io, sync::Arc};

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{EnvFilter, reload::Handle};

use crate::config::{Log, LogFormat};

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
