//! The newest end of a conversation: what the next message's `seq` builds on.
//!
//! Invariant: a head was either read with read concern majority or acknowledged by a durable
//! write, so that no message before it can be rolled back, and `seq` has no gap. A head may be
//! behind, when another node has written; then the next insert meets that node's message and
//! learns better.

use confab_plugin::UserId;
use futures_util::TryStreamExt;
use mongodb::bson::{RawDocumentBuf, doc};
use quick_cache::sync::Cache;

use super::{
    connect::Space,
    documents::{count, odd, time},
    errors::unavailable,
    layout::END,
    schema,
};
use crate::store::{Conversation, StoreError, Timestamp};

/// Conversations remembered; about 100 bytes each.
const CAPACITY: usize = 65_536;

/// How many of the newest messages are looked at when the very newest is not ours.
const LOOK_BACK: i64 = 100;

/// The newest end of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// The newest message, or 0 before the first.
    pub seq: i64,
    /// When it was received.
    pub at: Timestamp,
    /// How many messages are by the first user.
    pub by_first: i64,
}

impl Head {
    const EMPTY: Self = Self { seq: 0, at: Timestamp(i64::MIN), by_first: 0 };
}

/// What is remembered of conversations, so that an append need not look it up.
pub(super) struct Heads(Cache<Conversation, Head>);

impl Heads {
    pub(super) fn new() -> Self {
        Self(Cache::new(CAPACITY))
    }

    pub(super) fn get(&self, conversation: Conversation) -> Option<Head> {
        self.0.get(&conversation)
    }

    pub(super) fn set(&self, conversation: Conversation, head: Head) {
        self.0.insert(conversation, head);
    }

    /// A message that follows on the remembered head was published.
    pub(super) fn saw(&self, conversation: Conversation, from: UserId, seq: u64, at: Timestamp) {
        if let Some(head) = self.get(conversation).filter(|head| count(head.seq) + 1 == seq) {
            let by_first = head.by_first + i64::from(from == conversation.first());
            self.set(conversation, Head { seq: head.seq + 1, at: at.max(head.at), by_first });
        }
    }

    /// What is remembered may not hold any more.
    pub(super) fn forget(&self, conversation: Conversation) {
        self.0.remove(&conversation);
    }

    /// The head, ready to be built upon: of a conversation that is not remembered, the
    /// collection and its index are there afterwards.
    pub(super) async fn find(
        &self,
        space: &Space,
        conversation: Conversation,
    ) -> Result<Head, StoreError> {
        if let Some(head) = self.get(conversation) {
            return Ok(head);
        }
        let head = newest(space, conversation).await?;
        schema::prepare_pair(space, conversation, head.seq == 0).await.map_err(unavailable)?;
        self.set(conversation, head);
        Ok(head)
    }
}

/// The head as the database has it.
pub(super) async fn newest(space: &Space, conversation: Conversation) -> Result<Head, StoreError> {
    for limit in [1, LOOK_BACK] {
        let found = look(space, conversation, limit).await.map_err(unavailable)?;
        for document in &found {
            let Some(seq) = document.get("_id").ok().flatten().and_then(|id| space.layout.seq(id))
            else {
                odd("messages");
                continue;
            };
            let by_first = match document.get_i64("by_first") {
                Ok(by_first) => by_first,
                Err(_) => count_by_first(space, conversation).await?,
            };
            let at = time(document, "at").unwrap_or(Head::EMPTY.at);
            return Ok(Head { seq, at, by_first });
        }
        if found.is_empty() {
            break;
        }
    }
    Ok(Head::EMPTY)
}

async fn look(
    space: &Space,
    conversation: Conversation,
    limit: i64,
) -> Result<Vec<RawDocumentBuf>, mongodb::error::Error> {
    space
        .stored(conversation)
        .find(space.layout.between(conversation, 0, END))
        .sort(doc! { "_id": -1 })
        .limit(limit)
        .projection(doc! { "at": 1, "by_first": 1 })
        .max_time(space.timeout)
        .await?
        .try_collect()
        .await
}

/// Counts what the newest message should have said, and another program did not write.
async fn count_by_first(space: &Space, conversation: Conversation) -> Result<i64, StoreError> {
    let mut filter = space.layout.between(conversation, 0, END);
    filter.insert("from", conversation.first().to_string());
    let stored = space.stored(conversation);
    let count = stored.count_documents(filter).max_time(space.timeout);
    let count = count.await.map_err(unavailable)?;
    Ok(i64::try_from(count).unwrap_or(i64::MAX))
}
