//! Puts a backup in the place of a store that nobody uses.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _};
use time::{OffsetDateTime, macros::format_description};
use zeroize::Zeroizing;

use super::{
    super::open::{self, DATABASE, LOCK},
    BackupError, Beside, Contents, FILES, Phase, Task,
    check::{check, holds_files, open_to_read},
    copy::copy,
    draft::{Draft, give_to_owner_of},
};

/// What to restore, and where.
#[derive(Clone, Copy, Debug)]
pub struct Restore<'a> {
    /// The data folder; made when it is missing.
    pub folder: &'a Path,
    /// The backup. A database of the embedded store is one too.
    pub backup: &'a Path,
    /// The files that may be put beside the database, when the backup has them.
    pub beside: &'a [&'a str],
    /// Whether what is in the folder already may be moved aside.
    pub replace: bool,
    /// How long to wait for a program that has the backup locked.
    pub wait: Duration,
}

/// What was restored.
#[derive(Clone, Debug)]
pub struct Restored {
    /// What the backup held.
    pub contents: Contents,
    /// How many migrations the database has seen now.
    pub schema: i64,
    /// The files that were put beside it.
    pub files: Vec<String>,
    /// The folder that what was there before was moved to.
    pub aside: Option<PathBuf>,
}

/// Restores a backup, and brings an older one up to date. Blocks on the disk: not for an async
/// thread.
///
/// Invariant: at every moment the folder has the database of before or that of the backup, whole,
/// and nothing of what was there is lost.
///
/// # Errors
/// [`BackupError`]: a daemon uses the folder, it holds data and `replace` was not asked for, the
/// backup is damaged or of a newer program. Then the folder's data is as it was.
pub fn restore(what: Restore<'_>, task: &Arc<Task>) -> Result<Restored, BackupError> {
    let contents = check(what.backup, task)?;
    task.enter(Phase::Copy)?;
    let backup = fs::canonicalize(what.backup)
        .map_err(|error| BackupError::File(what.backup.to_owned(), error))?;
    let (folder, _lock) = open::lock_folder(what.folder)?;
    let here = |error: io::Error| BackupError::File(folder.clone(), error);
    give_to_owner_of(&folder, &folder.join(LOCK)).map_err(here)?;

    let files = files(&backup, what, task).map_err(|error| {
        BackupError::of(&error, |why| BackupError::Unusable(backup.clone(), why))
    })?;
    let occupied = occupied(&folder, &files).map_err(here)?;
    if let (Some(first), false) = (occupied.first(), what.replace) {
        return Err(BackupError::Exists(folder.join(first)));
    }

    let draft = Draft::make(&folder, DATABASE).map_err(here)?;
    let database = folder.join(DATABASE);
    copy(&backup, draft.path(), &database, what.wait, task)?;
    check(draft.path(), task)?;
    let schema = prepare(draft.path(), &database, what.wait)?;
    draft.give_to_owner_of(&folder).map_err(here)?;
    if task.is_stopped() {
        return Err(BackupError::Interrupted);
    }

    let aside = move_aside(&folder, &occupied, what.wait).map_err(here)?;
    for file in &files {
        put(&folder, file).map_err(|error| BackupError::File(folder.join(&file.name), error))?;
    }
    draft.publish(true).map_err(here)?;
    let files = files.into_iter().map(|file| file.name).collect();
    Ok(Restored { contents, schema, files, aside })
}

/// The files of the backup that are wanted.
fn files(backup: &Path, what: Restore<'_>, task: &Arc<Task>) -> rusqlite::Result<Vec<Beside>> {
    let db = open_to_read(backup, what.wait, task)?;
    if !holds_files(&db)? {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for name in what.beside {
        let sql = format!("SELECT content FROM {FILES} WHERE name = ?1");
        let content = db.query_row(&sql, [name], |row| row.get(0)).optional()?;
        let name = (*name).to_owned();
        files.extend(content.map(|content| Beside { name, content: Zeroizing::new(content) }));
    }
    Ok(files)
}

/// The names of what is in the folder and would be replaced.
fn occupied(folder: &Path, files: &[Beside]) -> io::Result<Vec<String>> {
    let database = ["", "-wal", "-shm"].map(|ending| format!("{DATABASE}{ending}"));
    let mut names = Vec::new();
    for name in database {
        if folder.join(&name).try_exists()? {
            names.push(name);
        }
    }
    for file in files {
        match fs::read(folder.join(&file.name)).map(Zeroizing::new) {
            Ok(content) if *content == *file.content => {}
            Ok(_) => names.push(file.name.clone()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(names)
}

/// Brings the copy up to date and takes out what only a backup has. Returns its schema.
fn prepare(draft: &Path, database: &Path, wait: Duration) -> Result<i64, BackupError> {
    let failed =
        |error| BackupError::of(&error, |why| BackupError::Write(database.to_owned(), why));
    let db = open::prepare(draft, wait)?;
    // A key must not stay behind in a page that is free.
    db.execute_batch(&format!("PRAGMA secure_delete = ON; DROP TABLE IF EXISTS {FILES};"))
        .map_err(failed)?;
    let schema = db.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(failed)?;
    // The last connection takes the log with it.
    db.close().map_err(|(_, error)| failed(error))?;
    Ok(schema)
}

/// Gives what is replaced a second name in a folder of its own, so that the first is never without
/// a file. Returns that folder.
fn move_aside(folder: &Path, names: &[String], wait: Duration) -> io::Result<Option<PathBuf>> {
    if names.is_empty() {
        return Ok(None);
    }
    // A log that stayed would be taken for that of the new database.
    fold(&folder.join(DATABASE), wait);
    let aside = make_aside(folder)?;
    for name in names {
        let (from, to) = (folder.join(name), aside.join(name));
        let done = match name.strip_prefix(DATABASE) {
            Some(ending) if !ending.is_empty() => fs::rename(&from, &to),
            _ => fs::hard_link(&from, &to).or_else(|_| fs::rename(&from, &to)),
        };
        match done {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    File::open(&aside)?.sync_all()?;
    give_to_owner_of(folder, &aside)?;
    File::open(folder)?.sync_all()?;
    Ok(Some(aside))
}

/// Moves a database's log into it, if it is whole enough; else they stay two files.
fn fold(database: &Path, wait: Duration) {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let Ok(db) = Connection::open_with_flags(database, flags) else { return };
    let _ = db.busy_timeout(wait);
    let _ = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
}

fn make_aside(folder: &Path) -> io::Result<PathBuf> {
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    let now = OffsetDateTime::now_utc().format(&format).map_err(io::Error::other)?;
    let mut number = 1;
    loop {
        let suffix = if number > 1 { format!("-{number}") } else { String::new() };
        let aside = folder.join(format!("before-restore-{now}{suffix}"));
        match DirBuilder::new().mode(0o700).create(&aside) {
            Ok(()) => return Ok(aside),
            Err(taken) if taken.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(other) => return Err(other),
        }
    }
}

fn put(folder: &Path, file: &Beside) -> io::Result<()> {
    let draft = Draft::make(folder, &file.name)?;
    OpenOptions::new().write(true).open(draft.path())?.write_all(&file.content)?;
    draft.give_to_owner_of(folder)?;
    draft.publish(true)
}
