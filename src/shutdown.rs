//! When to stop: the signals.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that is cancelled by SIGTERM or SIGINT. A second signal ends the process at once,
/// for an operator who will not wait for the drain.
///
/// # Errors
/// When the handlers cannot be installed.
pub fn on_signal() -> io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    // Its default would end the daemon without a drain, and operators send it to reload.
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            tracing::warn!(
                "SIGHUP: this version cannot reload, restart it to change configuration"
            );
        }
    });
    let token = CancellationToken::new();
    let stop = token.clone();
    tokio::spawn(async move {
        for second in [false, true] {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            if second {
                tracing::warn!(signal = name, "stopping at once");
                std::process::exit(1);
            }
            tracing::info!(signal = name, "stopping");
            stop.cancel();
        }
    });
    Ok(token)
}
