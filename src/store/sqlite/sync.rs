//! What a user lacks: the answer to `changes_since`.

use confab_plugin::UserId;
use rusqlite::{Connection, OptionalExtension, Row, Statement, params};

use super::{
    queries::{OLDEST, pair},
    rows::{Id, MESSAGE, count, limit, message, number, user},
};
use crate::store::{ChangeQuery, Changes, Conversation, Mark, Message, PeerRange, Timestamp};

/// A user's conversations with the peers from ?2 to ?3, both included, in the order of the peers:
/// key, peer, last_seq. The two halves are merged as they are read.
pub(super) const BY_PEER: &str = "
SELECT id, second AS peer, last_seq FROM conversations
WHERE first = ?1 AND second BETWEEN ?2 AND ?3
UNION ALL
SELECT id, first, last_seq FROM conversations
WHERE second = ?1 AND first BETWEEN ?2 AND ?3 AND first <> ?1
ORDER BY peer";

/// Reads a user's conversations one at a time until the limit is reached: so the work is bounded
/// by the conversations that are asked about and the limit, and as each answer brings its first
/// message at least, asking again always gets further. All is read from one state of the
/// database.
pub(super) fn changes_since(
    db: &mut Connection,
    reader: UserId,
    query: &ChangeQuery,
) -> rusqlite::Result<Changes> {
    let ChangeQuery { have, between, limit } = query;
    let snapshot = db.transaction()?;
    let mut changes = Changes { complete: true, ..Changes::default() };
    let Some((from, last)) = bounds(*between) else { return Ok(changes) };
    let mut told: Vec<UserId> =
        have.keys().copied().filter(|peer| between.contains(*peer)).collect();
    let mut budget = Budget { messages: limit.messages, bytes: limit.bytes, empty: true };
    {
        let mut conversations = snapshot.prepare_cached(BY_PEER)?;
        let mut messages =
            snapshot.prepare_cached(&format!("SELECT {MESSAGE} FROM messages m {OLDEST}"))?;
        let mut rows =
            conversations.query(params![Id::from(reader), Id::from(from), Id::from(last)])?;
        while let Some(row) = rows.next()? {
            let (peer, last) = (user(row, 1)?, count(row, 2)?);
            let known = have.get(&peer).copied();
            if known.unwrap_or(0) >= last {
                continue;
            }
            let conversation = Conversation::between(reader, peer);
            let key = row.get(0)?;
            if !budget.take(&mut messages, key, conversation, known, &mut changes.messages)? {
                changes.complete = false;
                return Ok(changes);
            }
            if known.is_none() {
                told.push(peer);
            }
        }
    }
    for peer in told {
        marks(&snapshot, reader, peer, &mut changes.marks)?;
    }
    Ok(changes)
}

/// The first and the last of these peers; `None` when there can be none.
fn bounds(between: PeerRange) -> Option<(UserId, UserId)> {
    let last = match between.to {
        Some(to) => to.as_u128().checked_sub(1)?,
        None => u128::MAX,
    };
    Some((between.from.unwrap_or(UserId::from_u128(0)), UserId::from_u128(last)))
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
