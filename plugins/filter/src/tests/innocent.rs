//! Texts that the filter must leave alone.

use serde_json::json;

use super::{all_denied, denied, kit, masked, none_denied};

#[test]
fn words_are_whole_words() {
    let kit = kit(json!({"deny_words": [
        "ass", "cunt", "hell", "pen is", "tit", "sex", "rape", "god", "idiot", "shit", "il",
        "boobs", "usa"
    ]}));
    none_denied(
        &kit,
        &[
            "Scunthorpe and Essex, class, assume, assassin, compass",
            "he'll, we'll, she'll, hello shell",
            "he’ll",
            "grape, drape, therapeutic",
            "title, Titan, Titanic, entity",
            "goods, godson, good",
            "idiotic",
            "push it, wash it",
            "as sure as eggs",
            "a classy as-is asset",
            "call 455 or 4.55 or 0455-455",
            "58008 and 80085",
            "$455",
            "us a",
            "Düsseldorf, naïve, coöperate, Ångström, Łódź, piñata",
            "ассистент, астра",
            "as s",
            "sure: s hit",
            "😀👩‍👩‍👧🇩🇪",
            "",
        ],
    );
}

#[test]
fn a_number_asked_for_is_that_number() {
    let both = kit(json!({"deny_words": ["88", "1488"]}));
    none_denied(&both, &["888", "1,488", "bb", "1988", "14888", "188", "8 8"]);
    all_denied(&both, &["88!", "(1488)", "88\u{200b}"]);
    none_denied(&kit(json!({"deny_words": ["1488"]})), &["14 88", "14-88", "1 4 8 8"]);
}

#[test]
fn disguises_are_a_matter_of_options() {
    let strict = kit(json!({"deny_words": ["cop", "idiot"], "deny": ["cop\\d"]}));
    let plain = kit(json!({
        "deny_words": ["cop", "idiot"], "deny": ["cop\\d"], "lookalikes": false, "leet": false
    }));
    let disguised = ["сор", "1diot", "id!ot", "сор1"];
    all_denied(&strict, &disguised);
    none_denied(&plain, &disguised);
    all_denied(&plain, &["ｃop", "c\u{200b}op", "CÓP", "idiot", "cop\u{301}1"]);
}

#[test]
fn marks_that_spell_are_not_dropped() {
    // Hindi: work and little; Japanese: moth and mosquito; Thai: dog and near.
    let kit = kit(json!({"deny_words": ["काम", "がが", "หมา"]}));
    none_denied(&kit, &["कम", "かか", "หมั", "かが"]);
    assert!(denied(&kit, "काम"));
}

#[test]
fn what_no_rule_matches_stays_as_it_was() {
    let kit = kit(json!({"mask_words": ["zzyzx"], "mask": ["qqq+"]}));
    for text in [
        "plain",
        "e\u{301}\u{200b}\u{202e}ｆ\0\u{1b}[31m",
        "ﬃ ½ ㍿ ﷺ",
        " \r\n\t ",
        "👨‍👩‍👧‍👦🏴\u{e0067}\u{e0062}\u{e007f}",
    ] {
        assert_eq!(masked(&kit, text), text);
    }
}
