//! What operators may write, and what they are told.

use confab_plugin::{
    Problem,
    testkit::{Kit, manual_faults},
};
use serde_json::{Value, json};

use super::denied;
use crate::Filter;

fn problems(options: Value) -> Vec<String> {
    Kit::<Filter>::new(options).err().unwrap_or_default().iter().map(Problem::to_string).collect()
}

#[test]
fn all_problems_are_told_at_once() {
    let found = problems(json!({
        "deny": ["fine", "(", "a{1000}{1000}", "x*", "\\b", "(?=x)"],
        "deny_words": ["", "fine", "\u{200b}", "x".repeat(65)],
        "mask": ["[", "a".repeat(1001)],
        "mask_words": ["?!."],
        "mask_with": "\n",
        "code": "No Good",
        "message": "",
    }));
    for start in [
        "deny[1]: not a regular expression: ",
        "deny[2]: too big",
        "deny[3]: matches the empty text",
        "deny[4]: matches the empty text",
        "deny[5]: not a regular expression: look-around",
        "deny_words[0]: has no letter",
        "deny_words[2]: has no letter",
        "deny_words[3]: 65 letters",
        "mask[0]: not a regular expression: ",
        "mask[1]: longer than 1000",
        "mask_words[0]: has no letter",
        "mask_with: ",
        "code: ",
        "message: ",
    ] {
        let told = found.iter().filter(|p| p.starts_with(start)).count();
        assert_eq!(told, 1, "{start} in {found:#?}");
    }
    assert_eq!(found.len(), 14, "{found:#?}");
    assert!(found.iter().all(|p| !p.contains('\n')), "{found:#?}");
}

#[test]
fn a_rule_is_needed_and_lists_are_bounded() {
    assert!(problems(json!({}))[0].contains("nothing to look for"));
    assert!(problems(json!({"deny_words": vec!["x"; 10_001]}))[0].contains("at most 10000"));
    assert!(problems(json!({"mask": vec!["x"; 501]}))[0].contains("at most 500"));
    assert!(problems(json!({"denny": ["x"]}))[0].contains("unknown field `denny`"));
}

#[test]
fn ten_thousand_words_fit() {
    let mut words: Vec<String> = (0..9_999u32)
        .map(|n| {
            let letters = [n / 676 % 26, n / 26 % 26, n % 26];
            let word: String =
                letters.iter().filter_map(|l| char::from_digit(l + 10, 36)).collect();
            format!("word{word}")
        })
        .collect();
    words.push("needle".into());
    let kit = Kit::<Filter>::new(json!({"deny_words": words})).unwrap();
    assert!(denied(&kit, "a n\u{200b}eedle here"));
    assert!(!denied(&kit, "a haystack, wordy and needleless"));
}

#[test]
fn the_manual_is_complete() {
    assert_eq!(manual_faults::<Filter>(), Vec::<String>::new());
}
