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

use crate::{
    letters::{Disguise, Letter, Step, is_one},
    survey::Survey,
    word::{TextRun, Word},
};

/// Words and phrases, compiled. `T` is what a word means to the caller.
#[derive(Debug)]
pub struct Words<T> {
    disguise: Disguise,
    automaton: NFA,
    start: StateID,
    /// By the automaton's pattern: the words of that squeezed form.
    words: Vec<Vec<(Word, T)>>,
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
        let mut survey = None;
        let mut state = self.start;
        for (n, (letter, ..)) in runs.iter().enumerate() {
            state = self.advance(state, *letter);
            if !self.automaton.is_match(state) {
                continue;
            }
            let survey = survey.get_or_insert_with(|| Survey::new(letters));
            for index in 0..self.automaton.match_len(state) {
                let pattern = self.automaton.match_pattern(state, index).as_usize();
                for (word, meaning) in self.words.get(pattern).into_iter().flatten() {
                    let Some(candidate) =
                        (n + 1).checked_sub(word.runs.len()).and_then(|first| runs.get(first..=n))
                    else {
                        continue;
                    };
                    let mut from = 0;
                    while let Some(range) = word.matches(survey, candidate, from) {
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
