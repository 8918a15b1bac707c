//! Reading messages of one conversation in order.

use mongodb::bson::doc;

use super::{
    connect::Space,
    documents::{Stored, message, number, odd},
    errors::unavailable,
    layout::END,
};
use crate::store::{Conversation, HistoryPage, HistoryQuery, StoreError};

/// Messages that are fetched at once when only some bytes of them are wanted.
const BATCH: u32 = 64;

/// How many more are fetched once some were skipped.
const LOOK_FURTHER: usize = 100;

/// Which messages of a conversation to read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// Only those after this one.
    pub after: i64,
    /// Only those before this one.
    pub before: i64,
    /// Whether from the newest on.
    pub backward: bool,
    /// The most messages.
    pub most: usize,
    /// Bytes of text; the first message, besides the first one of all, that does not fit is the
    /// last one read.
    pub bytes: usize,
}

/// A part of a conversation, in the order in which it was to be read. Unknown conversations are
/// empty.
pub(super) async fn read(
    space: &Space,
    conversation: Conversation,
    mut part: Part,
) -> Result<Vec<Stored>, StoreError> {
    let mut messages: Vec<Stored> = Vec::new();
    let mut bytes = part.bytes;
    let mut spare = 0;
    loop {
        let wanted = part.most.saturating_sub(messages.len()).saturating_add(spare);
        if messages.len() >= part.most || part.before.min(END) <= part.after.saturating_add(1) {
            return Ok(messages);
        }
        let collection = space.stored(conversation);
        let mut find = collection
            .find(space.layout.between(conversation, part.after, part.before))
            .sort(doc! { "_id": if part.backward { -1 } else { 1 } })
            .limit(i64::try_from(wanted).unwrap_or(i64::MAX))
            .max_time(space.timeout);
        if part.bytes < usize::MAX {
            find = find.batch_size(BATCH);
        }
        let mut cursor = find.await.map_err(unavailable)?;
        let (mut fetched, mut last) = (0, None);
        while cursor.advance().await.map_err(unavailable)? {
            let document = cursor.current();
            fetched += 1;
            let id = document.get("_id").ok().flatten();
            last = id.and_then(|id| space.layout.seq(id)).or(last);
            let Some(stored) = message(space.layout, conversation, document) else {
                odd("messages");
                continue;
            };
            let length = stored.message.content.len();
            let fits = length <= bytes || messages.is_empty();
            bytes = bytes.saturating_sub(length);
            messages.push(stored);
            if !fits || messages.len() >= part.most {
                return Ok(messages);
            }
        }
        // Only if some were skipped is there anything more to fetch.
        if fetched < wanted || last.is_none() && spare > 0 {
            return Ok(messages);
        }
        // Where one is odd, others are likely to be.
        spare = LOOK_FURTHER;
        match last {
            Some(last) if part.backward => part.before = last,
            Some(last) => part.after = last,
            None => {}
        }
    }
}

pub(super) async fn history(
    space: &Space,
    conversation: Conversation,
    query: HistoryQuery,
) -> Result<HistoryPage, StoreError> {
    let backward = query.after.is_none();
    let part = Part {
        after: query.after.map_or(0, number),
        before: query.before.map_or(END, number),
        backward,
        // One more than fits tells whether there is more.
        most: query.limit.saturating_add(1),
        bytes: usize::MAX,
    };
    let stored = read(space, conversation, part).await?;
    let more = stored.len() > query.limit;
    let messages = stored.into_iter().take(query.limit).map(|stored| stored.message);
    let mut messages: Vec<_> = messages.collect();
    if backward {
        messages.reverse();
    }
    Ok(HistoryPage { messages, more })
}
