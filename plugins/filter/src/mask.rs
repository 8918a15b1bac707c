//! Replaces parts of a text by a mask and leaves the rest byte for byte.

use std::ops::Range;

use confab_plugin::text::is_invisible;
use unicode_segmentation::UnicodeSegmentation;

/// What is put in the place of a match.
#[derive(Debug)]
pub enum Mask {
    /// This, for each character that a reader sees; spaces stay.
    Each(String),
    /// This, once for the whole match.
    Whole(String),
}

impl Mask {
    /// The most characters of a mask.
    pub const MAX_CHARS: usize = 32;

    /// The mask that operators write as `text`.
    ///
    /// # Errors
    /// Why it is none.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.chars().count() > Self::MAX_CHARS {
            return Err(format!("longer than {} characters", Self::MAX_CHARS));
        }
        if text.chars().any(char::is_control) {
            return Err("has a control character in it".into());
        }
        if is_blank(text) {
            return Err("shows nothing: give a character such as \"*\", or a word".into());
        }
        Ok(if text.graphemes(true).count() == 1 {
            Mask::Each(text.to_owned())
        } else {
            Mask::Whole(text.to_owned())
        })
    }

    /// `text` with every character that one of `spans` touches replaced. A character is what a
    /// reader takes for one: a letter with its accents, an emoji with its parts. Spans may
    /// overlap and come in any order; those that overlap or touch are one.
    pub fn apply(&self, text: &str, mut spans: Vec<Range<usize>>) -> String {
        spans.retain(|span| !span.is_empty());
        spans.sort_unstable_by_key(|span| span.start);
        let mut merged: Vec<Range<usize>> = Vec::with_capacity(spans.len());
        for span in spans {
            match merged.last_mut() {
                Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
                _ => merged.push(span),
            }
        }
        let mut masked = String::with_capacity(text.len());
        let mut spans = merged.into_iter().peekable();
        // Whether the mask of the current span is already written, if once is enough.
        let mut written = false;
        for (start, cluster) in text.grapheme_indices(true) {
            while spans.next_if(|span| span.end <= start).is_some() {
                written = false;
            }
            match spans.peek() {
                Some(span) if span.start < start + cluster.len() => match self {
                    Mask::Each(_) if cluster.chars().all(char::is_whitespace) => {
                        masked.push_str(cluster);
                    }
                    Mask::Each(mask) if !is_blank(cluster) => masked.push_str(mask),
                    Mask::Each(_) => {}
                    Mask::Whole(mask) if !written => {
                        masked.push_str(mask);
                        written = true;
                    }
                    Mask::Whole(_) => {}
                },
                _ => masked.push_str(cluster),
            }
        }
        masked
    }
}

/// Whether a reader sees nothing of `text`.
fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || is_invisible(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(mask: &str, text: &str, spans: &[(usize, usize)]) -> String {
        let spans = spans.iter().map(|&(start, end)| start..end).collect();
        Mask::new(mask).unwrap().apply(text, spans)
    }

    #[test]
    fn whole_characters_are_replaced() {
        assert_eq!(apply("*", "a bad b", &[(2, 5)]), "a *** b");
        assert_eq!(apply("█", "bad", &[(0, 3)]), "███");
        // The accent belongs to the d before it, though the span ends before.
        assert_eq!(apply("*", "bad\u{301}!", &[(0, 3)]), "***!");
        assert_eq!(apply("*", "b\u{200b}ad", &[(0, 6)]), "***");
        assert_eq!(apply("*", "👩‍👩‍👧x", &[(0, 4)]), "*x");
        assert_eq!(apply("*", "a b\r\nc", &[(0, 6)]), "* *\r\n*");
    }

    #[test]
    fn a_longer_mask_stands_once_for_each_match() {
        assert_eq!(apply("[x]", "a bad b", &[(2, 5)]), "a [x] b");
        assert_eq!(apply("[x]", "bad bad", &[(4, 7), (0, 3)]), "[x] [x]");
        assert_eq!(apply("[x]", "badbad!", &[(0, 4), (2, 6)]), "[x]!");
    }

    #[test]
    fn a_mask_must_show() {
        for bad in ["", " ", "\u{200b}", "\n", "\u{1b}[0m", &"x".repeat(33)] {
            assert!(Mask::new(bad).is_err(), "{bad:?}");
        }
    }
}
