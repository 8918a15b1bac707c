//! Opening the data folder: make it, lock it, check what is in it, bring it up to date.

use std::{
    fmt,
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode};

use super::{
    connection::{self, Role},
    schema::{APPLICATION_ID, MIGRATIONS, TABLES},
};

/// The database in the data folder.
pub(super) const DATABASE: &str = "confab.db";

/// Locked for as long as a daemon uses the folder. Not the database itself: closing any handle
/// of that would end the database's own locks.
pub(super) const LOCK: &str = "confab.lock";

/// How every SQLite database begins.
pub(super) const MAGIC: &[u8] = b"SQLite format 3\0";

/// Why the embedded store could not be opened. Displays as one line: what is wrong, where, and
/// what to do.
#[derive(Debug)]
pub enum OpenError {
    /// The data folder can't be made, or not be written.
    Folder(PathBuf, io::Error),
    /// There is no database in the folder.
    Missing(PathBuf),
    /// Another process uses the data folder.
    InUse(PathBuf),
    /// The database can't be opened, written or set up.
    Database(PathBuf, String),
    /// The file is no database, or a damaged one.
    Damaged(PathBuf, String),
    /// The database belongs to another program.
    Foreign(PathBuf),
    /// The database has an older schema, and the daemon that uses it is as old.
    Behind(PathBuf),
    /// A newer program has changed the database.
    Newer {
        /// The database.
        path: PathBuf,
        /// The version of its schema.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path, why) => write!(
                f,
                "cannot use the data folder {}: {why}; let the daemon's user write there, or set \
                 store.path to another folder",
                path.display()
            ),
            Self::Missing(path) => {
                write!(f, "there is no embedded store in {}: it has no {DATABASE}", path.display())
            }
            Self::InUse(path) => write!(
                f,
                "another confab uses the data folder {}; stop it, or give this one its own \
                 store.path",
                path.display()
            ),
            Self::Database(path, why) => write!(
                f,
                "cannot use the database {}: {why}; check that the daemon's user may write it \
                 and that no other program holds it",
                path.display()
            ),
            Self::Damaged(path, why) => write!(
                f,
                "the database {} is damaged: {why}; restore it from a backup, or move it away to \
                 start empty",
                path.display()
            ),
            Self::Foreign(path) => write!(
                f,
                "the database {} belongs to another program; move it away, or set store.path to \
                 another folder",
                path.display()
            ),
            Self::Behind(path) => write!(
                f,
                "the database {} has the schema of an older confab, which uses it now: restart \
                 that one as the present version first",
                path.display()
            ),
            Self::Newer { path, found, known } => write!(
                f,
                "the database {} has schema {found}, and this confab knows schemas up to {known}; \
                 run the newer confab, or restore a backup from before the upgrade",
                path.display()
            ),
        }
    }
}

impl std::error::Error for OpenError {}

/// An opened data folder.
pub(super) struct Opened {
    /// The connection that writes.
    pub(super) writer: Connection,
    /// The database's full path.
    pub(super) path: PathBuf,
    /// Keeps other processes out for as long as it lives; `None` for one that is beside them.
    pub(super) lock: Option<File>,
}

/// Opens the folder and leaves the database ready to use. Waits at most `wait` for a program
/// that has the database locked, such as a shell.
pub(super) fn open(folder: &Path, wait: Duration) -> Result<Opened, OpenError> {
    let (folder, lock) = lock_folder(folder)?;
    let path = folder.join(DATABASE);
    let ours =
        make_file(&path).map_err(|error| OpenError::Database(path.clone(), error.to_string()))?;
    if !ours {
        return Err(OpenError::Damaged(path, "it is not a database".into()));
    }
    let writer = prepare(&path, wait)?;
    Ok(Opened { writer, path, lock: Some(lock) })
}

/// Opens the folder if there is a database in it, and makes nothing.
pub(super) fn open_existing(folder: &Path, wait: Duration) -> Result<Opened, OpenError> {
    match fs::metadata(folder.join(DATABASE)) {
        Ok(_) => open(folder, wait),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(OpenError::Missing(folder.to_owned()))
        }
        Err(error) => Err(OpenError::Folder(folder.to_owned(), error)),
    }
}

