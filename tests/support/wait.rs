//! Waiting for a condition, never for a while.

use std::time::{Duration, Instant};

/// How long any test waits for anything. Long, because machines are slow at times; a test that
/// passes never waits so long.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Waits until `check` gives something.
///
/// # Panics
/// After the deadline, with `what`.
pub async fn until<T>(what: &str, mut check: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = check().await {
            return found;
        }
        assert!(started.elapsed() < DEADLINE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
