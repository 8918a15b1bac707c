//! Matching as it is meant, without regard to time: every beginning is tried, and all that would
//! be found is looked at letter by letter. What [`crate::words`] finds must be the same.

use std::ops::Range;

use proptest::prelude::*;

use crate::{
    letters::{Disguise, Gap, Letter},
    word::{DRAWN_OUT, MIN_PIECES, Run, TextRun, Word},
    words::Words,
};

/// A word, with what is meant by it.
struct Reference(Word);

impl Reference {
    fn matches(&self, letters: &[Letter], runs: &[TextRun], from: usize) -> Option<Range<usize>> {
        let (_, first, first_end) = runs[0];
        (first.max(from)..first_end)
            .filter(|&start| self.0.open.0 || begins(letters, start))
            .find_map(|start| {
                let end = self.end(letters, runs, start)?;
                self.holds(letters, start, end).then_some(start..end)
            })
    }

    fn end(&self, letters: &[Letter], runs: &[TextRun], start: usize) -> Option<usize> {
        let last = self.0.runs.len() - 1;
        let mut at = start;
        for (n, (run, &(_, _, run_end))) in self.0.runs.iter().zip(runs).enumerate() {
            if n < last {
                if !accepts(run, &letters[at..run_end]) {
                    return None;
                }
                at = run_end;
                continue;
            }
            let ends = |end: &usize| self.0.open.1 || ends(letters, *end);
            let exact = at + run.count;
            if exact <= run_end && ends(&exact) && accepts(run, &letters[at..exact]) {
                return Some(exact);
            }
            let end = (exact..=run_end).find(ends)?;
            return accepts(run, &letters[at..end]).then_some(end);
        }
        None
    }

    fn holds(&self, letters: &[Letter], start: usize, end: usize) -> bool {
        let found = &letters[start..end];
        let digits = found.iter().any(|l| l.raw.is_ascii_digit());
        let spelled = found.iter().any(|l| l.raw.is_alphabetic());
        if digits && !spelled && !self.0.has_digit {
            return false;
        }
        // A piece of one letter: nothing of the word touches it.
        let alone = |n: usize| {
            let after = found.get(n + 1).is_none_or(|l| l.gap != Gap::None);
            (n == 0 || found.get(n).is_some_and(|l| l.gap != Gap::None)) && after
        };
        let mut run = self.0.runs.iter();
        let mut current = run.next();
        (1..found.len()).all(|n| {
            let (before, letter) = (&found[n - 1], &found[n]);
            let mut digit = current.is_some_and(|r| r.digit.is_some());
            if before.letter != letter.letter {
                current = run.next();
                digit |= current.is_some_and(|r| r.digit.is_some());
            }
            if letter.gap == Gap::None || current.is_some_and(|r| r.space) {
                return true;
            }
            self.0.letters >= MIN_PIECES
                && !digit
                && (letter.gap == Gap::Joiner || (alone(n - 1) && alone(n)))
        })
    }

    /// All that it finds in one reading of a text.
    fn find(&self, letters: &[Letter], mut found: impl FnMut(Range<usize>)) {
        let mut runs: Vec<TextRun> = Vec::new();
        for (n, letter) in letters.iter().enumerate() {
            match runs.last_mut() {
                Some((same, _, end)) if *same == letter.letter => *end = n + 1,
                _ => runs.push((letter.letter, n, n + 1)),
            }
        }
        for candidate in runs.windows(self.0.runs.len()) {
            if !candidate.iter().zip(&self.0.runs).all(|((letter, ..), run)| *letter == run.letter)
            {
                continue;
            }
            let mut from = 0;
            while let Some(range) = self.matches(letters, candidate, from) {
                from = range.end;
                found(letters[range.start].source.start..letters[range.end - 1].source.end);
                if candidate.len() > 1 {
                    break;
                }
            }
        }
    }
}

fn accepts(run: &Run, found: &[Letter]) -> bool {
    match run.digit {
        Some(digit) => found.len() == run.count && found.iter().all(|l| l.raw == digit),
        None => found.len() == run.count || (found.len() > run.count && found.len() >= DRAWN_OUT),
    }
}

