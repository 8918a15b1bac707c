//! What is wrong with a configuration, told as a compiler tells it: all of it, each with its
//! place.

use std::{
    fmt::{self, Write as _},
    path::{Path, PathBuf},
};

use super::source::{Excerpt, printable};

/// Everything that is wrong with a configuration, or with another file that is read as strictly.
/// Never empty, never shows a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    errors: Vec<ConfigError>,
    /// What they are in.
    of: &'static str,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    message: String,
    place: Place,
    help: Option<String>,
}

/// Where a wrong value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A line of a file.
    Line(PathBuf, Box<Excerpt>),
    /// A line and a column of a file that can't be shown.
    Position(PathBuf, usize, usize),
    /// A file as a whole.
    File(PathBuf),
    /// A variable of the environment.
    Variable(String),
    /// An option of the command line.
    Flag(&'static str),
    /// What holds when nothing is configured.
    Default,
}

/// How text is set off on a terminal.
struct Style {
    error: &'static str,
    warning: &'static str,
    bold: &'static str,
    mark: &'static str,
    off: &'static str,
}

const PLAIN: Style = Style { error: "", warning: "", bold: "", mark: "", off: "" };

const COLOURED: Style = Style {
    error: "\x1b[1;31m",
    warning: "\x1b[1;33m",
    bold: "\x1b[1m",
    mark: "\x1b[1;34m",
    off: "\x1b[0m",
};

impl ConfigError {
    pub(super) fn new(message: impl Into<String>, place: Place) -> Self {
        Self { message: message.into(), place, help: None }
    }

    /// Adds a line that says what to do.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The place as `file:line:column`, or the variable or flag it came from.
    pub fn place(&self) -> String {
        self.place.to_string()
    }

    /// What is wrong, in one sentence.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it, if that is known.
    pub fn advice(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// For errors of one file, the order in which they stand there.
    pub(super) fn order(&self) -> (usize, usize) {
        match &self.place {
            Place::Line(_, excerpt) => (excerpt.line, excerpt.column),
            Place::Position(_, line, column) => (*line, *column),
            _ => (0, 0),
        }
    }

    fn write(&self, out: &mut String, word: &str, colour: &str, style: &Style) {
        let Style { bold, mark, off, .. } = style;
        let message = clean(&self.message);
        let place = clean(&self.place.to_string());
        // Writing to a string does not fail.
        let _ = writeln!(out, "{colour}{word}{off}{bold}: {message}{off}");
        let gutter = match &self.place {
            Place::Line(_, excerpt) => {
                let number = excerpt.line.to_string();
                let gutter = " ".repeat(number.len());
                let (text, carets) = (&excerpt.text, &excerpt.carets);
                let _ = writeln!(out, "{gutter}{mark}-->{off} {place}");
                let _ = writeln!(out, "{gutter} {mark}|{off}");
                let _ = writeln!(out, "{mark}{number} |{off} {text}");
                let _ = writeln!(out, "{gutter} {mark}|{off} {colour}{carets}{off}");
                gutter
            }
            _ => {
                let _ = writeln!(out, " {mark}-->{off} {place}");
                " ".to_owned()
            }
        };
        if let Some(help) = &self.help {
            let help = clean(help);
            let _ = writeln!(out, "{gutter} {mark}={off} {bold}help{off}: {help}");
        }
    }
}

impl ConfigErrors {
    /// `errors` must not be empty.
    pub(super) fn new(errors: Vec<ConfigError>) -> Self {
        Self::of("the configuration", errors)
    }

    /// The same, of something else than the configuration.
    pub(super) fn of(of: &'static str, errors: Vec<ConfigError>) -> Self {
        debug_assert!(!errors.is_empty());
        Self { errors, of }
    }

    /// The errors, in the order of the layers and of their lines.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.errors.iter()
    }

    /// How many there are; at least 1.
    pub fn count(&self) -> usize {
        self.errors.len()
    }

