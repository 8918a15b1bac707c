//! What holds for every text and every sequence of events.

use confab_plugin::{Decision, Verdict};
use proptest::prelude::*;
use serde_json::json;

use super::{kit, message, notes, now};
use crate::{
    links,
    text::{MIN_LETTERS, Text},
};

/// Texts made of what is hard.
fn hard() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<char>().prop_map(String::from),
        proptest::sample::select(vec![
            "://",
            "http://",
            "www.",
            "t.me/",
            "/",
            ".",
            "@",
            "a",
            "Bob",
            " ",
            "?",
            "#",
            "é",
            "ß",
            "İ",
            "\u{200b}",
            "\u{301}",
            "👩‍👧",
            "漢",
            "[",
            "12",
            "!!!!!",
        ])
        .prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

/// One step: who is written to, which text, with which id, after how many seconds, and whether
/// the outcome comes at once.
fn step() -> impl Strategy<Value = (u128, usize, Option<u8>, u64, bool)> {
    (0..6u128, 0..5usize, proptest::option::of(0..8u8), 0..90u64, any::<bool>())
}

const TEXTS: [&str; 5] = [
    "hello",
    "Buy these watches today",
    "see http://a.example and t.me/x",
    "DO YOU NOT WANT TO BUY SOMETHING NOW",
    "Dear friend, this is a long letter about the many watches that I would like to sell",
];

proptest! {
    #[test]
    fn a_text_is_the_same_as_itself(text in hard(), near in any::<bool>()) {
        let seen = Text::new(&text, near);
        prop_assert_eq!(seen, Text::new(&text, near));
        let letters = text.chars().filter(|c| c.is_alphabetic()).count();
        if text.is_ascii() && letters < MIN_LETTERS {
            prop_assert!(!seen.print.is_same(&seen.print));
        }
        let shout = format!("  {}!! ", text.replace(' ', "   "));
        if seen.print.is_same(&seen.print) && !text.contains('/') {
            prop_assert!(seen.print.is_same(&Text::new(&shout, near).print), "{}", text);
        }
    }

    #[test]
    fn links_are_on_character_boundaries(word in "[a-z:/.@é漢www?#-]{0,30}") {
        let found = links::find(&word);
        prop_assert!(word.starts_with(found.kept));
        prop_assert_eq!(found.count == 0 && found.kept != word, false);
        // A link more is one link more.
        let more = Text::new(&format!("{word} https://a.example/x"), true).links;
        prop_assert_eq!(more, found.count + 1);
    }

    #[test]
    fn the_same_events_get_the_same_verdicts(steps in proptest::collection::vec(step(), 0..60)) {
        let play = || {
            let mut kit = kit(json!({
                "max_repeats": 1, "max_recipients": 2, "max_new_conversations": 2,
                "max_recent_links": 3, "max_recent": 8, "window": "2m",
            }));
            let (mut verdicts, mut waiting) = (Vec::new(), Vec::new());
            for (to, text, id, pause, at_once) in &steps {
                kit.wait(super::secs(*pause));
                let id = id.map(|id| id.to_string()).unwrap_or_default();
                let event = message(*to, TEXTS[*text], &id);
                verdicts.push(now(kit.before(event.clone())).unwrap().verdict);
                waiting.push(event);
                if *at_once {
                    for event in waiting.drain(..) {
                        kit.after(&event, Decision::Accepted { seq: Some(1), duplicate: false });
                    }
                }
            }
            (verdicts, notes(&mut kit))
        };
        prop_assert_eq!(play(), play());
    }

    #[test]
    fn a_retry_goes_the_way_of_its_message(
        steps in proptest::collection::vec(step(), 0..20), (to, text, ..) in step(),
    ) {
        let mut kit = kit(json!({"max_repeats": 1, "max_recipients": 2}));
        for (to, text, ..) in &steps {
            let _ = now(kit.before(message(*to, TEXTS[*text], "")));
        }
        let event = message(to, TEXTS[text], "the same");
        let first = now(kit.before(event.clone())).unwrap().verdict;
        let said = notes(&mut kit);
        let again = now(kit.before(event)).unwrap().verdict;
        prop_assert_eq!(&again, &first);
        if first != Verdict::Pass {
            prop_assert_eq!(said.lines().last().map(String::from), Some(notes(&mut kit)));
        }
    }

    #[test]
    fn nothing_panics(texts in proptest::collection::vec(hard(), 0..10)) {
        let kit = kit(json!({}));
        for (to, text) in texts.iter().enumerate() {
            let _ = now(kit.before(message(to as u128, text, ""))).unwrap();
        }
    }
}
