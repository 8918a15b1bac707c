//! How far a move has come, for people: counted by the work, read by who shows it.

use std::{
    sync::atomic::{AtomicU8, AtomicU64, Ordering},
    time::Duration,
};

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Copying accounts.
    Accounts,
    /// Copying messages.
    Messages,
    /// Reading both sides again to compare them.
    Compare,
}

/// Counters that the work moves.
#[derive(Debug, Default)]
pub struct Progress {
    phase: AtomicU8,
    done: AtomicU64,
    total: AtomicU64,
    /// Done without work: it was there before.
    found: AtomicU64,
}

impl Progress {
    pub(super) fn begin(&self, phase: Phase, total: u64) {
        self.done.store(0, Ordering::Relaxed);
        self.found.store(0, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    pub(super) fn did(&self, count: usize) {
        self.done.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(super) fn found(&self, count: u64) {
        self.found.fetch_add(count, Ordering::Relaxed);
    }

    /// What is being done.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Accounts,
            1 => Phase::Messages,
            _ => Phase::Compare,
        }
    }

    /// One line of at most 79 columns: what, how much of it, how fast, and for how long yet.
    /// `elapsed`: since the phase began.
    pub fn line(&self, elapsed: Duration) -> String {
        let (done, found) = (self.done.load(Ordering::Relaxed), self.found.load(Ordering::Relaxed));
        let total = self.total.load(Ordering::Relaxed).max(done + found);
        let all = done + found;
        let what = match self.phase() {
            Phase::Accounts => "accounts",
            Phase::Messages => "messages",
            Phase::Compare => "comparing",
        };
        let percent = (all * 100).checked_div(total).unwrap_or(100);
        let filled = usize::try_from(percent / 5).unwrap_or(0).min(20);
        let bar = format!("{}{}", "#".repeat(filled), "-".repeat(20 - filled));
        let millis = elapsed.as_millis().max(1);
        let rate = u64::try_from(u128::from(done) * 1000 / millis).unwrap_or(u64::MAX);
        let left = match (total - all).checked_div(rate) {
            _ if all == total => String::new(),
            Some(seconds) => format!(", {} left", clock(seconds)),
            None => String::new(),
        };
        format!("{what:<9} [{bar}] {percent:>3} %  {all} of {total}, {rate}/s{left}")
    }
}

fn clock(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_how_fast_and_how_long_yet() {
        let progress = Progress::default();
        progress.begin(Phase::Messages, 100_000);
        progress.found(20_000);
        progress.did(30_000);
        assert_eq!(
            progress.line(Duration::from_secs(10)),
            "messages  [##########----------]  50 %  50000 of 100000, 3000/s, 16 s left"
        );
        progress.did(50_000);
        assert_eq!(
            progress.line(Duration::from_secs(20)),
            "messages  [####################] 100 %  100000 of 100000, 4000/s"
        );
    }

    #[test]
    fn nothing_to_do_is_all_done_and_an_estimate_may_be_too_low() {
        let progress = Progress::default();
        progress.begin(Phase::Compare, 0);
        assert!(progress.line(Duration::ZERO).contains("100 %  0 of 0, 0/s"));
        progress.did(7);
        assert!(progress.line(Duration::ZERO).contains("100 %  7 of 7"));
    }

    #[test]
    fn times_are_readable() {
        assert_eq!(clock(59), "59 s");
        assert_eq!(clock(61), "1 min 01 s");
        assert_eq!(clock(7260), "2 h 01 min");
    }
}
