//! Finds telephone numbers in the forms that are hardly anything else: with a country's code,
//! with a trunk 0, or as North America writes them.

use std::ops::Range;

use crate::glyph::{Glyph, is_word};

/// Digits that touch each other.
#[derive(Debug)]
struct Group {
    digits: Vec<u8>,
    /// Its glyphs.
    glyphs: Range<usize>,
    /// The sign that parts it from the group before: `-`, `.`, `/`, a space, or a bracket.
    sign: char,
    /// Whether a `+` stands right before it.
    plus: bool,
}

impl Group {
    fn len(&self) -> usize {
        self.digits.len()
    }

    fn digit(&self, place: usize) -> Option<u8> {
        self.digits.get(place).copied()
    }

    fn value(&self) -> u32 {
        self.digits
            .iter()
            .fold(0u32, |value, digit| value.saturating_mul(10).saturating_add(u32::from(*digit)))
    }
}

/// All numbers, in order: their glyphs, from the first to the last.
pub fn find(glyphs: &[Glyph]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut place = 0;
    while place < glyphs.len() {
        let run = run(glyphs, place);
        let Some(last) = run.last() else {
            place += 1;
            continue;
        };
        place = last.glyphs.end;
        // Numbers that follow each other, with nothing else in between.
        let mut rest = run.as_slice();
        while let Some(count) = number(glyphs, masked(&found), rest) {
            let (number, others) = rest.split_at(count);
            if let [first, ..] = number
                && let Some(last) = number.last()
            {
                found.push(with_bracket(glyphs, begin(first)..last.glyphs.end));
            }
            rest = others;
        }
    }
    found
}

/// Before which glyph all that was found ends: what is there will be a mask.
fn masked(found: &[Range<usize>]) -> usize {
    found.last().map_or(0, |last| last.end)
}

/// Where a group begins, with its `+`.
fn begin(group: &Group) -> usize {
    group.glyphs.start - usize::from(group.plus)
}

/// A number with the bracket before it, if that one is closed inside: `(030) 1234567`.
fn with_bracket(glyphs: &[Glyph], number: Range<usize>) -> Range<usize> {
    let count = |sign| {
        let inside = glyphs.get(number.clone()).unwrap_or_default();
        inside.iter().filter(|glyph| glyph.plain == sign).count()
    };
    match number.start.checked_sub(1) {
        Some(before) if plain(glyphs, before) == Some('(') && count(')') > count('(') => {
            before..number.end
        }
        _ => number,
    }
}

fn plain(glyphs: &[Glyph], place: usize) -> Option<char> {
    glyphs.get(place).map(|glyph| glyph.plain)
}

/// The groups from `place` on, until something parts them that is not part of a number. Empty if
/// no group begins at `place`.
fn run(glyphs: &[Glyph], mut place: usize) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut sign = ' ';
    // Whether a bracket before a group is not closed yet.
    let mut open = place.checked_sub(1).and_then(|before| plain(glyphs, before)) == Some('(');
    loop {
        let plus = groups.is_empty() && plain(glyphs, place) == Some('+');
        let start = place + usize::from(plus);
        let digits: Vec<u8> = glyphs.iter().skip(start).map_while(|glyph| glyph.digit()).collect();
        if digits.is_empty() {
            return groups;
        }
        let end = start + digits.len();
        groups.push(Group { digits, glyphs: start..end, sign, plus });
        // One sign, with or without spaces around it, and brackets around a group.
        let mut next = end;
        sign = '(';
        let skip = |next: &mut usize, c| {
            let there = plain(glyphs, *next) == Some(c);
            *next += usize::from(there);
            there
        };
        if open && skip(&mut next, ')') {
            open = false;
        }
        if skip(&mut next, ' ') {
            sign = ' ';
        }
        for c in ['-', '/', '.'] {
            // A point with a space after it ends a sentence or an item's number.
            let spaced = sign == ' ' || plain(glyphs, next + 1) == Some(' ');
            if !(c == '.' && spaced) && skip(&mut next, c) {
                sign = c;
                skip(&mut next, ' ');
                break;
            }
        }
        if !open && skip(&mut next, '(') {
            open = true;
        }
        if next == end {
            return groups;
        }
        place = next;
    }
}

/// How many of `groups` are a number together: as many as can be, but not the begin of another
/// number that follows.
fn number(glyphs: &[Glyph], masked: usize, groups: &[Group]) -> Option<usize> {
    let ends_well = |count: &usize| {
        let Some((number, rest)) = groups.split_at_checked(*count) else { return false };
        let end = number.last().map_or(masked, |last| last.glyphs.end);
        rest.is_empty() || counts(glyphs, end, rest).next().is_some()
    };
    let mut fitting = counts(glyphs, masked, groups);
    let most = fitting.next()?;
    if ends_well(&most) {
        return Some(most);
    }
    Some(fitting.find(ends_well).unwrap_or(most))
}

