//! Reads all of a backup, and says what is in it.

use std::{
    fs::{self, File},
    io::Read as _,
    path::Path,
    sync::Arc,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};

use super::{
    super::open::{self, MAGIC},
    BackupError, Contents, FILES, Phase, STEPS, Task,
};

/// How long to wait for a program that has a backup locked, such as a shell.
const WAIT: Duration = Duration::from_secs(5);

/// Checks a backup, or a database of the embedded store: every page, every index, every reference.
pub(super) fn check(path: &Path, task: &Arc<Task>) -> Result<Contents, BackupError> {
    task.enter(Phase::Check)?;
    let unusable = |why: &str| BackupError::Unusable(path.to_owned(), why.to_owned());
    let failed = |error| BackupError::of(&error, |why| BackupError::Unusable(path.to_owned(), why));
    let file = |error| BackupError::File(path.to_owned(), error);
    let found = fs::metadata(path).map_err(file)?;
    if !found.is_file() {
        return Err(unusable("it is not a file"));
    }
    let mut start = Vec::new();
    File::open(path)
        .map_err(file)?
        .take(MAGIC.len() as u64)
        .read_to_end(&mut start)
        .map_err(file)?;
    if start != MAGIC {
        return Err(unusable("it is not a database"));
    }
    let db = open_to_read(path, WAIT, task).map_err(failed)?;
    let schema = open::applied(&db, path).map_err(failed)??;
    if schema == 0 {
        return Err(unusable("it is an empty database"));
    }
    let first = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get::<_, String>(0));
    let first = first.map_err(failed)?;
    if first != "ok" {
        return Err(unusable(&first.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    let mut references = db.prepare("PRAGMA foreign_key_check").map_err(failed)?;
    if references.exists([]).map_err(failed)? {
        return Err(unusable("a message belongs to no conversation"));
    }
    drop(references);
    let count = |what: &str| {
        let count = db.query_row(&format!("SELECT count(*) FROM {what}"), [], |row| row.get(0));
        count.map_err(failed).map(|count: i64| u64::try_from(count).unwrap_or(0))
    };
    Ok(Contents {
        schema: i64::try_from(schema).unwrap_or(i64::MAX),
        accounts: count("accounts")?,
        conversations: count("conversations")?,
        messages: count("messages")?,
        files: files(&db).map_err(failed)?,
        bytes: found.len(),
    })
}

/// The names of the files that the backup holds.
fn files(db: &Connection) -> rusqlite::Result<Vec<String>> {
    if !holds_files(db)? {
        return Ok(Vec::new());
    }
    let mut names = db.prepare(&format!("SELECT name FROM {FILES} ORDER BY name"))?;
    names.query_map([], |row| row.get(0))?.collect()
}

/// Whether the database is a backup with files.
pub(super) fn holds_files(db: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    db.query_row(sql, [FILES], |row| row.get(0))
}

/// Opens a database that stays as it is. Whatever is run on it ends when the task is stopped.
pub(super) fn open_to_read(
    path: &Path,
    wait: Duration,
    task: &Arc<Task>,
) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(wait)?;
    // A file may come from anywhere: nothing that stands in its schema is run.
    db.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;")?;
    stoppable(&db, task)?;
    Ok(db)
}

/// From here on, whatever is run on the connection ends when the task is stopped.
pub(super) fn stoppable(db: &Connection, task: &Arc<Task>) -> rusqlite::Result<()> {
    let task = Arc::clone(task);
    db.progress_handler(STEPS, Some(move || task.is_stopped()))
}
