//! Whether a loop still turns: it counts its rounds, and others can wait until it has shown one.

use std::{
    convert::Infallible,
    fmt,
    time::{Duration, Instant},
};

use tokio::sync::{Notify, watch};

/// The rounds of a loop, which goes through one at a time. For a thread as well as for a task.
#[derive(Default)]
pub struct Turns(watch::Sender<Count>);

#[derive(Clone, Copy, Default)]
struct Count {
    begun: u64,
    ended: u64,
    /// When the last one began.
    since: Option<Instant>,
}

impl Count {
    /// Whether it is in a round that is not older than `longest`.
    fn is_fresh(&self, longest: Duration) -> bool {
        self.begun > self.ended && self.since.is_some_and(|since| since.elapsed() <= longest)
    }
}

impl Turns {
    /// A round begins; it ends when what is returned is dropped.
    pub fn begin(&self) -> Round<'_> {
        self.0.send_modify(|count| {
            count.begun += 1;
            count.since = Some(Instant::now());
        });
        Round(&self.0)
    }

    /// Waits until no round goes on that was begun before this call.
    pub async fn settled(&self) {
        let mut counts = self.0.subscribe();
        let begun = counts.borrow_and_update().begun;
        // The sender is alive as long as this is.
        let _ = counts.wait_for(|count| count.ended >= begun).await;
    }

    /// Waits until the loop has shown that it turns: it ends a round after this call, or is in one
    /// that takes no longer than `longest`, the time that a round may take by its own bounds.
    /// `wake` has the loop make a round if it is idle.
    pub async fn turned(&self, longest: Duration, wake: impl AsyncFnOnce()) {
        let mut counts = self.0.subscribe();
        let before = *counts.borrow_and_update();
        if before.is_fresh(longest) {
            return;
        }
        let turned = counts.wait_for(|count| count.ended > before.ended || count.is_fresh(longest));
        // The loop may be full, and turn all the same.
        let wake = async {
            wake().await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            _ = turned => {}
            () = wake => {}
        }
    }
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = *self.0.borrow();
        f.debug_struct("Turns").field("begun", &count.begun).field("ended", &count.ended).finish()
    }
}

/// A round that goes on.
pub struct Round<'a>(&'a watch::Sender<Count>);

impl Drop for Round<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| count.ended += 1);
    }
}

/// The same for a task that only waits: it answers while it does.
#[derive(Debug, Default)]
pub struct Pulse {
    asked: Notify,
    turns: Turns,
}

impl Pulse {
    /// Answers for ever; for a task to wait for beside what it does.
    pub async fn answer(&self) -> Infallible {
        loop {
            self.asked.notified().await;
            drop(self.turns.begin());
        }
    }

    /// Waits until the task has answered.
    pub async fn turned(&self) {
        self.turns.turned(Duration::ZERO, async || self.asked.notify_one()).await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, poll};

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn an_idle_loop_is_woken_and_shows_a_round() {
        let turns = Turns::default();
        let mut woken = false;
        let mut turned = Box::pin(turns.turned(LONG, async || woken = true));
        assert!(poll!(turned.as_mut()).is_pending());
        drop(turns.begin());
        assert!(poll!(turned.as_mut()).is_ready());
        drop(turned);
        assert!(woken);
    }

    #[tokio::test]
    async fn a_round_is_excused_for_as_long_as_it_may_take() {
        let turns = Turns::default();
        let round = turns.begin();
        assert!(turns.turned(LONG, async || ()).now_or_never().is_some());
        let mut overdue = Box::pin(turns.turned(Duration::ZERO, async || ()));
        std::thread::sleep(Duration::from_millis(1));
        assert!(poll!(overdue.as_mut()).is_pending(), "it hangs in this round");
        drop(round);
        assert!(poll!(overdue.as_mut()).is_ready());
    }

    #[tokio::test]
    async fn a_task_answers_while_it_waits() {
        let pulse = Pulse::default();
        let mut turned = Box::pin(pulse.turned());
        assert!(poll!(turned.as_mut()).is_pending(), "nobody answers yet");
        let mut task = Box::pin(pulse.answer());
        assert!(poll!(task.as_mut()).is_pending());
        assert!(poll!(turned.as_mut()).is_ready());
    }
}
