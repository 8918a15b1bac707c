//! What the writer remembers of conversations, so that an append need not look it up.

use std::collections::HashMap;

use quick_cache::unsync::Cache;
use rusqlite::{Connection, OptionalExtension, params};

use super::rows::{Id, count, number};
use crate::store::{Conversation, Timestamp};

/// Conversations remembered; about 100 bytes each.
const CAPACITY: usize = 65_536;

/// The newest end of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// The conversation's key.
    pub(super) id: i64,
    /// The newest message.
    pub(super) seq: u64,
    /// When it was received.
    pub(super) at: Timestamp,
    /// How many messages are by the first user.
    pub(super) by_first: u64,
}

/// The heads of conversations, as the open transaction sees them.
///
/// Invariant: `committed` equals the database; what the open transaction adds is in `touched`,
/// and reaches the table only by [`Heads::write`].
pub(super) struct Heads {
    committed: Cache<Conversation, Head>,
    touched: HashMap<Conversation, Head>,
}

impl Heads {
    pub(super) fn new() -> Self {
        Self { committed: Cache::new(CAPACITY), touched: HashMap::new() }
    }

    /// The head of a conversation, if it has a message.
    pub(super) fn find(
        &mut self,
        db: &Connection,
        conversation: Conversation,
    ) -> rusqlite::Result<Option<Head>> {
        if let Some(head) =
            self.touched.get(&conversation).or_else(|| self.committed.get(&conversation))
        {
            return Ok(Some(*head));
        }
        let head = db
            .prepare_cached(
                "SELECT c.id, c.last_seq, c.last_at, m.by_first FROM conversations c
                 JOIN messages m ON m.conversation = c.id AND m.seq = c.last_seq
                 WHERE c.first = ?1 AND c.second = ?2",
            )?
            .query_row(
                params![Id::from(conversation.first()), Id::from(conversation.second())],
                |row| {
                    Ok(Head {
                        id: row.get(0)?,
                        seq: count(row, 1)?,
                        at: Timestamp(row.get(2)?),
                        by_first: count(row, 3)?,
                    })
                },
            )
            .optional()?;
        if let Some(head) = head {
            self.committed.insert(conversation, head);
        }
        Ok(head)
    }

    /// The open transaction has moved a head.
    pub(super) fn touch(&mut self, conversation: Conversation, head: Head) {
        self.touched.insert(conversation, head);
    }

    /// Writes the moved heads, each once however many messages moved it.
    pub(super) fn write(&self, db: &Connection) -> rusqlite::Result<()> {
        if self.touched.is_empty() {
            return Ok(());
        }
        let mut update = db
            .prepare_cached("UPDATE conversations SET last_seq = ?2, last_at = ?3 WHERE id = ?1")?;
        for head in self.touched.values() {
            update.execute(params![head.id, number(head.seq), head.at.0])?;
        }
        Ok(())
    }

    /// The transaction was committed.
    pub(super) fn committed(&mut self) {
        for (conversation, head) in self.touched.drain() {
            self.committed.insert(conversation, head);
        }
    }

    /// The transaction was rolled back: forgets everything, for a failing disk's word on what it
    /// holds is asked again.
    pub(super) fn rolled_back(&mut self) {
        self.touched.clear();
        self.committed.clear();
    }
}
