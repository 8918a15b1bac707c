//! Pauses between attempts, longer each time, and never the same on two nodes.

use std::time::Duration;

use rand::Rng as _;
use tokio::time::sleep;

pub(super) struct Pause {
    next: Duration,
    longest: Duration,
}

impl Pause {
    /// The first pause is at most `first`, the following ones up to `longest`.
    pub(super) fn new(first: Duration, longest: Duration) -> Self {
        Self { next: first, longest }
    }

    /// After an attempt that another node's write has spoilt.
    pub(super) fn of_a_race() -> Self {
        Self::new(Duration::from_millis(2), Duration::from_millis(100))
    }

    pub(super) async fn wait(&mut self) {
        let part = rand::rng().random_range(0.5..=1.0);
        let pause = self.next.mul_f64(part);
        self.next = (self.next * 2).min(self.longest);
        sleep(pause).await;
    }
}
