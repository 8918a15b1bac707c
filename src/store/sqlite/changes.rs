//! The changes that the writer makes, each inside a group's transaction.
//!
//! An error that is one item's own (a constraint, a value too big) is that item's answer; any
//! other fails the group.

use rusqlite::{Connection, ErrorCode, params};

use super::{
    heads::Head,
    job::Work,
    open::one_line,
    queries,
    rows::{Id, count, number},
};
use crate::store::{
    Appended, Conversation, Mark, Marked, Message, NewMark, NewMessage, StoreError, Timestamp,
};

/// What one item of a group came to.
pub(super) type Item<T> = Result<T, StoreError>;

/// Keeps an item's own error from the group.
pub(super) fn own<T>(
    db: &Connection,
    result: rusqlite::Result<Item<T>>,
) -> rusqlite::Result<Item<T>> {
    match result {
        Err(error)
            if !db.is_autocommit()
                && matches!(
                    error.sqlite_error_code(),
                    Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig)
                ) =>
        {
            Ok(Err(StoreError::Unavailable(one_line(&error))))
        }
        other => other,
    }
}

pub(super) fn append(
    work: &mut Work<'_>,
    batch: &[NewMessage],
) -> rusqlite::Result<Vec<Item<Appended>>> {
    batch
        .iter()
        .map(|new| {
            let result = append_one(work, new);
            own(work.db, result)
        })
        .collect()
}

fn append_one(work: &mut Work<'_>, new: &NewMessage) -> rusqlite::Result<Item<Appended>> {
    let conversation = Conversation::between(new.from, new.to);
    match work.heads.find(work.db, conversation)? {
        Some(head) => append_to(work, conversation, head, new),
        None => {
            // Looked up first, so that a reused id leaves no conversation without a message.
            if let Some(original) = original(work.db, new)? {
                return Ok(retry(original, conversation));
            }
            work.db.prepare_cached("SAVEPOINT item")?.execute([])?;
            let result = begin(work.db, conversation)
                .and_then(|head| append_to(work, conversation, head, new));
            if result.is_err() && !work.db.is_autocommit() {
                work.db.prepare_cached("ROLLBACK TO item")?.execute([])?;
            }
            if !work.db.is_autocommit() {
                work.db.prepare_cached("RELEASE item")?.execute([])?;
            }
            result
        }
    }
}

fn begin(db: &Connection, conversation: Conversation) -> rusqlite::Result<Head> {
    db.prepare_cached(
        "INSERT INTO conversations (first, second, last_seq, last_at) VALUES (?1, ?2, 0, 0)",
    )?
    .execute(params![Id::from(conversation.first()), Id::from(conversation.second())])?;
    Ok(Head { id: db.last_insert_rowid(), seq: 0, at: Timestamp(i64::MIN), by_first: 0 })
}

fn append_to(
    work: &mut Work<'_>,
    conversation: Conversation,
    head: Head,
    new: &NewMessage,
) -> rusqlite::Result<Item<Appended>> {
    let head = Head {
        id: head.id,
        seq: head.seq + 1,
        at: new.at.max(head.at),
        by_first: head.by_first + u64::from(new.from == conversation.first()),
    };
    let inserted = work
        .db
        .prepare_cached(
            "INSERT INTO messages (conversation, seq, sender, by_first, at, client_id, content,
                                   changed_by)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (sender, client_id) WHERE client_id IS NOT NULL DO NOTHING",
        )?
        .execute(params![
            head.id,
            number(head.seq),
            Id::from(new.from),
            number(head.by_first),
            head.at.0,
            new.client_id,
            new.content,
            new.changed_by.written()
        ])?;
    if inserted == 0 {
        let original = original(work.db, new)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
        return Ok(retry(original, conversation));
    }
    work.heads.touch(conversation, head);
    let message = Message {
        conversation,
        seq: head.seq,
        from: new.from,
        to: new.to,
        content: new.content.clone(),
        client_id: new.client_id.clone(),
        at: head.at,
        changed_by: new.changed_by.clone(),
    };
    Ok(Ok(Appended { message, new: true }))
}

fn retry(original: Message, conversation: Conversation) -> Item<Appended> {
    if original.conversation == conversation {
        Ok(Appended { message: original, new: false })
    } else {
        Err(StoreError::IdReused)
    }
}

/// The message that its sender has sent with this id before.
fn original(db: &Connection, new: &NewMessage) -> rusqlite::Result<Option<Message>> {
    match &new.client_id {
        Some(client_id) => queries::original(db, new.from, client_id),
        None => Ok(None),
    }
}

pub(super) fn mark_seen(
    work: &mut Work<'_>,
    batch: &[NewMark],
) -> rusqlite::Result<Vec<Item<Marked>>> {
    batch.iter().map(|new| mark_one(work, new).map(Ok)).collect()
}

fn mark_one(work: &mut Work<'_>, new: &NewMark) -> rusqlite::Result<Marked> {
    let NewMark { reader, peer, upto, at } = *new;
    let conversation = Conversation::between(reader, peer);
    let Some(head) = work.heads.find(work.db, conversation)? else {
        return Ok(Marked { mark: Mark { reader, peer, upto: 0, at }, moved: false });
    };
    let is_first = reader == conversation.first();
    let (read, write) = if is_first {
        (
            "SELECT first_seen, first_seen_at FROM conversations WHERE id = ?1",
            "UPDATE conversations SET first_seen = ?2, first_seen_at = ?3 WHERE id = ?1",
        )
    } else {
        (
            "SELECT second_seen, second_seen_at FROM conversations WHERE id = ?1",
            "UPDATE conversations SET second_seen = ?2, second_seen_at = ?3 WHERE id = ?1",
        )
    };
    let (seen, seen_at) = work
        .db
        .prepare_cached(read)?
        .query_row([head.id], |row| Ok((count(row, 0)?, Timestamp(row.get(1)?))))?;
    let upto = upto.unwrap_or(head.seq).min(head.seq);
    if upto > seen {
        work.db.prepare_cached(write)?.execute(params![head.id, number(upto), at.0])?;
        return Ok(Marked { mark: Mark { reader, peer, upto, at }, moved: true });
    }
    let at = if seen == 0 { at } else { seen_at };
    Ok(Marked { mark: Mark { reader, peer, upto: seen, at }, moved: false })
}

/// Whether a change could be made now. After a failure it tries, for nobody else may.
pub(super) fn ping(work: &mut Work<'_>, (): &()) -> rusqlite::Result<()> {
    if !work.healthy {
        work.db.execute_batch(
            "CREATE TABLE probe (filler BLOB);
             INSERT INTO probe VALUES (zeroblob(65536));
             DROP TABLE probe;",
        )?;
    }
    Ok(())
}
