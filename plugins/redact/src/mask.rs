//! Puts a mask in the place of what was found, and leaves every other byte as it was.

use std::ops::Range;

use crate::glyph::is_invisible;

/// What is put in the place of a match.
#[derive(Debug)]
pub struct Mask(String);

/// A part of a text to mask.
#[derive(Debug, PartialEq, Eq)]
pub struct Hidden {
    /// Its bytes.
    pub bytes: Range<usize>,
    /// What may still be shown of it, after the mask.
    pub tail: String,
}

impl Mask {
    /// The most characters of a mask.
    pub const MAX_CHARS: usize = 32;
    /// How often a mask of one character is written, however long the match is.
    const REPEAT: usize = 4;

    /// The mask that operators write as `text`.
    ///
    /// # Errors
    /// Why it is none.
    pub fn new(text: &str) -> Result<Self, String> {
        let count = text.chars().count();
        if count > Self::MAX_CHARS {
            return Err(format!("longer than {} characters", Self::MAX_CHARS));
        }
        if text.chars().any(|c| c.is_control() || is_invisible(c)) {
            return Err("has a character in it that does not show".into());
        }
        // So that a mask is never part of a match, with what stands beside it.
        if text.chars().any(|c| c.is_numeric() || c == '@') {
            return Err("has a digit or an @ in it, and could be taken for what it masks".into());
        }
        let parts =
            |c: char| c.is_alphanumeric() || c.is_whitespace() || "-./+()_%,:#=&~$€£\\".contains(c);
        match (text.chars().next(), text.chars().next_back()) {
            (Some(first), Some(last)) if !parts(first) && !parts(last) => {
                let repeat = if count == 1 { Self::REPEAT } else { 1 };
                Ok(Self(text.repeat(repeat)))
            }
            (None, _) => {
                Err("shows nothing: give a character such as \"•\", or \"[masked]\"".into())
            }
            _ => Err("begins or ends like a number or a word: put it in [brackets]".into()),
        }
    }

    /// `text` with the parts of `hidden`, which are in order, masked.
    pub fn apply(&self, text: &str, hidden: &[Hidden]) -> String {
        let mut masked = String::with_capacity(text.len() + self.0.len() * hidden.len());
        let mut from = 0;
        for Hidden { bytes, tail } in hidden {
            masked.push_str(text.get(from..bytes.start).unwrap_or_default());
            masked.push_str(&self.0);
            if !tail.is_empty() {
                masked.push(' ');
                masked.push_str(tail);
            }
            from = bytes.end;
        }
        masked.push_str(text.get(from..).unwrap_or_default());
        masked
    }
}
