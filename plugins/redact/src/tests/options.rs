//! What operators may write, and what they are told.

use confab_plugin::{
    Definition, Problem,
    testkit::{Kit, manual_faults},
};
use serde_json::{Value, json};

use crate::Redact;

fn problems(options: Value) -> Vec<String> {
    Kit::<Redact>::new(options).err().unwrap_or_default().iter().map(Problem::to_string).collect()
}

#[test]
fn all_problems_are_told_at_once() {
    let found = problems(json!({
        "what": [],
        "keep_last": 5,
        "allow_domains": ["example.com", "@example.com", "com", "a..b", "", "a b.de", "bücher.de"],
        "mask_with": "x",
    }));
    let domain = |n| format!("allow_domains[{n}]: not a domain: write it as in \"example.com\"");
    let mut expected = vec![
        "what: name what to mask, or leave `what` away for all".to_owned(),
        "keep_last: give a number from 0 to 4".to_owned(),
    ];
    expected.extend([1, 2, 3, 4, 5].map(domain));
    expected
        .push("mask_with: begins or ends like a number or a word: put it in [brackets]".to_owned());
    assert_eq!(found, expected);
    assert!(problems(json!({"allow_domains": vec!["a.de"; 1001]}))[0].contains("at most 1000"));
}

#[test]
fn a_mask_is_no_part_of_a_number_or_a_word() {
    for (mask, told) in [
        ("", "shows nothing"),
        (" ", "begins or ends"),
        ("-", "begins or ends"),
        ("(masked)", "begins or ends"),
        ("#", "begins or ends"),
        ("[masked] ", "begins or ends"),
        ("[5]", "has a digit"),
        ("[٥]", "has a digit"),
        ("[@]", "has a digit"),
        ("\n", "does not show"),
        ("•\u{200b}•", "does not show"),
        (&*"•".repeat(33), "longer than 32"),
    ] {
        let found = problems(json!({"mask_with": mask}));
        assert!(found.len() == 1 && found[0].contains(told), "{mask:?}: {found:?}");
    }
    for mask in ["•", "*", "█", "[masked]", "<card no. removed>", "🔒", "***", &*"•".repeat(32)]
    {
        assert_eq!(problems(json!({"mask_with": mask})), [""; 0], "{mask:?}");
    }
}

#[test]
fn a_misspelt_key_is_refused() {
    for (options, told) in [
        (json!({"whats": []}), "unknown field `whats`"),
        (json!({"what": ["card"]}), "unknown variant `card`"),
        (json!({"keep_last": -1}), "invalid value"),
    ] {
        let found = problems(options);
        assert!(found.len() == 1 && found[0].contains(told), "{told}: {found:?}");
    }
}

#[test]
fn the_manual_is_complete() {
    assert_eq!(manual_faults::<Redact>(), Vec::<String>::new());
    assert!(Redact::MANUAL.contains("`confab_redact_masked_total`"));
}
