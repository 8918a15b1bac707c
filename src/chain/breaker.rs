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

const WELL: State = State::Closed { streak: 0, actor: 0, several: false };

impl Breaker {
    /// A breaker that opens after `failures` in a row, for `pause`.
    pub fn new(failures: u32, pause: Duration, gauge: Gauge) -> Self {
        gauge.set(0.0);
        let (trouble, state) = (AtomicBool::new(false), Mutex::new(WELL));
        Self { failures, pause, trouble, state, gauge }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the hook may run now.
    pub fn admits(&self, now: Instant) -> bool {
        if !self.trouble.load(Ordering::Relaxed) {
            return true;
        }
        let mut state = self.state();
        match *state {
            State::Closed { .. } => true,
            State::Open { until } | State::Trying { until } if now < until => false,
            State::Open { .. } | State::Trying { .. } => {
                *state = State::Trying { until: now + self.pause };
                true
            }
        }
    }

    /// The hook answered. True if that brought it back.
    pub fn succeeded(&self) -> bool {
        if !self.trouble.load(Ordering::Relaxed) {
            return false;
        }
        let mut state = self.state();
        // A run that began before it was taken out says nothing of how it is now.
        if matches!(*state, State::Open { .. }) {
            return false;
        }
        let back = matches!(*state, State::Trying { .. });
        *state = WELL;
        self.trouble.store(false, Ordering::Relaxed);
        if back {
            self.gauge.set(0.0);
        }
        back
    }

    /// The hook failed. True if that took it out.
    pub fn failed(&self, cx: &Context, now: Instant) -> bool {
        if self.failures == 0 {
            return false;
        }
        let mut state = self.state();
        self.trouble.store(true, Ordering::Relaxed);
        let (streak, first, several) = match *state {
            State::Closed { streak, actor, several } => (streak, actor, several),
            State::Trying { .. } => {
                *state = State::Open { until: now + self.pause };
                return false;
            }
            State::Open { .. } => return false,
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
        let out = !matches!(*self.state(), State::Closed { .. });
        self.gauge.set(f64::from(u8::from(out)));
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

    fn of(user: u128) -> Context {
        let mut cx = testkit::context();
        let name = cx.user.as_ref().unwrap().name.clone();
        cx.user = Some(Arc::new(User { id: UserId::from_u128(user), name }));
        cx
    }

    fn breaker(failures: u32) -> Breaker {
        Breaker::new(failures, PAUSE, Gauge::noop())
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_closes_after_a_good_try() {
        let (breaker, now) = (breaker(3), Instant::now());
        assert!(!breaker.failed(&of(1), now));
        assert!(!breaker.failed(&of(2), now));
        breaker.succeeded();
        assert!(!breaker.failed(&of(1), now), "a success begins the row anew");
        assert!(!breaker.failed(&of(2), now));
        assert!(breaker.admits(now));
        assert!(breaker.failed(&of(1), now));
        assert!(!breaker.admits(now));
        let later = now + PAUSE;
        assert!(!breaker.admits(later - Duration::from_nanos(1)));
        assert!(breaker.admits(later), "one event tries");
        assert!(!breaker.admits(later), "and no other");
        assert!(breaker.succeeded());
        assert!(breaker.admits(later));
    }

    #[test]
    fn a_failed_try_keeps_it_out_and_a_lost_one_is_made_up_for() {
        let (breaker, now) = (breaker(1), Instant::now());
        breaker.failed(&of(1), now);
        assert!(breaker.failed(&of(2), now));
        let later = now + PAUSE;
        assert!(breaker.admits(later));
        breaker.failed(&of(1), later);
        assert!(!breaker.admits(later + PAUSE / 2));
        assert!(breaker.admits(later + PAUSE), "this event is given up and never reports");
        assert!(!breaker.admits(later + PAUSE));
        assert!(breaker.admits(later + PAUSE * 2));
    }

    #[test]
    fn one_user_alone_cannot_take_a_hook_out() {
        let (breaker, now) = (breaker(2), Instant::now());
        for _ in 0..1000 {
            assert!(!breaker.failed(&of(1), now));
        }
        assert!(breaker.admits(now));
        assert!(breaker.failed(&of(2), now));
    }

    #[test]
    fn none_means_never() {
        let (breaker, now) = (breaker(0), Instant::now());
        assert!((0..100).all(|user| !breaker.failed(&of(user), now)));
        assert!(breaker.admits(now));
    }

    #[test]
    fn what_ran_before_it_opened_does_not_close_it() {
        let (breaker, now) = (breaker(1), Instant::now());
        breaker.failed(&of(1), now);
        assert!(breaker.failed(&of(2), now));
        assert!(!breaker.succeeded());
        assert!(!breaker.admits(now));
    }
}