    /// The errors as text, with colours if `colour`.
    pub fn render(&self, colour: bool) -> String {
        let style = if colour { &COLOURED } else { &PLAIN };
        let mut out = String::new();
        for error in &self.errors {
            error.write(&mut out, "error", style.error, style);
            out.push('\n');
        }
        let plural = if self.errors.len() == 1 { "" } else { "s" };
        let (error, off) = (style.error, style.off);
        let (count, of) = (self.errors.len(), self.of);
        let _ = write!(out, "{error}{count} error{plural} in {of}{off}");
        out
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for ConfigErrors {}

/// Something in a configuration that works, and is probably not meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning(pub(super) ConfigError);

impl AsRef<ConfigError> for Warning {
    fn as_ref(&self) -> &ConfigError {
        &self.0
    }
}

impl Warning {
    /// The warning as text, with colours if `colour`.
    pub fn render(&self, colour: bool) -> String {
        let style = if colour { &COLOURED } else { &PLAIN };
        let mut out = String::new();
        self.0.write(&mut out, "warning", style.warning, style);
        out.truncate(out.trim_end().len());
        out
    }

    /// What is probably not meant, in one sentence: for the log.
    pub fn message(&self) -> &str {
        self.0.message()
    }

    /// The place as `file:line:column`, or the variable or flag it came from.
    pub fn place(&self) -> String {
        self.0.place()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Line(path, excerpt) => {
                let (line, column) = (excerpt.line, excerpt.column);
                write!(f, "{}:{line}:{column}", path.display())
            }
            Place::Position(path, line, column) => {
                write!(f, "{}:{line}:{column}", path.display())
            }
            Place::File(path) => path.display().fmt(f),
            Place::Variable(name) => write!(f, "variable {name}"),
            Place::Flag(name) => write!(f, "flag {name}"),
            Place::Default => f.write_str("the built-in defaults"),
        }
    }
}

fn clean(text: &str) -> String {
    text.chars().map(printable).collect()
}

/// The text on one line, for a log or a program: what could command a terminal, forge a line or
/// hide is escaped as Rust escapes it.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\t' || printable(c) != c {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// A file could not be read.
pub(super) fn unreadable(
    what: &str,
    path: &Path,
    error: &std::io::Error,
    place: Place,
) -> ConfigError {
    let path = path.display();
    ConfigError::new(format!("cannot read {what} {path}: {error}"), place)
}

#[cfg(test)]
mod tests {
    use super::super::source::Source;
    use super::*;

    #[test]
    fn told_as_a_compiler_tells_it() {
        let source = Source::new("/etc/confab/confab.toml".into(), "[server]\nlisten = 5\n");
        let line =
            Place::Line(source.path().into(), Box::new(source.excerpt(&(18..20), &[], false)));
        let errors = ConfigErrors::new(vec![
            ConfigError::new("expected an address", line).help("such as \"127.0.0.1:8080\""),
            ConfigError::new("no such thing", Place::Variable("CONFAB_A__B".into())),
        ]);
        assert_eq!(
            errors.to_string(),
            "\
error: expected an address
 --> /etc/confab/confab.toml:2:10
  |
2 | listen = 5
  |          ^
  = help: such as \"127.0.0.1:8080\"

error: no such thing
 --> variable CONFAB_A__B

2 errors in the configuration"
        );
        let coloured = errors.render(true);
        assert!(coloured.starts_with("\x1b[1;31merror\x1b[0m\x1b[1m: expected"));
        let mut plain = coloured;
        for code in ["\x1b[1;31m", "\x1b[1m", "\x1b[1;34m", "\x1b[0m"] {
            plain = plain.replace(code, "");
        }
        assert_eq!(plain, errors.to_string());
    }

    #[test]
    fn a_message_cannot_command_the_terminal() {
        let place = Place::Variable("CONFAB_\x1b[2J".into());
        let text = ConfigErrors::new(vec![ConfigError::new("\x07\u{202e}", place)]).to_string();
        assert!(!text.contains(['\x1b', '\x07', '\u{202e}']));
        assert_eq!(escape("é \"\x1b[m\"\r\n\u{202e}\t"), "é \"\\u{1b}[m\"\\r\\n\\u{202e}\\t");
    }
}
