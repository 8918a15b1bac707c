//! The files of a log: the one that is written, those that were put aside, the lock.

use std::{
    ffi::OsString,
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// Digits of a line's number in a file's name, so that names sort as their lines do.
const DIGITS: usize = 16;

/// Where a log is.
#[derive(Clone, Debug)]
pub struct Files {
    /// Without symbolic links.
    folder: PathBuf,
    name: OsString,
    stem: OsString,
    /// With its dot; empty if there is none.
    extension: OsString,
}

impl Files {
    /// Of the log at `path`. Makes its folder, for the daemon's user alone, if it is missing.
    ///
    /// # Errors
    /// A path that names no file; a folder that can't be made or looked up.
    pub fn at(path: &Path) -> io::Result<Self> {
        let no_name = || io::Error::new(io::ErrorKind::InvalidInput, "it names no file");
        let name = path.file_name().ok_or_else(no_name)?;
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut extension = OsString::new();
        if let Some(after) = path.extension() {
            extension.push(".");
            extension.push(after);
        }
        Ok(Self {
            folder: folder.canonicalize()?,
            name: name.to_owned(),
            stem: path.file_stem().unwrap_or(name).to_owned(),
            extension,
        })
    }

    /// The file that is written.
    pub fn current(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// The next file that will be written, for the moment of a rotation.
    pub fn next(&self) -> PathBuf {
        self.beside(".next")
    }

    /// Locked for as long as a daemon writes the log.
    pub fn lock(&self) -> PathBuf {
        self.beside(".lock")
    }

    /// The name, without its folder, of the file put aside whose first line has the number
    /// `first`.
    pub fn old_name(&self, first: u64) -> OsString {
        let mut name = self.stem.clone();
        name.push(format!("-{first:0DIGITS$}"));
        name.push(&self.extension);
        name
    }

    /// The path of a file in the folder.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.join(name)
    }

    /// The files put aside, by the number of their first line.
    ///
    /// # Errors
    /// A folder that can't be read.
    pub fn old(&self) -> io::Result<Vec<(u64, OsString)>> {
        let mut old = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            if let Some(first) = self.first_of(&name) {
                old.push((first, name));
            }
        }
        old.sort();
        Ok(old)
    }

    fn first_of(&self, name: &OsString) -> Option<u64> {
        let name_bytes = name.as_encoded_bytes();
        let rest = name_bytes.strip_prefix(self.stem.as_encoded_bytes())?.strip_prefix(b"-")?;
        let digits = rest.strip_suffix(self.extension.as_encoded_bytes())?;
        let first = std::str::from_utf8(digits).ok()?.parse().ok()?;
        (self.old_name(first) == *name).then_some(first)
    }

    /// Keeps the torn end of a log, which would have been the line `n`, in a file of its own.
    ///
    /// # Errors
    /// A file that can't be made or written.
    pub fn put_aside(&self, n: u64, torn: &[u8]) -> io::Result<OsString> {
        let mut name = self.name.clone();
        name.push(format!(".torn-{n:0DIGITS$}"));
        let mut again = 1;
        let mut free = name.clone();
        let mut file = loop {
            match create_new(&self.path(&free)) {
                Err(taken) if taken.kind() == io::ErrorKind::AlreadyExists => {
                    again += 1;
                    free.clone_from(&name);
                    free.push(format!(".{again}"));
                }
                made => break made?,
            }
        };
        io::Write::write_all(&mut file, torn)?;
        file.sync_all()?;
        Ok(free)
    }

    /// Makes sure that the folder's list of files is on the disk.
    ///
    /// # Errors
    /// A folder that can't be opened or synced.
    pub fn sync_folder(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.name.clone();
        name.push(suffix);
        self.folder.join(name)
    }
}

/// A new file to append to, for the daemon's user alone.
///
/// # Errors
/// A file that can't be made, or that exists.
pub fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(path)
}

/// The same, or the file that is there.
///
/// # Errors
/// A file that can't be made or opened.
pub fn create_or_open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_files_sort_and_strangers_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::at(&folder.path().join("deep/er/audit.jsonl")).unwrap();
        assert_eq!(files.old_name(42), "audit-0000000000000042.jsonl");
        let names = [10, 9, 100].map(|first| files.old_name(first));
        let strangers = [
            "audit.jsonl",
            "audit.jsonl.lock",
            "audit-42.jsonl",
            "audit-0000000000000042.jsonl.gz",
            "audit-x-0000000000000042.jsonl",
            "audit-00000000000000x2.jsonl",
        ];
        for name in names.iter().cloned().chain(strangers.map(OsString::from)) {
            create_new(&files.path(name)).unwrap();
        }
        let old: Vec<_> = files.old().unwrap().into_iter().map(|(first, _)| first).collect();
        assert_eq!(old, [9, 10, 100]);

        let bare = Files::at(&folder.path().join("audit")).unwrap();
        assert_eq!(bare.old_name(1), "audit-0000000000000001");
    }

    #[test]
    fn torn_ends_never_replace_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::at(&folder.path().join("a.jsonl")).unwrap();
        assert_eq!(files.put_aside(7, b"one").unwrap(), "a.jsonl.torn-0000000000000007");
        assert_eq!(files.put_aside(7, b"two").unwrap(), "a.jsonl.torn-0000000000000007.2");
        assert_eq!(fs::read(files.path("a.jsonl.torn-0000000000000007")).unwrap(), b"one");
    }
}
