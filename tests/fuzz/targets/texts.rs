//! Texts before the other hooks that read them: redact, spam, ratelimit.

use std::sync::{Arc, LazyLock};

use confab_plugin::{Plugin, Verdict};
use serde_json::json;

use super::{
    situation::{build, message},
    text,
};

type Entry = LazyLock<Arc<dyn Plugin>>;

static REDACT: Entry = LazyLock::new(|| {
    let options = json!({"what": ["cards", "ibans", "emails", "phones"]});
    build("redact", options).expect("good options")
});

/// Redacting leaves nothing that redacting would find again; no hook but it changes the text.
pub fn run(data: &[u8]) {
    let text = &*text(data);
    let (verdict, masked) = message(&**REDACT, text);
    assert_eq!(verdict, Verdict::Pass);
    assert!(masked.len() <= 16 * text.len(), "{} of {}", masked.len(), text.len());
    let again = message(&**REDACT, &masked).1;
    assert_eq!(again, masked, "found in what was masked: {text:?}");

    // Their state is of one message, so that an input means the same in every order.
    let rate = json!({"rules": [{"per": "conversation", "events": 1}]});
    for (plugin, options) in [("spam", json!({})), ("ratelimit", rate)] {
        let entry = build(plugin, options).expect("good options");
        for _ in 0..2 {
            let (verdict, after) = message(&*entry, text);
            assert_eq!(after, text, "{plugin}");
            if let Verdict::Deny { code, message, .. } = verdict {
                assert!(code.len() <= 64 && message.len() <= 300, "{plugin}: {message}");
            }
        }
    }
}
