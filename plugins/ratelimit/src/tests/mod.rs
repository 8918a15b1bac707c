//! The limiter from the outside, as the daemon runs it.

mod bounds;
mod metrics;
mod options;
mod scopes;
mod threads;

use std::{
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use confab_plugin::{
    Context, Event, Plugin, User, UserId, Verdict,
    testkit::{self, Kit, events, message},
};
use serde_json::{Value, json};

use crate::RateLimit;

const MS: Duration = Duration::from_millis(1);

fn kit(options: Value) -> Kit<RateLimit> {
    Kit::new(options).unwrap()
}

/// An entry with these rules.
fn rules(rules: &Value) -> Kit<RateLimit> {
    kit(json!({"rules": rules}))
}

/// Runs a hook that never waits.
fn now<F: Future>(future: F) -> F::Output {
    use std::task::{Context, Poll, Waker};
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the limiter waited"),
    }
}

/// The verdict on `event` in these circumstances.
fn verdict(plugin: &dyn Plugin, cx: &Context, event: &Event) -> Verdict {
    now(plugin.before(cx, &mut event.clone())).unwrap()
}

fn passes(plugin: &dyn Plugin, cx: &Context, event: &Event) -> bool {
    verdict(plugin, cx, event) == Verdict::Pass
}

/// How many of `event` pass at once.
fn burst(plugin: &dyn Plugin, cx: &Context, event: &Event) -> usize {
    let count = (0..10_000).take_while(|_| passes(plugin, cx, event)).count();
    assert!(count < 10_000, "no end");
    count
}

/// The kit's circumstances, always at the same moment: how fast a test runs does not matter.
fn context() -> Context {
    static ARRIVED: LazyLock<Instant> = LazyLock::new(Instant::now);
    let mut cx = testkit::context();
    cx.arrived = *ARRIVED;
    cx
}

/// These circumstances, with another user.
fn user(n: u128) -> Context {
    let mut cx = context();
    let name = "ann".parse().unwrap();
    cx.user = Some(Arc::new(User { id: UserId::from_u128(n), name }));
    cx
}

/// One event of the kind.
fn event(kind: &str) -> Event {
    events().into_iter().find(|event| event.kind().as_str() == kind).unwrap()
}

#[test]
fn a_refusal_tells_when_the_next_token_comes() {
    let mut kit = rules(&json!([{"per": "user", "events": 4, "burst": 3}]));
    let refused =
        |wait| Verdict::deny_for("rate_limited", "Too much at once: wait a little.", wait);
    let send = |kit: &Kit<RateLimit>| now(kit.message("x")).unwrap().verdict;
    for _ in 0..3 {
        assert_eq!(send(&kit), Verdict::Pass);
    }
    assert_eq!(send(&kit), refused(250 * MS));
    kit.wait(100 * MS);
    assert_eq!(send(&kit), refused(150 * MS));
    kit.wait(150 * MS - Duration::from_nanos(1));
    assert_eq!(send(&kit), refused(Duration::from_nanos(1)));
    kit.wait(Duration::from_nanos(1));
    assert_eq!(send(&kit), Verdict::Pass);
    assert_eq!(send(&kit), refused(250 * MS));
    kit.wait(3600 * 1000 * MS);
    for _ in 0..3 {
        assert_eq!(send(&kit), Verdict::Pass);
    }
    assert_eq!(send(&kit), refused(250 * MS), "unused tokens do not add up beyond the burst");
}

#[test]
fn the_process_clock_does_not_matter() {
    let kit = rules(&json!([{"per": "all", "events": 1_000_000, "burst": 2}]));
    for _ in 0..2 {
        assert_eq!(now(kit.message("x")).unwrap().verdict, Verdict::Pass);
    }
    // A token comes each microsecond, and this takes longer.
    std::thread::sleep(MS);
    assert_eq!(now(kit.message("x")).unwrap().retry_after(), Some(Duration::from_micros(1)));
}

#[test]
fn code_and_message_are_the_operators() {
    let options = json!({"rules": [{"per": "all", "events": 1, "every": "1h"}],
        "code": "busy", "message": "Later."});
    let kit = kit(options);
    assert_eq!(now(kit.message("x")).unwrap().verdict, Verdict::Pass);
    let verdict = now(kit.message("x")).unwrap().verdict;
    assert_eq!(verdict, Verdict::deny_for("busy", "Later.", Duration::from_secs(3600)));
}

#[test]
fn typing_is_dropped_without_a_word() {
    let rule = json!([{"per": "user", "events": 1}]);
    let plain = rules(&rule);
    assert!(passes(plain.plugin(), &context(), &event("typing")));
    let send = |kit: &Kit<RateLimit>, kind| verdict(kit.plugin(), &context(), &event(kind));
    assert_eq!(send(&plain, "typing"), Verdict::Drop);
    assert!(matches!(send(&plain, "seen"), Verdict::Deny { .. }));
    let other = kit(json!({"rules": rule, "drop": ["seen"]}));
    assert!(passes(other.plugin(), &context(), &event("typing")));
    assert!(matches!(send(&other, "typing"), Verdict::Deny { .. }));
    assert_eq!(send(&other, "seen"), Verdict::Drop);
}

#[test]
fn what_one_rule_refuses_costs_nothing_in_the_others() {
    for first in [0, 1] {
        let mut list = vec![
            json!({"per": "user", "events": 1, "every": "1h", "burst": 5}),
            json!({"per": "conversation", "kinds": ["message"], "events": 1, "every": "2h", "burst": 2}),
        ];
        list.rotate_left(first);
        let kit = rules(&list.into());
        let cx = context();
        assert_eq!(burst(kit.plugin(), &cx, &message("x")), 2);
        for _ in 0..10 {
            assert!(!passes(kit.plugin(), &cx, &message("x")));
        }
        // The rule per user counts these too, and the other one does not.
        assert_eq!(burst(kit.plugin(), &cx, &event("seen")), 3);
        // Now both refuse: the longer wait is told.
        match verdict(kit.plugin(), &cx, &message("x")) {
            Verdict::Deny { retry_after, .. } => {
                assert_eq!(retry_after, Some(Duration::from_secs(7200)));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn each_rule_explains_itself() {
    let mut kit = rules(&json!([
        {"per": "all", "events": 1, "every": "1m"},
        {"per": "user", "kinds": ["message"], "events": 10, "burst": 20},
        {"per": "user", "kinds": ["seen"], "events": 1},
    ]));
    kit.context_mut().listen();
    now(kit.message("x")).unwrap();
    assert_eq!(
        kit.context_mut().take_notes(),
        [
            "rules[1] (per user, 10 in 1s, burst 20): has a token, and 19 more",
            "rules[0] (per all, 1 in 1m, burst 1): has a token, and 0 more",
        ]
    );
    kit.wait(15_500 * MS);
    now(kit.message("x")).unwrap();
    assert_eq!(
        kit.context_mut().take_notes(),
        [
            "rules[1] (per user, 10 in 1s, burst 20): has a token, and 19 more",
            "rules[0] (per all, 1 in 1m, burst 1): refuses, its next token comes in 44.5s",
        ]
    );
}
