//! One look at the letters of a text, after which every question about a stretch of them takes
//! one step, however long it is.

use std::ops::Range;

use crate::letters::{Gap, Letter};

/// The letters of a text, looked over.
///
/// Invariant: only [`Survey::new`] goes through the letters; every other method takes one step.
/// Who asks has no other way to the letters, so that its time is that of its own questions.
#[derive(Debug)]
pub struct Survey {
    /// One for each letter, and one for the end of the text.
    places: Vec<Place>,
}

/// One letter, and what comes before it.
#[derive(Debug)]
struct Place {
    raw: char,
    /// Whether a word may begin here.
    begins: bool,
    /// The first place, from this one on, where a word may end.
    end: usize,
    before: Counts,
}

/// How many letters of a kind there are.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    digits: u32,
    alphabetic: u32,
    gaps: u32,
    /// With a break before them, while the letter before the break touches the one before it.
    after_more: u32,
    /// With a break before them, while they touch the letter after them.
    before_more: u32,
}

/// Where gaps may lie in what is taken for a word.
#[derive(Clone, Copy, Debug)]
pub enum Split {
    /// Nowhere.
    Never,
    /// Where there are joiners, and between two letters of which each stands alone.
    Pieces,
    /// Everywhere: the word itself has a space there.
    Anywhere,
}

impl Survey {
    /// Looks over `letters`.
    pub fn new(letters: &[Letter]) -> Self {
        let mut places = Vec::with_capacity(letters.len() + 1);
        let mut before = Counts::default();
        let (mut sign_before, mut gap_before) = (true, Gap::Break);
        for (n, letter) in letters.iter().enumerate() {
            step();
            let (apart, sign) = (letter.gap != Gap::None, letter.is_sign());
            places.push(Place {
                raw: letter.raw,
                begins: apart || sign_before,
                end: if apart || sign { n } else { letters.len() },
                before,
            });
            before.digits += u32::from(letter.raw.is_ascii_digit());
            before.alphabetic += u32::from(letter.raw.is_alphabetic());
            before.gaps += u32::from(apart);
            if letter.gap == Gap::Break {
                let more = letters.get(n + 1).is_some_and(|l| l.gap == Gap::None);
                before.after_more += u32::from(gap_before == Gap::None);
                before.before_more += u32::from(more);
            }
            (sign_before, gap_before) = (sign, letter.gap);
        }
        let mut end = letters.len();
        places.push(Place { raw: '\0', begins: true, end, before });
        for place in places.iter_mut().rev() {
            step();
            end = end.min(place.end);
            place.end = end;
        }
        Self { places }
    }

    fn at(&self, n: usize) -> Option<&Place> {
        step();
        self.places.get(n)
    }

    /// What stands at letter `n`.
    pub fn raw(&self, n: usize) -> Option<char> {
        self.at(n).map(|place| place.raw)
    }

    /// Whether a word may begin with letter `n`.
    pub fn begins(&self, n: usize) -> bool {
        self.at(n).is_some_and(|place| place.begins)
    }

    /// The first letter, from `n` on, before which a word may end.
    pub fn next_end(&self, n: usize) -> Option<usize> {
        self.at(n).map(|place| place.end)
    }

    /// Whether the letters `found` are just a number: digits, and signs perhaps.
    pub fn is_number(&self, found: &Range<usize>) -> bool {
        self.any(found, |c| c.digits) && !self.any(found, |c| c.alphabetic)
    }

    /// Whether the gaps before each of the letters `at`, of all those `found`, are where `split`
    /// wants them. What lies around `found` does not matter: its first letter touches nothing
    /// before it, its last one nothing after it.
    pub fn is_split(&self, at: Range<usize>, found: &Range<usize>, split: Split) -> bool {
        match split {
            Split::Anywhere => true,
            Split::Never => !self.any(&at, |c| c.gaps),
            Split::Pieces => {
                let inner = at.start.max(found.start + 2)..at.end;
                let outer = at.start..at.end.min(found.end.saturating_sub(1));
                !self.any(&inner, |c| c.after_more) && !self.any(&outer, |c| c.before_more)
            }
        }
    }

    /// Whether any letter in `range` is one of those that `count` counts.
    fn any(&self, range: &Range<usize>, count: impl Fn(&Counts) -> u32) -> bool {
        let before = |n| self.at(n).map(|place| count(&place.before));
        range.start < range.end && before(range.start) < before(range.end)
    }
}

/// Lets tests count what is done over and over: time itself is no measure to rely on.
fn step() {
    #[cfg(test)]
    crate::tests::linear::step();
}
