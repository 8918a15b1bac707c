//! A user's conversations, newest first.
//!
//! The collection `conversations` says which there are and in which order; how far one really
//! goes, its messages say.

use confab_plugin::UserId;
use futures_util::{StreamExt, TryStreamExt, stream};
use mongodb::{
    Cursor,
    bson::{Bson, Document, RawDocument, RawDocumentBuf, doc},
};

use super::{
    connect::Space,
    documents::{Stored, conversation, count, date, odd, time, whole},
    errors::unavailable,
    history::{Part, read},
    layout::END,
    marks::side,
};
use crate::store::{
    Conversation, ConversationCursor, ConversationPage, ConversationSummary, PeerRange, StoreError,
    Timestamp,
};

/// Conversations whose messages are read at the same time.
pub(super) const AT_ONCE: usize = 16;

/// A document of `conversations`, as one of its users sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub conversation: Conversation,
    pub reader: UserId,
    /// No message is beyond this one; there may be fewer.
    pub last_seq: i64,
    last_at: Timestamp,
    seen: i64,
    seen_by_peer: i64,
}

impl Row {
    pub(super) fn peer(&self) -> UserId {
        peer(self.conversation, self.reader)
    }

    fn parse(reader: UserId, document: &RawDocument) -> Option<Self> {
        let conversation = conversation(document.get_str("_id").ok()?)?;
        let peer = peer(conversation, reader);
        if Conversation::between(reader, peer) != conversation {
            return None;
        }
        Some(Self {
            conversation,
            reader,
            last_seq: document.get("last_seq").ok()?.map(|_| whole(document, "last_seq"))?,
            last_at: time(document, "last_at")?,
            seen: whole(document, side(conversation, reader).seen),
            seen_by_peer: whole(document, side(conversation, peer).seen),
        })
    }
}

fn peer(conversation: Conversation, reader: UserId) -> UserId {
    if reader == conversation.first() { conversation.second() } else { conversation.first() }
}

/// The rows of a user, one by one.
pub(super) struct Rows {
    cursor: Cursor<RawDocumentBuf>,
    reader: UserId,
}

impl Rows {
    /// From the newest conversation on, those after this one.
    async fn newest_first(
        space: &Space,
        reader: UserId,
        after: Option<ConversationCursor>,
    ) -> Result<Self, StoreError> {
        let mut filter = doc! { "users": reader.to_string() };
        if let Some(after) = after {
            // Of conversations with the same reader, the order of their names is that of the
            // peers.
            let name = Conversation::between(reader, after.peer).to_string();
            let at = date(after.at);
            filter.insert("last_at", doc! { "$lte": at });
            filter.insert(
                "$or",
                vec![doc! { "last_at": { "$lt": at } }, doc! { "_id": { "$lt": name } }],
            );
        }
        Self::found(space, reader, filter, doc! { "last_at": -1, "_id": -1 }).await
    }

    /// Those with these peers, in the order of the peers.
    pub(super) async fn by_peer(
        space: &Space,
        reader: UserId,
        between: PeerRange,
    ) -> Result<Self, StoreError> {
        // Of conversations with the same reader, the order of their names is that of the peers.
        let name = |peer| Conversation::between(reader, peer).to_string();
        let mut names = Document::new();
        names.extend(between.from.map(|from| ("$gte".to_owned(), Bson::from(name(from)))));
        names.extend(between.to.map(|to| ("$lt".to_owned(), Bson::from(name(to)))));
        let mut filter = doc! { "users": reader.to_string() };
        if !names.is_empty() {
            filter.insert("_id", names);
        }
        Self::found(space, reader, filter, doc! { "_id": 1 }).await
    }

    async fn found(
        space: &Space,
        reader: UserId,
        filter: Document,
        order: Document,
    ) -> Result<Self, StoreError> {
        let conversations = space.conversations().clone_with_type::<RawDocumentBuf>();
        let find = conversations.find(filter).sort(order).max_time(space.timeout);
        Ok(Self { cursor: find.await.map_err(unavailable)?, reader })
    }

