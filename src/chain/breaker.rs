//! Takes an entry out of the chain that keeps failing, and lets one event try it again.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use confab_plugin::Context;
use metrics::Gauge;

/// A circuit breaker.
///
/// Failures count only while they come in a row and concern more than one user: somebody who
/// finds a text that makes a hook fail must not be able to take it out for everybody.
pub struct Breaker {
    /// 0 means never.
    failures: u32,
    pause: Duration,
    /// How long a try may take at most, before another event may try.
    patience: Duration,
    /// False while there is nothing to look up: no failure since the last success.
    trouble: AtomicBool,
    state: Mutex<State>,
    /// 1 while the entry is out.
    gauge: Gauge,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It runs. `actor` is whose event failed first.
    Closed { streak: u32, actor: u64, several: bool },
    /// It is out until then.
    Open { until: Instant },
    /// It is out, but for one event that tries it; after `until` the next one may, should that
    /// event have been given up.
    Trying { until: Instant },
}

/// A run of the hook that may begin. Hand it back with what came of it.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Whether it tries an entry that is out.
    tries: bool,
}

const WELL: State = State::Closed { streak: 0, actor: 0, several: false };

impl Breaker {
    /// A breaker that opens after `failures` in a row, for `pause`, of a hook that takes at most
    /// `limit`. It leaves the gauge alone until it opens, or is told to [`show`](Self::show).
    pub fn new(failures: u32, pause: Duration, limit: Duration, gauge: Gauge) -> Self {
        let (trouble, state) = (AtomicBool::new(false), Mutex::new(WELL));
        Self { failures, pause, patience: pause.max(limit), trouble, state, gauge }
    }

