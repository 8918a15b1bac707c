//! A look at the data folder that leaves it as it is.
//!
//! The database is not opened, for SQLite would make files beside it: what is of interest stands
//! in the first bytes of its file.

use std::{
    fs::{File, TryLockError},
    io::{self, Read},
    path::Path,
};

use rustix::fs::{Access, access};

use super::{
    open::{DATABASE, LOCK, MAGIC, OpenError},
    schema::{APPLICATION_ID, MIGRATIONS},
};
use crate::{config, probe::Report};

/// Where `PRAGMA user_version` stands in the file, as four bytes, big-endian.
const USER_VERSION: usize = 60;

/// Where `PRAGMA application_id` stands, likewise.
const APPLICATION: usize = 68;

/// The length of the file's header.
const HEADER: usize = 100;

/// Looks at the folder `config.path`. Blocks on the disk.
pub fn probe(config: &config::Store) -> Report {
    let folder = config.path.as_path();
    let mut report = Report::on(&format!("Embedded store in {}", folder.display()));
    match std::fs::metadata(folder) {
        Ok(found) if !found.is_dir() => {
            report.fail("folder", "it is not a folder", "set store.path to another one");
        }
        Ok(_) => {
            writable(&mut report, folder);
            lock(&mut report, folder);
            database(&mut report, folder);
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => missing(&mut report, folder),
        Err(error) => {
            let failed = OpenError::Folder(folder.to_owned(), error);
            report.fail("folder", failed, "then check again");
        }
    }
    report
}

/// Whether the folder could be made.
fn missing(report: &mut Report, folder: &Path) {
    let mut above = folder.ancestors().skip(1).map(|above| match above {
        none if none.as_os_str().is_empty() => Path::new("."),
        some => some,
    });
    let Some(parent) = above.find(|above| above.exists()) else {
        report.fail("folder", "nothing above it exists", "set store.path to another one");
        return;
    };
    match access(parent, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => report.ok("folder", "it does not exist yet, and can be made at the first start"),
        Err(error) => report.fail(
            "folder",
            format!(
                "it does not exist, and cannot be made in {}: {}",
                parent.display(),
                io::Error::from(error)
            ),
            "let the daemon's user write there, or set store.path to another folder",
        ),
    }
}

fn writable(report: &mut Report, folder: &Path) {
    let needed = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
    let files = [DATABASE, LOCK].map(|name| folder.join(name)).into_iter();
    let files = files.filter(|file| file.exists());
    let wrong = std::iter::once((folder.to_owned(), needed))
        .chain(files.map(|file| (file, Access::READ_OK | Access::WRITE_OK)))
        .find_map(|(path, needed)| Some((access(&path, needed).err()?, path)));
    match wrong {
        None => report.ok("folder", "this user can write there"),
        Some((error, path)) => report.fail(
            "folder",
            format!("this user cannot write {}: {}", path.display(), io::Error::from(error)),
            "let the daemon's user write there, or run this check as that user",
        ),
    }
}

fn lock(report: &mut Report, folder: &Path) {
    let Ok(file) = File::open(folder.join(LOCK)) else {
        report.ok("lock", "nobody has used the folder yet");
        return;
    };
    match file.try_lock() {
        // It ends with the file's handle.
        Ok(()) => report.ok("lock", "free"),
        Err(TryLockError::WouldBlock) => report.warn(
            "lock",
            "another confab uses the folder now",
            "good if that is the daemon this configuration is for: no second one could start",
        ),
        Err(TryLockError::Error(error)) => report.fail(
            "lock",
            format!("files there cannot be locked: {error}"),
            "put the data on a local disk",
        ),
    }
}

fn database(report: &mut Report, folder: &Path) {
    let path = folder.join(DATABASE);
    let header = match read_header(&path) {
        Ok(header) => header,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            report.ok("database", "none yet: it is made at the first start");
            return;
        }
        Err(error) => {
            let advice = "let the daemon's user read it";
            report.fail("database", OpenError::Database(path, error.to_string()), advice);
            return;
        }
    };
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let number = |at: usize| {
        let bytes = header.get(at..at.saturating_add(4)).and_then(|bytes| bytes.try_into().ok());
        bytes.map(|bytes| i64::from(i32::from_be_bytes(bytes)))
    };
    match (number(APPLICATION), number(USER_VERSION)) {
        _ if header.is_empty() => report.ok("database", "empty: it is set up at the first start"),
        (Some(application), Some(version)) if header.starts_with(MAGIC) => {
            if application == 0 && version == 0 && has_log(folder) {
                report.ok("database", "new: what it holds is still in its log, not looked into");
            } else if application != APPLICATION_ID {
                let advice = "a database of confab would say so in its header";
                report.fail("database", OpenError::Foreign(path), advice);
            } else if version > known {
                let advice = "never run an older confab on it";
                report.fail("database", OpenError::Newer { path, found: version, known }, advice);
            } else if version < known {
                report.ok(
                    "database",
                    format!("schema {version}: the next start brings it to {known}"),
                );
            } else {
                report.ok("database", format!("schema {version}, the present one"));
            }
        }
        _ => {
            let failed = OpenError::Damaged(path, "it is not a database".into());
            report.fail("database", failed, "look whether another program wrote it");
        }
    }
}

