//! Finds e-mail addresses, as people write them: not all that RFC 5322 permits.

use std::ops::Range;

use crate::glyph::{Glyph, is_word};

/// All addresses, in order, except those at a domain that `allowed` knows: their glyphs, from the
/// first to the last. Addresses that share characters are one.
pub fn find(glyphs: &[Glyph], allowed: impl Fn(&str) -> bool) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    // What is before belongs to no address's name: no character is looked at twice.
    let mut floor = 0;
    for (at, glyph) in glyphs.iter().enumerate() {
        if glyph.plain != '@' {
            continue;
        }
        let (before, after) = (floor, at + 1);
        floor = after;
        let Some(start) = name(glyphs, before..at) else { continue };
        let Some(len) = glyphs.get(after..).and_then(domain) else { continue };
        let end = after + len;
        let domain = glyphs.get(after..end).unwrap_or_default();
        let domain: String = domain.iter().flat_map(|g| g.plain.to_lowercase()).collect();
        if allowed(&domain) {
            continue;
        }
        match found.last_mut() {
            Some(last) if start < last.end => last.end = last.end.max(end),
            _ => found.push(start..end),
        }
    }
    found
}

/// Where the name begins that ends where `range` ends.
fn name(glyphs: &[Glyph], range: Range<usize>) -> Option<usize> {
    let before = glyphs.get(range.clone())?;
    let len = before.iter().rev().take_while(|glyph| is_name(glyph.plain)).count();
    let name = before.get(before.len() - len..)?;
    // What stands before the first letter or digit is punctuation.
    let first = name.iter().position(|glyph| is_word(glyph.plain))?;
    Some(range.end - len + first)
}

fn is_name(c: char) -> bool {
    is_word(c) || matches!(c, '.' | '_' | '-' | '+' | '%')
}

/// The length of the longest domain that `glyphs` begin with: labels joined by points, the last
/// of two letters or more.
fn domain(glyphs: &[Glyph]) -> Option<usize> {
    let mut longest = None;
    // The length of the label so far, and whether it has only letters so far.
    let (mut label, mut letters) = (0, true);
    let mut labels = 0;
    for (place, glyph) in glyphs.iter().enumerate() {
        match glyph.plain {
            '.' if label > 0 => {
                labels += 1;
                (label, letters) = (0, true);
            }
            c if is_word(c) || (c == '-' && label > 0) => {
                label += 1;
                letters &= c.is_alphabetic();
                if letters && labels > 0 && label > 1 {
                    longest = Some(place + 1);
                }
            }
            _ => break,
        }
    }
    longest
}
