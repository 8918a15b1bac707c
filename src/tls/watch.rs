//! Looks at the certificate's files now and then, and takes up what is new in them.

use std::{sync::Arc, time::Duration};

use tokio::task::spawn_blocking;

use super::{
    Server,
    pair::{Bad, Files, Pair},
};

/// The two files are not renewed in one step: how long the second may take after the first.
const SETTLE: Duration = Duration::from_secs(1);

/// Looks every `interval`, for ever. What is no good is told of once, and tried again when a file
/// has changed once more.
pub async fn watch(server: Arc<Server>, files: Files, interval: Duration) {
    let mut last = None;
    loop {
        tokio::time::sleep(interval).await;
        let mut seen = look(&files).await;
        if seen.as_ref().is_some_and(|seen| Some(seen) != last.as_ref() && seen.is_err()) {
            tokio::time::sleep(SETTLE).await;
            seen = look(&files).await;
        }
        let Some(seen) = seen else { continue };
        match &seen {
            Ok(pair) => server.replace(pair.clone()),
            Err(bad) if last.as_ref() != Some(&seen) => server.keep(bad),
            Err(_) => {}
        }
        last = Some(seen);
    }
}

/// What is in the files; `None` when the look itself failed, as at the daemon's end.
async fn look(files: &Files) -> Option<Result<Pair, Bad>> {
    let files = files.clone();
    spawn_blocking(move || Pair::read(&files)).await.ok()
}
