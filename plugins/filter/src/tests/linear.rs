//! No text takes more than linear time.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use serde_json::json;

use super::{denied, kit, masked};
use crate::{letters::Disguise, word::Word, words::Words};

thread_local! {
    static STEPS: Cell<u64> = const { Cell::new(0) };
}

/// Counts a step of the search for words.
pub fn step() {
    STEPS.set(STEPS.get() + 1);
}

/// How many steps it takes to find all of `word` in `text`.
fn steps(word: &str, text: &str) -> u64 {
    let disguise = Disguise { lookalikes: true, leet: true };
    let words = Words::new([(Word::new(word, disguise).unwrap(), ())], disguise).unwrap();
    STEPS.set(0);
    words.find(text, |(), _| true);
    STEPS.get()
}

/// Words of one run and of several, with spaces, with digits, without spaces around them.
const WORDS: [&str; 9] = ["a", "as", "ass", "a s", "sasa", "a455", "4", "傻瓜", "傻"];

/// What runs are made of: letters, signs and digits that stand for them, in pieces or not.
const PIECES: [&str; 12] = ["a", "s", "@", "$", "4", "5", "@.", "$-", "5 ", "@4", "傻", "瓜"];

/// Time is no measure to rely on where others share the machine: steps are.
#[test]
fn time_is_linear() {
    for word in WORDS {
        for (first, second) in PIECES.iter().flat_map(|a| PIECES.iter().map(move |b| (a, b))) {
            for between in ["", ".", "-"] {
                let count = |n| steps(word, &(first.repeat(n) + between + &second.repeat(n)));
                let (short, long) = (count(50), count(200));
                let text = format!("{first}{first}…{between}{second}{second}…");
                assert!(long <= 5 * short, "{word} in {text}: {short}, then {long}");
            }
        }
    }
}

/// A word, and a text of two long parts with something between and behind them.
const ATTACKS: [(&str, [&str; 4]); 5] = [
    // Each sign begins a word, and each word is but a number.
    ("ass", ["@", "", "5", ""]),
    // Each begins a word that ends nowhere.
    ("ass", ["@", "", "5", "x"]),
    // Each begins a word that may not come in pieces.
    ("as", ["@", ".", "$", ""]),
    ("傻瓜", ["傻", ".", "瓜", ""]),
    // Each begins a word, and no other run has to follow.
    ("aa", ["@4", "", "4", "x"]),
];

#[test]
fn an_attack_costs_what_other_texts_cost() {
    for (word, [first, between, second, end]) in ATTACKS {
        let text = first.repeat(8000) + between + &second.repeat(8000) + end;
        let most = 16 * u64::try_from(text.chars().count()).unwrap();
        let steps = steps(word, &text);
        assert!(steps <= most, "{word} in {first}…{between}{second}…{end}: {steps}");
        let deny = kit(json!({"deny_words": [word]}));
        let mask = kit(json!({"mask_words": [word]}));
        assert_eq!(denied(&deny, &text), masked(&mask, &text) != text, "{word}");
    }
}

/// All of a message's time, with normalisation, patterns and masks: a bound so generous that only
/// quadratic time misses it.
#[test]
fn a_message_takes_linear_time() {
    let kit = kit(json!({
        "deny": ["https?://", "z+y"],
        "mask": ["b+c", "[0-9]{4,}x"],
        "mask_words": ["ass", "idiot", "as", "傻瓜"],
    }));
    for (first, second) in [
        ("@", "5"),
        ("ass ", "$$$"),
        ("b", "z"),
        ("12345", "x"),
        ("傻", ".瓜"),
        ("a\u{301}", "\u{301}"),
        ("🇮", "🇩"),
        ("👩\u{200d}", "\u{fe0f}"),
        ("क\u{94d}", "\u{94d}"),
        ("ΝΑ", "ﬃ"),
    ] {
        let time = |len: usize| {
            let half = |part: &str| part.repeat(len / 2 / part.len());
            let text = half(first) + &half(second);
            let best = (0..3).map(|_| {
                let start = Instant::now();
                masked(&kit, &text);
                start.elapsed()
            });
            best.min().unwrap()
        };
        let (short, long) = (time(2_000), time(20_000));
        let most = short * 40 + Duration::from_millis(500);
        assert!(long < most, "{first:?}, {second:?}: {short:?}, and ten times as much in {long:?}");
    }
}
