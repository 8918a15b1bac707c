//! The text of a configuration file, and what to show of the place where an error is.

use std::{
    fs::File,
    io::{self, Read},
    ops::Range,
    path::{Path, PathBuf},
};

use super::sensitive;

/// The largest configuration file that is read: 1 MiB.
pub const MAX_FILE: u64 = 1024 * 1024;

/// Longer lines are cut around the caret.
const MAX_SHOWN: usize = 160;

/// Reads a whole file of at most `limit` bytes.
///
/// # Errors
/// The file can't be read, or is larger.
pub(super) fn read_bounded(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::Error::other("it is a directory"));
    }
    let mut bytes = Vec::new();
    // One byte more than allowed tells a full file from one that is too large.
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let message = format!("it is larger than {} KiB", limit / 1024);
        return Err(io::Error::other(message));
    }
    Ok(bytes)
}

/// The text of a configuration file.
pub(super) struct Source {
    path: PathBuf,
    text: String,
    /// The offset at which each line begins.
    lines: Vec<usize>,
}

impl Source {
    /// A byte order mark at the start is left out.
    pub fn new(path: PathBuf, text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).to_owned();
        let starts = text.match_indices('\n').map(|(offset, _)| offset + 1);
        let lines = std::iter::once(0).chain(starts).collect();
        Self { path, text, lines }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// The line and the column of a byte offset, both counted from 1, columns in characters.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|start| *start <= offset).max(1);
        let start = self.lines.get(line - 1).copied().unwrap_or(0);
        let before = self.text.get(start..offset.min(self.text.len()));
        (line, before.map_or(0, |text| text.chars().count()) + 1)
    }

    /// The line on which `span` begins, with a caret under it. What lies in `hidden` is not
    /// shown. With `guess`, where a syntax error may have hidden what is a secret, nothing is
    /// shown after a word that looks like the name of one.
    pub fn excerpt(&self, span: &Range<usize>, hidden: &[Range<usize>], guess: bool) -> Excerpt {
        let (line, column) = self.position(span.start);
        let start = self.lines.get(line - 1).copied().unwrap_or(0);
        let rest = self.text.get(start..).unwrap_or_default();
        let text = rest.split('\n').next().unwrap_or_default();
        let text = text.strip_suffix('\r').unwrap_or(text);

        let mut hidden: Vec<_> = hidden.to_vec();
        if guess && let Some(from) = sensitive::name_ends(text) {
            hidden.push(start + from..start + text.len());
        }
        let mut shown = Vec::new();
        let mut caret = None;
        let mut end = 0;
        let mut within = false;
        for (offset, c) in text.char_indices() {
            let at = start + offset;
            if at >= span.start && caret.is_none() {
                caret = Some(shown.len());
            }
            if hidden.iter().any(|range| range.contains(&at)) {
                if !within {
                    shown.extend("[redacted]".chars());
                }
                within = true;
            } else {
                within = false;
                shown.push(printable(c));
            }
            if at < span.end {
                end = shown.len();
            }
        }
        let caret = caret.unwrap_or(shown.len()).min(shown.len());
        let width = end.saturating_sub(caret).max(1);
        Excerpt::new(line, column, &shown, caret, width)
    }
}

/// A line of a file, and the place in it that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Excerpt {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// The line as it is shown.
    pub text: String,
    /// What to write below it: white space and carets.
    pub carets: String,
}

impl Excerpt {
    fn new(line: usize, column: usize, shown: &[char], caret: usize, width: usize) -> Self {
        let from = if shown.len() > MAX_SHOWN { caret.saturating_sub(MAX_SHOWN / 2) } else { 0 };
        let to = shown.len().min(from + MAX_SHOWN);
        let mut text = String::new();
        let mut carets = String::new();
        if from > 0 {
            text.push('…');
            carets.push(' ');
        }
        for (n, c) in shown.iter().enumerate().take(to).skip(from) {
            text.push(*c);
            let mark = match c {
                _ if n >= caret + width => continue,
                _ if n >= caret => '^',
                '\t' => '\t',
                _ => ' ',
            };
            carets.extend(std::iter::repeat_n(mark, columns(*c)));
        }
        if to < shown.len() {
            text.push('…');
        }
        if !carets.contains('^') {
            carets.push('^');
        }
        Self { line, column, text, carets }
    }
}

/// What a terminal can be trusted with: control characters, and those that turn the direction
/// of writing or can't be seen, are replaced.
pub(super) fn printable(c: char) -> char {
    match c {
        '\t' => '\t',
        '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// How many columns of a terminal a character takes, closely enough to put a caret under it.
pub(crate) fn columns(c: char) -> usize {
    match u32::from(c) {
        0x300..=0x36f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excerpt(text: &str, what: &str) -> Excerpt {
        let source = Source::new("test.toml".into(), text);
        let start = source.text().find(what).unwrap();
        source.excerpt(&(start..start + what.len()), &[], false)
    }

    #[test]
    fn the_caret_stands_under_what_is_meant() {
        let found = excerpt("a = 1\r\nbeta = 2\r\n", "beta");
        assert_eq!((found.line, found.column), (2, 1));
        assert_eq!(found.text, "beta = 2");
        assert_eq!(found.carets, "^^^^");
    }

    #[test]
    fn tabs_wide_and_combining_characters_before_it() {
        let found = excerpt("\tx = \"日本e\u{301}\", bad", "bad");
        assert_eq!((found.line, found.column), (1, 14));
        assert_eq!(found.carets, "\t              ^^^".replacen("  ", " ", 1));
    }

    #[test]
    fn a_byte_order_mark_is_no_column() {
        assert_eq!(excerpt("\u{feff}bad = 1", "bad").column, 1);
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let found = excerpt("\u{1b}[2J\u{202e}bad", "bad");
        assert_eq!(found.text, "\u{fffd}[2J\u{fffd}bad");
    }

    #[test]
    fn a_long_line_is_cut_around_the_caret() {
        let found = excerpt(&format!("{}bad{}", "x".repeat(5000), "y".repeat(5000)), "bad");
        assert_eq!(found.column, 5001);
        assert!(found.text.chars().count() <= MAX_SHOWN + 2);
        let at = found.carets.find('^').unwrap();
        let shown: String = found.text.chars().skip(at).take(3).collect();
        assert_eq!(shown, "bad");
    }

    #[test]
    fn what_is_hidden_is_not_shown() {
        let text = "key = \"hunter2\" # not";
        let source = Source::new("test.toml".into(), text);
        let found = source.excerpt(&(0..3), std::slice::from_ref(&(6..15)), false);
        assert_eq!(found.text, "key = [redacted] # not");
        assert_eq!(found.carets, "^^^");
        let found = source.excerpt(&(6..15), std::slice::from_ref(&(6..15)), false);
        assert_eq!(found.carets, "      ^^^^^^^^^^");
    }

    #[test]
    fn the_end_of_the_text_has_a_place() {
        let source = Source::new("test.toml".into(), "a = ");
        let found = source.excerpt(&(4..4), &[], false);
        assert_eq!((found.line, found.column), (1, 5));
        assert_eq!(found.carets, "    ^");
        assert_eq!(Source::new("e".into(), "").position(0), (1, 1));
    }
}
