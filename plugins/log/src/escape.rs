//! Makes a text that a client chose safe for a line of a log: one line, no terminal commands,
//! nothing that changes the order or hides.

use std::{borrow::Cow, fmt::Write};

use confab_plugin::text::is_deceptive;

/// What stands for what was cut off.
const CUT: char = '…';

/// The first `limit` characters of `text`, with control and format characters and the backslash
/// written as escapes (`\n`, `\u{1b}`, `\\`), so that an escape always means what it says.
/// Without an allocation if there is nothing to do.
pub fn escape(text: &str, limit: usize) -> Cow<'_, str> {
    let end = text.char_indices().nth(limit).map(|(end, _)| end);
    let kept = end.and_then(|end| text.get(..end)).unwrap_or(text);
    if end.is_none() && !kept.contains(must_escape) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(kept.len() + CUT.len_utf8());
    for c in kept.chars() {
        if must_escape(c) {
            // Writing to a String never fails.
            let _ = write!(safe, "{}", c.escape_default());
        } else {
            safe.push(c);
        }
    }
    if end.is_some() {
        safe.push(CUT);
    }
    Cow::Owned(safe)
}

fn must_escape(c: char) -> bool {
    c == '\\' || is_deceptive(c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_could_forge_is_escaped() {
        for (text, safe) in [
            ("plain é 漢 😀 \"q\"", "plain é 漢 😀 \"q\""),
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("\u{1b}[31m\u{7f}\0", "\\u{1b}[31m\\u{7f}\\u{0}"),
            ("\u{85}\u{9b}\u{2028}\u{2029}", "\\u{85}\\u{9b}\\u{2028}\\u{2029}"),
            ("\u{202e}\u{2066}\u{200f}", "\\u{202e}\\u{2066}\\u{200f}"),
            ("\u{feff}\u{200b}\u{e0041}", "\\u{feff}\\u{200b}\\u{e0041}"),
            ("a\\nb", "a\\\\nb"),
        ] {
            assert_eq!(escape(text, 100), safe);
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(escape("né😀x", 3), "né😀…");
        assert_eq!(escape("né😀x", 4), "né😀x");
        assert_eq!(escape("\n\n\n", 1), "\\n…");
        assert!(matches!(escape("plain", 5), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn nothing_harmful_is_left(text: String, limit in 0usize..50) {
            let safe = escape(&text, limit).into_owned();
            prop_assert!(!safe.contains(char::is_control));
            prop_assert!(safe.chars().count() <= limit * 10 + 1);
        }

        #[test]
        fn two_texts_are_never_written_alike(a in "[\\\\nu{}0\n\u{1b}]{0,4}", b in "[\\\\nu{}0\n\u{1b}]{0,4}") {
            prop_assert_eq!(a == b, escape(&a, 9) == escape(&b, 9));
        }
    }
}
