//! Connections to the database, and how they are set up.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags};

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The one that changes something.
    Writer,
    /// One of those that only read.
    Reader,
    /// The one that moves the log's content into the database.
    Checkpointer,
}

/// Opens the database, which must exist, without touching it.
pub(super) fn open(path: &Path, wait: Duration) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(wait)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Opens the database, which is in WAL mode, for one of its uses.
pub(super) fn open_for(role: Role, path: &Path, wait: Duration) -> rusqlite::Result<Connection> {
    let connection = open(path, wait)?;
    set_up(role, &connection)?;
    Ok(connection)
}

/// Sets a connection up for its use.
pub(super) fn set_up(role: Role, connection: &Connection) -> rusqlite::Result<()> {
    // FULL: a commit returns when the log is on the disk; fullfsync says so to macOS, which
    // else only hands it to the drive. No mmap: a read error there is a signal, not an error.
    connection.execute_batch(
        "PRAGMA synchronous = FULL;
         PRAGMA fullfsync = ON;
         PRAGMA checkpoint_fullfsync = ON;
         PRAGMA foreign_keys = ON;
         PRAGMA trusted_schema = OFF;
         PRAGMA mmap_size = 0;
         PRAGMA temp_store = MEMORY;
         PRAGMA wal_autocheckpoint = 0;",
    )?;
    // Negative: KiB. The journal's limit is what the log's file shrinks to after a burst.
    match role {
        Role::Writer => connection
            .execute_batch("PRAGMA cache_size = -32768; PRAGMA journal_size_limit = 67108864;"),
        Role::Reader => {
            connection.execute_batch("PRAGMA cache_size = -4096; PRAGMA query_only = ON;")
        }
        Role::Checkpointer => connection.execute_batch("PRAGMA cache_size = -64;"),
    }
}

/// How far the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Log {
    /// Pages in the log.
    pub(super) pages: i64,
    /// How many of them are in the database too.
    pub(super) moved: i64,
}

impl Log {
    /// Pages that are only in the log.
    pub(super) fn left(self) -> i64 {
        self.pages - self.moved
    }
}

/// Moves what can be moved from the log into the database without waiting for anybody.
pub(super) fn checkpoint(connection: &Connection) -> rusqlite::Result<Log> {
    log(connection, "PRAGMA wal_checkpoint(PASSIVE)")
}

/// How far the log is; moves nothing.
pub(super) fn log_size(connection: &Connection) -> rusqlite::Result<Log> {
    log(connection, "PRAGMA wal_checkpoint(NOOP)")
}

fn log(connection: &Connection, pragma: &str) -> rusqlite::Result<Log> {
    connection
        .prepare_cached(pragma)?
        .query_row([], |row| Ok(Log { pages: row.get(1)?, moved: row.get(2)? }))
}
