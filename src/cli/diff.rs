//! Shows where two texts differ: both in quotes, with carets under the words that are not in the
//! other one.

use crate::config::columns;

/// Longer texts are cut around the first difference.
const MAX_SHOWN: usize = 120;

/// How much of a long text stands before the first difference.
const BEFORE: usize = 30;

/// Beyond this many comparisons, all between the first and the last difference is marked.
const MAX_COMPARED: usize = 1_000_000;

/// A text as it is shown, and what to write below it.
#[derive(Debug, PartialEq, Eq)]
pub struct Marked {
    pub text: String,
    pub carets: String,
}

/// Both texts in quotes, what can't be seen as escapes.
pub fn compare(expected: &str, got: &str) -> (Marked, Marked) {
    let (expected, got) = (format!("{expected:?}"), format!("{got:?}"));
    let (a, b) = (words(&expected), words(&got));
    let (kept_a, kept_b) = common(&a, &b);
    (mark(&a, &kept_a), mark(&b, &kept_b))
}

/// Runs of letters and digits, and all else one by one.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match rest.find(|c: char| !c.is_alphanumeric()) {
            Some(0) => first.len_utf8(),
            Some(end) => end,
            None => rest.len(),
        };
        let (word, after) = rest.split_at(length);
        words.push(word);
        rest = after;
    }
    words
}

/// For each word, whether it is in a longest sequence that both have in common.
fn common(a: &[&str], b: &[&str]) -> (Vec<bool>, Vec<bool>) {
    let (mut kept_a, mut kept_b) = (vec![false; a.len()], vec![false; b.len()]);
    let start = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[start..], &b[start..]);
    let end = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[..a.len() - end], &b[..b.len() - end]);
    let (len_a, len_b) = (kept_a.len(), kept_b.len());
    kept_a[..start].fill(true);
    kept_b[..start].fill(true);
    kept_a[len_a - end..].fill(true);
    kept_b[len_b - end..].fill(true);
    if a.len() * b.len() > MAX_COMPARED {
        return (kept_a, kept_b);
    }
    // The longest common sequence of what follows each pair of places.
    let width = b.len() + 1;
    let mut longest = vec![0u32; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            longest[i * width + j] = if a[i] == b[j] {
                longest[(i + 1) * width + j + 1] + 1
            } else {
                longest[(i + 1) * width + j].max(longest[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        if a[i] == b[j] {
            kept_a[start + i] = true;
            kept_b[start + j] = true;
            (i, j) = (i + 1, j + 1);
        } else if longest[(i + 1) * width + j] >= longest[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    (kept_a, kept_b)
}

fn mark(words: &[&str], kept: &[bool]) -> Marked {
    let marked: Vec<(char, bool)> = words
        .iter()
        .zip(kept)
        .flat_map(|(word, kept)| word.chars().map(move |c| (c, !kept)))
        .collect();
    let first = marked.iter().position(|(_, differs)| *differs).unwrap_or(0);
    let from = if marked.len() > MAX_SHOWN { first.saturating_sub(BEFORE) } else { 0 };
    let to = marked.len().min(from + MAX_SHOWN);
    let (mut text, mut carets) = (String::new(), String::new());
    if from > 0 {
        text.push('…');
        carets.push(' ');
    }
    for (c, differs) in &marked[from..to] {
        text.push(*c);
        carets.extend(std::iter::repeat_n(if *differs { '^' } else { ' ' }, columns(*c)));
    }
    if to < marked.len() {
        text.push('…');
    }
    carets.truncate(carets.trim_end().len());
    Marked { text, carets }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(expected: &str, got: &str) -> String {
        let (a, b) = compare(expected, got);
        [a.text, a.carets, b.text, b.carets].join("\n")
    }

    #[test]
    fn the_words_that_differ_are_marked() {
        assert_eq!(
            shown("you are a fool, Ann", "you are a ****, Ann!"),
            "\"you are a fool, Ann\"\n           ^^^^\n\"you are a ****, Ann!\"\n           ^^^^     ^"
        );
        assert_eq!(shown("same", "same"), "\"same\"\n\n\"same\"\n");
        assert_eq!(shown("", "x"), "\"\"\n\n\"x\"\n ^");
        assert_eq!(shown("a b c", "a c"), "\"a b c\"\n   ^^\n\"a c\"\n");
    }

    #[test]
    fn what_cannot_be_seen_is_shown_and_wide_letters_take_two_columns() {
        assert_eq!(shown("日本x", "日本\u{200b}x").lines().nth(2), Some("\"日本\\u{200b}x\""));
        assert_eq!(shown("日本 a", "日本 b").lines().nth(1), Some("      ^"));
    }

    #[test]
    fn a_long_text_is_cut_around_the_first_difference() {
        let (expected, got) = ("word ".repeat(2000), format!("{}x", "word ".repeat(2000)));
        let (a, b) = compare(&expected, &got);
        assert!(a.text.chars().count() <= MAX_SHOWN + 2);
        assert!(b.text.starts_with('…') && b.text.ends_with("x\""), "{}", b.text);
        assert!(b.carets.ends_with('^'));
        let (a, _) = compare(&"a ".repeat(3000), &"b ".repeat(3000));
        assert!(a.carets.contains('^'), "too much to compare word by word");
    }
}
