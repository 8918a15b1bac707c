//! Many threads at once: not one event too many, not one too few.

use std::{
    sync::{
        Barrier,
        atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use serde_json::json;

use super::{MS, burst, event, kit, message, passes, rules, user};

const THREADS: usize = 8;
const EACH: usize = 3000;

/// Runs `work` on several threads at once, with the thread's number.
fn at_once(work: impl Fn(usize) + Sync) {
    let barrier = Barrier::new(THREADS);
    thread::scope(|scope| {
        for n in 0..THREADS {
            let (work, barrier) = (&work, &barrier);
            scope.spawn(move || {
                barrier.wait();
                work(n);
            });
        }
    });
}

#[test]
fn at_one_moment_exactly_the_burst_passes() {
    let limiter = rules(&json!([{"per": "user", "events": 1000}]));
    let passed = AtomicUsize::new(0);
    let plugin = limiter.plugin();
    let cx = user(1);
    at_once(|_| {
        let mine = (0..EACH).filter(|_| passes(plugin, &cx, &message("x"))).count();
        passed.fetch_add(mine, SeqCst);
    });
    assert_eq!(passed.into_inner(), 1000);
}

/// While time goes on, seen differently by each thread, exactly what came in by the last moment
/// passes, if more is asked for at each moment than there is.
#[test]
fn over_time_exactly_burst_and_rate_pass() {
    const MILLIS: u32 = 2000;
    for per in ["user", "all"] {
        // A token each 10 ms.
        let limiter = rules(&json!([{"per": per, "events": 100, "burst": 50}]));
        let plugin = limiter.plugin();
        let start = user(1);
        let first = burst(plugin, &start, &message("x"));
        let (passed, clock) = (AtomicUsize::new(first), AtomicU32::new(1));
        at_once(|_| {
            let mut cx = start.clone();
            loop {
                let millis = clock.fetch_add(1, SeqCst).min(MILLIS);
                cx.arrived = start.arrived + millis * MS;
                let mine = burst(plugin, &cx, &message("x"));
                passed.fetch_add(mine, SeqCst);
                if millis == MILLIS {
                    break;
                }
            }
        });
        assert_eq!(passed.into_inner(), 50 + MILLIS as usize / 10, "{per}");
    }
}

/// Two rules, both short of tokens: what one of them refuses costs nothing in the other, also
/// when others take from both at the same time.
#[test]
fn refused_events_cost_nothing_in_a_race() {
    const USERS: usize = 4;
    // Listed first, decided last.
    let limiter = rules(&json!([
        {"per": "all", "kinds": ["message"], "events": 100, "every": "1h"},
        {"per": "user", "kinds": ["message", "seen"], "events": 40, "every": "1h"},
        {"per": "address", "kinds": ["message"], "events": 90, "every": "1h"},
    ]));
    let passed: [AtomicUsize; USERS] = Default::default();
    let plugin = limiter.plugin();
    let contexts: Vec<_> = (0..USERS).map(|n| user(n as u128)).collect();
    at_once(|n| {
        for round in 0..EACH {
            let who = (n + round) % USERS;
            if passes(plugin, &contexts[who], &message("x")) {
                passed[who].fetch_add(1, SeqCst);
            }
        }
    });
    let passed = passed.map(AtomicUsize::into_inner);
    assert_eq!(passed.iter().sum::<usize>(), 90, "{passed:?}");
    for (cx, passed) in contexts.iter().zip(passed) {
        assert_eq!(burst(plugin, cx, &event("seen")), 40 - passed);
    }
    // The rule for all has given 90 of its 100, and nobody else's refusal cost one.
    let mut elsewhere = user(100);
    elsewhere.address = "192.0.2.9".parse().unwrap();
    assert_eq!(burst(plugin, &elsewhere, &message("x")), 10);
}

/// A table far too small, so that owners take each other's places all the time.
#[test]
fn a_crowd_in_a_small_table_gets_no_more_than_its_rate() {
    const USERS: usize = 200;
    let limiter = kit(json!({"max_keys": 40,
        "rules": [{"per": "user", "events": 3, "every": "1h"}]}));
    let passed: Vec<AtomicUsize> = (0..USERS).map(|_| AtomicUsize::new(0)).collect();
    let plugin = limiter.plugin();
    let contexts: Vec<_> = (0..USERS).map(|n| user(n as u128)).collect();
    at_once(|n| {
        for round in 0..EACH {
            let who = (n * 31 + round * 7) % USERS;
            if passes(plugin, &contexts[who], &message("x")) {
                passed[who].fetch_add(1, SeqCst);
            }
        }
    });
    let passed: Vec<_> = passed.into_iter().map(AtomicUsize::into_inner).collect();
    assert!(passed.iter().all(|passed| *passed <= 3), "{passed:?}");
    let sum: usize = passed.iter().sum();
    assert!((40..=120).contains(&sum), "{sum}: at most what 40 buckets hold");
}
