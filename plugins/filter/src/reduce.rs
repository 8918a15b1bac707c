//! Takes away from a text what a reader does not see or reads past, and remembers where each
//! remaining character came from.

use std::ops::Range;

use confab_plugin::text::is_invisible;
use unicode_normalization::char::{
    canonical_combining_class, compose, decompose_compatible, is_combining_mark,
};

use crate::lookalike;

/// Draws out an Arabic word; no letter.
const TATWEEL: char = '\u{640}';

/// Gives each character of `text` that a reader sees to `sink`, in compatibility-decomposed form
/// (full-width, mathematical and circled letters become plain ones, ligatures come apart) and
/// without accents, with the byte range of the character in `text` that it came from. One step
/// a character, whatever the text.
///
/// Invariant: gives at most three times as many characters as `text` has bytes.
pub fn reduce(text: &str, mut sink: impl FnMut(char, Range<usize>)) {
    let mut base = '\0';
    for (start, c) in text.char_indices() {
        let source = start..start + c.len_utf8();
        if is_invisible(c) || c == TATWEEL {
            continue;
        }
        if c.is_ascii() {
            base = c;
            sink(c, source);
            continue;
        }
        if c == PHRASE {
            base = c;
            sink(c, source);
            continue;
        }
        decompose_compatible(c, |part| {
            if is_combining_mark(part) {
                if is_decoration(base, part) {
                    return;
                }
            } else {
                base = part;
            }
            sink(part, source.clone());
        });
    }
}

/// Stands for a whole phrase. The only character that would come apart into more than three times
/// as many as it has bytes: into 18. It is an ornament, in which no other word can hide.
const PHRASE: char = '\u{fdfa}';

/// Whether the combining mark adorns `base` rather than spells a sound. Marks on Latin, Greek
/// and Cyrillic letters, digits and signs always do; elsewhere the vowels, viramas, nuktas,
/// voicing and tone marks of a script are part of its words, while accents, overlays, Hebrew
/// points and Arabic vowel signs are left out by writers at will.
fn is_decoration(base: char, mark: char) -> bool {
    base < '\u{590}'
        || matches!(mark, '\u{20dd}'..='\u{20e4}')
        || matches!(canonical_combining_class(mark), 1 | 10..=36 | 200..)
}

/// Whether [`Reduced`] could differ from `text`.
pub fn is_reducible(text: &str) -> bool {
    !text.is_ascii() || text.bytes().any(|b| is_invisible(char::from(b)))
}

/// A reduced text, recomposed so that patterns in any script find what they name, with its
/// capitals.
#[derive(Debug, Default)]
pub struct Reduced {
    text: String,
    origins: Vec<Origin>,
}

/// Where one character of a reduced text came from.
#[derive(Debug)]
struct Origin {
    /// Its first byte in the reduced text.
    at: usize,
    /// The bytes of the original.
    source: Range<usize>,
}

impl Reduced {
    /// Reduces `text`; with `lookalikes`, letters that look Latin become Latin.
    pub fn new(text: &str, lookalikes: bool) -> Self {
        let mut reduced = Self::default();
        reduce(text, |c, source| {
            if !lookalikes || c.is_ascii() || !lookalike::latin(c, |l| reduced.push(l, &source)) {
                reduced.push(c, &source);
            }
        });
        reduced
    }

    fn push(&mut self, c: char, source: &Range<usize>) {
        if !c.is_ascii()
            && let Some(last) = self.text.chars().next_back()
            && let Some(whole) = compose(last, c)
            && let Some(origin) = self.origins.last_mut()
        {
            self.text.pop();
            self.text.push(whole);
            origin.source.end = source.end;
            return;
        }
        self.origins.push(Origin { at: self.text.len(), source: source.clone() });
        self.text.push(c);
    }

    /// The reduced text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The bytes of the original that the range `found` of the reduced text came from. Always on
    /// character boundaries of the original; empty if `found` is.
    pub fn origin(&self, found: &Range<usize>) -> Range<usize> {
        let first = self.origins.partition_point(|o| o.at < found.start);
        let end = self.origins.partition_point(|o| o.at < found.end);
        match self.origins.get(first..end) {
            Some([first, .., last]) => first.source.start..last.source.end,
            Some([only]) => only.source.clone(),
            _ => 0..0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::letters::Disguise;

    #[test]
    fn no_character_becomes_many() {
        let disguise = Disguise { lookalikes: true, leet: true };
        // Without the ideographs and syllables, which take time and come apart into three at most.
        let all = ('\0'..'\u{3400}').chain('\u{a000}'..'\u{ac00}').chain('\u{f900}'..'\u{20000}');
        for c in all.chain('\u{2f800}'..'\u{2fa20}') {
            let text = c.to_string();
            let (most, mut parts) = (3 * text.len(), 0);
            reduce(&text, |_, _| parts += 1);
            assert!(parts <= most, "U+{:04X}: {parts}", u32::from(c));
            let reduced = Reduced::new(&text, true).text().chars().count();
            assert!(reduced <= most, "U+{:04X}: {reduced} as Latin", u32::from(c));
            for capitals_first in [false, true] {
                let letters = disguise.letters(&text, capitals_first).len();
                assert!(letters <= most, "U+{:04X}: {letters} letters", u32::from(c));
            }
        }
    }
}
