//! What operators write for the filter: patterns, words and masks, each over a text.

use serde_json::json;

use super::{
    first_line,
    situation::{build, message},
    text,
};

/// The first line is a pattern, a word and a mask; the rest a text. Each is taken, or refused in
/// one line that points at it; what is taken judges the same twice.
pub fn run(data: &[u8]) {
    let all = &*text(data);
    let (rule, text) = first_line(all);
    for (key, options) in [
        ("mask", json!({"mask": [rule]})),
        ("deny", json!({"deny": [rule], "lookalikes": false})),
        ("mask_words", json!({"mask_words": [rule]})),
        ("deny_words", json!({"deny_words": [rule], "leet": false})),
        ("mask_with", json!({"mask_with": rule, "mask": ["[a-z]+"]})),
    ] {
        match build("filter", options) {
            Ok(filter) => {
                let found = message(&*filter, text);
                // No more than the mask, of at most 32 characters, for each character.
                assert!(found.1.len() <= 32 * 4 * text.len(), "{key} {rule:?}");
                assert_eq!(message(&*filter, text), found, "judged anew: {key} {rule:?}");
            }
            Err(problems) => {
                assert!(!problems.is_empty());
                for problem in problems {
                    assert_eq!(problem.path.first(), Some(&key.into()), "{rule:?}");
                    let told = problem.message;
                    assert!(!told.contains('\n') && told.len() < 300, "{key}: {told}");
                }
            }
        }
    }
}
