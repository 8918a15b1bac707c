//! Finds payment card numbers: 13 to 19 digits in any grouping, of a known issuer and with a
//! right check digit (ISO/IEC 7812).

use std::ops::{Range, RangeInclusive};

use crate::glyph::Glyph;

/// The most spaces and dashes between two digits of a number.
const MAX_GAP: usize = 3;
/// The digits of a number.
const DIGITS: RangeInclusive<usize> = 13..=19;
/// The most digits of a telephone number after its `+` (ITU-T E.164).
const PHONE: usize = 15;

/// A card number, or several that overlap.
#[derive(Debug, PartialEq, Eq)]
pub struct Card {
    /// Its glyphs, from the first digit to the last.
    pub glyphs: Range<usize>,
    /// The digits at its end that may still be shown: at most as many as asked for, and fewer if
    /// together with those that follow they could be taken for a number again.
    pub tail: String,
}

/// A digit of a run.
#[derive(Clone, Copy, Debug)]
struct Digit {
    value: u8,
    glyph: usize,
    /// Whether a number can begin here: the digit does not touch the one before it.
    apart: bool,
}

/// All card numbers, in order; `keep` digits of each may be shown.
pub fn find(glyphs: &[Glyph], keep: usize) -> Vec<Card> {
    let mut cards = Vec::new();
    let mut run: Vec<Digit> = Vec::new();
    let mut gap = 0;
    for (place, glyph) in glyphs.iter().enumerate() {
        if let Some(value) = glyph.digit() {
            let apart = run.is_empty() || gap > 0 || glyph.apart;
            run.push(Digit { value, glyph: place, apart });
            gap = 0;
        } else if matches!(glyph.plain, ' ' | '-') && gap < MAX_GAP {
            gap += 1;
        } else {
            find_in(glyphs, &run, keep, &mut cards);
            run.clear();
            gap = 0;
        }
    }
    find_in(glyphs, &run, keep, &mut cards);
    cards
}

/// The card numbers of one run of digits. At most 7 lengths are tried at each digit.
fn find_in(glyphs: &[Glyph], run: &[Digit], keep: usize, cards: &mut Vec<Card>) {
    let mut found: Vec<Range<usize>> = Vec::new();
    for start in 0..run.len() {
        let Some(digits) = run.get(start..) else { break };
        let Some(first) = digits.first().filter(|digit| digit.apart) else { continue };
        let before = first.glyph.checked_sub(1).and_then(|before| glyphs.get(before));
        let plus = before.is_some_and(|glyph| glyph.plain == '+');
        let issuers = issuers(digits);
        for len in DIGITS {
            let Some(digits) = digits.get(..len) else { break };
            let apart = run.get(start + len).is_none_or(|digit| digit.apart);
            let issued = issuers.iter().any(|lengths| lengths.contains(&len));
            if !apart || !issued || !has_check_digit(digits) || (plus && len <= PHONE) {
                continue;
            }
            match found.last_mut() {
                Some(last) if start < last.end => last.end = last.end.max(start + len),
                _ => found.push(start..start + len),
            }
        }
    }
    let mut found = found.into_iter().peekable();
    while let Some(digits) = found.next() {
        let following = found.peek().map_or(run.len(), |next| next.start) - digits.end;
        let keep = keep.min((DIGITS.start() - 1).saturating_sub(following));
        let shown = run.get(digits.end - keep..digits.end).unwrap_or_default();
        let tail = shown.iter().map(|digit| char::from(b'0' + digit.value)).collect();
        if let Some([first, .., last]) = run.get(digits) {
            cards.push(Card { glyphs: first.glyph..last.glyph + 1, tail });
        }
    }
}

/// Luhn's check: doubling every second digit from the right, the sum of all digits ends in 0.
fn has_check_digit(digits: &[Digit]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let value = u32::from(digit.value);
            if place % 2 == 0 { value } else { value * 2 / 10 + value * 2 % 10 }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// The lengths of the numbers that begin as `digits` do, by issuer.
fn issuers(digits: &[Digit]) -> Vec<&'static [usize]> {
    let first = digits.iter().take(6).fold(0, |number, digit| number * 10 + u32::from(digit.value));
    let issuers = ISSUERS.iter().filter(|(firsts, _)| firsts.contains(&first));
    issuers.map(|(_, lengths)| *lengths).collect()
}

/// The first six digits of the issuers' numbers, and how long these are.
pub(crate) const ISSUERS: [(RangeInclusive<u32>, &[usize]); 32] = [
    (400_000..=499_999, &[13, 16, 19]),                 // Visa
    (510_000..=559_999, &[16]),                         // Mastercard
    (222_100..=272_099, &[16]),                         // Mastercard
    (340_000..=349_999, &[15]),                         // American Express
    (370_000..=379_999, &[15]),                         // American Express
    (300_000..=305_999, &[14, 16, 19]),                 // Diners Club
    (309_500..=309_599, &[14, 16, 19]),                 // Diners Club
    (360_000..=369_999, &[14, 16, 19]),                 // Diners Club
    (380_000..=399_999, &[14, 16, 19]),                 // Diners Club
    (601_100..=601_199, &[16, 17, 18, 19]),             // Discover
    (644_000..=659_999, &[16, 17, 18, 19]),             // Discover, RuPay
    (352_800..=358_999, &[16, 17, 18, 19]),             // JCB
    (620_000..=629_999, &[16, 17, 18, 19]),             // UnionPay
    (810_000..=817_199, &[16, 17, 18, 19]),             // UnionPay
    (220_000..=220_499, &[16, 17, 18, 19]),             // Mir
    (979_200..=979_299, &[16]),                         // Troy
    (508_500..=508_999, &[16]),                         // RuPay
    (606_000..=608_999, &[16]),                         // RuPay, Hipercard
    (817_200..=829_999, &[16]),                         // RuPay
    (636_200..=636_399, &[16]),                         // Elo
    (506_099..=506_198, &[16, 18, 19]),                 // Verve
    (506_699..=506_778, &[16]),                         // Elo
    (509_000..=509_999, &[16]),                         // Elo
    (501_900..=501_999, &[16]),                         // Dankort
    (500_000..=500_099, &[13, 14, 15, 16, 17, 18, 19]), // Maestro
    (501_800..=501_899, &[13, 14, 15, 16, 17, 18, 19]), // Maestro
    (502_000..=502_099, &[13, 14, 15, 16, 17, 18, 19]), // Maestro
    (503_800..=503_899, &[13, 14, 15, 16, 17, 18, 19]), // Maestro
    (561_200..=561_299, &[13, 14, 15, 16, 17, 18, 19]), // Maestro
    (589_300..=589_399, &[13, 14, 15, 16, 17, 18, 19]), // Maestro
    (630_400..=630_499, &[13, 14, 15, 16, 17, 18, 19]), // Maestro
    (675_900..=677_199, &[13, 14, 15, 16, 17, 18, 19]), // Maestro
];
