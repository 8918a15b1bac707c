//! Makes a backup, also while a daemon writes.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, params};

use super::{
    super::{
        OpenError,
        open::{self, DATABASE},
    },
    BackupError, Beside, Contents, FILES, Phase, Task,
    check::{check, open_to_read},
    draft::Draft,
};

/// Writes what the store in `folder` holds at one moment after this call began, and the files
/// `beside` it, to `target`. Replaces what is there only if `replace`. Waits at most `wait` for a
/// program that has the database locked. Blocks on the disk: not for an async thread.
///
/// Invariant: whatever happens, what has the name `target` is a whole and checked backup, or what
/// was there before.
///
/// # Errors
/// [`BackupError`]; then nothing is left of the new backup, unless this process is killed.
pub fn backup(
    folder: &Path,
    beside: &[Beside],
    target: &Path,
    replace: bool,
    wait: Duration,
    task: &Arc<Task>,
) -> Result<Contents, BackupError> {
    task.enter(Phase::Copy)?;
    let data = fs::canonicalize(folder).map_err(|_| OpenError::Missing(folder.to_owned()))?;
    let database = data.join(DATABASE);
    if !database.exists() {
        return Err(OpenError::Missing(data).into());
    }
    let (home, name) = place(target)?;
    if home == data {
        return Err(BackupError::InData(target.to_owned()));
    }
    let path = home.join(&name);
    match fs::symlink_metadata(&path) {
        Ok(found) if found.is_dir() => {
            let why = std::io::ErrorKind::IsADirectory.into();
            return Err(BackupError::File(path, why));
        }
        Ok(_) if !replace => return Err(BackupError::Exists(path)),
        _ => {}
    }
    let file = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => BackupError::Exists(path.clone()),
        _ => BackupError::File(path.clone(), error),
    };
    let draft = Draft::make(&home, &name).map_err(file)?;
    copy(&database, draft.path(), &path, wait, task)?;
    add(draft.path(), beside)
        .map_err(|error| BackupError::of(&error, |why| BackupError::Write(path.clone(), why)))?;
    let contents = check(draft.path(), task)?;
    draft.publish(replace).map_err(file)?;
    Ok(contents)
}

/// The full path of the folder that the target is in, and its name there.
fn place(target: &Path) -> Result<(PathBuf, String), BackupError> {
    let failed = |why: std::io::Error| BackupError::File(target.to_owned(), why);
    let invalid = |why| failed(std::io::Error::new(std::io::ErrorKind::InvalidInput, why));
    let name = target.file_name().ok_or_else(|| invalid("it is not the name of a file"))?;
    let name = name.to_str().ok_or_else(|| invalid("its name is not UTF-8"))?;
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty());
    // In full: SQLite takes a path that begins with "file:" for a URI.
    let home = fs::canonicalize(parent.unwrap_or(Path::new("."))).map_err(failed)?;
    Ok((home, name.to_owned()))
}

/// Copies one moment of a database to an empty file. `told` is what the file will be called.
pub(super) fn copy(
    database: &Path,
    draft: &Path,
    told: &Path,
    wait: Duration,
    task: &Arc<Task>,
) -> Result<(), BackupError> {
    let failed = |error| BackupError::of(&error, |why| BackupError::Read(database.to_owned(), why));
    let db = open_to_read(database, wait, task).map_err(failed)?;
    if open::applied(&db, database).map_err(failed)?? == 0 {
        let why = "it is empty".to_owned();
        return Err(BackupError::Read(database.to_owned(), why));
    }
    let number = |sql| db.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(failed);
    let pages = number("PRAGMA page_count")? - number("PRAGMA freelist_count")?;
    let bytes = pages.saturating_mul(number("PRAGMA page_size")?);
    task.expect(draft, u64::try_from(bytes).unwrap_or(0));
    let name = draft.to_str().ok_or_else(|| {
        BackupError::Write(told.to_owned(), "the name of its folder is not UTF-8".to_owned())
    })?;
    let vacuum = db.execute("VACUUM INTO ?1", [name]);
    // What is wrong with either file is told as one error of the statement.
    vacuum
        .map(drop)
        .map_err(|error| BackupError::of(&error, |why| BackupError::Write(told.to_owned(), why)))
}

/// Adds the files to a copy. A failure here leaves no copy, so the journal is of no use.
fn add(draft: &Path, beside: &[Beside]) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(draft, flags)?;
    db.execute_batch(&format!(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
         CREATE TABLE {FILES} (name TEXT PRIMARY KEY, content BLOB NOT NULL) STRICT;"
    ))?;
    for file in beside {
        let sql = format!("INSERT INTO {FILES} (name, content) VALUES (?1, ?2)");
        db.execute(&sql, params![file.name, *file.content])?;
    }
    db.close().map_err(|(_, error)| error)
}
