//! What holds for every text.

use proptest::prelude::*;
use serde_json::json;

use super::{denied, kit, masked};
use confab_plugin::text::is_invisible;

use crate::{letters::Disguise, reduce::Reduced};

/// Texts made of what is hard: marks, joiners, ligatures, other scripts, letters of a rule.
fn hard() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<char>(),
        proptest::sample::select(
            "idotbs1!|$@ .-_'\u{301}\u{200d}\u{200b}\u{fe0f}ﬃİßﷺ가ᄀ\u{1161}\u{11a8}か\u{3099}का\u{94d}😀👩🇩🇪\r\n\0ιΝаＡ"
                .chars()
                .collect::<Vec<_>>()
        ),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(String::from_iter)
}

fn invisible() -> impl Strategy<Value = String> {
    let all: Vec<char> = ('\0'..=char::MAX).filter(|c| is_invisible(*c)).collect();
    let c = proptest::sample::select(all);
    proptest::collection::vec(c, 0..4).prop_map(String::from_iter)
}

proptest! {
    #[test]
    fn the_map_stays_on_character_boundaries(text in hard(), a in any::<usize>(), b in any::<usize>()) {
        for lookalikes in [false, true] {
            let reduced = Reduced::new(&text, lookalikes);
            let places: Vec<usize> = reduced.text().char_indices().map(|(at, _)| at)
                .chain([reduced.text().len()]).collect();
            let (a, b) = (places[a % places.len()], places[b % places.len()]);
            let origin = reduced.origin(&(a.min(b)..a.max(b)));
            prop_assert!(text.get(origin.clone()).is_some(), "{origin:?}");
            prop_assert_eq!(origin.is_empty(), a == b);
        }
        for capitals in [false, true] {
            let disguise = Disguise { lookalikes: true, leet: true };
            for letter in disguise.letters(&text, capitals) {
                prop_assert!(text.get(letter.source.clone()).is_some_and(|s| !s.is_empty()));
            }
        }
    }

    #[test]
    fn invisible_characters_hide_nothing(fill in proptest::collection::vec(invisible(), 6)) {
        let kit = kit(json!({"deny_words": ["idiot"]}));
        let mut text = fill[0].clone();
        for (c, fill) in "idiot".chars().zip(&fill[1..]) {
            text.push(c);
            text.push_str(fill);
        }
        prop_assert!(denied(&kit, &text), "{text:?}");
        let pattern = super::kit(json!({"deny": ["idiot"]}));
        prop_assert!(denied(&pattern, &text), "{text:?}");
    }

    #[test]
    fn a_text_without_a_match_stays_as_it_was(text in hard()) {
        let kit = kit(json!({"mask_words": ["qzxjkwv"], "mask": ["qzxjkwv"]}));
        prop_assert_eq!(masked(&kit, &text), text);
    }

    #[test]
    fn a_mask_leaves_its_surroundings(before in hard(), after in hard()) {
        let kit = kit(json!({"mask_words": ["qzxjkwv"]}));
        let masked = masked(&kit, &format!("{before}\n qzxjkwv \n{after}"));
        prop_assert_eq!(masked, format!("{before}\n ******* \n{after}"));
    }

    #[test]
    fn nothing_panics(text in hard()) {
        let kit = kit(json!({
            "mask_words": ["idiot", "it", "do it", "i", "ffi", "s1", "1", "가", "か"],
            "mask": ["i", "d.", "[^a-z]{2}"],
        }));
        masked(&kit, &text);
    }
}
