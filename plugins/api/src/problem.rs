//! What is wrong with a value in the configuration, and where it stands.

use std::fmt;

/// One step of the way from a table to a value inside it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Segment {
    /// A key of a table.
    Key(String),
    /// An item of an array, counted from 0.
    Index(usize),
}

impl From<&str> for Segment {
    fn from(key: &str) -> Self {
        Segment::Key(key.to_owned())
    }
}

impl From<usize> for Segment {
    fn from(index: usize) -> Self {
        Segment::Index(index)
    }
}

/// Something wrong with one value. The host finds the file, line and column for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The way to the value, from the table that was handed over.
    pub path: Vec<Segment>,
    /// What is wrong, and what to do: one sentence, without the path.
    pub message: String,
}

impl Problem {
    /// A problem with the value of `key`.
    pub fn at(key: &str, message: impl Into<String>) -> Self {
        Self { path: vec![key.into()], message: message.into() }
    }

    /// A problem with item `index` of the array `key`.
    pub fn at_item(key: &str, index: usize, message: impl Into<String>) -> Self {
        Self { path: vec![key.into(), index.into()], message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, segment) in self.path.iter().enumerate() {
            match segment {
                Segment::Key(key) if n == 0 => write!(f, "{key}")?,
                Segment::Key(key) => write!(f, ".{key}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        write!(f, ": {}", self.message)
    }
}
