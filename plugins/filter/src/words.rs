//! Finds whole words and phrases: all of them in one pass of one automaton over the letters of
//! a text, then a closer look at each candidate.
//!
//! A word is compared in squeezed form (`ass` and `asss` are `as`), so that the automaton's
//! candidates include drawn-out and spaced-out spellings; [`Word::matches`] then counts.

use std::{collections::HashMap, ops::Range};

use aho_corasick::{
    Anchored,
    automaton::{Automaton, StateID},
    nfa::contiguous::NFA,
};

use crate::letters::{Disguise, Gap, Letter, Step, is_one, is_spaceless};

/// The most letters of one word or phrase.
pub const MAX_LETTERS: usize = 64;

/// A letter written this often or more stands for any smaller number of it.
const DRAWN_OUT: usize = 3;

/// Words of fewer letters are not looked for in pieces: `a.s` is no `as`.
const MIN_PIECES: usize = 3;

/// Words and phrases, compiled. `T` is what a word means to the caller.
#[derive(Debug)]
pub struct Words<T> {
    disguise: Disguise,
    automaton: NFA,
    start: StateID,
    /// By the automaton's pattern: the words of that squeezed form.
    words: Vec<Vec<(Word, T)>>,
}

/// One word, as its letters are counted.
#[derive(Debug)]
pub struct Word {
    runs: Vec<Run>,
    letters: usize,
    has_digit: bool,
    /// Whether another letter may stand right before it, and right after it.
    open: (bool, bool),
}

/// Equal letters side by side in a word.
#[derive(Debug)]
struct Run {
    letter: char,
    count: usize,
    /// The digit that the word asks for, where no letter will do.
    digit: Option<char>,
    /// Whether the word itself has a space before or in it.
    space: bool,
}

/// Equal letters side by side in a text: their range in its letters.
type TextRun = (char, usize, usize);

impl Word {
    /// Reads `word` as texts will be read; `None` if it has neither letter nor digit.
    pub fn new(word: &str, disguise: Disguise) -> Option<Self> {
        let letters = disguise.letters(word, false);
        if letters.iter().all(Letter::is_sign) {
            return None;
        }
        let open = (is_spaceless(letters.first()?.letter), is_spaceless(letters.last()?.letter));
        let mut runs: Vec<Run> = Vec::new();
        for (n, letter) in letters.iter().enumerate() {
            let digit = Some(letter.raw).filter(char::is_ascii_digit);
            let space = n > 0 && letter.gap != Gap::None;
            match runs.last_mut() {
                Some(run) if run.letter == letter.letter => {
                    run.count += 1;
                    run.digit = run.digit.filter(|d| Some(*d) == digit);
                    run.space |= space;
                }
                _ => runs.push(Run { letter: letter.letter, count: 1, digit, space }),
            }
        }
        Some(Self {
            runs,
            letters: letters.len(),
            has_digit: letters.iter().any(|l| l.raw.is_ascii_digit()),
            open,
        })
    }

    /// How many letters it has.
    pub fn letters(&self) -> usize {
        self.letters
    }

    fn squeezed(&self) -> String {
        self.runs.iter().map(|run| run.letter).collect()
    }

    /// The letters, beginning at or after `from`, that spell this word; `runs` are those of the
    /// text that have its squeezed form.
    fn matches(&self, letters: &[Letter], runs: &[TextRun], from: usize) -> Option<Range<usize>> {
        let &(_, first, first_end) = runs.first()?;
        (first.max(from)..first_end)
            .filter(|&start| self.open.0 || begins(letters, start))
            .find_map(|start| {
                let end = self.end(letters, runs, start)?;
                self.holds(letters, start, end).then_some(start..end)
            })
    }

    /// Where the word ends that begins at `start`, if every run has as many letters as it needs.
    fn end(&self, letters: &[Letter], runs: &[TextRun], start: usize) -> Option<usize> {
        let last = self.runs.len().checked_sub(1)?;
        let mut at = start;
        for (n, (run, &(_, _, run_end))) in self.runs.iter().zip(runs).enumerate() {
            if n < last {
                if !run.accepts(letters.get(at..run_end)?) {
                    return None;
                }
                at = run_end;
                continue;
            }
            let ends = |end: &usize| self.open.1 || ends(letters, *end);
            let exact = at + run.count;
            if exact <= run_end && ends(&exact) && run.accepts(letters.get(at..exact)?) {
                return Some(exact);
            }
            let end = (exact..=run_end).find(ends)?;
            return run.accepts(letters.get(at..end)?).then_some(end);
        }
        None
    }

    /// Whether the letters `start..end` may be taken for one word: what lies between them is
    /// what people put there to hide it, and they are not just a number.
    fn holds(&self, letters: &[Letter], start: usize, end: usize) -> bool {
        let Some(found) = letters.get(start..end) else {
            return false;
        };
        let digits = found.iter().any(|l| l.raw.is_ascii_digit());
        let spelled = found.iter().any(|l| l.raw.is_alphabetic());
        if digits && !spelled && !self.has_digit {
            return false;
        }
        // A piece of one letter: nothing of the word touches it.
        let alone = |n: usize| {
            let after = found.get(n + 1).is_none_or(|l| l.gap != Gap::None);
            (n == 0 || found.get(n).is_some_and(|l| l.gap != Gap::None)) && after
        };
        let mut run = self.runs.iter().peekable();
        let mut current = run.next();
        (1..found.len()).all(|n| {
            let (Some(before), Some(letter)) = (found.get(n - 1), found.get(n)) else {
                return true;
            };
            let mut digit = current.is_some_and(|r| r.digit.is_some());
            if before.letter != letter.letter {
                current = run.next();
                digit |= current.is_some_and(|r| r.digit.is_some());
            }
            if letter.gap == Gap::None || current.is_some_and(|r| r.space) {
                return true;
            }
            self.letters >= MIN_PIECES
                && !digit
                && (letter.gap == Gap::Joiner || (alone(n - 1) && alone(n)))
        })
    }
}