    /// Whether it was made for the same limits.
    pub fn is_like(&self, other: &Self) -> bool {
        (self.failures, self.pause, self.patience) == (other.failures, other.pause, other.patience)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the hook may run now.
    pub fn admits(&self, now: Instant) -> Option<Run> {
        if !self.trouble.load(Ordering::Relaxed) {
            return Some(Run { tries: false });
        }
        let mut state = self.state();
        match *state {
            State::Closed { .. } => Some(Run { tries: false }),
            State::Open { until } | State::Trying { until } if now < until => None,
            State::Open { .. } | State::Trying { .. } => {
                *state = State::Trying { until: now + self.patience };
                Some(Run { tries: true })
            }
        }
    }

    /// The hook answered. True if that brought it back.
    pub fn succeeded(&self, run: Run) -> bool {
        if !self.trouble.load(Ordering::Relaxed) {
            return false;
        }
        let mut state = self.state();
        let back = match *state {
            State::Closed { .. } => false,
            State::Trying { .. } if run.tries => true,
            // A run that began before it was taken out says nothing of how it is now.
            State::Open { .. } | State::Trying { .. } => return false,
        };
        *state = WELL;
        self.trouble.store(false, Ordering::Relaxed);
        if back {
            self.gauge.set(0.0);
        }
        back
    }

    /// The hook failed. True if that took it out.
    pub fn failed(&self, run: Run, cx: &Context, now: Instant) -> bool {
        if self.failures == 0 {
            return false;
        }
        let mut state = self.state();
        self.trouble.store(true, Ordering::Relaxed);
        let (streak, first, several) = match *state {
            State::Closed { streak, actor, several } => (streak, actor, several),
            State::Trying { .. } if run.tries => {
                *state = State::Open { until: now + self.pause };
                return false;
            }
            State::Open { .. } | State::Trying { .. } => return false,
        };
        let actor = actor(cx);
        let first = if streak == 0 { actor } else { first };
        let (streak, several) = (streak.saturating_add(1), several || actor != first);
        if streak >= self.failures && several {
            *state = State::Open { until: now + self.pause };
            self.gauge.set(1.0);
            return true;
        }
        *state = State::Closed { streak, actor: first, several };
        false
    }

    /// Shows its state again, should another breaker have used the same gauge.
    pub fn show(&self) {
        let state = self.state();
        let out = !matches!(*state, State::Closed { .. });
        self.gauge.set(f64::from(u8::from(out)));
    }

    /// Shows that nothing is out: the entry is gone.
    pub fn hide(&self) {
        self.gauge.set(0.0);
    }
}

/// Whose event it is: the user's, else the address's.
fn actor(cx: &Context) -> u64 {
    let mut hasher = DefaultHasher::new();
    match &cx.user {
        Some(user) => user.id.hash(&mut hasher),
        None => cx.address.hash(&mut hasher),
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use confab_plugin::{User, UserId, testkit};

    use super::*;

    const PAUSE: Duration = Duration::from_secs(5);
    const RUN: Run = Run { tries: false };
    const TRY: Run = Run { tries: true };

    fn of(user: u128) -> Context {
        let mut cx = testkit::context();
        let name = cx.user.as_ref().unwrap().name.clone();
        cx.user = Some(Arc::new(User { id: UserId::from_u128(user), name }));
        cx
    }

    fn breaker(failures: u32) -> Breaker {
        Breaker::new(failures, PAUSE, Duration::ZERO, Gauge::noop())
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_closes_after_a_good_try() {
        let (breaker, now) = (breaker(3), Instant::now());
        assert!(!breaker.failed(RUN, &of(1), now));
        assert!(!breaker.failed(RUN, &of(2), now));
        breaker.succeeded(RUN);
        assert!(!breaker.failed(RUN, &of(1), now), "a success begins the row anew");
        assert!(!breaker.failed(RUN, &of(2), now));
        assert!(breaker.admits(now).is_some());
        assert!(breaker.failed(RUN, &of(1), now));
        assert!(breaker.admits(now).is_none());
        let later = now + PAUSE;
        assert!(breaker.admits(later - Duration::from_nanos(1)).is_none());
        assert!(breaker.admits(later).is_some(), "one event tries");
        assert!(breaker.admits(later).is_none(), "and no other");
        assert!(breaker.succeeded(TRY));
        assert!(breaker.admits(later).is_some());
    }

    #[test]
    fn a_failed_try_keeps_it_out_and_a_lost_one_is_made_up_for() {
        let (breaker, now) = (breaker(1), Instant::now());
        breaker.failed(RUN, &of(1), now);
        assert!(breaker.failed(RUN, &of(2), now));
        let later = now + PAUSE;
        assert!(breaker.admits(later).is_some());
        breaker.failed(TRY, &of(1), later);
        assert!(breaker.admits(later + PAUSE / 2).is_none());
        assert!(
            breaker.admits(later + PAUSE).is_some(),
            "this event is given up and never reports"
        );
        assert!(breaker.admits(later + PAUSE).is_none());
        assert!(breaker.admits(later + PAUSE * 2).is_some());
    }

    #[test]
    fn one_user_alone_cannot_take_a_hook_out() {
        let (breaker, now) = (breaker(2), Instant::now());
        for _ in 0..1000 {
            assert!(!breaker.failed(RUN, &of(1), now));
        }
        assert!(breaker.admits(now).is_some());
        assert!(breaker.failed(RUN, &of(2), now));
    }

    #[test]
    fn none_means_never() {
        let (breaker, now) = (breaker(0), Instant::now());
        assert!((0..100).all(|user| !breaker.failed(RUN, &of(user), now)));
        assert!(breaker.admits(now).is_some());
    }

    #[test]
    fn what_ran_before_it_opened_does_not_close_it() {
        let (breaker, now) = (breaker(1), Instant::now());
        breaker.failed(RUN, &of(1), now);
        assert!(breaker.failed(RUN, &of(2), now));
        assert!(!breaker.succeeded(RUN));
        assert!(breaker.admits(now).is_none());
    }

    #[test]
    fn what_ran_before_it_opened_says_nothing_of_a_try() {
        let (breaker, now) = (breaker(1), Instant::now());
        let old = breaker.admits(now).unwrap();
        breaker.failed(old, &of(1), now);
        assert!(breaker.failed(old, &of(2), now));
        let later = now + PAUSE;
        let tries = breaker.admits(later).unwrap();
        assert!(!breaker.succeeded(old));
        assert!(breaker.admits(later).is_none(), "an old success brings nothing back");
        breaker.failed(old, &of(3), later);
        assert!(breaker.succeeded(tries), "an old failure does not spoil the try");
        assert!(breaker.admits(later).is_some());
    }

    #[test]
    fn a_try_has_its_time() {
        let (breaker, now) = (Breaker::new(1, PAUSE, PAUSE * 3, Gauge::noop()), Instant::now());
        let run = breaker.admits(now).unwrap();
        breaker.failed(run, &of(1), now);
        assert!(breaker.failed(run, &of(2), now));
        let later = now + PAUSE;
        assert!(breaker.admits(later).is_some());
        assert!(breaker.admits(later + PAUSE).is_none(), "it may still answer");
        assert!(breaker.admits(later + PAUSE * 3).is_some());
    }
}
