//! A bounded table gives nobody more tokens than one without bounds.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use proptest::prelude::*;
use serde_json::json;

use super::{MS, burst, kit, message, passes, user};
use crate::{
    buckets::{Buckets, Kept, Who},
    rate::Rate,
};

fn who(n: u128) -> Who {
    Who::User(confab_plugin::UserId::from_u128(n))
}

#[test]
fn a_table_is_as_large_as_asked_for() {
    for (max, fits) in [(0, 1), (1, 1), (5, 5), (32, 32), (33, 32), (100, 100), (1000, 992)] {
        let buckets = Buckets::new(max);
        let start = Instant::now();
        for n in 0..100 * max as u128 + 100 {
            buckets.place(who(n), start).keep(MS);
        }
        assert_eq!(buckets.len(), fits, "{max}");
    }
}

#[test]
fn a_full_bucket_is_forgotten_first() {
    let buckets = Buckets::new(3);
    let start = Instant::now();
    for n in 1..=3 {
        assert_eq!(buckets.place(who(n), start).keep(MS * n as u32), Kept::Added);
    }
    // The first is full again, so a newcomer has its place and all tokens.
    let place = buckets.place(who(4), start + MS);
    assert_eq!(place.missing(), Duration::ZERO);
    assert_eq!(place.keep(5 * MS), Kept::InPlace);
    assert_eq!(buckets.place(who(2), start + MS).missing(), MS);
    assert_eq!(buckets.place(who(3), start + MS).missing(), 2 * MS);
    // None is full: a newcomer goes on with the fullest.
    let place = buckets.place(who(5), start + MS);
    assert_eq!(place.missing(), MS);
    assert_eq!(place.keep(4 * MS), Kept::Evicted);
    assert_eq!(buckets.place(who(3), start + MS).missing(), 2 * MS);
    // The one who lost it finds no more tokens than he had: a newcomer he is now.
    assert_eq!(buckets.place(who(2), start + MS).missing(), 2 * MS);
}

#[test]
fn who_is_only_looked_up_takes_no_place() {
    let buckets = Buckets::new(1);
    let start = Instant::now();
    buckets.place(who(1), start).keep(MS);
    drop(buckets.place(who(2), start));
    assert_eq!(buckets.place(who(1), start).missing(), MS);
    assert_eq!(buckets.place(who(1), start).keep(2 * MS), Kept::InPlace);
}

#[test]
fn time_never_goes_back() {
    let buckets = Buckets::new(1);
    let start = Instant::now();
    buckets.place(who(1), start).keep(MS);
    // Full by then, so its place is free; the late event finds what is left by now.
    buckets.place(who(2), start + MS).keep(5 * MS);
    assert_eq!(buckets.place(who(1), start).missing(), 5 * MS);
}

/// Who fills the table and takes turns with a second self gets nothing out of it.
#[test]
fn filling_the_table_is_no_way_around_a_limit() {
    let limiter = kit(json!({"max_keys": 64,
        "rules": [{"per": "user", "events": 5, "every": "1h"}]}));
    for n in 0..64_000 {
        burst(limiter.plugin(), &user(n), &message("x"));
    }
    let passed = (0..1000).filter(|n| passes(limiter.plugin(), &user(64_000 + n), &message("x")));
    assert_eq!(passed.count(), 0);
    let again = (0..1000).filter(|n| passes(limiter.plugin(), &user(n % 2), &message("x")));
    assert_eq!(again.count(), 0);
}

#[test]
fn after_the_flood_all_is_as_before() {
    let limiter = kit(json!({"max_keys": 64, "rules": [{"per": "user", "events": 5}]}));
    for n in 0..1000 {
        burst(limiter.plugin(), &user(n), &message("x"));
    }
    let mut cx = user(5000);
    cx.arrived += 1000 * MS;
    assert_eq!(burst(limiter.plugin(), &cx, &message("x")), 5);
}

proptest! {
    /// Whatever comes in whatever order, whoever passes also passes in a table without bounds
    /// that counts only what passed.
    #[test]
    fn nobody_gets_more_than_without_bounds(
        max in 1usize..70,
        owners in 1u128..100,
        events in proptest::collection::vec((any::<u128>(), 0u32..30), 1..600),
    ) {
        let rate = Rate::new(1, 10 * MS, 4).unwrap();
        let bounded = Buckets::new(max);
        let mut unbounded: HashMap<u128, Instant> = HashMap::new();
        let mut now = Instant::now();
        for (owner, pause) in events {
            let owner = owner % owners;
            now += MS * pause / 10;
            let place = bounded.place(who(owner), now);
            let full_at = unbounded.entry(owner).or_insert(now);
            let missing = full_at.saturating_duration_since(now);
            prop_assert!(place.missing() >= missing, "{owner} has more tokens");
            if let Ok(next) = rate.take(place.missing()) {
                place.keep(next);
                *full_at = now + rate.take(missing).unwrap();
            }
        }
        prop_assert!(bounded.len() <= max);
    }
}
