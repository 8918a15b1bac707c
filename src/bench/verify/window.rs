//! The messages of one user that are on their way: what to send next, and what to send again.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// A message that was not acknowledged yet.
#[derive(Clone, Debug)]
struct Waiting {
    n: u32,
    /// When it was sent for the first time.
    first: Instant,
    /// How often it was sent.
    times: u32,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// On its way since then.
    Sent(Instant),
    /// To be sent again, not before then.
    Again(Instant),
}

/// A message that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// How long its answer took, from when it was first sent.
    pub after: Duration,
    /// How often it was sent.
    pub times: u32,
}

/// The unacknowledged messages of one user, oldest first.
///
/// Invariant: never more than the window; what is sent again keeps its order.
#[derive(Debug)]
pub struct Window {
    most: usize,
    next: u32,
    waiting: VecDeque<Waiting>,
}

impl Window {
    /// An empty one for `most` messages, at least 1.
    pub fn new(most: usize) -> Self {
        Self { most: most.max(1), next: 0, waiting: VecDeque::new() }
    }

    /// A new message, to be sent now, if there is room for one.
    pub fn begin(&mut self, now: Instant) -> Option<u32> {
        if self.waiting.len() >= self.most {
            return None;
        }
        let n = self.next;
        self.next = self.next.checked_add(1)?;
        self.waiting.push_back(Waiting { n, first: now, times: 1, state: State::Sent(now) });
        Some(n)
    }

    /// The oldest message that is to be sent again now; from here on it counts as sent.
    pub fn again(&mut self, now: Instant) -> Option<u32> {
        let due = |w: &&mut Waiting| matches!(w.state, State::Again(at) if at <= now);
        let waiting = self.waiting.iter_mut().find(due)?;
        waiting.state = State::Sent(now);
        waiting.times = waiting.times.saturating_add(1);
        Some(waiting.n)
    }

    /// When [`again`](Self::again) has the next one.
    pub fn due(&self) -> Option<Instant> {
        let at = |waiting: &Waiting| match waiting.state {
            State::Again(at) => Some(at),
            State::Sent(_) => None,
        };
        self.waiting.iter().filter_map(at).min()
    }

    /// Since when the longest unanswered message has been on its way.
    pub fn silent_since(&self) -> Option<Instant> {
        let at = |waiting: &Waiting| match waiting.state {
            State::Sent(at) => Some(at),
            State::Again(_) => None,
        };
        self.waiting.iter().filter_map(at).min()
    }

    /// The answer to `n` has come: an acknowledgement, or a refusal for good. `None` if it was
    /// answered before.
    pub fn answered(&mut self, n: u32, now: Instant) -> Option<Answered> {
        let place = self.waiting.iter().position(|waiting| waiting.n == n)?;
        let Waiting { first, times, .. } = self.waiting.remove(place)?;
        Some(Answered { after: now.saturating_duration_since(first), times })
    }

    /// `n` was refused for now: it is sent again at `at`.
    pub fn refused(&mut self, n: u32, at: Instant) {
        if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.n == n) {
            waiting.state = State::Again(at);
        }
    }

    /// The session is gone: all that was on its way is sent again, in the original order.
    pub fn cut(&mut self, now: Instant) {
        for waiting in &mut self.waiting {
            waiting.state = State::Again(now);
        }
    }

    /// How many were begun.
    pub fn begun(&self) -> u32 {
        self.next
    }

    /// How many are not answered.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether all are answered.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The ids that are not answered, oldest first.
    pub fn unanswered(&self) -> impl Iterator<Item = u32> {
        self.waiting.iter().map(|waiting| waiting.n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_holds_more_than_its_size() {
        let (mut window, now) = (Window::new(2), Instant::now());
        assert_eq!(
            [window.begin(now), window.begin(now), window.begin(now)],
            [Some(0), Some(1), None]
        );
        let answered = window.answered(0, now + Duration::from_secs(3));
        assert_eq!(answered, Some(Answered { after: Duration::from_secs(3), times: 1 }));
        assert_eq!(window.answered(0, now), None, "answered before");
        assert_eq!(window.begin(now), Some(2));
        assert_eq!((window.begun(), window.len()), (3, 2));
        assert_eq!(window.unanswered().collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn after_a_cut_all_are_sent_again_in_their_order() {
        let (mut window, now) = (Window::new(4), Instant::now());
        for _ in 0..4 {
            window.begin(now);
        }
        window.answered(1, now);
        assert_eq!((window.again(now), window.due()), (None, None));
        window.cut(now);
        assert_eq!(window.due(), Some(now));
        let again: Vec<_> = std::iter::from_fn(|| window.again(now)).collect();
        assert_eq!(again, [0, 2, 3]);
        assert_eq!(window.answered(2, now).map(|answered| answered.times), Some(2));
    }

    #[test]
    fn a_refused_message_waits_and_holds_up_no_other() {
        let (mut window, now) = (Window::new(4), Instant::now());
        let later = now + Duration::from_secs(1);
        window.begin(now);
        window.begin(now);
        assert_eq!(window.silent_since(), Some(now));
        window.refused(0, later);
        assert_eq!((window.again(now), window.due()), (None, Some(later)));
        assert_eq!(window.begin(now), Some(2));
        assert_eq!(window.again(later), Some(0));
        assert_eq!(window.due(), None);
    }
}
