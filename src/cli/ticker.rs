//! Shows how far the work has come, on standard error: one line that is written over on a
//! terminal, else a line now and then.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use tokio::time::{MissedTickBehavior, interval};

/// How often the progress is looked at, and a terminal's line renewed.
const TICK: Duration = Duration::from_millis(200);

/// How often a line is written where there is no terminal.
const ELSEWHERE: Duration = Duration::from_secs(10);

/// Work whose progress can be shown.
pub(super) trait Shown {
    /// What is being done: the clock begins anew when it changes.
    fn phase(&self) -> u8;

    /// One line of at most 79 columns. `elapsed`: since the phase began.
    fn line(&self, elapsed: Duration) -> String;
}

/// What shows it.
pub(super) struct Ticker<'a> {
    progress: &'a dyn Shown,
    is_terminal: bool,
    phase: u8,
    began: Instant,
    written: Instant,
    /// Columns of the terminal's line.
    width: usize,
}

impl<'a> Ticker<'a> {
    /// Shows the progress of some work until it is done, or dropped.
    pub(super) async fn during<T>(progress: &'a dyn Shown, work: impl Future<Output = T>) -> T {
        let now = Instant::now();
        let mut ticker = Self {
            progress,
            is_terminal: io::stderr().is_terminal(),
            phase: progress.phase(),
            began: now,
            written: now,
            width: 0,
        };
        let mut work = std::pin::pin!(work);
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                result = &mut work => return result,
                _ = ticks.tick() => ticker.show(),
            }
        }
    }

    fn show(&mut self) {
        let phase = self.progress.phase();
        if phase != self.phase {
            (self.phase, self.began) = (phase, Instant::now());
        }
        let line = self.progress.line(self.began.elapsed());
        let mut err = io::stderr().lock();
        // There is nobody to tell if it cannot be shown.
        if self.is_terminal {
            let width = self.width;
            let _ = write!(err, "\r{line:<width$}").and_then(|()| err.flush());
            self.width = line.len();
        } else if self.written.elapsed() >= ELSEWHERE {
            let _ = writeln!(err, "{line}");
            self.written = Instant::now();
        }
    }
}

/// Leaves a terminal's line empty.
impl Drop for Ticker<'_> {
    fn drop(&mut self) {
        if self.width > 0 {
            let mut err = io::stderr().lock();
            let _ = write!(err, "\r{:width$}\r", "", width = self.width).and_then(|()| err.flush());
        }
    }
}
