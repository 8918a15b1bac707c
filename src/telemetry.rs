//! What the daemon says of itself: log lines, and where panics go.

mod format;
mod journal;
mod otlp;
mod queue;

use std::{io, sync::Arc};

use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::{EnvFilter, reload::Handle};

use self::{
    format::{Escaped, Journal, JournalFields},
    journal::JournalSocket,
};
pub use self::{
    otlp::{describe_metrics, export_spans},
    queue::dropped_lines,
};
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

/// Sends log lines to where `log.format` says, from a thread of their own. Lines are dropped rather
/// than hold up a message.
pub fn start_log(config: &Log) -> Logging {
    let wanted = match config.format {
        LogFormat::Auto if journal::is_on_stderr() => LogFormat::Journald,
        LogFormat::Auto => LogFormat::Text,
        wanted => wanted,
    };
    let journal = (wanted == LogFormat::Journald).then(JournalSocket::open);
    let (format, (writer, guard), trouble) = match journal {
        Some(Ok(socket)) => (LogFormat::Journald, queue::start(config.queue, socket), None),
        Some(Err(error)) => {
            (LogFormat::Text, queue::start(config.queue, io::stderr()), Some(error))
        }
        None => (wanted, queue::start(config.queue, io::stderr()), None),
    };
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter(&config.level)).with_writer(writer);
    let (level, result) = match format {
        LogFormat::Text | LogFormat::Auto => {
            let format = Escaped::text(tracing_subscriber::fmt::format().with_ansi(false));
            let builder = builder.with_ansi(false).event_format(format).with_filter_reloading();
            (LogLevel::of(builder.reload_handle()), builder.try_init())
        }
        LogFormat::Json => {
            let format = tracing_subscriber::fmt::format().json().flatten_event(true);
            let builder = builder.json().event_format(Escaped::json(format));
            let builder = builder.with_filter_reloading();
            (LogLevel::of(builder.reload_handle()), builder.try_init())
        }
        LogFormat::Journald => {
            let builder = builder.fmt_fields(JournalFields).event_format(Journal);
            let builder = builder.with_filter_reloading();
            (LogLevel::of(builder.reload_handle()), builder.try_init())
        }
    };
    if let Some(error) = trouble {
        tracing::warn!(%error, "the journal cannot be reached: the log goes to standard error");
    }
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
