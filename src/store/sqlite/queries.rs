//! History and the list of conversations, as the readers see them.

use std::sync::Arc;

use confab_plugin::UserId;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::rows::{AFTER_MESSAGE, Id, MESSAGE, count, limit, message, number, user};
use crate::store::{
    Conversation, ConversationCursor, ConversationPage, ConversationSummary, HistoryPage,
    HistoryQuery, Message, Timestamp,
};

/// The message that a sender has sent with this id.
pub(super) fn original(
    db: &Connection,
    sender: UserId,
    client_id: &str,
) -> rusqlite::Result<Option<Message>> {
    db.prepare_cached(&format!(
        "SELECT {MESSAGE}, c.first, c.second FROM messages m
         JOIN conversations c ON c.id = m.conversation
         WHERE m.sender = ?1 AND m.client_id = ?2"
    ))?
    .query_row(params![Id::from(sender), client_id], |row| {
        message(
            row,
            Conversation::between(user(row, AFTER_MESSAGE)?, user(row, AFTER_MESSAGE + 1)?),
        )
    })
    .optional()
}

/// The same of many.
pub(super) fn originals(
    db: &Connection,
    asked: &[(UserId, Arc<str>)],
) -> rusqlite::Result<Vec<Option<Message>>> {
    asked.iter().map(|(sender, client_id)| original(db, *sender, client_id)).collect()
}

/// A conversation's messages between two, oldest first.
pub(super) const OLDEST: &str =
    "WHERE m.conversation = ?1 AND m.seq > ?2 AND m.seq < ?3 ORDER BY m.seq LIMIT ?4";

/// A conversation's messages between two, newest first.
const NEWEST: &str =
    "WHERE m.conversation = ?1 AND m.seq > ?2 AND m.seq < ?3 ORDER BY m.seq DESC LIMIT ?4";

pub(super) fn history(
    db: &Connection,
    conversation: Conversation,
    query: HistoryQuery,
) -> rusqlite::Result<HistoryPage> {
    let id: Option<i64> = db
        .prepare_cached("SELECT id FROM conversations WHERE first = ?1 AND second = ?2")?
        .query_row(pair(conversation), |row| row.get(0))
        .optional()?;
    let Some(id) = id else {
        return Ok(HistoryPage::default());
    };
    let oldest = query.after.is_some();
    let order = if oldest { OLDEST } else { NEWEST };
    let mut messages = db
        .prepare_cached(&format!("SELECT {MESSAGE} FROM messages m {order}"))?
        .query_map(
            params![
                id,
                number(query.after.unwrap_or(0)),
                number(query.before.unwrap_or(u64::MAX)),
                limit(query.limit).saturating_add(1)
            ],
            |row| message(row, conversation),
        )?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let more = messages.len() > query.limit;
    messages.truncate(query.limit);
    if !oldest {
        messages.reverse();
    }
    Ok(HistoryPage { messages, more })
}

/// A user's conversations: key, peer, last_seq, last_at, and what the user
/// and the peer have seen. The two
/// halves are merged as they are read, so that a page costs no more than its rows.
pub(super) const CONVERSATIONS: &str = "
SELECT id, second AS peer, last_seq, last_at, first_seen, second_seen FROM conversations
WHERE first = ?1 AND (last_at, second) < (?2, ?3)
UNION ALL
SELECT id, first, last_seq, last_at, second_seen, first_seen FROM conversations
WHERE second = ?1 AND (last_at, first) < (?2, ?3) AND first <> ?1
ORDER BY last_at DESC, peer DESC";

/// Before every conversation.
const START: ConversationCursor =
    ConversationCursor { at: Timestamp(i64::MAX), peer: UserId::from_u128(u128::MAX) };

pub(super) fn conversations(
    db: &Connection,
    user: UserId,
    cursor: Option<ConversationCursor>,
    limit: usize,
    bound: u64,
) -> rusqlite::Result<ConversationPage> {
    let mut page = ConversationPage::default();
    let cursor = cursor.unwrap_or(START);
    let mut statement = db.prepare_cached(CONVERSATIONS)?;
    let mut rows = statement.query(params![Id::from(user), cursor.at.0, Id::from(cursor.peer)])?;
    while let Some(row) = rows.next()? {
        if page.conversations.len() == limit {
            page.next = page
                .conversations
                .last()
                .map(|last| ConversationCursor { at: last.last_message.at, peer: last.peer });
            break;
        }
        page.conversations.push(summary(db, user, row, bound)?);
    }
    Ok(page)
}

fn summary(
    db: &Connection,
    reader: UserId,
    row: &Row<'_>,
    bound: u64,
) -> rusqlite::Result<ConversationSummary> {
    let (id, peer): (i64, _) = (row.get(0)?, user(row, 1)?);
    let (seq, seen, seen_by_peer) = (count(row, 2)?, count(row, 4)?, count(row, 5)?);
    let conversation = Conversation::between(reader, peer);
    let (last_message, by_first) = db
        .prepare_cached(&format!(
            "SELECT {MESSAGE}, m.by_first FROM messages m WHERE m.conversation = ?1 AND m.seq = ?2"
        ))?
        .query_row(params![id, number(seq)], |row| {
            Ok((message(row, conversation)?, count(row, AFTER_MESSAGE)?))
        })?;
    let by_first_seen = if seen == 0 {
        0
    } else {
        db.prepare_cached("SELECT by_first FROM messages WHERE conversation = ?1 AND seq = ?2")?
            .query_row(params![id, number(seen)], |row| count(row, 0))?
    };
    let by_first_since = by_first.saturating_sub(by_first_seen);
    let unread = if reader == peer {
        0
    } else if reader == conversation.first() {
        seq.saturating_sub(seen).saturating_sub(by_first_since)
    } else {
        by_first_since
    };
    Ok(ConversationSummary {
        peer,
        unread: unread.min(bound),
        seen,
        seen_by_peer: if reader == peer { seen } else { seen_by_peer },
        last_message,
    })
}

/// A conversation's two users, as a query's parameters.
pub(super) fn pair(conversation: Conversation) -> [Id; 2] {
    [conversation.first().into(), conversation.second().into()]
}
