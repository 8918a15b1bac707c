//! Logins that can be refreshed.

use confab_plugin::UserId;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    job::Work,
    rows::{Id, count, limit, number, user},
};
use crate::store::{Hash, LoginId, RefreshableLogin, Timestamp, UsedToken};

const LOGIN: &str = "SELECT id, user, epoch, token, used_token, used_at, salt, expires_at
                     FROM logins";

/// A user's logins, the one that was used last first.
pub(super) const OF_USER: &str = "WHERE user = ?1 ORDER BY expires_at DESC";

/// The logins whose time is over.
pub(super) const EXPIRED: &str = "WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2";

/// A login's id as its sixteen bytes.
fn key(id: LoginId) -> [u8; 16] {
    id.0.to_be_bytes()
}

fn id(row: &Row<'_>) -> rusqlite::Result<LoginId> {
    row.get(0).map(|bytes| LoginId(u128::from_be_bytes(bytes)))
}

pub(super) fn by_id(db: &Connection, id: LoginId) -> rusqlite::Result<Option<RefreshableLogin>> {
    db.prepare_cached(&format!("{LOGIN} WHERE id = ?1"))?.query_row([key(id)], login).optional()
}

pub(super) fn of_user(db: &Connection, user: UserId) -> rusqlite::Result<Vec<LoginId>> {
    db.prepare_cached(&format!("SELECT id FROM logins {OF_USER}"))?
        .query_map([Id::from(user)], id)?
        .collect()
}

/// Logins by id, those after an id.
pub(super) fn in_order_of_ids(
    db: &Connection,
    after: Option<LoginId>,
    most: usize,
) -> rusqlite::Result<Vec<RefreshableLogin>> {
    let after = after.map(|id| key(id).to_vec()).unwrap_or_default();
    db.prepare_cached(&format!("{LOGIN} WHERE id > ?1 ORDER BY id LIMIT ?2"))?
        .query_map(params![after, limit(most)], login)?
        .collect()
}

fn login(row: &Row<'_>) -> rusqlite::Result<RefreshableLogin> {
    let used = match row.get::<_, Option<Hash>>(4)? {
        Some(token) => Some(UsedToken { token, at: Timestamp(row.get(5)?), salt: row.get(6)? }),
        None => None,
    };
    Ok(RefreshableLogin {
        id: id(row)?,
        user: user(row, 1)?,
        epoch: count(row, 2)?,
        token: row.get(3)?,
        used,
        expires: Timestamp(row.get(7)?),
    })
}

/// Makes a login, and ends those of its user beyond `most`.
pub(super) fn create(
    work: &mut Work<'_>,
    (login, most): &(RefreshableLogin, usize),
) -> rusqlite::Result<()> {
    work.db
        .prepare_cached(
            "INSERT INTO logins (id, user, epoch, token, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            key(login.id),
            Id::from(login.user),
            number(login.epoch),
            login.token,
            login.expires.0,
        ])?;
    let all = of_user(work.db, login.user)?;
    let others = all.into_iter().filter(|id| *id != login.id);
    for id in others.skip(most.saturating_sub(1)) {
        end(work, &id)?;
    }
    Ok(())
}

/// Puts a login in the place of what it was before, if the token to be used next still is `old`.
pub(super) fn renew(
    work: &mut Work<'_>,
    (old, login): &(Hash, RefreshableLogin),
) -> rusqlite::Result<bool> {
    let updated = work
        .db
        .prepare_cached(
            "UPDATE logins SET token = ?3, used_token = ?4, used_at = ?5, salt = ?6, expires_at = ?7
             WHERE id = ?1 AND token = ?2",
        )?
        .execute(params![
            key(login.id),
            old,
            login.token,
            login.used.map(|used| used.token),
            login.used.map(|used| used.at.0),
            login.used.map(|used| used.salt),
            login.expires.0,
        ])?;
    Ok(updated > 0)
}

pub(super) fn end(work: &mut Work<'_>, id: &LoginId) -> rusqlite::Result<bool> {
    let ended = work.db.prepare_cached("DELETE FROM logins WHERE id = ?1")?.execute([key(*id)])?;
    Ok(ended > 0)
}

pub(super) fn remove_expired(
    work: &mut Work<'_>,
    (now, most): &(Timestamp, usize),
) -> rusqlite::Result<usize> {
    work.db
        .prepare_cached(&format!(
            "DELETE FROM logins WHERE id IN (SELECT id FROM logins {EXPIRED})"
        ))?
        .execute(params![now.0, limit(*most)])
}
