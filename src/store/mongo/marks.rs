//! Read marks: two to a conversation, which only move forward.
//!
//! The marks of a round are worked out in their order and written in one step, which applies
//! only if the marks still are as they were read: so each answer is what it would be, had it
//! come alone.

use confab_plugin::UserId;
use mongodb::bson::{Bson, Document, doc};
use tokio::time::{Instant, timeout_at};

use super::{
    Shared,
    append::promise,
    connect::{Space, durable},
    documents::{count, date, number},
    errors::unavailable,
    heads::{Head, newest},
    pause::Pause,
    turns::Answers,
};
use crate::store::{Conversation, Mark, Marked, NewMark, StoreError, Timestamp};

/// The fields of one side's mark.
pub(super) struct Side {
    pub seen: &'static str,
    pub seen_at: &'static str,
}

const FIRST: Side = Side { seen: "first_seen", seen_at: "first_seen_at" };
const SECOND: Side = Side { seen: "second_seen", seen_at: "second_seen_at" };

/// Whose mark is where. Notes to oneself have the first side only.
pub(super) fn side(conversation: Conversation, reader: UserId) -> &'static Side {
    if reader == conversation.first() { &FIRST } else { &SECOND }
}

/// One side's mark as it was read.
#[derive(Clone)]
struct Seen {
    /// The value as it stands, whatever it is, to find it unchanged.
    raw: Bson,
    upto: i64,
    at: Timestamp,
    moved: bool,
}

impl Seen {
    fn of(document: &Document, side: &Side) -> Self {
        let raw = document.get(side.seen).cloned().unwrap_or(Bson::Null);
        let upto = raw.as_i64().or_else(|| raw.as_i32().map(i64::from)).unwrap_or(0).max(0);
        let at = document.get_datetime(side.seen_at).map_or(0, |at| at.timestamp_millis());
        Self { raw, upto, at: Timestamp(at), moved: false }
    }
}

impl Shared {
    /// Moves marks of one conversation in their order, and answers for each. The caller sees to
    /// it that no other round of the conversation runs on this node.
    pub(super) async fn mark_round(
        &self,
        space: &Space,
        conversation: Conversation,
        marks: Vec<NewMark>,
    ) -> Answers<Marked> {
        let deadline = Instant::now() + space.timeout;
        let result = match timeout_at(deadline, self.mark(space, conversation, &marks)).await {
            Ok(result) => result,
            Err(_) => Err(StoreError::Unavailable("no answer in time".to_owned())),
        };
        match result {
            Ok(marked) => marked.into_iter().map(Ok).collect(),
            Err(error) => marks.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    async fn mark(
        &self,
        space: &Space,
        conversation: Conversation,
        marks: &[NewMark],
    ) -> Result<Vec<Marked>, StoreError> {
        let head = self.newest_for(space, conversation, marks).await?;
        let mut pause = Pause::of_a_race();
        loop {
            let filter = doc! { "_id": conversation.to_string() };
            let conversations = space.conversations();
            let found = conversations.find_one(filter.clone()).max_time(space.timeout);
            let found = found.await.map_err(unavailable)?;
            let document = match found {
                Some(document) => document,
                None if head.seq == 0 => Document::new(),
                None => {
                    // Messages without a conversation: another program's, or lost in a failover.
                    promise(space, conversation, head.seq, head.at, durable()).await?;
                    continue;
                }
            };
            let (answers, filter, change) = plan(conversation, head, &document, marks, filter);
            if change.is_empty() {
                return Ok(answers);
            }
            let update = conversations.update_one(filter, doc! { "$set": change });
            if update.await.map_err(unavailable)?.matched_count > 0 {
                return Ok(answers);
            }
            pause.wait().await;
        }
    }

    /// The head, as new as these marks need it.
    async fn newest_for(
        &self,
        space: &Space,
        conversation: Conversation,
        marks: &[NewMark],
    ) -> Result<Head, StoreError> {
        if let Some(head) = self.heads.get(conversation) {
            let is_enough = |new: &NewMark| new.upto.is_some_and(|upto| number(upto) <= head.seq);
            if marks.iter().all(is_enough) {
                return Ok(head);
            }
        }
        newest(space, conversation).await
    }
}

/// What to answer, and what to write under which condition.
fn plan(
    conversation: Conversation,
    head: Head,
    document: &Document,
    marks: &[NewMark],
    mut filter: Document,
) -> (Vec<Marked>, Document, Document) {
    let sides = [&FIRST, &SECOND];
    let mut seen = sides.map(|side| Seen::of(document, side));
    let answers = marks.iter().map(|&NewMark { reader, peer, upto, at }| {
        let [first, second] = &mut seen;
        let seen = if reader == conversation.first() { first } else { second };
        let upto = upto.map_or(head.seq, number).min(head.seq);
        let moved = upto > seen.upto;
        if moved {
            (seen.upto, seen.at, seen.moved) = (upto, at, true);
        }
        let at = if seen.upto == 0 { at } else { seen.at };
        Marked { mark: Mark { reader, peer, upto: count(seen.upto), at }, moved }
    });
    let answers = answers.collect();
    let mut change = Document::new();
    for (side, seen) in sides.into_iter().zip(seen) {
        if seen.moved {
            filter.insert(side.seen, doc! { "$eq": seen.raw });
            change.insert(side.seen, seen.upto);
            change.insert(side.seen_at, date(seen.at));
        }
    }
    (answers, filter, change)
}
