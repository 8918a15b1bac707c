//! How the model's values are written to columns and read from them.

use std::sync::Arc;

use confab_plugin::UserId;
use rusqlite::{
    Row, ToSql,
    types::{FromSql, FromSqlResult, ToSqlOutput, ValueRef},
};

use crate::store::{ChangedBy, Conversation, Message, Timestamp};

/// A user's id as its sixteen bytes, big-endian: sorts as the id does.
#[derive(Clone, Copy)]
pub(super) struct Id([u8; 16]);

impl From<UserId> for Id {
    fn from(id: UserId) -> Self {
        Self(id.as_u128().to_be_bytes())
    }
}

impl From<Id> for UserId {
    fn from(id: Id) -> Self {
        Self::from_u128(u128::from_be_bytes(id.0))
    }
}

impl ToSql for Id {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(&self.0)))
    }
}

impl FromSql for Id {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        FromSql::column_result(value).map(Self)
    }
}

/// The user in a column.
pub(super) fn user(row: &Row<'_>, column: usize) -> rusqlite::Result<UserId> {
    Ok(row.get::<_, Id>(column)?.into())
}

/// The number in a column that never holds a negative one.
pub(super) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

/// A number for a column. What no column can hold becomes the largest that one can, which is
/// beyond every `seq`.
pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A number of rows, as SQL's `LIMIT` takes it.
pub(super) fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// The columns that [`message`] reads, in its order.
pub(super) const MESSAGE: &str = "m.seq, m.sender, m.at, m.client_id, m.content, m.changed_by";

/// The column after those of [`MESSAGE`].
pub(super) const AFTER_MESSAGE: usize = 6;

/// The message in the first columns of a row.
pub(super) fn message(row: &Row<'_>, conversation: Conversation) -> rusqlite::Result<Message> {
    let from = user(row, 1)?;
    let to =
        if from == conversation.first() { conversation.second() } else { conversation.first() };
    Ok(Message {
        conversation,
        seq: count(row, 0)?,
        from,
        to,
        at: Timestamp(row.get(2)?),
        client_id: row.get(3)?,
        content: row.get::<_, Arc<str>>(4)?,
        changed_by: ChangedBy::read(row.get(5)?),
    })
}
