//! Appends lines to a log: numbers and seals them, never leaves half a line, puts full files
//! aside. All of it blocks.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Write as _},
};

use confab_plugin::ByteSize;
use serde_json::json;

use crate::{
    chain::{Head, Seal},
    fields,
    files::{self, Files},
    options::{Options, Sync},
};

/// What the writer needs of a file. Tests put a failing one in its place.
pub trait Medium: Send {
    /// How many bytes it has.
    fn length(&self) -> io::Result<u64>;
    /// Appends some of the bytes, and says how many.
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Takes away all beyond `length`.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
    /// Forces what was written to the disk.
    fn sync(&mut self) -> io::Result<()>;
}

impl Medium for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write(bytes)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// How an entry wants its lines kept. Two entries of one log may differ.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// See [`Options::max_size`].
    pub max_size: ByteSize,
    /// See [`Options::keep`].
    pub keep: u32,
    /// See [`Options::sync`].
    pub sync: Sync,
}

impl From<&Options> for Policy {
    fn from(options: &Options) -> Self {
        Self { max_size: options.max_size, keep: options.keep, sync: options.sync }
    }
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Lines, with those of the log about itself.
    pub lines: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Whether a file was put aside.
    pub rotated: bool,
}

/// The end of a log, where lines are appended.
///
/// Invariant: `head` is the last whole line of the files; bytes after it are known in `torn`, and
/// gone before the next line is written.
pub struct Writer {
    pub(crate) files: Files,
    pub(crate) file: Box<dyn Medium>,
    pub(crate) seal: Seal,
    pub(crate) head: Head,
    /// The number of the file's first line; that of the next line if it has none.
    pub(crate) first: u64,
    /// Where the file's last whole line ends, if a failed write left something after it.
    pub(crate) torn: Option<u64>,
    /// Lines that may not be on the disk yet.
    pub(crate) unsynced: u32,
    /// The size from which on a rotation that failed is tried again.
    pub(crate) rotate_from: u64,
    /// Files that were removed, and that the log does not yet say so of.
    pub(crate) removed: Vec<OsString>,
}

impl Writer {
    /// How many lines may not be on the disk yet.
    pub fn unsynced(&self) -> u32 {
        self.unsynced
    }

    /// Appends lines with these fields, all or none, for the entry of this name.
    ///
    /// # Errors
    /// What the system says. No line was written then; another attempt may do.
    pub fn append(&mut self, entry: &str, lines: &[&str], policy: &Policy) -> io::Result<Written> {
        self.mend()?;
        let mut length = self.file.length()?;
        let (mut text, mut head) = self.sealed(lines);
        let full = length.saturating_add(text.len() as u64) > policy.max_size.0;
        let rotated =
            full && length > 0 && length >= self.rotate_from && self.rotates(policy, length);
        if rotated {
            length = 0;
        }
        let removed = self.removed(entry);
        if let Some(removed) = &removed {
            let all: Vec<&str> = [&**removed].into_iter().chain(lines.iter().copied()).collect();
            (text, head) = self.sealed(&all);
        }
        self.write(text.as_bytes(), length)?;
        self.head = head;
        self.removed.clear();
        let count = lines.len() + usize::from(removed.is_some());
        self.unsynced = self.unsynced.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        Ok(Written { lines: count as u64, bytes: text.len() as u64, rotated })
    }

    /// Forces what was written to the disk.
    ///
    /// # Errors
    /// What the system says.
    pub fn sync(&mut self) -> io::Result<()> {
        self.file.sync()?;
        self.unsynced = 0;
        Ok(())
    }

    /// Leaves a whole log on the disk.
    ///
    /// # Errors
    /// What the system says.
    pub fn finish(&mut self) -> io::Result<()> {
        self.mend()?;
        if self.unsynced > 0 { self.sync() } else { Ok(()) }
    }

    /// Takes away what a failed write left.
    fn mend(&mut self) -> io::Result<()> {
        if let Some(end) = self.torn {
            self.file.truncate(end)?;
            self.torn = None;
        }
        Ok(())
    }

    /// The lines with these fields, and the head after them.
    fn sealed(&self, lines: &[&str]) -> (String, Head) {
        let mut head = self.head;
        let mut text = String::new();
        for fields in lines {
            let n = head.n.saturating_add(1);
            let (line, hash) = self.seal.line(n, fields, head.hash);
            text.push_str(&line);
            head = Head { n, hash };
        }
        (text, head)
    }

    /// Appends all of the bytes to the file, which has `length`, or none.
    fn write(&mut self, bytes: &[u8], length: u64) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let error = match self.file.append(rest) {
                Ok(0) => io::ErrorKind::WriteZero.into(),
                Ok(count) => {
                    rest = rest.get(count..).unwrap_or_default();
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            if rest.len() < bytes.len() {
                self.torn = Some(length);
                // If it fails, the next attempt begins with it.
                let _ = self.mend();
            }
            return Err(error);
        }
        Ok(())
    }

    /// Puts the file, which has `length`, aside and begins a new one, if that can be done.
    fn rotates(&mut self, policy: &Policy, length: u64) -> bool {
        let path = self.files.current();
        if let Err(error) = self.rotate(policy) {
            // Better a long file than a lost line.
            self.rotate_from = length.saturating_add(policy.max_size.0 / 8);
            tracing::warn!(path = %path.display(), %error, "cannot put the full audit log aside");
            return false;
        }
        // The log goes on in any case: the next rotation tidies up what this one could not.
        if let Err(error) = self.tidy(policy) {
            tracing::warn!(path = %path.display(), %error, "cannot tidy up after the audit log");
        }
        true
    }

    fn rotate(&mut self, policy: &Policy) -> io::Result<()> {
        if policy.sync != Sync::Never && self.unsynced > 0 {
            self.sync()?;
        }
        let (current, next) = (self.files.current(), self.files.next());
        let aside = self.files.path(self.files.old_name(self.first));
        if fs::exists(&aside)? {
            let message = format!("{} exists", aside.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
        }
        // What can fail for want of space comes first, and leaves everything as it was.
        let _ = fs::remove_file(&next);
        let file = files::create_new(&next)?;
        if let Err(error) = fs::rename(&current, &aside) {
            let _ = fs::remove_file(&next);
            return Err(error);
        }
        if let Err(error) = fs::rename(&next, &current) {
            let _ = fs::rename(&aside, &current);
            let _ = fs::remove_file(&next);
            return Err(error);
        }
        self.file = Box::new(file);
        self.first = self.head.n.saturating_add(1);
        self.rotate_from = 0;
        Ok(())
    }

    /// Removes the oldest files, and has the folder on the disk.
    fn tidy(&mut self, policy: &Policy) -> io::Result<()> {
        if policy.keep > 0 {
            let old = self.files.old()?;
            let keep = usize::try_from(policy.keep).unwrap_or(usize::MAX);
            for (_, name) in old.iter().take(old.len().saturating_sub(keep)) {
                fs::remove_file(self.files.path(name))?;
                self.removed.push(name.clone());
            }
        }
        if policy.sync == Sync::Never { Ok(()) } else { self.files.sync_folder() }
    }

    /// The fields of the line that says which files were removed, if any were.
    fn removed(&self, entry: &str) -> Option<String> {
        let names: Vec<_> = self.removed.iter().map(|name| name.to_string_lossy()).collect();
        (!names.is_empty()).then(|| fields::of_log(entry, "removed", &[("files", json!(names))]))
    }
}
