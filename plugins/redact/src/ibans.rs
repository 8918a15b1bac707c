//! Finds bank account numbers (ISO 13616): a country, its length, and two check digits.

use std::ops::Range;

use crate::glyph::{Glyph, is_word};

/// All account numbers, in order: their glyphs, from the first to the last. One may touch letters
/// and digits where it cannot be mistaken what belongs to it.
pub fn find(glyphs: &[Glyph]) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut end = 0;
    for start in 0..glyphs.len() {
        // Right behind another number it begins in spite of letters: there will be a mask.
        let before = start.checked_sub(1).filter(|before| *before >= end);
        let before = before.and_then(|before| glyphs.get(before));
        let in_word = before.is_some_and(|before| is_word(before.plain) && !is_digit(before));
        if start >= end
            && !in_word
            && let Some(len) = glyphs.get(start..).and_then(number)
        {
            end = start + len;
            found.push(start..end);
        }
    }
    found
}

fn is_digit(glyph: &Glyph) -> bool {
    glyph.digit().is_some()
}

/// How many glyphs the number takes that begins here, if one does.
fn number(glyphs: &[Glyph]) -> Option<usize> {
    let [first, second, ..] = glyphs else { return None };
    let country = [first, second].map(|glyph| glyph.plain.to_ascii_uppercase());
    let place = LENGTHS.binary_search_by_key(&country, |(country, _)| *country).ok()?;
    let (_, len) = LENGTHS.get(place)?;

    let (mut head, mut body) = (0, 0);
    let mut taken = 0;
    let mut after_gap = false;
    for (place, glyph) in glyphs.iter().enumerate() {
        let Some(value) = glyph.plain.to_digit(36) else {
            if after_gap || taken < HEAD || !matches!(glyph.plain, ' ' | '-') {
                return None;
            }
            after_gap = true;
            continue;
        };
        after_gap = false;
        if (2..HEAD).contains(&taken) && value > 9 {
            return None;
        }
        let sum = if taken < HEAD { &mut head } else { &mut body };
        *sum = (*sum * if value > 9 { 100 } else { 10 } + value) % 97;
        taken += 1;
        if taken == *len {
            // The check counts the head last: two letters of two digits each, and two digits.
            let right = (body * 1_000_000 + head) % 97 == 1;
            let next = glyphs.get(place + 1);
            let ends = next.is_none_or(|next| next.apart || !is_digit(next) || !is_digit(glyph));
            return (right && ends).then_some(place + 1);
        }
    }
    None
}

/// Country and check digits.
const HEAD: usize = 4;

/// The countries' lengths, from SWIFT's register of account numbers, in order.
#[rustfmt::skip]
const LENGTHS: [([char; 2], usize); 89] = [
    (['A', 'D'], 24), (['A', 'E'], 23), (['A', 'L'], 28), (['A', 'T'], 20), (['A', 'Z'], 28),
    (['B', 'A'], 20), (['B', 'E'], 16), (['B', 'G'], 22), (['B', 'H'], 22), (['B', 'I'], 27),
    (['B', 'R'], 29), (['B', 'Y'], 28), (['C', 'H'], 21), (['C', 'R'], 22), (['C', 'Y'], 28),
    (['C', 'Z'], 24), (['D', 'E'], 22), (['D', 'J'], 27), (['D', 'K'], 18), (['D', 'O'], 28),
    (['E', 'E'], 20), (['E', 'G'], 29), (['E', 'S'], 24), (['F', 'I'], 18), (['F', 'K'], 18),
    (['F', 'O'], 18), (['F', 'R'], 27), (['G', 'B'], 22), (['G', 'E'], 22), (['G', 'I'], 23),
    (['G', 'L'], 18), (['G', 'R'], 27), (['G', 'T'], 28), (['H', 'N'], 28), (['H', 'R'], 21),
    (['H', 'U'], 28), (['I', 'E'], 22), (['I', 'L'], 23), (['I', 'Q'], 23), (['I', 'S'], 26),
    (['I', 'T'], 27), (['J', 'O'], 30), (['K', 'W'], 30), (['K', 'Z'], 20), (['L', 'B'], 28),
    (['L', 'C'], 32), (['L', 'I'], 21), (['L', 'T'], 20), (['L', 'U'], 20), (['L', 'V'], 21),
    (['L', 'Y'], 25), (['M', 'C'], 27), (['M', 'D'], 24), (['M', 'E'], 22), (['M', 'K'], 19),
    (['M', 'N'], 20), (['M', 'R'], 27), (['M', 'T'], 31), (['M', 'U'], 30), (['N', 'I'], 28),
    (['N', 'L'], 18), (['N', 'O'], 15), (['O', 'M'], 23), (['P', 'K'], 24), (['P', 'L'], 28),
    (['P', 'S'], 29), (['P', 'T'], 25), (['Q', 'A'], 29), (['R', 'O'], 24), (['R', 'S'], 22),
    (['R', 'U'], 33), (['S', 'A'], 24), (['S', 'C'], 31), (['S', 'D'], 18), (['S', 'E'], 24),
    (['S', 'I'], 19), (['S', 'K'], 24), (['S', 'M'], 27), (['S', 'O'], 23), (['S', 'T'], 25),
    (['S', 'V'], 28), (['T', 'L'], 23), (['T', 'N'], 24), (['T', 'R'], 26), (['U', 'A'], 29),
    (['V', 'A'], 22), (['V', 'G'], 24), (['X', 'K'], 20), (['Y', 'E'], 30),
];
