//! Backups of the embedded store: one file that holds the whole database and the small files beside
//! it.
//!
//! A backup is a database of confab with one more table, `backup_files`. It is made by `VACUUM INTO`: one
//! read transaction, so it is one moment of the store however much is written meanwhile. (SQLite's
//! backup API begins anew when another process writes, unless it holds such a transaction too.) It
//! reads every row and builds every index again, so damage is found rather than copied, and the
//! file holds neither free pages nor what was deleted.

mod check;
mod copy;
mod draft;
mod restore;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
};

use rusqlite::ErrorCode;
use zeroize::Zeroizing;

pub use self::{
    copy::backup,
    restore::{Restore, Restored, restore},
};
use super::open::{OpenError, one_line};

/// The table of a backup that holds the files beside the database.
const FILES: &str = "backup_files";

/// How many steps SQLite takes between two looks at [`Task`]: a millisecond or so.
const STEPS: i32 = 50_000;

/// A small file that belongs to the data, such as the secret key.
#[derive(Clone)]
pub struct Beside {
    /// Its name in the data folder.
    pub name: String,
    /// What is in it.
    pub content: Zeroizing<Vec<u8>>,
}

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// How many migrations its database has seen.
    pub schema: i64,
    /// The accounts in it.
    pub accounts: u64,
    /// The conversations in it.
    pub conversations: u64,
    /// The messages in it.
    pub messages: u64,
    /// The names of the files that were beside the database.
    pub files: Vec<String>,
    /// The size of the file, in bytes.
    pub bytes: u64,
}

/// What a backup or a restoration is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Writing the copy.
    Copy,
    /// Reading all of a file to check it.
    Check,
}

/// How far the work is, for people; and how it is told to stop.
#[derive(Debug, Default)]
pub struct Task {
    phase: AtomicU8,
    total: AtomicU64,
    draft: OnceLock<PathBuf>,
    stopped: AtomicBool,
}

impl Task {
    /// Has the work end soon, with [`BackupError::Interrupted`] and nothing left behind. What is
    /// done already stays done.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// What is being done.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Copy,
            _ => Phase::Check,
        }
    }

    /// Bytes that were written, and that are expected; the copy may need fewer.
    pub fn copied(&self) -> (u64, u64) {
        let size = |path: &PathBuf| std::fs::metadata(path).map_or(0, |file| file.len());
        (self.draft.get().map_or(0, size), self.total.load(Ordering::Relaxed))
    }

    fn enter(&self, phase: Phase) -> Result<(), BackupError> {
        self.phase.store(phase as u8, Ordering::Relaxed);
        if self.is_stopped() { Err(BackupError::Interrupted) } else { Ok(()) }
    }

    fn expect(&self, draft: &Path, total: u64) {
        let _ = self.draft.set(draft.to_owned());
        self.total.store(total, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

/// Why there is no backup, or nothing was restored. Displays as one line: what is wrong, where, and
/// what to do.
#[derive(Debug)]
pub enum BackupError {
    /// The data folder or its database.
    Store(OpenError),
    /// Something that must not be lost stands where the work would put something.
    Exists(PathBuf),
    /// The backup would be in the data folder itself.
    InData(PathBuf),
    /// A file can't be read, made or written.
    File(PathBuf, io::Error),
    /// The copy can't be written: why, in one line.
    Write(PathBuf, String),
    /// The database can't be read: why, in one line.
    Read(PathBuf, String),
    /// The file is no backup, or a damaged one.
    Unusable(PathBuf, String),
    /// It was told to stop.
    Interrupted,
}

impl BackupError {
    /// Tells an interruption from what went wrong by itself.
    fn of(error: &rusqlite::Error, other: impl FnOnce(String) -> Self) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Self::Interrupted,
            _ => other(one_line(error)),
        }
    }
}

impl From<OpenError> for BackupError {
    fn from(error: OpenError) -> Self {
        Self::Store(error)
    }
}

impl fmt::Display for BackupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Exists(path) => write!(
                f,
                "{} is there already, and nothing was changed; give another name, or --force",
                path.display()
            ),
            Self::InData(path) => write!(
                f,
                "{} is in the data folder itself, and would be lost with it: name a file elsewhere",
                path.display()
            ),
            Self::File(path, why) => write!(f, "cannot use {}: {why}", path.display()),
            Self::Write(path, why) => write!(
                f,
                "cannot write {}: {why}; nothing is left of it: see that there is room for the \
                 whole database",
                path.display()
            ),
            Self::Read(path, why) => {
                write!(f, "cannot read the database {}: {why}", path.display())
            }
            Self::Unusable(path, why) => {
                write!(f, "{} is not a good backup: {why}", path.display())
            }
            Self::Interrupted => f.write_str("interrupted; nothing was changed"),
        }
    }
}

impl std::error::Error for BackupError {}
