//! Shows how far the work has come, on standard error: one line that is written over on a
//! terminal, else a line now and then.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

/// How often a terminal's line is renewed.
const TERMINAL: Duration = Duration::from_millis(500);

/// How often a line is written where there is no terminal.
const ELSEWHERE: Duration = Duration::from_secs(5);

/// What shows it. There is nobody to tell if that fails.
#[derive(Debug)]
pub struct Progress {
    every: Option<Duration>,
    is_terminal: bool,
    shown: Instant,
    /// Columns of the terminal's line.
    width: usize,
}

impl Progress {
    /// On standard error.
    pub fn on_stderr() -> Self {
        let is_terminal = io::stderr().is_terminal();
        let every = Some(if is_terminal { TERMINAL } else { ELSEWHERE });
        Self { every, is_terminal, shown: Instant::now(), width: 0 }
    }

    /// Nowhere.
    pub fn silent() -> Self {
        Self { every: None, is_terminal: false, shown: Instant::now(), width: 0 }
    }

    /// Whether it is time to show something.
    pub fn is_due(&self) -> bool {
        self.every.is_some_and(|every| self.shown.elapsed() >= every)
    }

    /// Shows how far it has come, if it is time to.
    pub fn tick(&mut self, line: impl FnOnce() -> String) {
        if self.is_due() {
            self.show(&line());
        }
    }

    /// Shows how far it has come.
    pub fn show(&mut self, line: &str) {
        if self.every.is_none() {
            return;
        }
        let mut err = io::stderr().lock();
        if self.is_terminal {
            let width = self.width;
            let _ = write!(err, "\r{line:<width$}").and_then(|()| err.flush());
            self.width = line.chars().count();
        } else {
            let _ = writeln!(err, "{line}");
        }
        self.shown = Instant::now();
    }

    /// Writes a line that stays.
    pub fn say(&mut self, line: &str) {
        if self.every.is_none() {
            return;
        }
        self.clear();
        let _ = writeln!(io::stderr().lock(), "{line}");
        self.shown = Instant::now();
    }

    /// Leaves a terminal's line empty.
    pub fn clear(&mut self) {
        if self.width > 0 {
            let mut err = io::stderr().lock();
            let _ = write!(err, "\r{:width$}\r", "", width = self.width).and_then(|()| err.flush());
            self.width = 0;
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
