//! The lines that wait to be written, and the count of those for which there was no room.

use std::{
    io::{self, Write},
    sync::OnceLock,
};

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

/// Of the process's one log.
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// How many lines of the log were dropped because too many waited.
pub fn dropped_lines() -> u64 {
    DROPPED.get().map_or(0, |counter| counter.dropped_lines() as u64)
}

/// Writes lines to `to` from a thread of its own, while at most `most` wait.
pub(super) fn start(most: usize, to: impl Write + Send + 'static) -> (NonBlocking, WorkerGuard) {
    let builder = NonBlockingBuilder::default().buffered_lines_limit(most).lossy(true);
    let (queue, guard) = builder.thread_name("confab-log").finish(Honest { to, told: 0 });
    // There is one log, so it is empty.
    let _ = DROPPED.set(queue.error_counter());
    (queue, guard)
}

/// Says in the log what is missing from it.
struct Honest<W> {
    to: W,
    /// How many dropped lines the log has been told of.
    told: u64,
}

impl<W: Write> Write for Honest<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.to.write(line)
    }

    /// The thread calls it once nothing waits: there is room for a line again.
    fn flush(&mut self) -> io::Result<()> {
        let dropped = dropped_lines();
        if dropped > self.told {
            tracing::warn!(
                lines = dropped - self.told,
                "the log was not taken in time, and has a gap"
            );
            self.told = dropped;
        }
        self.to.flush()
    }
}