impl Run {
    fn accepts(&self, found: &[Letter]) -> bool {
        match self.digit {
            Some(digit) => found.len() == self.count && found.iter().all(|l| l.raw == digit),
            None => {
                found.len() == self.count || (found.len() > self.count && found.len() >= DRAWN_OUT)
            }
        }
    }
}

/// Whether a word may begin with letter `n`.
fn begins(letters: &[Letter], n: usize) -> bool {
    let Some(before) = n.checked_sub(1).and_then(|b| letters.get(b)) else {
        return true;
    };
    before.is_sign() || letters.get(n).is_none_or(|l| l.gap != Gap::None)
}

/// Whether a word may end before letter `n`.
fn ends(letters: &[Letter], n: usize) -> bool {
    letters.get(n).is_none_or(|l| l.gap != Gap::None || l.is_sign())
}

impl<T: Copy> Words<T> {
    /// Compiles `words`.
    ///
    /// # Errors
    /// They are too many for one automaton.
    pub fn new(
        words: impl IntoIterator<Item = (Word, T)>,
        disguise: Disguise,
    ) -> Result<Self, aho_corasick::BuildError> {
        let mut places = HashMap::new();
        let mut patterns = Vec::new();
        let mut grouped: Vec<Vec<(Word, T)>> = Vec::new();
        for (word, meaning) in words {
            let squeezed = word.squeezed();
            let place = *places.entry(squeezed.clone()).or_insert_with(|| {
                patterns.push(squeezed);
                grouped.push(Vec::new());
                grouped.len() - 1
            });
            if let Some(group) = grouped.get_mut(place) {
                group.push((word, meaning));
            }
        }
        let automaton = NFA::new(&patterns)?;
        // Starting anywhere is what this automaton was built for.
        let start = automaton.start_state(Anchored::No).unwrap_or_default();
        Ok(Self { disguise, automaton, start, words: grouped })
    }

    /// Tells `found` of each word in `text`, with the bytes of the original that spell it, until
    /// it answers `false`.
    pub fn find(&self, text: &str, mut found: impl FnMut(T, Range<usize>) -> bool) {
        if self.words.is_empty() || (text.is_ascii() && !self.is_suspicious(text.as_bytes())) {
            return;
        }
        let capitals = self.disguise.has_deceptive_capitals(text);
        for capitals_first in [false, true] {
            if capitals_first && !capitals {
                continue;
            }
            let mut letters = self.disguise.letters(text, capitals_first);
            if !self.search(&letters, &mut found) {
                return;
            }
            let mut ones = false;
            for letter in letters.iter_mut().filter(|l| l.is_one()) {
                letter.letter = 'l';
                ones = true;
            }
            if ones && !self.search(&letters, &mut found) {
                return;
            }
        }
    }

    /// Whether a closer look at an ASCII text is needed. Costs no allocation.
    fn is_suspicious(&self, text: &[u8]) -> bool {
        let ones = self.disguise.leet && text.iter().any(|b| is_one(char::from(*b)));
        let mut readings = [false, true].into_iter().take(if ones { 2 } else { 1 });
        readings.any(|one_is_l| {
            let (mut state, mut last) = (self.start, '\0');
            text.iter().any(|byte| {
                let c = char::from(byte.to_ascii_lowercase());
                let Step::Letter(letter) = self.disguise.step(c, one_is_l) else {
                    return false;
                };
                if letter == last {
                    return false;
                }
                last = letter;
                state = self.advance(state, letter);
                self.automaton.is_match(state)
            })
        })
    }

    fn advance(&self, state: StateID, letter: char) -> StateID {
        let mut buffer = [0; 4];
        letter
            .encode_utf8(&mut buffer)
            .bytes()
            .fold(state, |state, byte| self.automaton.next_state(Anchored::No, state, byte))
    }

    /// Goes through one reading of a text; `false` once `found` has enough.
    fn search(&self, letters: &[Letter], found: &mut impl FnMut(T, Range<usize>) -> bool) -> bool {
        let mut runs: Vec<TextRun> = Vec::with_capacity(letters.len());
        for (n, letter) in letters.iter().enumerate() {
            match runs.last_mut() {
                Some((same, _, end)) if *same == letter.letter => *end = n + 1,
                _ => runs.push((letter.letter, n, n + 1)),
            }
        }
        let mut state = self.start;
        for (n, (letter, ..)) in runs.iter().enumerate() {
            state = self.advance(state, *letter);
            if !self.automaton.is_match(state) {
                continue;
            }
            for index in 0..self.automaton.match_len(state) {
                let pattern = self.automaton.match_pattern(state, index).as_usize();
                for (word, meaning) in self.words.get(pattern).into_iter().flatten() {
                    let Some(candidate) =
                        (n + 1).checked_sub(word.runs.len()).and_then(|first| runs.get(first..=n))
                    else {
                        continue;
                    };
                    let mut from = 0;
                    while let Some(range) = word.matches(letters, candidate, from) {
                        from = range.end;
                        if let Some([first, .., last] | [first @ last]) = letters.get(range)
                            && !found(*meaning, first.source.start..last.source.end)
                        {
                            return false;
                        }
                        // A word of several runs can only begin once in its first one.
                        if candidate.len() > 1 {
                            break;
                        }
                    }
                }
            }
        }
        true
    }
}
