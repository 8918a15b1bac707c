//! Opens a log: locks it, finds its end, and moves aside what a crash left half written.

use std::{
    fmt,
    fs::{self, File, TryLockError},
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use serde_json::json;

use crate::{
    chain::{Head, Record, Seal},
    fields,
    files::{self, Files},
    writer::{Policy, Writer, Written},
};

/// No line is longer: a file without a line's end in so many bytes is no audit log.
pub const MAX_LINE: u64 = 64 << 20;

/// Why a log could not be opened. Displays as one line: what is wrong, where, and what to do.
#[derive(Debug)]
pub enum OpenError {
    /// The folder or a file can't be made, read or written.
    Io(PathBuf, io::Error),
    /// Another process writes the log.
    InUse(PathBuf),
    /// The path is a folder, a link, a device.
    NoFile(PathBuf),
    /// The file's first or last line is no line of an audit log.
    NoLog(PathBuf, String),
    /// The last line's hash is not that of its text.
    Sealed(PathBuf, u64, &'static str),
    /// Another entry of this daemon writes the log with another key.
    OtherKey(PathBuf),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, why) => write!(
                f,
                "cannot use the audit log {}: {why}; let the daemon's user write there, or set \
                 another path",
                path.display()
            ),
            Self::InUse(path) => write!(
                f,
                "another process writes the audit log {}; stop it, or set another path",
                path.display()
            ),
            Self::NoFile(path) => write!(
                f,
                "{} is not a plain file; set another path for the audit log",
                path.display()
            ),
            Self::NoLog(path, why) => write!(
                f,
                "{} is not an audit log, or is damaged: {why}; move it away, or set another path",
                path.display()
            ),
            Self::Sealed(path, n, seal) => write!(
                f,
                "line {n}, the last of the audit log {}, does not have the hash ({seal}) that its \
                 text gives: it was changed, or written with another key_file; verify the log, \
                 then set another path to begin a new one",
                path.display()
            ),
            Self::OtherKey(path) => write!(
                f,
                "another entry writes the audit log {} with another key_file; give both the same, \
                 or set another path",
                path.display()
            ),
        }
    }
}

impl std::error::Error for OpenError {}

/// Takes the lock of a log: who has it is the only process that writes.
///
/// # Errors
/// A file that can't be made; another process that has the lock.
pub fn lock(files: &Files) -> Result<File, OpenError> {
    let path = files.lock();
    let file = files::create_or_open(&path).map_err(|error| OpenError::Io(path.clone(), error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(files.current())),
        Err(TryLockError::Error(error)) => Err(OpenError::Io(path, error)),
    }
}

/// Opens the log, whose lock the caller has, for the entry of this name. Says so in a first line,
/// and tells what was written.
///
/// # Errors
/// Whatever keeps the log from going on where it ended.
pub fn open(
    files: Files,
    seal: Seal,
    entry: &str,
    policy: &Policy,
) -> Result<(Writer, Written), OpenError> {
    let path = files.current();
    let io = |error| OpenError::Io(path.clone(), error);
    match fs::symlink_metadata(&path) {
        Ok(found) if !found.is_file() => return Err(OpenError::NoFile(path)),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    let file = files::create_or_open(&path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    let end = last_end(&file, length).map_err(io)?;
    let (head, first) = match end {
        // A rotation ends with a new file, so a log may go on in an empty one.
        0 => before(&files, &seal)?,
        end => (head(&file, end, &seal, &path)?, Some(first(&file, &path)?)),
    };
    let mut lines = Vec::new();
    if end < length {
        lines.push(recover(&files, &file, end..length, head, entry).map_err(io)?);
    }
    lines.push(fields::of_log(entry, "opened", &[("seal", json!(seal.name()))]));
    let mut writer = Writer {
        files,
        file: Box::new(file),
        seal,
        head,
        first: first.unwrap_or(head.n.saturating_add(1)),
        torn: None,
        unsynced: 0,
        rotate_from: 0,
        removed: Vec::new(),
    };
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let written = writer.append(entry, &lines, policy).map_err(io)?;
    writer.finish().and_then(|()| writer.files.sync_folder()).map_err(io)?;
    Ok((writer, written))
}

/// The head of the newest file that was put aside.
fn before(files: &Files, seal: &Seal) -> Result<(Head, Option<u64>), OpenError> {
    let io = |path: &Path, error| OpenError::Io(path.to_owned(), error);
    let old = files.old().map_err(|error| io(&files.current(), error))?;
    let Some((_, name)) = old.last() else { return Ok((Head::default(), None)) };
    let path = files.path(name);
    let file = File::open(&path).map_err(|error| io(&path, error))?;
    let length = file.metadata().map_err(|error| io(&path, error))?.len();
    let end = last_end(&file, length).map_err(|error| io(&path, error))?;
    if end == 0 || end < length {
        return Err(OpenError::NoLog(path, "its last line has no end".into()));
    }
    Ok((head(&file, end, seal, &path)?, None))
}

/// Where the last whole line of a file of `length` ends: 0 if it has none.
fn last_end(mut file: &File, length: u64) -> io::Result<u64> {
    const STEP: u64 = 64 << 10;
    let mut end = length;
    let mut bytes = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(STEP);
        bytes.clear();
        file.seek(SeekFrom::Start(start))?;
        file.take(end - start).read_to_end(&mut bytes)?;
        if let Some(at) = bytes.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        if length - start > MAX_LINE {
            return Err(io::Error::other("it has no lines"));
        }
        end = start;
    }
    Ok(0)
}

/// The head of a file whose last line ends at `end`.
fn head(mut file: &File, end: u64, seal: &Seal, path: &Path) -> Result<Head, OpenError> {
    let io = |error| OpenError::Io(path.to_owned(), error);
    let start = last_end(file, end - 1).map_err(io)?;
    let mut line = Vec::new();
    file.seek(SeekFrom::Start(start)).map_err(io)?;
    file.take(end - 1 - start).read_to_end(&mut line).map_err(io)?;
    let record = read(&line, path)?;
    if !record.fits(&line, seal) {
        return Err(OpenError::Sealed(path.to_owned(), record.n, seal.name()));
    }
    Ok(record.head())
}

/// The number of a file's first line.
fn first(mut file: &File, path: &Path) -> Result<u64, OpenError> {
    let io = |error| OpenError::Io(path.to_owned(), error);
    file.seek(SeekFrom::Start(0)).map_err(io)?;
    let mut line = Vec::new();
    BufReader::new(file.take(MAX_LINE)).read_until(b'\n', &mut line).map_err(io)?;
    Ok(read(line.strip_suffix(b"\n").unwrap_or(&line), path)?.n)
}

fn read(line: &[u8], path: &Path) -> Result<Record, OpenError> {
    Record::read(line).map_err(|why| OpenError::NoLog(path.to_owned(), why))
}

/// Moves the torn end of a file aside: the fields of the line that says so.
fn recover(
    files: &Files,
    mut file: &File,
    torn: std::ops::Range<u64>,
    head: Head,
    entry: &str,
) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(torn.start))?;
    file.take(torn.end - torn.start).read_to_end(&mut bytes)?;
    let kept = files.put_aside(head.n.saturating_add(1), &bytes)?;
    files.sync_folder()?;
    file.set_len(torn.start)?;
    let kept = kept.to_string_lossy();
    let path = files.current();
    tracing::warn!(
        path = %path.display(),
        bytes = bytes.len(),
        %kept,
        "the audit log ended in a torn line, which was moved aside"
    );
    let own = [("bytes", json!(bytes.len())), ("kept", json!(kept))];
    Ok(fields::of_log(entry, "recovered", &own))
}
