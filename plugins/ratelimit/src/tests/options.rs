//! What operators may write, and what they are told.

use confab_plugin::{
    Definition, Problem,
    testkit::{Kit, manual_faults},
};
use serde_json::{Value, json};

use crate::{MAX_RULES, RateLimit};

fn problems(options: Value) -> Vec<String> {
    Kit::<RateLimit>::new(options)
        .err()
        .unwrap_or_default()
        .iter()
        .map(Problem::to_string)
        .collect()
}

#[test]
fn all_problems_are_told_at_once() {
    let found = problems(json!({
        "rules": [
            {"per": "user", "kinds": ["message", "login", "register"], "events": 0},
            {"per": "conversation", "kinds": ["connect"], "events": 1, "burst": 0},
            {"per": "all", "kinds": [], "events": 1_000_001, "every": "0s"},
            {"per": "address", "kinds": ["disconnect"], "events": 1, "every": "31days"},
            {"per": "address", "events": 1, "every": "30days", "burst": 13},
            {"per": "address", "events": 1, "every": "30days", "burst": 12},
        ],
        "max_keys": 0,
        "drop": ["typing", "disconnect"],
        "code": "No Good",
        "message": "",
    }));
    assert_eq!(
        found,
        [
            "max_keys: give a number from 1 to 10000000",
            "drop[1]: a session's end cannot be refused",
            "code: write 1 to 64 of a-z 0-9 _",
            "message: write 1 to 200 characters",
            "rules[0].kinds[1]: there is no user before a login: count it per address",
            "rules[0].kinds[2]: there is no user before a login: count it per address",
            "rules[0].events: give a number from 1 to 1000000",
            "rules[1].kinds[0]: it is not part of a conversation",
            "rules[1].burst: give a number from 1 to 1000000",
            "rules[2].kinds: name a kind, or leave `kinds` away for all",
            "rules[2].events: give a number from 1 to 1000000",
            "rules[2].every: give a span from 1ms to 30days",
            "rules[3].kinds[0]: a session's end cannot be refused",
            "rules[3].every: give a span from 1ms to 30days",
            "rules[4].burst: a bucket of this size takes more than 366 days to fill",
        ]
    );
}

#[test]
fn rules_are_needed_and_bounded() {
    let rule = json!({"per": "all", "events": 1});
    assert_eq!(problems(json!({})), ["rules: 0 rules: give 1 to 32"]);
    assert_eq!(problems(json!({"rules": vec![rule.clone(); MAX_RULES]})), [""; 0]);
    let found = problems(json!({"rules": vec![rule; MAX_RULES + 1]}));
    assert_eq!(found, ["rules: 33 rules: give 1 to 32"]);
}

#[test]
fn a_misspelt_key_is_refused() {
    for (options, told) in [
        (json!({"rule": []}), "unknown field `rule`"),
        (json!({"rules": [{"per": "all", "events": 1, "bursts": 1}]}), "unknown field `bursts`"),
        (json!({"rules": [{"per": "users", "events": 1}]}), "unknown variant `users`"),
        (json!({"rules": [{"per": "user", "kinds": ["msg"], "events": 1}]}), "variant `msg`"),
        (json!({"rules": [{"per": "user"}]}), "missing field `events`"),
        (json!({"rules": [{"per": "user", "events": 1, "every": "5"}]}), "not a duration"),
    ] {
        let found = problems(options);
        assert!(found.len() == 1 && found[0].contains(told), "{told}: {found:?}");
    }
}

#[test]
fn the_manual_is_complete() {
    assert_eq!(manual_faults::<RateLimit>(), Vec::<String>::new());
    for word in ["per", "kinds", "events", "every", "burst", "rate_limited"] {
        assert!(RateLimit::MANUAL.contains(&format!("| `{word}`")), "{word}");
    }
    for metric in ["keys", "evictions_total", "refusals_total"] {
        assert!(RateLimit::MANUAL.contains(&format!("`confab_ratelimit_{metric}`")), "{metric}");
    }
}
