//! The filter from the outside, as the daemon runs it.

mod bypass;
mod innocent;
pub mod linear;
mod options;
mod property;
mod reference;

use confab_plugin::{Verdict, testkit::Kit};
use serde_json::{Value, json};

use crate::Filter;

fn kit(options: Value) -> Kit<Filter> {
    Kit::new(options).unwrap()
}

/// The verdict on a message, at once: the filter never waits.
fn verdict(kit: &Kit<Filter>, text: &str) -> Verdict {
    now(kit.message(text)).unwrap().verdict
}

fn denied(kit: &Kit<Filter>, text: &str) -> bool {
    verdict(kit, text) != Verdict::Pass
}

fn all_denied(kit: &Kit<Filter>, texts: &[&str]) {
    let past: Vec<_> = texts.iter().filter(|text| !denied(kit, text)).collect();
    assert!(past.is_empty(), "got past: {past:?}");
}

fn none_denied(kit: &Kit<Filter>, texts: &[&str]) {
    let refused: Vec<_> = texts.iter().filter(|text| denied(kit, text)).collect();
    assert!(refused.is_empty(), "refused: {refused:?}");
}

/// The content after masking.
fn masked(kit: &Kit<Filter>, text: &str) -> String {
    let run = now(kit.message(text)).unwrap();
    assert_eq!(run.verdict, Verdict::Pass);
    run.content().to_owned()
}

/// Runs a hook that never waits.
fn now<F: Future>(future: F) -> F::Output {
    use std::task::{Context, Poll, Waker};
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the filter waited"),
    }
}

#[test]
fn a_refusal_carries_code_and_message() {
    let plain = kit(json!({"deny_words": ["bad"]}));
    let told = Verdict::deny("content_denied", "This message is not allowed here.");
    assert_eq!(verdict(&plain, "so bad"), told);
    let own = kit(json!({"deny": ["bad"], "code": "no_bad", "message": "Be good."}));
    assert_eq!(verdict(&own, "so bad"), Verdict::deny("no_bad", "Be good."));
}

#[test]
fn refusals_go_before_masks() {
    let both = kit(json!({"deny": ["worse"], "mask_words": ["bad"]}));
    let run = now(both.message("bad and worse")).unwrap();
    assert_eq!(run.code(), Some("content_denied"));
    assert_eq!(run.content(), "bad and worse");
    assert_eq!(masked(&both, "bad and good"), "*** and good");
}

#[test]
fn names_are_refused_by_any_rule() {
    use confab_plugin::testkit::register;
    let kit = kit(json!({"deny_words": ["admin"], "mask": ["https?://"], "mask_words": ["darn"]}));
    for (username, display, refused) in [
        ("admin", None, true),
        ("the.admin-1", None, true),
        ("adm1n", None, true),
        ("administer", None, false),
        ("ann", Some("Аdmіn"), true),
        ("ann", Some("D a r n"), true),
        ("ann", Some("http://x"), true),
        ("ann", Some("Ann"), false),
    ] {
        let run = now(kit.before(register(username, display).unwrap())).unwrap();
        let told = Verdict::deny("content_denied", "This name is not allowed here.");
        let expected = if refused { told } else { Verdict::Pass };
        assert_eq!(run.verdict, expected, "{username} {display:?}");
    }
}

#[test]
fn other_events_pass() {
    let kit = kit(json!({"deny": ["."], "deny_words": ["ann"]}));
    for event in confab_plugin::testkit::events() {
        let kind = event.kind();
        let pass = now(kit.before(event)).unwrap().verdict == Verdict::Pass;
        assert_eq!(pass, !matches!(kind.as_str(), "register" | "message"), "{kind}");
    }
}
