//! What the score needs to know of a text, found in one pass.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    num::NonZeroU64,
};

use crate::{
    links::{self, Links},
    sketch::Sketch,
};

/// Texts of fewer letters are never called the same: people say "ok" all day long.
pub const MIN_LETTERS: usize = 8;
/// With fewer letters of either case, capitals are no shouting: `OK`, `NASA`.
pub const MIN_CASED: usize = 20;

/// A text, as far as the score looks at it. Holds nothing that a reader could read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// What the text is compared by.
    pub print: Print,
    /// How many links it has.
    pub links: u32,
    /// How many users it mentions as `@name`.
    pub mentions: u32,
    /// Of 100 letters, how many are capitals; 0 for a text of few letters.
    pub capitals: u32,
    /// How often one character stands in a row, at most.
    pub run: u32,
}

/// By what texts are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Print {
    /// The hash of the letters.
    letters: Option<NonZeroU64>,
    sketch: Option<Sketch>,
}

impl Print {
    /// Whether a reader would take the texts for the same, or for variants of one.
    pub fn is_same(&self, other: &Self) -> bool {
        (self.letters.is_some() && self.letters == other.letters)
            || self.sketch.zip(other.sketch).is_some_and(|(one, other)| one.is_near(other))
    }
}

impl Text {
    /// Looks at `content`; with `near`, also for what makes it nearly the same as another.
    pub fn new(content: &str, near: bool) -> Self {
        let mut letters = String::with_capacity(content.len());
        let (mut links, mut upper, mut cased) = (0u32, 0usize, 0usize);
        for word in content.split_whitespace() {
            let Links { count, kept } = links::find(word);
            links = links.saturating_add(count);
            for c in kept.chars().filter(|c| !is_passed_over(*c)) {
                letters.extend(c.to_lowercase());
                if count == 0 && (c.is_uppercase() || c.is_lowercase()) {
                    upper += usize::from(c.is_uppercase());
                    cased += 1;
                }
            }
        }
        let enough = letters.chars().nth(MIN_LETTERS - 1).is_some();
        let print = Print {
            letters: enough.then(|| hash(&letters)),
            sketch: if near { Sketch::new(&letters) } else { None },
        };
        let capitals = if cased < MIN_CASED { 0 } else { upper * 100 / cased };
        Self {
            print,
            links,
            mentions: mentions(content),
            capitals: u32::try_from(capitals).unwrap_or(100),
            run: longest_run(content),
        }
    }
}

/// A hash that is the same at any time; never 0.
pub fn hash(value: impl Hash) -> NonZeroU64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    NonZeroU64::new(hasher.finish()).unwrap_or(NonZeroU64::MIN)
}

/// What variants of one text differ in: digits, punctuation, what nobody sees.
fn is_passed_over(c: char) -> bool {
    match c {
        'a'..='z' | 'A'..='Z' => false,
        _ if c.is_ascii() => true,
        '\u{80}'..='\u{bf}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{180b}'..='\u{180f}'
        | '\u{2000}'..='\u{206f}'
        | '\u{3000}'..='\u{303f}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ff01}'..='\u{ff0f}'
        | '\u{fff0}'..='\u{ffff}'
        | '\u{e0000}'..='\u{e0fff}' => true,
        _ => c.is_numeric(),
    }
}

/// How often `@` begins a name.
fn mentions(content: &str) -> u32 {
    let mut count = 0u32;
    let (mut before, mut chars) = (' ', content.chars().peekable());
    while let Some(c) = chars.next() {
        let begins = c == '@' && !before.is_alphanumeric() && before != '@';
        if begins && chars.peek().is_some_and(char::is_ascii_alphanumeric) {
            count = count.saturating_add(1);
        }
        before = c;
    }
    count
}

/// How often one character stands in a row, at most. Spaces, and what lines are drawn with, do
/// not count.
fn longest_run(content: &str) -> u32 {
    let (mut longest, mut run, mut last) = (0u32, 0u32, None);
    for c in content.chars() {
        let drawn = matches!(c, '-' | '=' | '_' | '*' | '#' | '~' | '.' | '+' | '|')
            || matches!(c, '\u{2500}'..='\u{257f}');
        run = match last {
            _ if drawn || c.is_whitespace() => 0,
            Some(last) if last == c => run.saturating_add(1),
            _ => 1,
        };
        last = Some(c);
        longest = longest.max(run);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: &str, b: &str) -> bool {
        Text::new(a, true).print.is_same(&Text::new(b, true).print)
    }

    #[test]
    fn variants_are_the_same_text() {
        for (a, b) in [
            ("Buy watches now", "buy  WATCHES, now!!! 17"),
            ("Buy watches now", "b\u{200b}uy watches\u{feff} now…"),
            ("Купи часы сейчас", "купи часы сейчас!"),
            ("look: https://x.example/a1B2", "look https://x.example/Zz9?q#f"),
            ("今すぐ時計を買おう", "今すぐ、時計を買おう。"),
            (
                "Dear Ann, you have won a large sum in our lottery, write to us today!",
                "Dear Maximilian, you have won a large sum in our lottery, write to us today!",
            ),
        ] {
            assert!(same(a, b), "{a} | {b}");
            assert!(Text::new(a, false).print.is_same(&Text::new(a, false).print));
        }
    }

    #[test]
    fn short_and_different_texts_are_not() {
        for (a, b) in [
            ("ok", "ok"),
            ("1234567890", "1234567890"),
            ("👍👍", "👍👍"),
            ("Buy watches now", "Buy watches later"),
            ("see https://x.example/a", "see https://y.example/a"),
            (
                "shall we meet at the station at five and walk to the lake together?",
                "shall I bring something to eat for the way back, or do you have enough?",
            ),
        ] {
            assert!(!same(a, b), "{a} | {b}");
        }
    }

    #[test]
    fn capitals_count_in_long_texts() {
        for (text, capitals) in [
            ("STOP IT", 0),
            ("BUY THE BEST WATCHES NOW", 100),
            ("buy THE BEST watches now", 35),
            ("https://EXAMPLE.ORG/ABCDEFGHIJKLMNOP", 0),
            ("今すぐ時計を買おう今すぐ時計を買おう今すぐ時計", 0),
        ] {
            assert_eq!(Text::new(text, true).capitals, capitals, "{text}");
        }
    }

    #[test]
    fn runs_and_mentions_are_counted() {
        for (text, run) in [("", 0), ("hello", 2), ("nooooo!!", 5), ("!!!!", 4), ("a a a", 1)] {
            assert_eq!(Text::new(text, true).run, run, "{text}");
        }
        assert_eq!(Text::new("| --- | ------------- | ═════════ |", true).run, 0);
        for (text, count) in
            [("@ann, @bob: (@c)", 3), ("ann@example.org", 0), ("@ @@x @-", 0), ("@é", 0)]
        {
            assert_eq!(Text::new(text, true).mentions, count, "{text}");
        }
    }
}
