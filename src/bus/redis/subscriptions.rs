//! Whose messages this node wants, whose it gets, and who may have missed some.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use confab_plugin::UserId;
use tokio::sync::Notify;

use crate::bus::Missed;

/// The most users told of at once by [`Subscriptions::missed`].
const MISSED_BATCH: usize = 512;

/// What the sessions of this node want from Redis, shared by those who change it and the
/// subscriber.
///
/// Invariant: a wanted user for whom Redis does not bring messages has a moment since when, and
/// when it brings them again, exactly that moment goes to `missed`.
#[derive(Default)]
pub struct Subscriptions {
    state: Mutex<State>,
    changed: Notify,
    found: Notify,
}

#[derive(Default)]
struct State {
    wanted: HashMap<UserId, Wanted>,
    /// Users whose wish may differ from what Redis was told.
    changed: HashSet<UserId>,
    /// Users who may have missed messages, and get them again. All of them are wanted.
    missed: HashMap<UserId, SystemTime>,
}

struct Wanted {
    /// Calls of `subscribe` without their `unsubscribe`. Two sessions of a user that open and
    /// close at the same time may call in either order, so it is their difference that counts.
    count: u32,
    /// Since when Redis does not bring this user's messages; `None` while it does.
    missing_since: Option<SystemTime>,
}

/// What to tell Redis.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Bring these users' messages.
    pub subscribe: Vec<UserId>,
    /// No longer bring these.
    pub unsubscribe: Vec<UserId>,
}

impl Subscriptions {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A user's messages are wanted once more.
    pub fn subscribe(&self, user: UserId) {
        let mut state = self.lock();
        let wanted = state
            .wanted
            .entry(user)
            .or_insert_with(|| Wanted { count: 0, missing_since: Some(SystemTime::now()) });
        wanted.count = wanted.count.saturating_add(1);
        if wanted.count == 1 {
            state.changed.insert(user);
            drop(state);
            self.changed.notify_one();
        }
    }

    /// A user's messages are wanted once less.
    pub fn unsubscribe(&self, user: UserId) {
        let mut state = self.lock();
        let Some(wanted) = state.wanted.get_mut(&user) else {
            return;
        };
        wanted.count -= 1;
        if wanted.count == 0 {
            state.wanted.remove(&user);
            state.missed.remove(&user);
            state.changed.insert(user);
            drop(state);
            self.changed.notify_one();
        }
    }

    /// Redis brings nothing any more, since that moment.
    pub fn lost(&self, since: SystemTime) {
        let mut state = self.lock();
        for wanted in state.wanted.values_mut() {
            wanted.missing_since.get_or_insert(since);
        }
    }

    /// There is a new connection, which knows of no subscription.
    pub fn start_over(&self) {
        let mut state = self.lock();
        state.changed = state.wanted.keys().copied().collect();
    }

    /// Waits for a change.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// What to tell Redis, which brings the messages of `current`: at most `limit` changes.
    pub fn changes(&self, current: &HashSet<UserId>, limit: usize) -> Changes {
        let mut changes = Changes::default();
        let mut state = self.lock();
        let State { wanted, changed, .. } = &mut *state;
        let mut unchanged = Vec::new();
        for user in changed.extract_if(|_| true).take(limit) {
            match (wanted.contains_key(&user), current.contains(&user)) {
                (true, false) => changes.subscribe.push(user),
                (false, true) => changes.unsubscribe.push(user),
                (true, true) => unchanged.push(user),
                (false, false) => {}
            }
        }
        state.confirm(&unchanged);
        drop(state);
        if !unchanged.is_empty() {
            self.found.notify_one();
        }
        changes
    }

    /// Whether there is something to tell Redis.
    pub fn is_settled(&self) -> bool {
        self.lock().changed.is_empty()
    }

    /// Redis brings these users' messages from now on.
    pub fn confirm(&self, users: &[UserId]) {
        self.lock().confirm(users);
        self.found.notify_one();
    }

    /// Another node could not publish for this user what it had since that moment.
    pub fn lose(&self, user: UserId, since: SystemTime) {
        let mut state = self.lock();
        if state.wanted.contains_key(&user) {
            state.miss(user, since);
            drop(state);
            self.found.notify_one();
        }
    }

    /// Waits for users who may have missed messages. For one caller; may be cancelled.
    pub async fn missed(&self) -> Vec<Missed> {
        loop {
            let (found, more) = {
                let missed = &mut self.lock().missed;
                let found: Vec<Missed> = missed
                    .extract_if(|_, _| true)
                    .take(MISSED_BATCH)
                    .map(|(user, since)| Missed { user, since })
                    .collect();
                (found, !missed.is_empty())
            };
            if more {
                self.found.notify_one();
            }
            if !found.is_empty() {
                return found;
            }
            self.found.notified().await;
        }
    }
}

impl State {
    fn confirm(&mut self, users: &[UserId]) {
        for user in users {
            let wanted = self.wanted.get_mut(user);
            if let Some(since) = wanted.and_then(|wanted| wanted.missing_since.take()) {
                self.miss(*user, since);
            }
        }
    }

