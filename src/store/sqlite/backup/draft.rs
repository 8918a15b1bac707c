//! A file that is written under a passing name, and gets its own name when it is whole.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    fs::{CWD, RenameFlags, renameat_with},
    io::Errno,
};

/// A draft that nobody has written to for so long was left behind by a process that was killed.
const ABANDONED: Duration = Duration::from_secs(3600);

const ENDING: &str = ".partial";

/// What SQLite makes beside a database that it writes.
const COMPANIONS: [&str; 3] = ["-journal", "-wal", "-shm"];

/// A draft; removed when dropped, unless it was published.
pub(super) struct Draft {
    folder: PathBuf,
    name: String,
    path: PathBuf,
}

impl Draft {
    /// Makes an empty draft, readable by its owner only, of the file `name` in `folder`, which must
    /// be a full path. Removes drafts of it that were abandoned.
    pub(super) fn make(folder: &Path, name: &str) -> io::Result<Self> {
        sweep(folder, name);
        let path = folder.join(format!(".{name}.{:016x}{ENDING}", rand::random::<u64>()));
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { folder: folder.to_owned(), name: name.to_owned(), path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts the draft on the disk and gives it its name. What has that name already is replaced,
    /// or, unless `replace`, an error. Either way, nobody ever sees a part of it there.
    pub(super) fn publish(self, replace: bool) -> io::Result<()> {
        let target = self.folder.join(&self.name);
        File::open(&self.path)?.sync_all()?;
        if replace {
            fs::rename(&self.path, &target)?;
        } else {
            rename_new(&self.path, &target)?;
        }
        File::open(&self.folder)?.sync_all()
    }

    /// Makes it belong to whom `folder` belongs to, as when root restores the daemon's data.
    pub(super) fn give_to_owner_of(&self, folder: &Path) -> io::Result<()> {
        give_to_owner_of(folder, &self.path)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // It is gone when it was published.
        let _ = fs::remove_file(&self.path);
        for ending in COMPANIONS {
            let mut path = self.path.clone().into_os_string();
            path.push(ending);
            let _ = fs::remove_file(path);
        }
    }
}

/// Makes a file belong to whom the folder belongs to.
pub(super) fn give_to_owner_of(folder: &Path, file: &Path) -> io::Result<()> {
    let (owner, own) = (fs::metadata(folder)?, fs::metadata(file)?);
    if (owner.uid(), owner.gid()) == (own.uid(), own.gid()) || !rustix::process::geteuid().is_root()
    {
        return Ok(());
    }
    std::os::unix::fs::chown(file, Some(owner.uid()), Some(owner.gid()))
}

/// Renames to a name that nobody has.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Network file systems can't. What they can is not safe from a race.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => match fs::symlink_metadata(to) {
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => fs::rename(from, to),
            Err(error) => Err(error),
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        },
        other => Ok(other?),
    }
}

fn sweep(folder: &Path, name: &str) {
    let start = format!(".{name}.");
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let abandoned = entry
            .metadata()
            .and_then(|file| file.modified())
            .ok()
            .is_some_and(|at| at.elapsed().is_ok_and(|age| age > ABANDONED));
        let is_draft = entry.file_name().to_str().is_some_and(|file| is_draft(file, &start));
        if abandoned && is_draft {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether this is a draft whose name begins so, or what SQLite makes beside one.
fn is_draft(file: &str, start: &str) -> bool {
    let file = COMPANIONS.iter().find_map(|ending| file.strip_suffix(ending)).unwrap_or(file);
    file.strip_prefix(start)
        .and_then(|rest| rest.strip_suffix(ENDING))
        .is_some_and(|id| id.len() == 16 && id.bytes().all(|c| c.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_draft_never_replaces_unasked_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let draft = || Draft::make(folder.path(), "a").unwrap();
        draft().publish(false).unwrap();
        fs::write(folder.path().join("a"), "kept").unwrap();
        let error = draft().publish(false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        drop(draft());
        assert_eq!(names(folder.path()), ["a"]);
        assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"kept");
        draft().publish(true).unwrap();
        assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"");
        assert_eq!(fs::metadata(folder.path().join("a")).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_was_abandoned_is_removed_and_what_is_under_way_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let other = folder.path().join(".b.0123456789abcdef.partial");
        let old = folder.path().join(".a.0123456789abcdef.partial");
        let journal = folder.path().join(".a.0123456789abcdef.partial-journal");
        for file in [&old, &journal, &other] {
            let long_ago = SystemTime::now() - 2 * ABANDONED;
            File::create(file).unwrap().set_modified(long_ago).unwrap();
        }
        let under_way = Draft::make(folder.path(), "a").unwrap();
        let second = Draft::make(folder.path(), "a").unwrap();
        assert!(!old.exists() && !journal.exists() && other.exists());
        assert!(under_way.path().exists() && second.path().exists());
    }
}
