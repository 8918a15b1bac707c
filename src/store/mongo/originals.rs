//! Finding messages by their senders' ids.
//!
//! The index of the ids is within each conversation, so who asks without one asks the claims
//! first. A claim is in the log before its message is, so it is found wherever the message is;
//! and messages are read with read concern `majority`, so that whatever any node acknowledged is
//! found, and nothing that could be rolled back.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use confab_plugin::UserId;
use futures_util::{StreamExt, TryStreamExt, stream};
use mongodb::bson::doc;

use super::{
    claims,
    connect::Space,
    documents::{message, odd},
    errors::unavailable,
};
use crate::store::{Conversation, Message, StoreError};

/// Conversations that are asked at the same time.
const AT_ONCE: usize = 8;

/// Messages by sender and id.
pub(super) type Originals = HashMap<(UserId, Arc<str>), Message>;

/// The messages with these ids, whoever they were for, in the order asked.
pub(super) async fn of_anybody(
    space: &Space,
    asked: &[(UserId, Arc<str>)],
) -> Result<Vec<Option<Message>>, StoreError> {
    let wanted: HashSet<_> = asked.iter().map(|(from, id)| (*from, &**id)).collect();
    let mut parts: HashMap<Conversation, Vec<(UserId, String)>> = HashMap::new();
    for (from, id, to) in claims::recipients(space, &wanted).await? {
        parts.entry(Conversation::between(from, to)).or_default().push((from, id));
    }
    let parts = parts.into_iter().map(async |(conversation, ids)| {
        let ids = ids.iter().map(|(from, id)| (*from, &**id));
        in_conversation(space, conversation, ids).await
    });
    let found: Vec<_> = stream::iter(parts).buffer_unordered(AT_ONCE).try_collect().await?;
    let found: Originals = found.into_iter().flatten().collect();
    Ok(asked.iter().map(|asked| found.get(asked).cloned()).collect())
}

/// The messages of one conversation with these ids.
pub(super) async fn in_conversation<'a>(
    space: &Space,
    conversation: Conversation,
    asked: impl Iterator<Item = (UserId, &'a str)>,
) -> Result<Originals, StoreError> {
    let mut ids: HashMap<UserId, Vec<&str>> = HashMap::new();
    for (from, id) in asked {
        ids.entry(from).or_default().push(id);
    }
    let mut originals = HashMap::new();
    for (from, ids) in ids {
        let mut filter = space.layout.of(conversation);
        filter.insert("from", from.to_string());
        filter.insert("id", doc! { "$in": ids });
        let stored = space.stored(conversation);
        let find = stored.find(filter).max_time(space.timeout);
        let found = find.await.map_err(unavailable)?;
        let found: Vec<_> = found.try_collect().await.map_err(unavailable)?;
        for document in found {
            let Some(stored) = message(space.layout, conversation, &document) else {
                odd("messages");
                continue;
            };
            if let Some(id) = stored.message.client_id.clone() {
                originals.insert((stored.message.from, id), stored.message);
            }
        }
    }
    Ok(originals)
}
