//! One word or phrase, and how it is told from what only has its letters.

use std::ops::Range;

use crate::{
    letters::{Disguise, Gap, Letter, is_spaceless},
    survey::{Split, Survey},
};

/// The most letters of one word or phrase.
pub const MAX_LETTERS: usize = 64;

/// A letter written this often or more stands for any smaller number of it.
pub const DRAWN_OUT: usize = 3;

/// Words of fewer letters are not looked for in pieces: `a.s` is no `as`.
pub const MIN_PIECES: usize = 3;

/// One word, as its letters are counted.
#[derive(Debug)]
pub struct Word {
    pub runs: Vec<Run>,
    /// How many letters it has.
    pub letters: usize,
    pub has_digit: bool,
    /// Whether another letter may stand right before it, and right after it.
    pub open: (bool, bool),
}

/// Equal letters side by side in a word.
#[derive(Debug)]
pub struct Run {
    pub letter: char,
    pub count: usize,
    /// The digit that the word asks for, where no letter will do.
    pub digit: Option<char>,
    /// Whether the word itself has a space before or in it.
    pub space: bool,
}

/// Equal letters side by side in a text: their range in its letters.
pub type TextRun = (char, usize, usize);

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

    /// Its letters, each written once where equal ones stand side by side.
    pub fn squeezed(&self) -> String {
        self.runs.iter().map(|run| run.letter).collect()
    }

    /// The letters, beginning at or after `from`, that spell this word; `runs` are those of the
    /// text that have its squeezed form. They may be taken for one word: what lies between them
    /// is what people put there to hide it, and they are not just a number.
    ///
    /// Invariant: takes a bounded number of steps for each letter that the word may begin with,
    /// and for each letter of the word; however long the text's runs are.
    pub fn matches(&self, text: &Survey, runs: &[TextRun], from: usize) -> Option<Range<usize>> {
        let (run, rest) = self.runs.split_first()?;
        let (&(_, first, first_end), rest_found) = runs.split_first()?;
        let end_of_rest = match rest {
            [] => None,
            _ => Some(self.end_of_rest(text, rest_found)?),
        };
        let next = rest.first().map(|next| self.split(Some(run), next));
        (first.max(from)..first_end).filter(|&start| text.begins(start) || self.open.0).find_map(
            |start| {
                let end = match end_of_rest {
                    Some(end) if run.accepts(text, start..first_end) => end,
                    Some(_) => return None,
                    None => self.end(text, run, start..first_end)?,
                };
                let found = start..end;
                let holds = (self.has_digit || !text.is_number(&found))
                    && text.is_split(start + 1..first_end.min(end), &found, self.split(None, run))
                    && next.is_none_or(|s| text.is_split(first_end..first_end + 1, &found, s));
                holds.then_some(found)
            },
        )
    }

    /// Where the word ends, if the text's runs `found` may be all of its runs but the first one.
    /// That does not depend on where in the first one it begins.
    fn end_of_rest(&self, text: &Survey, found: &[TextRun]) -> Option<usize> {
        let (&(_, second, _), &(_, last, last_end)) = (found.first()?, found.last()?);
        let end = self.end(text, self.runs.last()?, last..last_end)?;
        // As if it began right before: the gap there is looked at again for each beginning.
        let whole = second.checked_sub(1)?..end;
        let pairs = self.runs.iter().zip(self.runs.iter().skip(1));
        pairs
            .zip(found)
            .all(|((before, run), &(_, at, run_end))| {
                let run_end = run_end.min(end);
                run.accepts(text, at..run_end)
                    && text.is_split(at..at + 1, &whole, self.split(Some(before), run))
                    && text.is_split(at + 1..run_end, &whole, self.split(None, run))
            })
            .then_some(end)
    }

    /// Where the word ends whose last run is `run` and begins where `at` does, at the end of `at`
    /// at the latest.
    fn end(&self, text: &Survey, run: &Run, at: Range<usize>) -> Option<usize> {
        let least = at.start + run.count;
        let end = if self.open.1 { least } else { text.next_end(least)? };
        (end <= at.end && run.accepts(text, at.start..end)).then_some(end)
    }

    /// Where gaps may lie in `run`, or right before it where `before` is the run before.
    fn split(&self, before: Option<&Run>, run: &Run) -> Split {
        let digit = |run: &Run| run.digit.is_some();
        if run.space {
            Split::Anywhere
        } else if self.letters < MIN_PIECES || digit(run) || before.is_some_and(digit) {
            Split::Never
        } else {
            Split::Pieces
        }
    }
}

impl Run {
    fn accepts(&self, text: &Survey, mut found: Range<usize>) -> bool {
        match self.digit {
            Some(digit) => found.len() == self.count && found.all(|n| text.raw(n) == Some(digit)),
            None => {
                found.len() == self.count || (found.len() > self.count && found.len() >= DRAWN_OUT)
            }
        }
    }
}
