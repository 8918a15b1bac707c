//! When a session asks for what it lacks: after it began, after a hole, until it is complete.

use std::time::{Duration, Instant};

use super::backoff::Backoff;

/// How long the answer to a `sync`, or to a message, may take.
pub const ANSWER: Duration = Duration::from_secs(30);

/// The `sync` frames of one session: one at a time.
#[derive(Debug)]
pub struct Asking {
    asked: Option<Asked>,
    wanted: Option<Instant>,
    again: Backoff,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    at: Instant,
    had: u64,
    last: bool,
}

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// There is more: ask again.
    More,
    /// The device has everything that there was.
    Complete {
        /// Whether this was asked when nothing more was being sent.
        last: bool,
    },
    /// Complete by the server's word, and yet something is missing: ask again.
    Hole {
        /// How often in a row.
        times: u32,
    },
}

impl Asking {
    /// Of a new session, which asks at once.
    pub fn new(now: Instant) -> Self {
        Self { asked: None, wanted: Some(now), again: Backoff::default() }
    }

    /// Something is missing, or may be.
    pub fn want(&mut self, now: Instant) {
        if self.asked.is_none() && self.wanted.is_none() {
            self.wanted = Some(now);
        }
    }

    /// Whether to ask now.
    pub fn is_due(&self, now: Instant) -> bool {
        self.asked.is_none() && self.wanted.is_some_and(|at| at <= now)
    }

    /// Whether an answer is owed or a question waits.
    pub fn is_busy(&self) -> bool {
        self.asked.is_some() || self.wanted.is_some()
    }

    /// Asked, having everything up to `had`. `last`: nothing more is being sent.
    pub fn ask(&mut self, now: Instant, had: u64, last: bool) {
        self.wanted = None;
        self.asked = Some(Asked { at: now, had, last });
    }

    /// The question was refused for now. Says whether one had been asked.
    pub fn refused(&mut self, at: Instant) -> bool {
        let asked = self.asked.take().is_some();
        if asked {
            self.wanted = Some(at);
        }
        asked
    }

    /// An answer has come, and now there is everything up to `upto`.
    pub fn answered(
        &mut self,
        now: Instant,
        complete: bool,
        (upto, hole): (u64, bool),
        random: f64,
    ) -> Meaning {
        let asked = self.asked.take();
        if !complete {
            // A page that brings nothing must not be asked for as fast as the wire goes.
            let idle = asked.is_some_and(|asked| asked.had >= upto);
            let wait = if idle { self.again.next(None, random) } else { Duration::ZERO };
            self.wanted = Some(now + wait);
            return Meaning::More;
        }
        if hole {
            self.wanted = Some(now + self.again.next(None, random));
            return Meaning::Hole { times: self.again.failures() };
        }
        self.again.reset();
        Meaning::Complete { last: asked.is_some_and(|asked| asked.last) }
    }

    /// When to look again: to ask, or to give the answer up.
    pub fn due(&self) -> Option<Instant> {
        self.asked.map(|asked| asked.at + ANSWER).or(self.wanted)
    }

    /// Whether the answer is overdue.
    pub fn is_overdue(&self, now: Instant) -> bool {
        self.asked.is_some_and(|asked| now >= asked.at + ANSWER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_asks_until_complete() {
        let now = Instant::now();
        let mut asking = Asking::new(now);
        assert!(asking.is_due(now));
        asking.ask(now, 0, false);
        assert!(!asking.is_due(now));
        assert_eq!(asking.answered(now, false, (100, false), 1.0), Meaning::More);
        assert!(asking.is_due(now), "there was progress");
        asking.ask(now, 100, true);
        assert_eq!(asking.answered(now, true, (120, false), 1.0), Meaning::Complete { last: true });
        assert!(!asking.is_busy());
        asking.want(now);
        assert!(asking.is_due(now));
    }

    #[test]
    fn a_server_that_brings_nothing_is_not_pressed() {
        let now = Instant::now();
        let mut asking = Asking::new(now);
        asking.ask(now, 5, false);
        assert_eq!(asking.answered(now, false, (5, false), 1.0), Meaning::More);
        assert_eq!(asking.due(), Some(now + Duration::from_millis(100)));
        asking.ask(now, 5, false);
        assert_eq!(asking.answered(now, true, (5, true), 1.0), Meaning::Hole { times: 2 });
        assert_eq!(asking.due(), Some(now + Duration::from_millis(200)));
    }

    #[test]
    fn one_question_at_a_time_and_no_answer_is_told() {
        let now = Instant::now();
        let mut asking = Asking::new(now);
        assert!(!asking.refused(now), "none was asked");
        asking.ask(now, 0, false);
        asking.want(now);
        assert!(!asking.is_due(now) && !asking.is_overdue(now));
        assert!(asking.is_overdue(now + ANSWER));
        assert!(asking.refused(now + Duration::from_secs(1)));
        assert!(!asking.is_due(now) && asking.is_due(now + Duration::from_secs(1)));
    }
}
