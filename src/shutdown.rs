//! When to stop and when to reload: the signals, and one that must not stop the daemon.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// From here on SIGHUP does not end the process, as it would by default: an operator may send it
/// for a reload while the daemon is only beginning.
pub fn survive_hangups() {
    // What any runtime installs is the process's, and stays.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    if let Ok(runtime) = runtime {
        let _ = runtime.block_on(async { hangups() });
    }
}

/// From here on a file that may not grow (a limit such as `LimitFSIZE=` of systemd) is an error of
/// the call that writes it, as a full disk is. By default SIGXFSZ would end the process.
///
/// # Errors
/// When the handler cannot be installed.
pub fn survive_file_limits() -> io::Result<()> {
    // What is installed stays when this is dropped.
    signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw())).map(drop)
}

/// SIGHUP, by which operators ask for a reload. Those that come while nobody listens are one.
///
/// # Errors
/// When the handler cannot be installed.
pub fn hangups() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// A token that is cancelled by SIGTERM or SIGINT. A second signal ends the process at once,
/// for an operator who will not wait for the drain.
///
/// # Errors
/// When the handlers cannot be installed.
pub fn on_signal() -> io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
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
