//! What is remembered, for how long, and what never counts.

use confab_plugin::{Decision, Event, Message, UserId, testkit::ann};
use serde_json::json;

use super::{kit, message, notes, only, passes, secs, send, user};

const TEXT: &str = "Buy these watches today";

#[test]
fn a_retry_is_no_repeat() {
    let mut kit = kit(only(json!({"repeats_weight": 1, "max_repeats": 2})));
    for _ in 0..10 {
        assert!(passes(&kit, &message(1, TEXT, "a")));
    }
    assert!(notes(&mut kit).ends_with("a retry of a message that was let through"));
    assert!(passes(&kit, &message(1, TEXT, "b")));
    assert!(!passes(&kit, &message(1, TEXT, "c")));
    // What was let through is let through again: it may be stored, and is owed its answer.
    assert!(passes(&kit, &message(1, TEXT, "a")));
    assert!(passes(&kit, &message(1, TEXT, "b")));
    // What was refused is scored anew, and its tries count once.
    for _ in 0..10 {
        assert!(!passes(&kit, &message(1, TEXT, "c")));
    }
    kit.wait(secs(301));
    assert!(passes(&kit, &message(1, TEXT, "c")));
    assert!(passes(&kit, &message(1, TEXT, "d")));
}

#[test]
fn an_id_is_no_pass_for_other_messages() {
    let both = only(json!({
        "repeats_weight": 1, "max_repeats": 1, "recipients_weight": 1, "max_recipients": 1,
    }));
    let kit = kit(both);
    assert!(passes(&kit, &message(1, TEXT, "a")));
    assert!(!passes(&kit, &message(2, TEXT, "a")));
    assert!(!passes(&kit, &message(1, &format!("{TEXT}!"), "a")));
}

#[test]
fn users_are_judged_apart() {
    let kit = kit(only(json!({"repeats_weight": 1, "max_repeats": 1})));
    for n in 0..20 {
        let from = Event::Message(Message::new(user(n), ann(), TEXT, None));
        assert!(passes(&kit, &from), "{n}");
        assert!(!passes(&kit, &from), "{n}");
    }
}

#[test]
fn bots_and_notes_to_oneself_are_exempt() {
    let mut kit = kit(only(json!({"repeats_weight": 1, "max_repeats": 1})));
    let own = Event::Message(Message::new(ann(), ann(), TEXT, None));
    for _ in 0..5 {
        assert!(send(&kit, &own, 1));
    }
    kit.context_mut().sent_by = Some("autoreply".into());
    for _ in 0..5 {
        assert!(send(&kit, &message(1, TEXT, ""), 1));
    }
    // Nor did those of the bot count for the account.
    kit.context_mut().sent_by = None;
    assert!(passes(&kit, &message(1, TEXT, "")));
    assert!(!passes(&kit, &message(1, TEXT, "")));
}

#[test]
fn a_bots_message_makes_acquaintance() {
    let mut kit = kit(only(json!({"first_link_weight": 1})));
    kit.context_mut().sent_by = Some("autoreply".into());
    let hello = Event::Message(Message::new(user(1), ann(), "hello", None));
    kit.after(&hello, Decision::Accepted { seq: Some(1), duplicate: false });
    kit.context_mut().sent_by = None;
    assert!(passes(&kit, &message(1, "http://a.example", "")));
    assert!(!passes(&kit, &message(2, "http://a.example", "")));
}

#[test]
fn only_the_last_messages_count() {
    let kit = kit(only(json!({"repeats_weight": 1, "max_repeats": 1, "max_recent": 3})));
    assert!(passes(&kit, &message(1, TEXT, "")));
    for n in 0..3u32 {
        assert!(passes(&kit, &message(1, &format!("another text {}", "x".repeat(n as usize)), "")));
    }
    assert!(passes(&kit, &message(1, TEXT, "")));
    assert!(!passes(&kit, &message(1, TEXT, "")));
}

#[test]
fn the_least_active_are_forgotten() {
    let kit = kit(only(json!({
        "repeats_weight": 1, "max_repeats": 1, "max_users": 100,
        "first_link_weight": 1, "max_pairs": 100,
    })));
    let from = |n: u128, text: &str| {
        Event::Message(Message::new(UserId::from_u128(5000 + n), user(1), text, None))
    };
    // Stays in memory, as it is always in use.
    assert!(send(&kit, &message(1, TEXT, ""), 1));
    assert!(send(&kit, &from(0, TEXT), 1));
    for n in 1..200 {
        assert!(send(&kit, &from(n, TEXT), 1));
        assert!(!send(&kit, &message(1, TEXT, ""), 2), "{n}");
    }
    assert!(send(&kit, &message(1, "http://a.example", ""), 2));
    assert!(!send(&kit, &from(0, "http://a.example"), 2));
    assert!(send(&kit, &from(0, TEXT), 2));
    assert!(!send(&kit, &from(199, TEXT), 2));
}

#[test]
fn events_that_overtake_each_other_are_no_trouble() {
    let mut kit = kit(only(json!({"repeats_weight": 1, "max_repeats": 2, "window": "1m"})));
    kit.wait(secs(100));
    assert!(passes(&kit, &message(1, TEXT, "")));
    let late = kit.context_mut().arrived;
    kit.context_mut().arrived = late.checked_sub(secs(90)).unwrap();
    assert!(passes(&kit, &message(1, TEXT, "")));
    assert!(!passes(&kit, &message(1, TEXT, "")));
}
