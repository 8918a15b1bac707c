//! What a store keeps: accounts, conversations, messages, read marks.

use std::{collections::HashMap, fmt, sync::Arc};

use confab_plugin::{UserId, Username};
use serde::{Serialize, Serializer};

use super::{ChangedBy, Standing, Timestamp};

/// Two users, in the order of their ids, so that both name the same conversation. A user may
/// converse with themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Conversation(UserId, UserId);

impl Conversation {
    /// Length of the written form, in bytes.
    const TEXT_LEN: usize = 2 * UserId::TEXT_LEN + 1;

    /// The conversation of these two, in either order.
    pub fn between(a: UserId, b: UserId) -> Self {
        Self(a.min(b), a.max(b))
    }

    /// The participant with the smaller id.
    pub fn first(self) -> UserId {
        self.0
    }

    /// The participant with the larger id.
    pub fn second(self) -> UserId {
        self.1
    }

    /// Writes the text form into `buffer` and returns it, without an allocation.
    fn encode(self, buffer: &mut [u8; Self::TEXT_LEN]) -> &str {
        let mut id = [0; UserId::TEXT_LEN];
        let (first, rest) = buffer.split_at_mut(UserId::TEXT_LEN);
        first.copy_from_slice(self.0.encode(&mut id).as_bytes());
        let (joint, second) = rest.split_at_mut(1);
        joint.fill(b'_');
        second.copy_from_slice(self.1.encode(&mut id).as_bytes());
        // Ids are ASCII, so this never falls back.
        std::str::from_utf8(buffer).unwrap_or_default()
    }
}

/// `A_B`: the two ids joined, as in the name of the collection.
impl fmt::Display for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.encode(&mut [0; Self::TEXT_LEN]))
    }
}

impl Serialize for Conversation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.encode(&mut [0; Self::TEXT_LEN]))
    }
}

/// A user's account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The permanent id.
    pub id: UserId,
    /// The login name, unique without regard to case.
    pub username: Username,
    /// The name to show, if one was given.
    pub display_name: Option<Arc<str>>,
    /// The password's hash in PHC format.
    pub password_hash: Arc<str>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether it may be used.
    pub standing: Standing,
}

impl Account {
    /// In place of a hash: no password has it. The account is a plugin's bot.
    pub const BOT: &'static str = "!bot";

    /// In place of a hash: no password has it. The account is deleted.
    pub const DELETED: &'static str = "!deleted";

    /// Whether it is a plugin's bot.
    pub fn is_bot(&self) -> bool {
        &*self.password_hash == Self::BOT
    }
}

/// A message to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// The sender.
    pub from: UserId,
    /// The recipient.
    pub to: UserId,
    /// The text.
    pub content: Arc<str>,
    /// The sender's own id for it, by which a retry is known.
    pub client_id: Option<Arc<str>>,
    /// When the daemon received it.
    pub at: Timestamp,
    /// The entries of the chain that changed it on its way.
    pub changed_by: ChangedBy,
}

/// A stored message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its conversation.
    pub conversation: Conversation,
    /// Its place there: 1, 2, 3 … without gaps.
    pub seq: u64,
    /// The sender.
    pub from: UserId,
    /// The recipient.
    pub to: UserId,
    /// The text.
    pub content: Arc<str>,
    /// The sender's own id for it.
    pub client_id: Option<Arc<str>>,
    /// When it was received; never earlier than the message before it in the conversation.
    pub at: Timestamp,
    /// The entries of the chain that changed it before it was stored.
    pub changed_by: ChangedBy,
}

/// What [`append`](super::Store::append) did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The stored message: for a retry, the original.
    pub message: Message,
    /// Whether it was stored now; `false` for a retry.
    pub new: bool,
}

/// "`reader` has seen what `peer` wrote, up to `upto`."
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewMark {
    /// Who has read.
    pub reader: UserId,
    /// Whose messages.
    pub peer: UserId,
    /// Up to which message; `None` for the newest of the conversation.
    pub upto: Option<u64>,
    /// When.
    pub at: Timestamp,
}

