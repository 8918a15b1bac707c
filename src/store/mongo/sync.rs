//! What a user lacks: the answer to `changes_since`.

use std::collections::HashMap;

use confab_plugin::UserId;
use futures_util::{StreamExt, TryStreamExt, stream};
use mongodb::bson::{RawDocument, RawDocumentBuf, doc};

use super::{
    connect::Space,
    conversations::{AT_ONCE, Row, Rows},
    documents::{Stored, conversation, count, number, odd, time, whole},
    errors::unavailable,
    history::{Part, read},
    layout::END,
    marks::side,
};
use crate::store::{ChangeQuery, Changes, Conversation, Mark, Message, StoreError, Timestamp};

/// Reads a user's conversations until the limit is reached, so that the work is bounded by the
/// conversations that are asked about and the limit; as each answer brings its first message at
/// least, asking again always gets further.
///
/// Invariant: they are read in the order of their names, which never change. In that of their
/// newest messages, one that goes on meanwhile would jump ahead of the cursor, and be left out of
/// an answer that says it is complete.
pub(super) async fn changes_since(
    space: &Space,
    reader: UserId,
    query: &ChangeQuery,
) -> Result<Changes, StoreError> {
    let ChangeQuery { have, between, limit } = query;
    let mut changes = Changes { complete: true, ..Changes::default() };
    let mut told: Vec<UserId> =
        have.keys().copied().filter(|peer| between.contains(*peer)).collect();
    let mut budget = Budget { messages: limit.messages, bytes: limit.bytes, empty: true };
    let mut rows = Rows::by_peer(space, reader, *between).await?;
    let mut ended = false;
    while !ended {
        let (wanted, all) = next_wanted(&mut rows, have, &budget).await?;
        ended = all;
        let left = budget;
        let reads = stream::iter(wanted).map(|(row, known)| async move {
            let expected = usize::try_from(row.last_seq - known).unwrap_or(usize::MAX);
            let part = Part {
                after: known,
                before: END,
                backward: false,
                // One more than fits tells whether there is more.
                most: expected.min(left.messages).saturating_add(1),
                bytes: left.bytes,
            };
            Ok::<_, StoreError>((row, read(space, row.conversation, part).await?))
        });
        let mut reads = reads.buffered(AT_ONCE);
        while let Some((row, messages)) = reads.try_next().await? {
            let before = changes.messages.len();
            if !budget.take(messages, &mut changes.messages) {
                changes.complete = false;
                return Ok(changes);
            }
            if changes.messages.len() > before && !have.contains_key(&row.peer()) {
                told.push(row.peer());
            }
        }
    }
    changes.marks = marks(space, reader, &told).await?;
    Ok(changes)
}

/// The next conversations with messages that the user lacks, each with what is known of it: as
/// many as are likely to fit. Says whether these are the last.
async fn next_wanted(
    rows: &mut Rows,
    have: &HashMap<UserId, u64>,
    budget: &Budget,
) -> Result<(Vec<(Row, i64)>, bool), StoreError> {
    let mut wanted = Vec::new();
    let mut expected = 0;
    while wanted.len() < AT_ONCE && expected <= budget.messages {
        let Some(row) = rows.next().await? else {
            return Ok((wanted, true));
        };
        let known = have.get(&row.peer()).map_or(0, |seq| number(*seq));
        if known < row.last_seq {
            expected += usize::try_from(row.last_seq - known).unwrap_or(usize::MAX / 2);
            wanted.push((row, known));
        }
    }
    Ok((wanted, false))
}

/// What still fits in the answer.
#[derive(Clone, Copy)]
struct Budget {
    messages: usize,
    bytes: usize,
    empty: bool,
}

impl Budget {
    /// Adds what fits; says whether all did.
    fn take(&mut self, found: Vec<Stored>, messages: &mut Vec<Message>) -> bool {
        for Stored { message, .. } in found {
            let fits = message.content.len() <= self.bytes || self.empty;
            if self.messages == 0 || !fits {
                return false;
            }
            self.messages -= 1;
            self.bytes = self.bytes.saturating_sub(message.content.len());
            self.empty = false;
            messages.push(message);
        }
        true
    }
}

/// Both sides' marks of conversations, those above 0.
async fn marks(space: &Space, reader: UserId, peers: &[UserId]) -> Result<Vec<Mark>, StoreError> {
    if peers.is_empty() {
        return Ok(Vec::new());
    }
    let name = |peer: &UserId| Conversation::between(reader, *peer).to_string();
    let names: Vec<String> = peers.iter().map(name).collect();
    let conversations = space.conversations().clone_with_type::<RawDocumentBuf>();
    let find = conversations.find(doc! { "_id": { "$in": names } }).max_time(space.timeout);
    let found = find.await.map_err(unavailable)?;
    let found: Vec<_> = found.try_collect().await.map_err(unavailable)?;
    let mut marks = Vec::new();
    for document in found {
        let Some(conversation) = document.get_str("_id").ok().and_then(conversation) else {
            odd("conversations");
            continue;
        };
        let (first, second) = (conversation.first(), conversation.second());
        marks.extend(mark(&document, conversation, first, second));
        if first != second {
            marks.extend(mark(&document, conversation, second, first));
        }
    }
    Ok(marks)
}

fn mark(
    document: &RawDocument,
    conversation: Conversation,
    reader: UserId,
    peer: UserId,
) -> Option<Mark> {
    let side = side(conversation, reader);
    let upto = count(whole(document, side.seen));
    let at = time(document, side.seen_at).unwrap_or(Timestamp(0));
    (upto > 0).then_some(Mark { reader, peer, upto, at })
}