    fn miss(&mut self, user: UserId, since: SystemTime) {
        let earliest = self.missed.entry(user).or_insert(since);
        *earliest = since.min(*earliest);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use futures_util::FutureExt as _;
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 100;

    fn user(number: u128) -> UserId {
        UserId::from_u128(number)
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// Does what the subscriber does with the changes.
    fn apply(subscriptions: &Subscriptions, current: &mut HashSet<UserId>) {
        while !subscriptions.is_settled() {
            let changes = subscriptions.changes(current, 2);
            for user in &changes.unsubscribe {
                assert!(current.remove(user));
            }
            current.extend(&changes.subscribe);
            subscriptions.confirm(&changes.subscribe);
        }
    }

    fn missed(subscriptions: &Subscriptions) -> Vec<(UserId, SystemTime)> {
        let mut all = Vec::new();
        while let Some(some) = subscriptions.missed().now_or_never() {
            all.extend(some.into_iter().map(|missed| (missed.user, missed.since)));
        }
        all.sort();
        all
    }

    #[test]
    fn a_new_user_missed_something_until_confirmed() {
        let subscriptions = Subscriptions::default();
        let before = SystemTime::now();
        subscriptions.subscribe(user(1));
        assert_eq!(missed(&subscriptions), []);
        let changes = subscriptions.changes(&HashSet::new(), LIMIT);
        assert_eq!(changes.subscribe, [user(1)]);
        assert_eq!(missed(&subscriptions), []);
        subscriptions.confirm(&[user(1)]);
        let [(found, since)] = missed(&subscriptions)[..] else { panic!("one user") };
        assert!(found == user(1) && since >= before && since <= SystemTime::now());
        assert_eq!(missed(&subscriptions), []);
    }

    #[test]
    fn after_a_loss_all_are_told_of_from_its_beginning() {
        let (subscriptions, mut current) = (Subscriptions::default(), HashSet::new());
        for number in 0..5 {
            subscriptions.subscribe(user(number));
        }
        apply(&subscriptions, &mut current);
        missed(&subscriptions);
        subscriptions.lost(at(10));
        // A second loss before the users were subscribed again is part of the first.
        subscriptions.start_over();
        subscriptions.lost(at(20));
        subscriptions.unsubscribe(user(4));
        current.clear();
        subscriptions.start_over();
        apply(&subscriptions, &mut current);
        let expected: Vec<_> = (0..4).map(|number| (user(number), at(10))).collect();
        assert_eq!(missed(&subscriptions), expected);
    }

    #[test]
    fn calls_of_racing_sessions_may_come_in_either_order() {
        let (subscriptions, mut current) = (Subscriptions::default(), HashSet::new());
        subscriptions.subscribe(user(1));
        apply(&subscriptions, &mut current);
        // The next session's first call overtakes the last session's last call.
        subscriptions.subscribe(user(1));
        subscriptions.unsubscribe(user(1));
        apply(&subscriptions, &mut current);
        assert_eq!(current, HashSet::from([user(1)]));
        subscriptions.unsubscribe(user(1));
        subscriptions.unsubscribe(user(1));
        apply(&subscriptions, &mut current);
        assert_eq!(current, HashSet::new());
    }

    #[test]
    fn what_another_node_lost_concerns_only_who_is_here() {
        let (subscriptions, mut current) = (Subscriptions::default(), HashSet::new());
        subscriptions.subscribe(user(1));
        apply(&subscriptions, &mut current);
        missed(&subscriptions);
        subscriptions.lose(user(1), at(7));
        subscriptions.lose(user(1), at(9));
        subscriptions.lose(user(2), at(7));
        assert_eq!(missed(&subscriptions), [(user(1), at(7))]);
        subscriptions.lose(user(1), at(7));
        subscriptions.unsubscribe(user(1));
        assert_eq!(missed(&subscriptions), []);
    }

    #[test]
    fn many_are_told_of_in_parts() {
        let (subscriptions, mut current) = (Subscriptions::default(), HashSet::new());
        let count = MISSED_BATCH as u128 * 2 + 1;
        for number in 0..count {
            subscriptions.subscribe(user(number));
        }
        apply(&subscriptions, &mut current);
        let first = subscriptions.missed().now_or_never().unwrap();
        assert_eq!(first.len(), MISSED_BATCH);
        assert_eq!(missed(&subscriptions).len(), MISSED_BATCH + 1);
    }

    proptest! {
        #[test]
        fn any_history_ends_with_who_is_wanted(
            steps in prop::collection::vec((0u8..8, 0u128..4), 0..80),
        ) {
            let (subscriptions, mut current) = (Subscriptions::default(), HashSet::new());
            let mut counts = [0u32; 4];
            for (step, number) in steps {
                let count = &mut counts[number as usize];
                match step {
                    0..3 => { subscriptions.subscribe(user(number)); *count += 1; }
                    3..6 if *count > 0 => { subscriptions.unsubscribe(user(number)); *count -= 1; }
                    6 => apply(&subscriptions, &mut current),
                    7 => {
                        subscriptions.lost(at(1));
                        current.clear();
                        subscriptions.start_over();
                    }
                    _ => {}
                }
            }
            apply(&subscriptions, &mut current);
            let wanted: HashSet<UserId> =
                (0..4).filter(|n| counts[*n as usize] > 0).map(user).collect();
            prop_assert_eq!(&current, &wanted);
            // Whoever is told of is wanted; whoever is covered has nothing missing.
            prop_assert!(missed(&subscriptions).iter().all(|(user, _)| wanted.contains(user)));
            prop_assert!(subscriptions.lock().wanted.values().all(|w| w.missing_since.is_none()));
        }
    }
}
