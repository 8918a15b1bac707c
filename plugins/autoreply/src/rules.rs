//! Which reply a message gets: the first rule that matches it.

use confab_plugin::{Problem, Segment, text};
use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::template::Template;

/// The most rules of an entry.
pub const MAX_RULES: usize = 200;
/// The most characters of a pattern.
const MAX_PATTERN: usize = 1000;
/// The most words of a rule, and characters of a word.
const MAX_WORDS: usize = 100;
const MAX_WORD: usize = 64;
/// The most memory of a compiled rule, in bytes.
const MAX_COMPILED: usize = 1 << 20;
/// The most bytes of a message that rules look at: what bounds their time.
const MAX_LOOKED_AT: usize = 4096;

/// One rule: what a message has in it, and the reply. Either `match` or `words`.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// A regular expression, without regard to case, anywhere in the message. At most 1000
    /// characters.
    #[serde(rename = "match")]
    #[schemars(length(min = 1, max = MAX_PATTERN))]
    pub pattern: Option<String>,
    /// Whole words or phrases, without regard to case; one of them is enough. At most 100, of 64
    /// characters.
    #[schemars(length(min = 1, max = MAX_WORDS))]
    pub words: Option<Vec<String>>,
    /// The reply; {user} stands for the sender's name. At most 2000 characters.
    #[schemars(length(min = 1, max = Template::MAX_CHARS))]
    pub reply: String,
}

/// The rules of an entry, compiled.
#[derive(Debug)]
pub struct Rules {
    rules: Vec<(Regex, Template)>,
    fallback: Option<Template>,
}

impl Rules {
    /// Compiles the options `rules` and `fallback`.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn new(rules: &[Rule], fallback: Option<&str>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        if rules.is_empty() && fallback.is_none() {
            let message = "nothing to say: give at least one rule, or a fallback";
            problems.push(Problem::at("rules", message));
        }
        if rules.len() > MAX_RULES {
            let message = format!("{} rules: at most {MAX_RULES} fit", rules.len());
            return Err(vec![Problem::at("rules", message)]);
        }
        let mut compiled = Vec::with_capacity(rules.len());
        for (n, rule) in rules.iter().enumerate() {
            let regex = rule.compile(n).map_err(|found| problems.push(found));
            let template = Template::new(&rule.reply)
                .map_err(|message| problems.push(at(n, &["reply".into()], message)));
            if let (Ok(regex), Ok(template)) = (regex, template) {
                compiled.push((regex, template));
            }
        }
        let fallback = fallback.map(Template::new).transpose();
        let fallback = fallback.map_err(|message| problems.push(Problem::at("fallback", message)));
        match fallback {
            Ok(fallback) if problems.is_empty() => Ok(Self { rules: compiled, fallback }),
            _ => Err(problems),
        }
    }

    /// The reply to `content`; `None` if no rule matches and there is no fallback.
    pub fn reply(&self, content: &str) -> Option<&Template> {
        let content = tidy(content);
        let matching = self.rules.iter().find(|(regex, _)| regex.is_match(&content));
        matching.map(|(_, template)| template).or(self.fallback.as_ref())
    }
}

impl Rule {
    fn compile(&self, n: usize) -> Result<Regex, Problem> {
        match (&self.pattern, &self.words) {
            (Some(pattern), None) => {
                compile(pattern).map_err(|message| at(n, &["match".into()], message))
            }
            (None, Some(words)) => {
                if !(1..=MAX_WORDS).contains(&words.len()) {
                    let message = format!("write 1 to {MAX_WORDS} words");
                    return Err(at(n, &["words".into()], message));
                }
                if let Some(bad) = words.iter().position(|word| !is_word(word)) {
                    let message = format!("write 1 to {MAX_WORD} characters");
                    return Err(at(n, &["words".into(), bad.into()], message));
                }
                build(&whole_words(words)).map_err(|message| at(n, &["words".into()], message))
            }
            _ => Err(at(n, &[], "write either match or words".into())),
        }
    }
}

fn at(rule: usize, inside: &[Segment], message: String) -> Problem {
    let path = [["rules".into(), rule.into()].as_slice(), inside].concat();
    Problem { path, message }
}

fn compile(pattern: &str) -> Result<Regex, String> {
    if pattern.chars().count() > MAX_PATTERN {
        return Err(format!("longer than {MAX_PATTERN} characters"));
    }
    let regex = build(pattern)?;
    if regex.is_match("") {
        return Err("matches the empty text, so every message: use fallback for that".into());
    }
    Ok(regex)
}

fn build(pattern: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(pattern)
        .case_insensitive(true)
        .size_limit(MAX_COMPILED)
        .dfa_size_limit(MAX_COMPILED)
        .build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "too big once compiled: make it simpler".into(),
        // The last line says what is wrong; those above it show where, in several lines.
        error => {
            let text = error.to_string();
            let last = text.lines().next_back().unwrap_or_default();
            format!("not a regular expression: {}", last.trim_start_matches("error: "))
        }
    })
}

fn is_word(word: &str) -> bool {
    word.chars().count() <= MAX_WORD && !tidy(word).is_empty()
}

/// A pattern for any of `words`, each with nothing of a word beside it.
fn whole_words(words: &[String]) -> String {
    let words: Vec<_> = words.iter().map(|word| regex::escape(&tidy(word))).collect();
    format!(r"(?:^|\W)(?:{})(?:\W|$)", words.join("|"))
}

/// The start of `content`, with one space for several and without what nobody sees.
fn tidy(content: &str) -> String {
    let end = content.floor_char_boundary(MAX_LOOKED_AT);
    let mut tidy = String::with_capacity(end);
    for word in content[..end].split_whitespace() {
        let start = tidy.len();
        if !tidy.is_empty() {
            tidy.push(' ');
        }
        let seen = tidy.len();
        tidy.extend(word.chars().filter(|c| !text::is_invisible(*c)));
        if tidy.len() == seen {
            tidy.truncate(start);
        }
    }
    tidy
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(words: &[&str]) -> Rules {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        let rule = Rule { pattern: None, words: Some(words), reply: "yes".into() };
        Rules::new(&[rule], None).unwrap()
    }

    #[test]
    fn words_are_whole_and_may_be_phrases() {
        let rules = words(&["hi", "Good  Morning", "c++", "ПРИВЕТ", "?"]);
        for (content, found) in [
            ("Hi!", true),
            ("well,hi", true),
            ("this", false),
            ("good\n morning all", true),
            ("goodmorning", false),
            ("I like C++.", true),
            ("привет", true),
            ("h\u{200b}i", true),
            ("what ?", true),
            ("", false),
        ] {
            assert_eq!(rules.reply(content).is_some(), found, "{content}");
        }
    }

    #[test]
    fn only_the_start_of_a_long_message_is_looked_at() {
        let rules = words(&["hi"]);
        assert!(rules.reply(&format!("hi {}", "é".repeat(10_000))).is_some());
        assert!(rules.reply(&format!("{} hi", "é".repeat(10_000))).is_none());
    }

    proptest! {
        #[test]
        fn a_tidy_text_is_tidy(content in any::<String>()) {
            let once = tidy(&content);
            prop_assert_eq!(tidy(&once), once.clone());
            prop_assert!(!once.contains("  ") && once.trim() == once);
        }
    }
}
