//! Accounts: found, listed, made and changed.

use confab_plugin::{UserId, Username};
use rusqlite::{Connection, OptionalExtension, Row, params, types::Type};

use super::{
    changes::{Item, own},
    job::Work,
    rows::{Id, count, limit, number, user},
};
use crate::store::{Account, AccountChange, Standing, StoreError, Timestamp};

const ACCOUNT: &str = "SELECT id, username, display_name, password_hash, created_at, epoch,
                              disabled_at, deleted_at, coalesce(change, 0) FROM accounts";

/// The accounts whose last change is after a place.
pub(super) const CHANGED: &str = "WHERE change > ?1 ORDER BY change LIMIT ?2";

/// The place of the newest change.
pub(super) const NEWEST: &str = "SELECT coalesce(max(change), 0) FROM accounts WHERE change > 0";

pub(super) fn by_id(db: &Connection, id: UserId) -> rusqlite::Result<Option<Account>> {
    db.prepare_cached(&format!("{ACCOUNT} WHERE id = ?1"))?
        .query_row([Id::from(id)], account)
        .optional()
}

pub(super) fn by_name(db: &Connection, name: &Username) -> rusqlite::Result<Option<Account>> {
    db.prepare_cached(&format!("{ACCOUNT} WHERE username = ?1"))?
        .query_row([name.as_str()], account)
        .optional()
}

/// Accounts by id, those after a key.
pub(super) fn in_order_of_ids(
    db: &Connection,
    after: &[u8],
    most: usize,
) -> rusqlite::Result<Vec<Account>> {
    db.prepare_cached(&format!("{ACCOUNT} WHERE id > ?1 ORDER BY id LIMIT ?2"))?
        .query_map(params![after, limit(most)], account)?
        .collect()
}

/// Accounts by name, those after a name; an empty one is before all of them.
pub(super) fn in_order_of_names(
    db: &Connection,
    after: &str,
    most: usize,
) -> rusqlite::Result<Vec<Account>> {
    db.prepare_cached(&format!("{ACCOUNT} WHERE username > ?1 ORDER BY username LIMIT ?2"))?
        .query_map(params![after, limit(most)], account)?
        .collect()
}

/// Accounts in the order of their last changes, those after a place.
pub(super) fn changed_after(
    db: &Connection,
    after: u64,
    most: usize,
) -> rusqlite::Result<Vec<Account>> {
    db.prepare_cached(&format!("{ACCOUNT} {CHANGED}"))?
        .query_map(params![number(after), limit(most)], account)?
        .collect()
}

/// The place of the newest change; 0 for none.
pub(super) fn last_change(db: &Connection) -> rusqlite::Result<u64> {
    db.prepare_cached(NEWEST)?.query_row([], |row| count(row, 0))
}

fn account(row: &Row<'_>) -> rusqlite::Result<Account> {
    let username: String = row.get(1)?;
    Ok(Account {
        id: user(row, 0)?,
        username: username.parse().map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(1, Type::Text, Box::new(error))
        })?,
        display_name: row.get(2)?,
        password_hash: row.get(3)?,
        created_at: Timestamp(row.get(4)?),
        standing: Standing {
            epoch: count(row, 5)?,
            disabled: row.get::<_, Option<i64>>(6)?.map(Timestamp),
            deleted: row.get::<_, Option<i64>>(7)?.map(Timestamp),
            change: count(row, 8)?,
        },
    })
}

pub(super) fn create(work: &mut Work<'_>, account: &Account) -> rusqlite::Result<Item<()>> {
    let standing = account.standing;
    let insert = || {
        let inserted = work
            .db
            .prepare_cached(
                "INSERT INTO accounts (id, username, display_name, password_hash, created_at,
                                       epoch, disabled_at, deleted_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (username) DO NOTHING",
            )?
            .execute(params![
                Id::from(account.id),
                account.username.as_str(),
                account.display_name,
                account.password_hash,
                account.created_at.0,
                number(standing.epoch),
                standing.disabled.map(|at| at.0),
                standing.deleted.map(|at| at.0),
            ])?;
        Ok(if inserted == 0 { Err(StoreError::UsernameTaken) } else { Ok(()) })
    };
    own(work.db, insert())
}

/// A password's hash to be replaced.
pub(super) struct NewPassword {
    pub(super) account: UserId,
    pub(super) old: String,
    pub(super) new: String,
}

pub(super) fn update_password(work: &mut Work<'_>, change: &NewPassword) -> rusqlite::Result<bool> {
    let updated = work
        .db
        .prepare_cached(
            "UPDATE accounts SET password_hash = ?3 WHERE id = ?1 AND password_hash = ?2",
        )?
        .execute(params![Id::from(change.account), change.old, change.new])?;
    Ok(updated > 0)
}

/// Only one transaction writes at a time, whichever process it is of: so places are taken in the
/// order in which the changes can be seen.
pub(super) fn change(
    work: &mut Work<'_>,
    (id, change): &(UserId, AccountChange),
) -> rusqlite::Result<Option<Account>> {
    let Some(mut account) = by_id(work.db, *id)? else { return Ok(None) };
    match change.make(&mut account) {
        None => return Ok(None),
        Some(false) => return Ok(Some(account)),
        Some(true) => account.standing.change = last_change(work.db)? + 1,
    }
    let standing = account.standing;
    work.db
        .prepare_cached(
            "UPDATE accounts SET display_name = ?2, password_hash = ?3, epoch = ?4,
                                 disabled_at = ?5, deleted_at = ?6, change = ?7 WHERE id = ?1",
        )?
        .execute(params![
            Id::from(account.id),
            account.display_name,
            account.password_hash,
            number(standing.epoch),
            standing.disabled.map(|at| at.0),
            standing.deleted.map(|at| at.0),
            number(standing.change),
        ])?;
    Ok(Some(account))
}
