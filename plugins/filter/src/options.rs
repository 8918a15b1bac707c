//! What operators write in `[plugins.options]`, and what is wrong with it.

use confab_plugin::Problem;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    letters::Disguise,
    mask::Mask,
    patterns::{MAX_PATTERNS, Patterns},
    word::{MAX_LETTERS, Word},
    words::Words,
};

/// The most words and phrases of one list.
pub const MAX_WORDS: usize = 10_000;

/// The options of the filter. At least one of `deny`, `deny_words`, `mask` and `mask_words` is
/// needed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Regular expressions; a message that one of them matches is refused. At most 500.
    #[schemars(length(max = MAX_PATTERNS))]
    pub deny: Vec<String>,
    /// Whole words or phrases; a message that has one of them in it is refused. At most 10000.
    #[schemars(length(max = MAX_WORDS))]
    pub deny_words: Vec<String>,
    /// Regular expressions; what they match is masked. At most 500.
    #[schemars(length(max = MAX_PATTERNS))]
    pub mask: Vec<String>,
    /// Whole words or phrases to mask. At most 10000.
    #[schemars(length(max = MAX_WORDS))]
    pub mask_words: Vec<String>,
    /// What stands in the place of what is masked: one character, for each of the match, or a
    /// text, once for the match. At most 32 characters.
    #[schemars(length(min = 1, max = Mask::MAX_CHARS))]
    pub mask_with: String,
    /// Letters that look like Latin ones (Cyrillic, Greek, small capitals …) are taken for them.
    pub lookalikes: bool,
    /// Digits and signs in words are taken for letters: 1d!0t. For words only, not for patterns.
    pub leet: bool,
    /// The code of a refusal, for programs: 1 to 64 of a-z 0-9 _.
    #[schemars(regex(pattern = "^[a-z0-9_]{1,64}$"))]
    pub code: String,
    /// What the sender of a refused message is told. At most 200 characters. The default says
    /// that the message, or the name, is not allowed.
    #[schemars(length(min = 1, max = MAX_MESSAGE))]
    pub message: Option<String>,
}

const MAX_MESSAGE: usize = 200;
const MAX_CODE: usize = 64;

impl Default for Options {
    fn default() -> Self {
        Self {
            deny: Vec::new(),
            deny_words: Vec::new(),
            mask: Vec::new(),
            mask_words: Vec::new(),
            mask_with: "*".into(),
            lookalikes: true,
            leet: true,
            code: "content_denied".into(),
            message: None,
        }
    }
}

/// What is done with a message that a word is found in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is refused.
    Deny,
    /// The word is masked.
    Mask,
}

/// The rules that the options ask for, compiled.
#[derive(Debug)]
pub struct Rules {
    pub words: Words<Action>,
    pub deny: Patterns,
    pub mask: Patterns,
    pub mask_with: Mask,
}

impl Options {
    /// Compiles the rules and checks everything else.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn compile(&self) -> Result<Rules, Vec<Problem>> {
        let mut problems = Vec::new();
        let lists = [&self.deny, &self.deny_words, &self.mask, &self.mask_words];
        if lists.iter().all(|list| list.is_empty()) {
            problems.push(Problem {
                path: Vec::new(),
                message: "nothing to look for: give at least one of deny, deny_words, mask and \
                          mask_words"
                    .into(),
            });
        }
        let disguise = Disguise { lookalikes: self.lookalikes, leet: self.leet };
        let mut words = Vec::new();
        for (key, list, action) in [
            ("deny_words", &self.deny_words, Action::Deny),
            ("mask_words", &self.mask_words, Action::Mask),
        ] {
            match read_words(key, list, disguise) {
                Ok(list) => words.extend(list.into_iter().map(|word| (word, action))),
                Err(found) => problems.extend(found),
            }
        }
        let words = Words::new(words, disguise)
            .map_err(|_| vec![Problem::at("deny_words", "too many words to compile")]);
        let deny = Patterns::new("deny", &self.deny);
        let mask = Patterns::new("mask", &self.mask);
        let mask_with =
            Mask::new(&self.mask_with).map_err(|message| vec![Problem::at("mask_with", message)]);
        if !is_code(&self.code) {
            problems.push(Problem::at("code", "write 1 to 64 of a-z 0-9 _"));
        }
        if let Some(message) = &self.message
            && !(1..=MAX_MESSAGE).contains(&message.chars().count())
        {
            let message = format!("write 1 to {MAX_MESSAGE} characters");
            problems.push(Problem::at("message", message));
        }
        match (words, deny, mask, mask_with) {
            (Ok(words), Ok(deny), Ok(mask), Ok(mask_with)) if problems.is_empty() => {
                Ok(Rules { words, deny, mask, mask_with })
            }
            (words, deny, mask, mask_with) => {
                problems.extend(words.err().into_iter().flatten());
                problems.extend(deny.err().into_iter().flatten());
                problems.extend(mask.err().into_iter().flatten());
                problems.extend(mask_with.err().into_iter().flatten());
                Err(problems)
            }
        }
    }
}

fn is_code(code: &str) -> bool {
    (1..=MAX_CODE).contains(&code.len())
        && code.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

fn read_words(key: &str, list: &[String], disguise: Disguise) -> Result<Vec<Word>, Vec<Problem>> {
    if list.len() > MAX_WORDS {
        let message = format!("{} words: at most {MAX_WORDS} fit", list.len());
        return Err(vec![Problem::at(key, message)]);
    }
    let mut words = Vec::with_capacity(list.len());
    let mut problems = Vec::new();
    for (n, text) in list.iter().enumerate() {
        match Word::new(text, disguise) {
            Some(word) if word.letters <= MAX_LETTERS => words.push(word),
            Some(word) => {
                let message = format!("{} letters: at most {MAX_LETTERS} fit", word.letters);
                problems.push(Problem::at_item(key, n, message));
            }
            None => {
                let message = "has no letter or digit in it: use a pattern for signs";
                problems.push(Problem::at_item(key, n, message));
            }
        }
    }
    if problems.is_empty() { Ok(words) } else { Err(problems) }
}