/// How many of `groups` can be a number together, the most first.
fn counts<'a>(
    glyphs: &'a [Glyph],
    masked: usize,
    groups: &'a [Group],
) -> impl Iterator<Item = usize> + 'a {
    let begins = groups.first().is_some_and(|first| may_begin(glyphs, masked, begin(first)));
    let mut digits = 0;
    let short = groups.iter().take_while(|group| {
        digits += group.len();
        digits <= MAX_DIGITS
    });
    let most = if begins { short.count() } else { 0 };
    (1..=most).rev().filter(|count| {
        groups.get(..*count).is_some_and(|groups| {
            has_form(groups) && groups.last().is_some_and(|last| may_end(glyphs, last.glyphs.end))
        })
    })
}

/// The most digits of a number, with `00` before the country's code and a `(0)` after it.
const MAX_DIGITS: usize = 18;

/// Whether what stands before `place` lets a number begin: not in the middle of a word, a path, a
/// reference or an amount.
fn may_begin(glyphs: &[Glyph], masked: usize, place: usize) -> bool {
    // Nothing stands in the way at the start of the text and after a mask.
    let before =
        |back| place.checked_sub(back).filter(|at| *at >= masked).and_then(|at| plain(glyphs, at));
    let (near, far) = match before(1) {
        Some('(') => (before(2), before(3)),
        near => (near, before(2)),
    };
    match near {
        Some(c) if is_word(c) => false,
        Some('@' | '_' | '#' | '/' | '\\' | '=' | '&' | '%' | '-' | '~' | '$' | '€' | '£') => {
            false
        }
        Some(',' | '.' | ':' | '+') => !far.is_some_and(|c| c.is_ascii_digit()),
        _ => true,
    }
}

/// Whether what stands at `place` lets a number end before it.
fn may_end(glyphs: &[Glyph], place: usize) -> bool {
    match plain(glyphs, place) {
        Some(c) if is_word(c) => false,
        Some('@' | '_' | '=' | '%' | '$' | '€' | '£') => false,
        Some(',' | '.' | ':' | '-' | '/') => !plain(glyphs, place + 1).is_some_and(is_word),
        _ => true,
    }
}

/// Whether the groups look like a telephone number and like nothing else.
fn has_form(groups: &[Group]) -> bool {
    let [first, others @ ..] = groups else { return false };
    let total: usize = groups.iter().map(Group::len).sum();
    let lengths: Vec<usize> = groups.iter().map(Group::len).collect();
    if first.plus {
        return match (first.digit(0), first.digit(1)) {
            // North America: a country's code of one digit, and ten more.
            (Some(1), _) => total == 11,
            // Written with the trunk 0 too: +49 (0)30.
            (Some(2..=9), _) if others.iter().any(|group| group.digits == [0]) => {
                (10..=16).contains(&total)
            }
            (Some(2..=9), _) => (9..=15).contains(&total),
            _ => false,
        };
    }
    match (first.digit(0), first.digit(1)) {
        (Some(0), Some(0)) => {
            first.digit(2).is_some_and(|digit| digit > 0)
                && first.len() <= 6
                && !others.is_empty()
                && (11..=17).contains(&total)
        }
        (Some(0), Some(_)) if others.is_empty() => is_mobile(&first.digits),
        (Some(0), Some(_)) => {
            (9..=12).contains(&total)
                && first.len() <= 6
                && others.iter().all(|group| group.len() > 1)
                && !has_date(groups)
                && !is_address(groups)
        }
        _ => {
            let (code, local) = match (&*first.digits, &*lengths) {
                ([1], [1, local @ ..]) => (groups.get(1), local),
                (_, local) => (groups.first(), local),
            };
            let exchange = groups.get(groups.len().saturating_sub(2));
            let high = |group: Option<&Group>| {
                group.and_then(|group| group.digit(0)).is_some_and(|digit| digit > 1)
            };
            local == [3, 3, 4] && high(code) && high(exchange)
        }
    }
}

/// Whether digits without a gap, the first two of them 0 and another, are a mobile number as
/// some countries write it. Others could as well be a number of an order or of a book.
fn is_mobile(digits: &[u8]) -> bool {
    match digits {
        [0, 4 | 6 | 7, ..] if digits.len() == 10 => true,
        [0, 7, ..] if digits.len() == 11 => true,
        [0, 1, 5..=7, ..] => (11..=12).contains(&digits.len()),
        _ => false,
    }
}

/// Whether the groups are an IPv4 address.
fn is_address(groups: &[Group]) -> bool {
    let [first, others @ ..] = groups else { return false };
    others.len() == 3
        && others.iter().all(|group| group.sign == '.' && group.len() <= 3 && group.value() < 256)
        && first.len() <= 3
        && first.value() < 256
}

/// Whether three of the groups are a day, a month and a year.
fn has_date(groups: &[Group]) -> bool {
    groups.windows(3).enumerate().any(|(place, window)| {
        let [a, b, c] = window else { return false };
        let short = |group: &Group, most| group.len() <= 2 && (1..=most).contains(&group.value());
        let days = |a, b| (short(a, 31) && short(b, 12)) || (short(a, 12) && short(b, 31));
        let year = |group: &Group| group.len() == 4 && (1900..2100).contains(&group.value());
        let joined = b.sign == c.sign && b.sign != ' ';
        // Two digits for the year: a date only if what follows is not joined in the same way, for
        // a French number is five pairs.
        let ends = groups.get(place + 3).is_none_or(|next| next.sign != c.sign);
        (days(a, b) && (year(c) || (joined && ends && c.len() == 2))) || (year(a) && days(b, c))
    })
}