/// A stored read mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Who has read.
    pub reader: UserId,
    /// Whose messages.
    pub peer: UserId,
    /// Up to which message; 0 when none.
    pub upto: u64,
    /// When the mark was last moved; for 0, when it was asked for.
    pub at: Timestamp,
}

/// What [`mark_seen`](super::Store::mark_seen) did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marked {
    /// The mark as it now stands.
    pub mark: Mark,
    /// Whether it moved. Marks only move forward.
    pub moved: bool,
}

/// Which part of a conversation is wanted. `before` and `after` are exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Only messages with a smaller `seq`.
    pub before: Option<u64>,
    /// Only messages with a larger `seq`; then the page holds the oldest of them, else the newest.
    pub after: Option<u64>,
    /// The most messages in the page.
    pub limit: usize,
}

/// A part of a conversation, ascending by `seq`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryPage {
    /// The messages.
    pub messages: Vec<Message>,
    /// Whether more messages match the query than fit in the page.
    pub more: bool,
}

/// Where a page of conversations goes on: after this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConversationCursor {
    /// The time of its newest message.
    pub at: Timestamp,
    /// Its peer.
    pub peer: UserId,
}

/// One conversation as one of its users sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationSummary {
    /// The other one.
    pub peer: UserId,
    /// How many messages of the peer this user has not seen, at most the store's bound.
    pub unread: u64,
    /// Up to which message this user has seen the conversation.
    pub seen: u64,
    /// Up to which message the peer has.
    pub seen_by_peer: u64,
    /// The newest message.
    pub last_message: Message,
}

/// A page of conversations, newest first (by time of the newest message, then by peer, both
/// descending).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConversationPage {
    /// The conversations.
    pub conversations: Vec<ConversationSummary>,
    /// Where the next page begins, if there is one.
    pub next: Option<ConversationCursor>,
}

/// The most that one answer to `changes_since` may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeLimit {
    /// Messages.
    pub messages: usize,
    /// Bytes of message text; the first message is always included.
    pub bytes: usize,
}

/// Peers by id: those from `from` on and before `to`, each open when `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerRange {
    /// The first.
    pub from: Option<UserId>,
    /// The first that is no longer meant.
    pub to: Option<UserId>,
}

impl PeerRange {
    /// Everybody.
    pub const ALL: Self = Self { from: None, to: None };

    /// Whether this peer is meant.
    pub fn contains(self, peer: UserId) -> bool {
        self.from.is_none_or(|from| from <= peer) && self.to.is_none_or(|to| peer < to)
    }
}

/// What a user asks for who was away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeQuery {
    /// Up to where they have the messages of the conversation with each peer; none of those
    /// with a peer who is not named. Peers out of `between` do not count.
    pub have: HashMap<UserId, u64>,
    /// Only the conversations with these peers are asked about.
    pub between: PeerRange,
    /// The most that the answer may hold.
    pub limit: ChangeLimit,
}

impl ChangeQuery {
    /// About all conversations.
    pub const fn all(have: HashMap<UserId, u64>, limit: ChangeLimit) -> Self {
        Self { have, between: PeerRange::ALL, limit }
    }
}

/// What a user lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Messages, ascending by `seq` and without a hole in each conversation.
    pub messages: Vec<Message>,
    /// Both sides' read marks (those above 0) of the conversations that the question named and of
    /// those with messages here. None while the answer is not complete: who asks on names then
    /// what they got, and repeating all marks with each answer would cost more than the messages.
    pub marks: Vec<Mark>,
    /// Whether nothing that was asked for was left out.
    pub complete: bool,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_conversation_joins_its_ids(a: u128, b: u128) {
            let (a, b) = (UserId::from_u128(a), UserId::from_u128(b));
            let written = Conversation::between(a, b).to_string();
            prop_assert_eq!(written, format!("{}_{}", a.min(b), a.max(b)));
        }
    }
}