/// Whether there are changes that are not in the database's own file yet.
fn has_log(folder: &Path) -> bool {
    let log = folder.join(format!("{DATABASE}-wal"));
    std::fs::metadata(log).is_ok_and(|log| log.len() > 0)
}

fn read_header(path: &Path) -> io::Result<Vec<u8>> {
    let mut header = Vec::with_capacity(HEADER);
    File::open(path)?.take(HEADER as u64).read_to_end(&mut header)?;
    Ok(header)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;
    use crate::{probe::Level, store::Store as _, store::sqlite::SqliteStore};

    fn store_in(path: PathBuf) -> config::Store {
        config::Store { path, ..config::Store::default() }
    }

    /// The only finding that is not ok.
    fn trouble(report: &Report) -> Option<(Level, String)> {
        let mut found = report.findings.iter().filter(|finding| finding.level != Level::Ok);
        let first = found.next().map(|finding| (finding.level, finding.text.clone()));
        assert_eq!(found.count(), 0, "{report}");
        first
    }

    /// All files below a folder, with their contents.
    fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.clone(), fs::read(&path).unwrap()))
            .collect();
        files.sort();
        files
    }

    #[test]
    fn a_folder_that_can_be_made_is_not_made() {
        let parent = tempfile::tempdir().unwrap();
        let store = store_in(parent.path().join("a/b"));
        assert_eq!(trouble(&probe(&store)), None);
        assert_eq!(contents(parent.path()), []);
    }

    #[tokio::test]
    async fn a_store_in_use_and_one_at_rest_stay_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let store = store_in(folder.path().to_owned());
        let open = SqliteStore::open(&store, 10).unwrap();
        let (level, text) = trouble(&probe(&store)).unwrap();
        assert!(level == Level::Warn && text.contains("another confab"), "{text}");
        open.close().await;
        let before = contents(folder.path());
        let report = probe(&store);
        assert_eq!(trouble(&report), None);
        assert!(report.to_string().contains("the present one"), "{report}");
        assert_eq!(contents(folder.path()), before);
        // And the lock was given back.
        SqliteStore::open(&store, 10).unwrap().close().await;
    }

    #[test]
    fn databases_that_are_not_ours() {
        let folder = tempfile::tempdir().unwrap();
        let store = store_in(folder.path().to_owned());
        let mut ours = MAGIC.to_vec();
        ours.resize(HEADER, 0);
        let mut newer = ours.clone();
        newer[USER_VERSION..USER_VERSION + 4].copy_from_slice(&99i32.to_be_bytes());
        let id = i32::try_from(APPLICATION_ID).unwrap();
        newer[APPLICATION..APPLICATION + 4].copy_from_slice(&id.to_be_bytes());
        for (header, text) in [
            (ours, "another program"),
            (newer, "has schema 99"),
            (b"not a database".to_vec(), "is damaged"),
            (MAGIC.to_vec(), "is damaged"),
        ] {
            fs::write(folder.path().join(DATABASE), header).unwrap();
            let (level, found) = trouble(&probe(&store)).unwrap();
            assert!(level == Level::Fail && found.contains(text), "{found}");
        }
    }

    #[test]
    fn a_file_in_the_place_of_the_folder() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let found = trouble(&probe(&store_in(file.path().to_owned()))).unwrap();
        assert_eq!(found, (Level::Fail, "it is not a folder".to_owned()));
        let below = probe(&store_in(file.path().join("data")));
        assert_eq!(trouble(&below).map(|(level, _)| level), Some(Level::Fail), "{below}");
    }
}
