//! The filter over texts: normalization, look-alikes, words and patterns.

use std::sync::{Arc, LazyLock};

use confab_plugin::{Plugin, Verdict, testkit};
use serde_json::json;

use super::{
    situation::{before, build, message},
    text,
};

type Entry = LazyLock<Arc<dyn Plugin>>;

static MASK: Entry = LazyLock::new(|| {
    let options = json!({
        "mask_words": ["idiot", "ass", "it", "kill yourself", "straße", "1488", "가", "か", "ffi"],
        "mask": ["https?://", "d.m", "[^a-z]{9}"],
    });
    build("filter", options).expect("good options")
});
/// The same, once for each match, with a text of many bytes.
static WHOLE: Entry = LazyLock::new(|| {
    let options = json!({"mask_words": ["idiot", "it"], "mask": ["[aeiou]"], "mask_with": MARK});
    build("filter", options).expect("good options")
});
static DENY: Entry = LazyLock::new(|| {
    let options = json!({
        "deny_words": ["idiot", "ass", "it", "kill yourself", "straße", "1488", "가", "か", "ffi"],
        "deny": ["https?://", "d.m", "[^a-z]{9}"],
    });
    build("filter", options).expect("good options")
});
/// Looks for what no text holds.
static NOTHING: Entry = LazyLock::new(|| {
    let options = json!({"mask_words": ["qzxjkwvqzxjkwv"], "mask": ["qzxjkwvqzxjkwv"]});
    build("filter", options).expect("good options")
});

const MARK: &str = "[🦀🦀🦀🦀🦀🦀]";

/// A text is judged the same twice; what is masked is exactly what would be refused; a text with
/// nothing in it stays as it was; the masked text has a bound.
pub fn run(data: &[u8]) {
    let text = &*text(data);
    let (verdict, masked) = message(&**MASK, text);
    assert_eq!(verdict, Verdict::Pass);
    assert_eq!(message(&**MASK, text), (verdict, masked.clone()), "judged anew: {text:?}");
    // A mask of one character takes the place of at least one.
    assert!(masked.chars().count() <= text.chars().count());
    assert!(masked.len() <= text.len());
    let denied = message(&**DENY, text).0 != Verdict::Pass;
    assert!(denied || masked == text, "masked, and not refused: {text:?}");
    assert!(!denied || masked != text || hides_itself(text), "refused, not masked: {text:?}");

    let (_, marked) = message(&**WHOLE, text);
    assert!(marked.len() <= text.len() * MARK.len(), "{} of {}", marked.len(), text.len());

    let (verdict, same) = message(&**NOTHING, text);
    assert!(verdict == Verdict::Pass && (same == text || text.len() > 13), "{text:?}");

    if let Some(mut event) = testkit::register("ann", Some(text)) {
        let name = before(&**DENY, &mut event);
        assert_eq!(name != Verdict::Pass, denied, "a name is judged as a text: {text:?}");
    }
}

/// Whether a mask may leave the text as it was: it holds the mask already.
fn hides_itself(text: &str) -> bool {
    text.contains('*') || text.chars().all(char::is_whitespace)
}
