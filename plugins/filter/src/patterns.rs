//! Finds regular expressions in a text as it is written and as a reader sees it.

use std::ops::Range;

use confab_plugin::Problem;
use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use crate::reduce::{Reduced, is_reducible};

/// The most characters of one pattern.
pub const MAX_CHARS: usize = 1000;
/// The most patterns of one list.
pub const MAX_PATTERNS: usize = 500;
/// The most memory of one compiled pattern, in bytes.
const MAX_COMPILED: usize = 1 << 20;
/// The most memory of a compiled list, in bytes.
const MAX_COMPILED_LIST: usize = 64 << 20;
/// After so many matches of one pattern in one text, all that follows is taken for a match.
/// Bounds the time: each match may cost a look at the whole rest of the text.
const MAX_MATCHES: usize = 1000;

/// A text as it is written, and the texts that a reader may take it for, where they differ.
#[derive(Debug)]
pub struct Views<'a> {
    text: &'a str,
    reduced: Vec<Reduced>,
}

impl<'a> Views<'a> {
    /// The views of `text`; with `lookalikes`, also with look-alike letters as Latin ones. Plain
    /// ASCII is its own only view, and costs no allocation.
    pub fn new(text: &'a str, lookalikes: bool) -> Self {
        let mut reduced = Vec::new();
        if is_reducible(text) {
            reduced.push(Reduced::new(text, false));
            if lookalikes {
                reduced.push(Reduced::new(text, true));
            }
        }
        Self { text, reduced }
    }
}

/// A list of patterns, compiled.
#[derive(Debug)]
pub struct Patterns {
    set: RegexSet,
    each: Vec<Regex>,
}

impl Patterns {
    /// Compiles the value `patterns` of the option `key`. They ignore case unless they begin
    /// with `(?-i)`.
    ///
    /// # Errors
    /// What is wrong with each of them.
    pub fn new(key: &str, patterns: &[String]) -> Result<Self, Vec<Problem>> {
        if patterns.len() > MAX_PATTERNS {
            let message = format!("{} patterns: at most {MAX_PATTERNS} fit", patterns.len());
            return Err(vec![Problem::at(key, message)]);
        }
        let mut each = Vec::with_capacity(patterns.len());
        let mut problems = Vec::new();
        for (n, pattern) in patterns.iter().enumerate() {
            match compile(pattern) {
                Ok(regex) => each.push(regex),
                Err(message) => problems.push(Problem::at_item(key, n, message)),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let set = RegexSetBuilder::new(patterns)
            .case_insensitive(true)
            .size_limit(MAX_COMPILED_LIST)
            .build()
            .map_err(|error| vec![Problem::at(key, brief(&error))])?;
        Ok(Self { set, each })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// Whether any pattern matches.
    pub fn is_match(&self, views: &Views<'_>) -> bool {
        !self.set.is_empty()
            && (self.set.is_match(views.text)
                || views.reduced.iter().any(|r| self.set.is_match(r.text())))
    }

    /// Tells `found` the bytes of the original text of each match.
    pub fn find(&self, views: &Views<'_>, mut found: impl FnMut(Range<usize>)) {
        if self.set.is_empty() {
            return;
        }
        self.find_in(views.text, &mut found);
        for reduced in &views.reduced {
            self.find_in(reduced.text(), |range| found(reduced.origin(&range)));
        }
    }

    fn find_in(&self, text: &str, mut found: impl FnMut(Range<usize>)) {
        for index in self.set.matches(text) {
            let Some(regex) = self.each.get(index) else {
                continue;
            };
            for (n, hit) in regex.find_iter(text).enumerate() {
                if n == MAX_MATCHES {
                    found(hit.start()..text.len());
                    break;
                }
                if !hit.is_empty() {
                    found(hit.range());
                }
            }
        }
    }
}

/// Compiles one pattern, or says in one line what is wrong with it.
fn compile(pattern: &str) -> Result<Regex, String> {
    if pattern.chars().count() > MAX_CHARS {
        return Err(format!("longer than {MAX_CHARS} characters"));
    }
    let regex = RegexBuilder::new(pattern)
        .case_insensitive(true)
        .size_limit(MAX_COMPILED)
        .build()
        .map_err(|error| brief(&error))?;
    let idle = |text| regex.find(text).is_some_and(|hit| hit.is_empty());
    if idle("") || idle("a b") {
        return Err("matches the empty text, and so every message: ask for something".into());
    }
    Ok(regex)
}

/// The one line of a many-line error that says what is wrong.
fn brief(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(limit) => {
            format!("too big: needs more than {limit} bytes when compiled; use smaller repetitions")
        }
        regex::Error::Syntax(text) => {
            let reason = text.lines().rev().find_map(|line| line.strip_prefix("error: "));
            format!("not a regular expression: {}", reason.unwrap_or("bad syntax"))
        }
        _ => "not a regular expression".into(),
    }
}
