//! What a user lacks: the answer to `changes_since`.

use std::collections::HashMap;

use confab_plugin::UserId;
use rusqlite::{Connection, OptionalExtension, Row, Statement, params};

use super::{
    queries::{CONVERSATIONS, OLDEST, START, pair},
    rows::{Id, MESSAGE, count, limit, message, number, user},
};
use crate::store::{ChangeLimit, Changes, Conversation, Mark, Message, Timestamp};

/// Reads a user's conversations from the newest on, one at a time, until the limit is reached:
/// so the work is bounded by `have` and the limit, and as each answer brings its first message
/// at least, asking again always gets further. All is read from one state of the database.
pub(super) fn changes_since(
    db: &mut Connection,
    reader: UserId,
    have: &HashMap<UserId, u64>,
    limit: ChangeLimit,
) -> rusqlite::Result<Changes> {
    let snapshot = db.transaction()?;
    let mut changes = Changes { complete: true, ..Changes::default() };
    let mut asked: Vec<UserId> = have.keys().copied().collect();
    let mut budget = Budget { messages: limit.messages, bytes: limit.bytes, empty: true };
    {
        let mut conversations = snapshot.prepare_cached(CONVERSATIONS)?;
        let mut messages =
            snapshot.prepare_cached(&format!("SELECT {MESSAGE} FROM messages m {OLDEST}"))?;
        let mut rows =
            conversations.query(params![Id::from(reader), START.at.0, Id::from(START.peer)])?;
        while let Some(row) = rows.next()? {
            let (peer, last) = (user(row, 1)?, count(row, 2)?);
            let known = have.get(&peer).copied();
            if known.unwrap_or(0) >= last {
                continue;
            }
            let before = changes.messages.len();
            let conversation = Conversation::between(reader, peer);
            let key = row.get(0)?;
            let all =
                budget.take(&mut messages, key, conversation, known, &mut changes.messages)?;
            if known.is_none() && changes.messages.len() > before {
                asked.push(peer);
            }
            if !all {
                changes.complete = false;
                break;
            }
        }
    }
    for peer in asked {
        marks(&snapshot, reader, peer, &mut changes.marks)?;
    }
    Ok(changes)
}

/// What still fits in the answer.
struct Budget {
    messages: usize,
    bytes: usize,
    empty: bool,
}

impl Budget {
    /// Adds what fits of a conversation's messages after `known`; says whether all did.
    fn take(
        &mut self,
        statement: &mut Statement<'_>,
        key: i64,
        conversation: Conversation,
        known: Option<u64>,
        messages: &mut Vec<Message>,
    ) -> rusqlite::Result<bool> {
        let after = number(known.unwrap_or(0));
        // One more than fits tells whether there is more.
        let most = limit(self.messages).saturating_add(1);
        let mut rows = statement.query(params![key, after, i64::MAX, most])?;
        while let Some(row) = rows.next()? {
            let message = message(row, conversation)?;
            let fits = message.content.len() <= self.bytes || self.empty;
            if self.messages == 0 || !fits {
                return Ok(false);
            }
            self.messages -= 1;
            self.bytes = self.bytes.saturating_sub(message.content.len());
            self.empty = false;
            messages.push(message);
        }
        Ok(true)
    }
}

/// Both sides' marks of a conversation, those above 0.
fn marks(
    db: &Connection,
    reader: UserId,
    peer: UserId,
    marks: &mut Vec<Mark>,
) -> rusqlite::Result<()> {
    let conversation = Conversation::between(reader, peer);
    let (first, second) = (conversation.first(), conversation.second());
    let found = db
        .prepare_cached(
            "SELECT first_seen, first_seen_at, second_seen, second_seen_at FROM conversations
             WHERE first = ?1 AND second = ?2",
        )?
        .query_row(pair(conversation), |row| {
            Ok([mark(row, 0, first, second)?, mark(row, 2, second, first)?])
        })
        .optional()?;
    marks.extend(found.into_iter().flatten().filter(|mark| mark.upto > 0));
    Ok(())
}

fn mark(row: &Row<'_>, column: usize, reader: UserId, peer: UserId) -> rusqlite::Result<Mark> {
    let at = Timestamp(row.get(column + 1)?);
    Ok(Mark { reader, peer, upto: count(row, column)?, at })
}