    pub(super) async fn next(&mut self) -> Result<Option<Row>, StoreError> {
        while self.cursor.advance().await.map_err(unavailable)? {
            match Row::parse(self.reader, self.cursor.current()) {
                Some(row) => return Ok(Some(row)),
                None => odd("conversations"),
            }
        }
        Ok(None)
    }
}

pub(super) async fn conversations(
    space: &Space,
    user: UserId,
    cursor: Option<ConversationCursor>,
    limit: usize,
    bound: u64,
) -> Result<ConversationPage, StoreError> {
    let mut rows = Rows::newest_first(space, user, cursor).await?;
    let mut found: Vec<(Row, ConversationSummary)> = Vec::new();
    let mut ended = limit == 0;
    // One more than fits tells whether there is more.
    while !ended && found.len() <= limit {
        let mut some = Vec::new();
        while some.len() < AT_ONCE.min((limit - found.len()).saturating_add(1)) {
            match rows.next().await? {
                Some(row) => some.push(row),
                None => {
                    ended = true;
                    break;
                }
            }
        }
        let reads = stream::iter(some).map(|row| async move {
            let summary = summary(space, row, bound).await?;
            Ok::<_, StoreError>(summary.map(|summary| (row, summary)))
        });
        let summaries: Vec<_> = reads.buffered(AT_ONCE).try_collect().await?;
        // Without a message it is none: its first one is on its way, or failed.
        found.extend(summaries.into_iter().flatten());
    }
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| more);
    let next = last.map(|(row, _)| ConversationCursor { at: row.last_at, peer: row.peer() });
    let conversations = found.into_iter().map(|(_, summary)| summary).collect();
    Ok(ConversationPage { conversations, next })
}

async fn summary(
    space: &Space,
    row: Row,
    bound: u64,
) -> Result<Option<ConversationSummary>, StoreError> {
    let Row { conversation, reader, seen, seen_by_peer, .. } = row;
    let newest = Part { after: 0, before: END, backward: true, most: 1, bytes: usize::MAX };
    let Some(last) = read(space, conversation, newest).await?.pop() else {
        return Ok(None);
    };
    let peer = row.peer();
    let unread = if reader == peer { 0 } else { unread(space, row, &last, bound).await? };
    Ok(Some(ConversationSummary {
        peer,
        unread: unread.min(bound),
        seen: count(seen),
        seen_by_peer: count(if reader == peer { seen } else { seen_by_peer }),
        last_message: last.message,
    }))
}

/// How many messages of the peer are beyond what the reader has seen: from the counts in the
/// newest message and in the last one seen; where these are missing, counted up to the bound.
async fn unread(space: &Space, row: Row, last: &Stored, bound: u64) -> Result<u64, StoreError> {
    let Row { conversation, reader, seen, .. } = row;
    if last.message.seq <= count(seen) {
        return Ok(0);
    }
    let seen_by_first = if seen == 0 {
        Some(0)
    } else {
        let one = doc! { "_id": space.layout.id(conversation, seen) };
        let mut filter: Document = space.layout.of(conversation);
        filter.extend(one);
        let stored = space.stored(conversation);
        let find = stored.find_one(filter).projection(doc! { "by_first": 1 });
        let found = find.max_time(space.timeout).await.map_err(unavailable)?;
        found.and_then(|document| document.get_i64("by_first").ok())
    };
    if let (Some(all), Some(before)) = (last.by_first, seen_by_first) {
        let by_first = count(all - before);
        let beyond = last.message.seq.saturating_sub(count(seen));
        return Ok(if reader == conversation.first() {
            beyond.saturating_sub(by_first)
        } else {
            by_first
        });
    }
    let mut filter = space.layout.between(conversation, seen, END);
    filter.insert("from", row.peer().to_string());
    let stored = space.stored(conversation);
    let count = stored.count_documents(filter).limit(bound).max_time(space.timeout);
    count.await.map_err(unavailable)
}
