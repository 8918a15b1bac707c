//! Reads a text as the letters that words are compared by: without case, accents and, if
//! wanted, disguise.

use std::ops::Range;

use caseless::Caseless;
use unicode_normalization::char::is_combining_mark;

use crate::{lookalike, reduce::reduce};

/// Which disguises are seen through.
#[derive(Clone, Copy, Debug)]
pub struct Disguise {
    /// Letters that look Latin are Latin.
    pub lookalikes: bool,
    /// Digits and signs stand for letters, as in `1d!0t`.
    pub leet: bool,
}

/// A letter of a text.
#[derive(Clone, Debug)]
pub struct Letter {
    /// What it is read as.
    pub letter: char,
    /// What stands there: a digit or sign that stands for a letter is itself here.
    pub raw: char,
    /// What lies between it and the letter before.
    pub gap: Gap,
    /// Its bytes in the original text.
    pub source: Range<usize>,
}

impl Letter {
    /// Whether it is a sign, such as `$`, so that a word may also end beside it.
    pub fn is_sign(&self) -> bool {
        !self.raw.is_alphanumeric() && !is_combining_mark(self.raw)
    }

    /// Whether it could as well be read as an l.
    pub fn is_one(&self) -> bool {
        is_one(self.raw) && self.letter != self.raw
    }
}

/// What lies between two letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gap {
    /// Nothing that a reader sees.
    #[default]
    None,
    /// A few signs that no sentence has inside of a word: `-`, `_`, `*`, `~` and the like.
    Joiner,
    /// A space, the punctuation of sentences, or anything longer.
    Break,
}

/// Longer runs of joiners are a break.
const MAX_JOINERS: u8 = 3;

/// One step of a text: a letter, or what is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Read as this letter.
    Letter(char),
    /// Between letters.
    Gap(Gap),
}

impl Disguise {
    /// The letters of `text`, with `1`, `!` and `|` read as i; with `capitals_first`, a capital is
    /// what it looks like before its case is folded.
    pub fn letters(self, text: &str, capitals_first: bool) -> Vec<Letter> {
        let mut letters = Vec::with_capacity(text.len());
        let (mut gap, mut joiners) = (Gap::None, 0u8);
        reduce(text, |c, source| {
            self.fold(c, capitals_first, |raw| match self.step(raw, false) {
                Step::Letter(letter) => {
                    letters.push(Letter { letter, raw, gap, source: source.clone() });
                    (gap, joiners) = (Gap::None, 0);
                }
                Step::Gap(kind) => {
                    joiners = joiners.saturating_add(1).min(MAX_JOINERS + 1);
                    gap = gap.max(if joiners > MAX_JOINERS { Gap::Break } else { kind });
                }
            });
        });
        letters
    }

    /// Whether reading capitals first could make a difference: the Greek capital nu looks like
    /// N, the small one like v.
    pub fn has_deceptive_capitals(self, text: &str) -> bool {
        self.lookalikes
            && text
                .chars()
                .any(|c| !c.is_ascii() && c.is_uppercase() && lookalike::latin(c, |_| {}))
    }

    /// Gives `c` without case, and without its disguise as a letter of another script.
    fn fold(self, c: char, capitals_first: bool, mut sink: impl FnMut(char)) {
        if c.is_ascii() {
            return sink(c.to_ascii_lowercase());
        }
        if capitals_first
            && c.is_uppercase()
            && lookalike::latin(c, |l| sink(l.to_ascii_lowercase()))
        {
            return;
        }
        for folded in std::iter::once(c).default_case_fold() {
            if folded.is_ascii()
                || !self.lookalikes
                || !lookalike::latin(folded, |l| sink(l.to_ascii_lowercase()))
            {
                sink(folded);
            }
        }
    }

    /// What a character without case is read as.
    #[inline]
    pub fn step(self, c: char, one_is_l: bool) -> Step {
        if c.is_ascii_lowercase() {
            return Step::Letter(c);
        }
        if self.leet
            && let Some(letter) = leet(c, one_is_l)
        {
            return Step::Letter(letter);
        }
        match c {
            '0'..='9' => Step::Letter(c),
            '-'
            | '_'
            | '*'
            | '~'
            | '^'
            | '='
            | '#'
            | '%'
            | '&'
            | '`'
            | '+'
            | '|'
            | '$'
            | '@'
            | '<'
            | '>'
            | '\\'
            | '·'
            | '•'
            | '\u{2b9}'..='\u{2df}'
            | '\u{2010}'..='\u{2015}' => Step::Gap(Gap::Joiner),
            _ if !c.is_ascii() && (c.is_alphanumeric() || is_combining_mark(c)) => Step::Letter(c),
            _ => Step::Gap(Gap::Break),
        }
    }
}

fn leet(c: char, one_is_l: bool) -> Option<char> {
    Some(match c {
        '0' => 'o',
        '1' | '!' | '|' if one_is_l => 'l',
        '1' | '!' | '|' => 'i',
        '3' | '€' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' | '+' => 't',
        '8' => 'b',
        '9' => 'g',
        '¢' => 'c',
        _ => return None,
    })
}

/// Whether `c` may stand for an i or an l.
pub fn is_one(c: char) -> bool {
    matches!(c, '1' | '!' | '|')
}

/// Whether words of this letter's script stand side by side without spaces, so that nothing
/// shows where one ends: Chinese, Japanese, Thai, Lao, Khmer, Burmese.
pub fn is_spaceless(letter: char) -> bool {
    matches!(letter,
        '\u{e00}'..='\u{eff}'
        | '\u{1000}'..='\u{109f}'
        | '\u{1780}'..='\u{17ff}'
        | '\u{3005}'..='\u{3007}'
        | '\u{3040}'..='\u{30ff}'
        | '\u{31f0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Disguise = Disguise { lookalikes: true, leet: true };

    fn read(text: &str) -> String {
        ALL.letters(text, false).iter().map(|l| l.letter).collect()
    }

    #[test]
    fn letters_are_read_through_disguise() {
        for (text, letters) in [
            ("Bad", "bad"),
            ("b\u{200b}a\u{301}d\u{fe0f}", "bad"),
            ("𝔟𝕒𝒹 ⓑⓐⓓ ｂａｄ", "badbadbad"),
            ("ﬃ ß", "ffiss"),
            ("1d!0t", "idiot"),
            ("вад ВАД", "baдbaд"),
            ("b้ad", "bad"),
            ("बाद", "बाद"),
        ] {
            assert_eq!(read(text), letters, "{text}");
        }
    }

    #[test]
    fn gaps_are_told_apart() {
        let gaps = |text| ALL.letters(text, false).iter().map(|l| l.gap).collect::<Vec<_>>();
        assert_eq!(gaps("ab"), [Gap::None, Gap::None]);
        assert_eq!(gaps("a-b"), [Gap::None, Gap::Joiner]);
        assert_eq!(gaps("a----b"), [Gap::None, Gap::Break]);
        assert_eq!(gaps("a'b"), [Gap::None, Gap::Break]);
        assert_eq!(gaps("a\u{200b}\u{202e}b"), [Gap::None, Gap::None]);
    }

    #[test]
    fn every_letter_lies_on_character_boundaries() {
        let text = "ﬃá\u{200b}ⓑ한😀 𝕒";
        for letter in ALL.letters(text, false) {
            assert!(text.get(letter.source.clone()).is_some(), "{letter:?}");
        }
    }
}
