//! `GET /conversations` and the history of each.

use std::sync::Arc;

use confab_plugin::UserId;
use poem::web::Data;
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    payload::Json,
};

use super::{State, bearer::Asker, failure::Failure, profile::ProfileBody};
use crate::{
    code::{Code, Refusal},
    dispatch::report,
    store::{self, Conversation, ConversationCursor, HistoryQuery, StoreError, Timestamp},
};

/// The calls about conversations.
pub struct ConversationsApi;

/// A stored message.
#[derive(Object)]
#[oai(rename = "Message")]
struct MessageBody {
    /// The two user ids, sorted and joined by `_`.
    conversation: String,
    /// Its place in the conversation: 1, 2, 3 … without gaps.
    seq: u64,
    /// The sender's id.
    from: String,
    /// The recipient's id.
    to: String,
    /// The text.
    content: String,
    /// When it was received: RFC 3339, UTC, milliseconds.
    at: String,
    /// The sender's own id for it.
    #[oai(skip_serializing_if_is_none)]
    id: Option<String>,
    /// The plugin entries that changed it before it was stored, in the order of the chain. Not
    /// there if none did.
    #[oai(skip_serializing_if_is_none)]
    changed_by: Option<Vec<String>>,
}

impl From<&store::Message> for MessageBody {
    fn from(message: &store::Message) -> Self {
        let changed_by = &message.changed_by;
        Self {
            conversation: message.conversation.to_string(),
            seq: message.seq,
            from: message.from.to_string(),
            to: message.to.to_string(),
            content: message.content.to_string(),
            at: message.at.to_string(),
            id: message.client_id.as_deref().map(str::to_owned),
            changed_by: (!changed_by.is_empty())
                .then(|| changed_by.iter().map(str::to_owned).collect()),
        }
    }
}

/// How far the two have read: the last `seq` each has seen, 0 for none.
#[derive(Object)]
struct SeenBody {
    /// The asker.
    mine: u64,
    /// The peer.
    theirs: u64,
}

/// A conversation, as the asker sees it.
#[derive(Object)]
#[oai(rename = "Conversation")]
struct ConversationBody {
    /// With whom.
    peer: ProfileBody,
    /// The newest message's place.
    last_seq: u64,
    /// How many of the peer's messages are unread, at most `limits.unread`.
    unread: u64,
    /// The newest message.
    last_message: MessageBody,
    /// The read marks.
    seen: SeenBody,
}

/// A page of conversations.
#[derive(Object)]
struct Conversations {
    /// Newest first.
    conversations: Vec<ConversationBody>,
    /// Give this as `cursor` to get the next page; null after the last.
    next: Option<String>,
}

/// A part of a conversation.
#[derive(Object)]
struct History {
    /// Ascending by `seq`.
    messages: Vec<MessageBody>,
    /// Whether there are more than fit in the page.
    more: bool,
}

#[OpenApi]
impl ConversationsApi {
    /// My conversations, newest first
    #[oai(path = "/conversations", method = "get")]
    async fn list(
        &self,
        state: Data<&Arc<State>>,
        asker: Asker,
        /// The most conversations in the answer; never more than `limits.page`.
        limit: Query<Option<u64>>,
        /// Where to go on: `next` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<Conversations>, Failure> {
        let me = asker.0.user.id;
        let limit = page(limit.0, state.limits.page)?;
        let cursor = cursor.0.as_deref().map(read_cursor).transpose()?;
        let page = state.store.conversations(me, cursor, limit).await.map_err(unavailable)?;
        let mut conversations = Vec::with_capacity(page.conversations.len());
        for summary in &page.conversations {
            let Some(peer) =
                state.admission.directory().by_id(summary.peer).await.map_err(unavailable)?
            else {
                continue;
            };
            conversations.push(ConversationBody {
                peer: ProfileBody::from(&*peer),
                last_seq: summary.last_message.seq,
                unread: summary.unread,
                last_message: MessageBody::from(&summary.last_message),
                seen: SeenBody { mine: summary.seen, theirs: summary.seen_by_peer },
            });
        }
        Ok(Json(Conversations { conversations, next: page.next.map(write_cursor) }))
    }

    /// A part of a conversation
    ///
    /// The newest page, unless `before` or `after` (both exclusive) say otherwise. `peer` is
    /// `@username` or a user id.
    #[oai(path = "/conversations/:peer/messages", method = "get")]
    async fn history(
        &self,
        state: Data<&Arc<State>>,
        asker: Asker,
        peer: Path<String>,
        /// Only messages with a smaller `seq`.
        before: Query<Option<u64>>,
        /// Only messages with a larger `seq`; then the page holds the oldest of them.
        after: Query<Option<u64>>,
        /// The most messages in the answer; never more than `limits.page`.
        limit: Query<Option<u64>>,
    ) -> Result<Json<History>, Failure> {
        let peer = state.dispatch.find(&peer).await?.user.id;
        let conversation = Conversation::between(asker.0.user.id, peer);
        let limit = page(limit.0, state.limits.page)?;
        let query = HistoryQuery { before: before.0, after: after.0, limit };
        let page = state.store.history(conversation, query).await.map_err(unavailable)?;
        let messages = page.messages.iter().map(MessageBody::from).collect();
        Ok(Json(History { messages, more: page.more }))
    }
}

fn unavailable(error: StoreError) -> Refusal {
    report("read", &error);
    error.into()
}

fn page(wanted: Option<u64>, most: usize) -> Result<usize, Refusal> {
    match wanted.map(usize::try_from) {
        None => Ok(most.min(50)),
        Some(Ok(0)) => {
            Err(Refusal::new(Code::InvalidParameter, "The parameter \"limit\" is at least 1."))
        }
        Some(Ok(wanted)) => Ok(wanted.min(most)),
        Some(Err(_)) => Ok(most),
    }
}

fn write_cursor(cursor: ConversationCursor) -> String {
    format!("{}.{}", cursor.at.0, cursor.peer)
}

fn read_cursor(text: &str) -> Result<ConversationCursor, Refusal> {
    let parts = text.split_once('.').and_then(|(at, peer)| {
        Some(ConversationCursor {
            at: Timestamp(at.parse().ok()?),
            peer: peer.parse::<UserId>().ok()?,
        })
    });
    parts.ok_or_else(|| {
        Refusal::new(
            Code::InvalidParameter,
            "The parameter \"cursor\" is the \"next\" of the page before.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_what_it_wrote() {
        let cursor = ConversationCursor { at: Timestamp(-5), peer: UserId::from_u128(7) };
        assert_eq!(read_cursor(&write_cursor(cursor)), Ok(cursor));
        for bad in ["", ".", "1", "1.x", "x.00000000000000000000000007"] {
            assert!(read_cursor(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_page_has_bounds() {
        assert_eq!(page(None, 100), Ok(50));
        assert_eq!(page(None, 10), Ok(10));
        assert_eq!(page(Some(100), 100), Ok(100));
        assert!(page(Some(0), 100).is_err());
        assert_eq!(page(Some(101), 100), Ok(100));
        assert_eq!(page(Some(u64::MAX), 100), Ok(100));
    }
}
