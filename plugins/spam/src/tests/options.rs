//! What operators may write, and what they are told.

use confab_plugin::{
    Problem,
    testkit::{Kit, manual_faults},
};
use serde_json::{Value, json};

use super::only;
use crate::{Options, Spam, score::Signal};

fn problems(options: Value) -> Vec<String> {
    Kit::<Spam>::new(options).err().unwrap_or_default().iter().map(Problem::to_string).collect()
}

#[test]
fn all_problems_are_told_at_once() {
    let found = problems(json!({
        "deny_score": 1001,
        "code": "No Good",
        "message": "",
        "window": "0s",
        "new_conversations_window": "25h",
        "max_repeats": 257,
        "links_weight": 1001,
        "max_capitals": 101,
        "max_users": 99,
        "max_pairs": 10_000_001,
        "max_recent": 0,
    }));
    for start in [
        "deny_score: write a number from 1 to 1000",
        "code: write 1 to 64 of",
        "message: write 1 to 200 characters",
        "window: write a time",
        "new_conversations_window: write a time",
        "max_repeats: write a number from 0 to 256",
        "max_repeats: never reached",
        "max_recipients: never reached: max_recent = 0",
        "links_weight: write a number from 0 to 1000",
        "max_capitals: write a number from 0 to 100",
        "max_users: write a number from 100 to 10000000",
        "max_pairs: write a number",
        "max_recent: write a number from 1 to 256",
    ] {
        let told = found.iter().filter(|p| p.starts_with(start)).count();
        assert_eq!(told, 1, "{start} in {found:#?}");
    }
    assert_eq!(found.len(), 13, "{found:#?}");
}

#[test]
fn a_score_that_nothing_reaches_is_a_mistake() {
    assert_eq!(
        problems(only(json!({"deny_score": 3, "run_weight": 2}))),
        ["deny_score: never reached: all weights together are 2"]
    );
    assert_eq!(problems(only(json!({"deny_score": 2, "run_weight": 2}))), [""; 0]);
    assert_eq!(problems(json!({"max_recent": 3, "recipients_weight": 0})), [""; 0]);
    assert!(problems(json!({"max_link": 3}))[0].contains("unknown field `max_link`"));
}

#[test]
fn every_signal_has_its_weight() {
    let schema = schemars::schema_for!(Options);
    let options = schema.get("properties").and_then(|p| p.as_object()).unwrap();
    for (place, signal) in Signal::ALL.into_iter().enumerate() {
        assert_eq!(signal as usize, place);
        assert!(options.contains_key(&format!("{}_weight", signal.as_str())), "{signal:?}");
    }
    let weights = options.keys().filter(|key| key.ends_with("_weight")).count();
    assert_eq!(weights, Signal::ALL.len());
}

#[test]
fn the_manual_is_complete() {
    assert_eq!(manual_faults::<Spam>(), Vec::<String>::new());
    let manual = <Spam as confab_plugin::Definition>::MANUAL;
    for signal in Signal::ALL {
        assert!(manual.contains(&format!("\n| `{}` |", signal.as_str())), "{signal:?}");
    }
    assert!(manual.contains("`confab_spam_signals_total`"));
}
