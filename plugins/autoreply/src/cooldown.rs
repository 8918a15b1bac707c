//! Lets each user have one reply in a while.

use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use confab_plugin::UserId;

/// Until when users get no reply. Two generations: once the young one is half of the bound, the
/// old one is forgotten and the young one takes its place.
///
/// Invariant: at most `max_users` entries.
#[derive(Debug)]
pub struct Cooldown {
    pause: Duration,
    half: usize,
    replied: Mutex<Replied>,
}

#[derive(Debug, Default)]
struct Replied {
    young: HashMap<UserId, Instant>,
    old: HashMap<UserId, Instant>,
}

impl Cooldown {
    /// One reply in `pause` to each user; at most `max_users`, at least 2, are remembered.
    pub fn new(pause: Duration, max_users: usize) -> Self {
        Self { pause, half: (max_users / 2).max(1), replied: Mutex::default() }
    }

    /// Whether the pause of `user` is on.
    pub fn is_on(&self, user: UserId, now: Instant) -> bool {
        self.replied().is_on(user, now)
    }

    /// Begins the pause of `user`, who gets a reply; `false` if it is on already.
    pub fn begin(&self, user: UserId, now: Instant) -> bool {
        self.begin_for(user, now, self.pause)
    }

    /// Begins a pause of another length; `false` if one is on already.
    pub fn begin_for(&self, user: UserId, now: Instant, pause: Duration) -> bool {
        let mut replied = self.replied();
        if replied.is_on(user, now) {
            return false;
        }
        if replied.young.len() >= self.half {
            replied.old = mem::take(&mut replied.young);
        }
        replied.old.remove(&user);
        replied.young.insert(user, now + pause);
        true
    }

    fn replied(&self) -> MutexGuard<'_, Replied> {
        // Only messages to the bot come here. What a panic left is as good as any.
        self.replied.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Replied {
    fn is_on(&self, user: UserId, now: Instant) -> bool {
        let until = self.young.get(&user).or_else(|| self.old.get(&user));
        until.is_some_and(|until| now < *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_pause_ends() {
        let cooldown = Cooldown::new(SECOND, 10);
        let (ann, bob, now) = (UserId::from_u128(1), UserId::from_u128(2), Instant::now());
        assert!(!cooldown.is_on(ann, now) && cooldown.begin(ann, now));
        assert!(cooldown.is_on(ann, now) && !cooldown.begin(ann, now));
        assert!(cooldown.begin(bob, now));
        assert!(!cooldown.begin(ann, now + SECOND - Duration::from_millis(1)));
        assert!(!cooldown.is_on(ann, now + SECOND) && cooldown.begin(ann, now + SECOND));
    }

    #[test]
    fn the_bound_holds() {
        let (cooldown, now) = (Cooldown::new(SECOND, 10), Instant::now());
        for n in 0..1000 {
            assert!(cooldown.begin(UserId::from_u128(n), now));
            let replied = cooldown.replied();
            assert!(replied.young.len() + replied.old.len() <= 10);
        }
        assert!(cooldown.is_on(UserId::from_u128(995), now));
    }
}