/// Opens the database, which must exist, beside a daemon that may use the folder: without the
/// lock, so that a daemon may also start meanwhile. SQLite's own locks keep both writers apart.
/// An older schema is brought up to date, if no daemon runs.
pub(super) fn open_beside(folder: &Path, wait: Duration) -> Result<Opened, OpenError> {
    let failed = |error| match io::Error::kind(&error) {
        io::ErrorKind::NotFound => OpenError::Missing(folder.to_owned()),
        _ => OpenError::Folder(folder.to_owned(), error),
    };
    let path = fs::canonicalize(folder).map_err(failed)?.join(DATABASE);
    fs::metadata(&path).map_err(failed)?;
    let version = || {
        let connection = connection::open(&path, wait).map_err(|error| trouble(&path, &error))?;
        applied(&connection, &path).map_err(|error| trouble(&path, &error))?
    };
    if version()? < MIGRATIONS.len() {
        return match open(folder, wait) {
            Err(OpenError::InUse(_)) => Err(OpenError::Behind(path)),
            other => other,
        };
    }
    let writer = prepare(&path, wait)?;
    Ok(Opened { writer, path, lock: None })
}

pub(super) fn lock_folder(folder: &Path) -> Result<(PathBuf, File), OpenError> {
    let failed = |error| OpenError::Folder(folder.to_owned(), error);
    make_folder(folder).map_err(failed)?;
    // In full: SQLite takes a path that begins with "file:" for a URI.
    let folder = fs::canonicalize(folder).map_err(failed)?;
    let lock = private(OpenOptions::new().write(true).create(true).truncate(false))
        .open(folder.join(LOCK))
        .map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok((folder, lock)),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(folder)),
        Err(TryLockError::Error(error)) => Err(OpenError::Folder(folder, error)),
    }
}

fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    // The folder's name must survive a power cut as the messages in it do.
    match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// Makes the database's file if it is missing, readable by its owner only; what SQLite makes
/// beside it takes over its mode. Fails when the file can't be written; says whether it is empty
/// or begins as a database does, for SQLite takes a file of a few bytes for an empty one.
fn make_file(path: &Path) -> io::Result<bool> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let file = private(&mut options).open(path)?;
    let mut start = Vec::new();
    file.take(MAGIC.len() as u64).read_to_end(&mut start)?;
    Ok(start.is_empty() || start == MAGIC)
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

pub(super) fn prepare(path: &Path, wait: Duration) -> Result<Connection, OpenError> {
    let failed = |error: rusqlite::Error| trouble(path, &error);
    let connection = connection::open(path, wait).map_err(failed)?;
    // Nothing is written before the file is known to be ours.
    let applied = applied(&connection, path).map_err(failed)??;
    let mode: String =
        connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(failed)?;
    if !mode.eq_ignore_ascii_case("wal") {
        let why = "its file system does not support a write-ahead log".to_owned();
        return Err(OpenError::Database(path.to_owned(), why));
    }
    connection::set_up(Role::Writer, &connection).map_err(failed)?;
    migrate(&connection, applied).map_err(failed)?;
    // Reads each table's first page. All pages of a large database would take minutes; SQLite
    // has compared the file's length with its header's.
    for table in TABLES {
        connection
            .query_row(&format!("SELECT count(*) FROM (SELECT * FROM {table} LIMIT 1)"), [], |_| {
                Ok(())
            })
            .map_err(|error| OpenError::Damaged(path.to_owned(), one_line(&error)))?;
    }
    Ok(connection)
}

/// What an error at the opening means.
fn trouble(path: &Path, error: &rusqlite::Error) -> OpenError {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            OpenError::Damaged(path.to_owned(), one_line(error))
        }
        _ => OpenError::Database(path.to_owned(), one_line(error)),
    }
}

/// How many migrations the database has seen; 0 for an empty one.
pub(super) fn applied(
    connection: &Connection,
    path: &Path,
) -> rusqlite::Result<Result<usize, OpenError>> {
    let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let application = number("PRAGMA application_id")?;
    let version = number("PRAGMA user_version")?;
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let empty = application == 0 && version == 0 && tables == 0;
    Ok(if !empty && application != APPLICATION_ID {
        Err(OpenError::Foreign(path.to_owned()))
    } else if version > known {
        Err(OpenError::Newer { path: path.to_owned(), found: version, known })
    } else {
        Ok(usize::try_from(version).unwrap_or(0))
    })
}

fn migrate(connection: &Connection, applied: usize) -> rusqlite::Result<()> {
    for (version, migration) in (1i64..).zip(MIGRATIONS).skip(applied) {
        let transaction = connection.unchecked_transaction()?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

/// An error of the database, for a message that is one line.
pub(super) fn one_line(error: &rusqlite::Error) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
