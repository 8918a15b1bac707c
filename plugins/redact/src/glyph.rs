//! A text as a reader sees it: plain digits and letters, no invisible characters, and where each
//! came from.

use std::ops::Range;

use unicode_normalization::char::{decompose_compatible, is_combining_mark};

/// One visible character, in its plain form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glyph {
    /// Digits of every script are `0` to `9`, dashes `-`, line ends `\n`, other spaces a space.
    pub plain: char,
    /// Its first byte in the text.
    pub start: usize,
    /// The byte after it and the marks that adorn it.
    pub end: usize,
    /// Whether invisible characters stand before it.
    pub apart: bool,
}

impl Glyph {
    /// The value of a digit.
    pub fn digit(self) -> Option<u8> {
        match self.plain {
            c @ '0'..='9' => Some(c as u8 - b'0'),
            _ => None,
        }
    }
}

/// The visible characters of `text`. One step a character, whatever the text.
pub fn glyphs(text: &str) -> Vec<Glyph> {
    let mut glyphs: Vec<Glyph> = Vec::with_capacity(text.len());
    let mut apart = false;
    for (start, c) in text.char_indices() {
        let end = start + c.len_utf8();
        if is_invisible(c) {
            apart = true;
            continue;
        }
        if c.is_ascii() {
            glyphs.push(Glyph { plain: plain(c), start, end, apart });
            apart = false;
            continue;
        }
        decompose_compatible(c, |part| {
            if is_combining_mark(part) {
                if let Some(adorned) = glyphs.last_mut() {
                    adorned.end = end;
                }
                return;
            }
            glyphs.push(Glyph { plain: plain(part), start, end, apart });
            apart = false;
        });
    }
    glyphs
}

/// The bytes that the glyphs of `range` came from.
pub fn source(glyphs: &[Glyph], range: &Range<usize>) -> Range<usize> {
    match glyphs.get(range.clone()) {
        Some([first, .., last]) => first.start..last.end,
        Some([only]) => only.start..only.end,
        _ => 0..0,
    }
}

/// The plain form of a character that is already decomposed.
fn plain(c: char) -> char {
    match c {
        ' '..='~' => c,
        '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => '\n',
        '\u{2010}'..='\u{2015}'
        | '\u{2212}'
        | '\u{2043}'
        | '\u{2d7}'
        | '\u{58a}'
        | '\u{5be}'
        | '\u{1806}'
        | '\u{2e3a}'
        | '\u{2e3b}'
        | '\u{301c}'
        | '\u{3030}' => '-',
        // A blank pattern of Braille shows nothing, and is as wide as a space.
        '\u{2800}' => ' ',
        _ if c.is_whitespace() => ' ',
        _ => digit(c).map_or(c, |value| char::from(b'0' + value)),
    }
}

/// Whether `c` is a letter or digit of a script that parts its words by spaces. Beside one of
/// another script (Thai, Chinese, Japanese …) a word may begin and end.
pub fn is_word(c: char) -> bool {
    c < '\u{e00}' && c.is_alphanumeric()
}

/// The value of a decimal digit of any script: Unicode's general category Nd.
fn digit(c: char) -> Option<u8> {
    let code = u32::from(c);
    let next = ZEROS.partition_point(|zero| *zero <= code);
    let zero = ZEROS.get(next.checked_sub(1)?)?;
    u8::try_from(code - zero).ok().filter(|value| *value <= 9)
}

/// The zeros of Unicode 16, each with its 1 to 9 after it.
#[rustfmt::skip]
const ZEROS: [u32; 76] = [
    0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66,
    0xde6, 0xe50, 0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90,
    0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0,
    0xff10, 0x104a0, 0x10d30, 0x10d40, 0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450,
    0x114d0, 0x11650, 0x116c0, 0x116d0, 0x116da, 0x11730, 0x118e0, 0x11950, 0x11bf0, 0x11c50,
    0x11d50, 0x11da0, 0x11f50, 0x16130, 0x16a60, 0x16ac0, 0x16b50, 0x16d70, 0x1ccf0, 0x1d7ce,
    0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e4f0, 0x1e5f1, 0x1e950, 0x1fbf0,
];

/// Whether `c` takes no place on the screen: controls, bidi controls, joiners, fillers,
/// variation selectors, tags (Unicode's `Default_Ignorable_Code_Point`, and a little more).
pub fn is_invisible(c: char) -> bool {
    match c {
        ' '..='~' | '\t'..='\r' => false,
        '\0'..='\u{9f}' => c != '\u{85}',
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}' => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain_text(text: &str) -> String {
        glyphs(text).iter().map(|glyph| glyph.plain).collect()
    }

    #[test]
    fn every_digit_of_unicode_is_known() {
        let digits = regex::Regex::new(r"^\p{Nd}$").unwrap();
        for c in '\0'..=char::MAX {
            assert_eq!(digit(c).is_some(), digits.is_match(c.encode_utf8(&mut [0; 4])), "{c:?}");
        }
        let zeros = ZEROS.iter().map(|zero| char::from_u32(*zero).unwrap());
        assert!(zeros.clone().all(|zero| digit(zero) == Some(0)));
        assert_eq!(["٣", "３", "𝟛", "५"].map(plain_text), ["3", "3", "3", "5"]);
    }

    #[test]
    fn what_looks_plain_is_plain() {
        for (text, plain) in [
            ("①²₃", "123"),
            ("4\u{fe0f}\u{20e3}2\u{fe0f}\u{20e3}", "42"),
            ("1\u{336}2\u{336}", "12"),
            ("1\u{200b}2\u{ad}3\u{2060}", "123"),
            ("1\u{a0}2\u{2009}3\u{3000}4\t5", "1 2 3 4 5"),
            ("1–2—3−4‑5－6﹣7", "1-2-3-4-5-6-7"),
            ("1\r\n2\u{2028}3", "1\n\n2\n3"),
            ("ａ＠ｂ．ｄｅ", "a@b.de"),
            ("", ""),
        ] {
            assert_eq!(plain_text(text), plain, "{text:?}");
        }
    }

    #[test]
    fn each_glyph_knows_its_bytes() {
        let text = "1\u{200b}２\u{336}x";
        let all = glyphs(text);
        let bytes: Vec<_> = all.iter().map(|g| (g.start, g.end, g.apart)).collect();
        assert_eq!(bytes, [(0, 1, false), (4, 9, true), (9, 10, false)]);
        assert_eq!(source(&all, &(0..2)), 0..9);
        assert_eq!(source(&all, &(1..2)), 4..9);
        assert_eq!(source(&all, &(2..2)), 0..0);
    }
}
