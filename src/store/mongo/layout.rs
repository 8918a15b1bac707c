//! Where a conversation's messages are: the one difference between the two layouts.
//!
//! - `per_pair`: a collection per conversation, named by it; `_id` is `seq`.
//! - `single`: the collection `messages`; `_id` is `{c: conversation, s: seq}`.
//!
//! In both, the order of `_id` is the order of `seq`, so that reading a conversation in order
//! needs no other index, and the uniqueness of `_id` is what makes a `seq` unique.

use mongodb::bson::{Bson, Document, RawBsonRef, doc};

use crate::{config::MongoLayout, store::Conversation};

/// The collection of all messages in the layout `single`.
pub(super) const MESSAGES: &str = "messages";

/// No `seq` reaches this: 2^53, beyond which not every reader of JSON can count.
pub(super) const END: i64 = 1 << 53;

/// How messages are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout(pub MongoLayout);

impl Layout {
    /// Whether each conversation has a collection of its own.
    pub(super) fn is_per_pair(self) -> bool {
        self.0 == MongoLayout::PerPair
    }

    /// The collection that holds a conversation's messages.
    pub(super) fn collection(self, conversation: Conversation) -> String {
        if self.is_per_pair() { conversation.to_string() } else { MESSAGES.to_owned() }
    }

    /// The `_id` of a message.
    pub(super) fn id(self, conversation: Conversation, seq: i64) -> Bson {
        if self.is_per_pair() {
            Bson::Int64(seq)
        } else {
            Bson::Document(doc! { "c": conversation.to_string(), "s": seq })
        }
    }

    /// The `seq` in an `_id`, if it is one. Whole numbers of every type count, because MongoDB
    /// takes them for the same key.
    pub(super) fn seq(self, id: RawBsonRef<'_>) -> Option<i64> {
        let id = if self.is_per_pair() { id } else { id.as_document()?.get("s").ok()?? };
        let seq = match id {
            RawBsonRef::Int64(seq) => seq,
            RawBsonRef::Int32(seq) => seq.into(),
            #[expect(clippy::cast_possible_truncation, reason = "checked to be whole")]
            RawBsonRef::Double(seq) if seq.fract() == 0.0 && seq.abs() < END as f64 => seq as i64,
            _ => return None,
        };
        (1..END).contains(&seq).then_some(seq)
    }

    /// Selects the messages of a conversation after one `seq` and before another.
    pub(super) fn between(self, conversation: Conversation, after: i64, before: i64) -> Document {
        let (after, before) = (after.max(0), before.min(END));
        let range =
            doc! { "$gt": self.id(conversation, after), "$lt": self.id(conversation, before) };
        let mut filter = self.of(conversation);
        filter.insert("_id", range);
        filter
    }

    /// Selects the messages of a conversation within their collection. It names the shard key,
    /// so that a sharded cluster asks one shard only.
    pub(super) fn of(self, conversation: Conversation) -> Document {
        if self.is_per_pair() {
            Document::new()
        } else {
            doc! { "_id.c": conversation.to_string() }
        }
    }

    /// The keys of the index that makes a retry no duplicate. Begins with the shard key, for a
    /// sharded cluster keeps no other unique index.
    pub(super) fn client_id_keys(self) -> Document {
        if self.is_per_pair() {
            doc! { "from": 1, "id": 1 }
        } else {
            doc! { "_id.c": 1, "from": 1, "id": 1 }
        }
    }
}
