//! What the driver's errors mean.

use std::fmt;

use mongodb::error::{Error, ErrorKind, WriteFailure};

use crate::store::StoreError;

/// A unique index holds this already.
pub(super) const DUPLICATE_KEY: i32 = 11000;

/// The collection exists.
pub(super) const NAMESPACE_EXISTS: i32 = 48;

/// The user may not do this.
pub(super) const UNAUTHORIZED: i32 = 13;

/// The document breaks the collection's rules.
pub(super) const INVALID_DOCUMENT: i32 = 121;

/// A server's reply can quote a document.
const MAX_TEXT: usize = 500;

/// Why MongoDB cannot be used with this configuration. Displays as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// No URI was given.
    NoUri,
    /// The URI is not one.
    Uri(String),
    /// The database cannot have this name.
    Database(String),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoUri => f.write_str("store.mongo.uri is not set"),
            Self::Uri(why) => write!(f, "store.mongo.uri is not a MongoDB URI: {why}"),
            Self::Database(why) => write!(f, "store.mongo.database {why}"),
        }
    }
}

impl std::error::Error for OpenError {}

/// For the operator's log: on one line, and not too long.
pub(super) fn one_line(error: &Error) -> String {
    let text: String =
        error.kind.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// The driver could not do it.
#[expect(clippy::needless_pass_by_value, reason = "so that map_err takes it by name")]
pub(super) fn unavailable(error: Error) -> StoreError {
    StoreError::Unavailable(one_line(&error))
}

/// The server's code for what went wrong, if the server said so.
pub(super) fn code(error: &Error) -> Option<i32> {
    match &*error.kind {
        ErrorKind::Command(command) => Some(command.code),
        ErrorKind::Write(WriteFailure::WriteError(write)) => Some(write.code),
        ErrorKind::InsertMany(many) => many.write_errors.as_ref()?.first().map(|one| one.code),
        _ => None,
    }
}

/// Where an ordered insert stopped, if all before that place is as durable as was asked for.
pub(super) struct Stopped {
    /// The index of the document that was not inserted.
    pub at: usize,
    /// The server's code.
    pub code: i32,
    /// What it says.
    pub why: StoreError,
}

impl Stopped {
    pub(super) fn of(error: &Error) -> Option<Self> {
        let ErrorKind::InsertMany(many) = &*error.kind else {
            return None;
        };
        // What was inserted is not known to be durable.
        if many.write_concern_error.is_some() {
            return None;
        }
        let first = many.write_errors.as_ref()?.first()?;
        let why = StoreError::Unavailable(one_line(error));
        Some(Self { at: first.index, code: first.code, why })
    }
}