fn begins(letters: &[Letter], n: usize) -> bool {
    n == 0 || letters[n - 1].is_sign() || letters.get(n).is_none_or(|l| l.gap != Gap::None)
}

fn ends(letters: &[Letter], n: usize) -> bool {
    letters.get(n).is_none_or(|l| l.gap != Gap::None || l.is_sign())
}

/// What is found in `text`, as `(word, bytes)`, in order.
type Found = Vec<(usize, Range<usize>)>;

fn meant(words: &[String], disguise: Disguise, text: &str) -> Found {
    let mut found = Vec::new();
    for capitals_first in [false, true] {
        if capitals_first && !disguise.has_deceptive_capitals(text) {
            continue;
        }
        let mut letters = disguise.letters(text, capitals_first);
        for one_is_l in [false, true] {
            let ones = letters.iter_mut().filter(|l| one_is_l && l.is_one());
            if one_is_l && ones.map(|l| l.letter = 'l').count() == 0 {
                continue;
            }
            for (n, word) in words.iter().enumerate() {
                if let Some(word) = Word::new(word, disguise) {
                    Reference(word).find(&letters, |range| found.push((n, range)));
                }
            }
        }
    }
    in_order(found)
}

fn found(words: &[String], disguise: Disguise, text: &str) -> Found {
    let words = words.iter().enumerate();
    let words = words.filter_map(|(n, word)| Some((Word::new(word, disguise)?, n)));
    let words = Words::new(words, disguise).unwrap();
    let mut found = Vec::new();
    words.find(text, |n, range| {
        found.push((n, range));
        true
    });
    in_order(found)
}

fn in_order(mut found: Found) -> Found {
    found.sort_unstable_by_key(|(word, range)| (*word, range.start, range.end));
    found
}

/// Texts of few characters, many of them several times over.
fn runs(chars: &'static str, most: usize) -> impl Strategy<Value = String> {
    let char = proptest::sample::select(chars.chars().collect::<Vec<_>>());
    let count = prop_oneof![4 => Just(1), 1 => 2..5usize];
    let run = (char, count).prop_map(|(c, count)| String::from(c).repeat(count));
    proptest::collection::vec(run, 1..=most).prop_map(|runs| runs.concat())
}

/// The words with something between their letters, so that most are nearly found.
fn cut(words: &[String], gaps: &[&str]) -> Vec<String> {
    let letters = |word: &String| -> String {
        word.chars().zip(gaps).map(|(c, gap)| format!("{c}{gap}")).collect()
    };
    words.iter().map(letters).collect()
}

fn gaps() -> impl Strategy<Value = Vec<&'static str>> {
    let gap = prop_oneof![
        3 => Just(""),
        4 => proptest::sample::select(vec!["-", ".", " ", "----", "$", "5", "\u{200b}"]),
    ];
    proptest::collection::vec(gap, 16)
}

fn compare(words: &[String], texts: &[String], disguise: Disguise) -> Result<(), TestCaseError> {
    for text in texts {
        let (found, meant) = (found(words, disguise, text), meant(words, disguise, text));
        prop_assert_eq!(found, meant, "{:?} in {:?}", words, text);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn what_is_meant_is_found(
        texts in proptest::collection::vec(runs("a@4s$5x -.", 16), 1..6),
        words in proptest::collection::vec(runs("aass45 ", 4), 1..6),
        gaps in gaps(),
        leet in proptest::bool::weighted(0.9),
    ) {
        let disguise = Disguise { lookalikes: true, leet };
        compare(&words, &texts, disguise)?;
        compare(&words, &cut(&words, &gaps), disguise)?;
    }

    #[test]
    fn what_is_meant_is_found_in_any_script(
        texts in proptest::collection::vec(runs("il1!|傻瓜а\u{301}😀\u{200b}ΝνnBб8 -_.", 16), 1..6),
        words in proptest::collection::vec(runs("illi1傻瓜аnvbб8 -", 4), 1..6),
        gaps in gaps(),
        lookalikes in any::<bool>(),
    ) {
        let disguise = Disguise { lookalikes, leet: true };
        compare(&words, &texts, disguise)?;
        compare(&words, &cut(&words, &gaps), disguise)?;
    }
}
