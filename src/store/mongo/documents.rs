//! How the model's values are written as documents and read from them.
//!
//! Everything that comes from a client is written as a typed BSON value, so that no text can
//! become an operator. Everything is read leniently: a document that another program wrote, with
//! fields missing or of another type, is skipped and counted.

use std::sync::Arc;

use confab_plugin::UserId;
use mongodb::bson::{DateTime, Document, RawBsonRef, RawDocument, doc};

use super::layout::Layout;
pub(super) use super::meters::odd;
use crate::store::{Account, ChangedBy, Conversation, Message, NewMessage, Standing, Timestamp};

/// The collection of accounts.
pub(super) const ACCOUNTS: &str = "accounts";

/// The collection of conversations: participants, how far they go, what was seen.
pub(super) const CONVERSATIONS: &str = "conversations";

/// The collection that says to whom a sender's id was first used.
pub(super) const CLIENT_IDS: &str = "client_ids";

pub(super) fn date(at: Timestamp) -> DateTime {
    DateTime::from_millis(at.0)
}

/// A number of the model as the database holds it. What is too large becomes the largest, which
/// is beyond every `seq`.
pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A number of the database as the model holds it; it never is below zero.
pub(super) fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// A field that holds a whole number; 0 when it is missing or something else.
pub(super) fn whole(document: &RawDocument, field: &str) -> i64 {
    match document.get(field) {
        Ok(Some(value)) => {
            value.as_i64().or_else(|| value.as_i32().map(i64::from)).unwrap_or(0).max(0)
        }
        _ => 0,
    }
}

/// A field that holds a time.
pub(super) fn time(document: &RawDocument, field: &str) -> Option<Timestamp> {
    document.get_datetime(field).ok().map(|at| Timestamp(at.timestamp_millis()))
}

pub(super) fn account(document: &RawDocument) -> Option<Account> {
    let display_name = match document.get("display_name").ok()? {
        Some(name) => Some(Arc::from(name.as_str()?)),
        None => None,
    };
    Some(Account {
        id: document.get_str("_id").ok()?.parse().ok()?,
        username: document.get_str("username").ok()?.parse().ok()?,
        display_name,
        password_hash: document.get_str("password_hash").ok()?.into(),
        created_at: time(document, "created_at")?,
        // None of these is there before the account's first change.
        standing: Standing {
            epoch: count(whole(document, "epoch")),
            disabled: time(document, "disabled_at"),
            deleted: time(document, "deleted_at"),
            change: count(whole(document, "change")),
        },
    })
}

/// What may change of an account, as `$set` and `$unset` take it, but for the password's hash and
/// the place of the change.
pub(super) fn standing(account: &Account) -> (Document, Document) {
    let Standing { epoch, disabled, deleted, .. } = account.standing;
    let (mut set, mut unset) = (Document::new(), Document::new());
    if epoch > 0 {
        set.insert("epoch", number(epoch));
    }
    for (field, moment) in [("disabled_at", disabled), ("deleted_at", deleted)] {
        match moment {
            Some(at) => set.insert(field, date(at)),
            None => unset.insert(field, ""),
        };
    }
    match &account.display_name {
        Some(name) => set.insert("display_name", &**name),
        None => unset.insert("display_name", ""),
    };
    (set, unset)
}

pub(super) fn new_account(account: &Account) -> Document {
    let mut document = doc! {
        "_id": account.id.to_string(),
        "username": account.username.as_str(),
        "password_hash": &*account.password_hash,
        "created_at": date(account.created_at),
    };
    document.extend(standing(account).0);
    document
}

/// A message as it is stored.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub message: Message,
    /// How many messages up to this one are by the conversation's first user: what makes the
    /// unread count cheap. Not there when another program wrote the message.
    pub by_first: Option<i64>,
}

pub(super) fn message(
    layout: Layout,
    conversation: Conversation,
    document: &RawDocument,
) -> Option<Stored> {
    let seq = layout.seq(document.get("_id").ok()??)?;
    let from: UserId = document.get_str("from").ok()?.parse().ok()?;
    let to: UserId = document.get_str("to").ok()?.parse().ok()?;
    if Conversation::between(from, to) != conversation {
        return None;
    }
    let client_id = match document.get("id").ok()? {
        Some(id) => Some(Arc::from(id.as_str()?)),
        None => None,
    };
    let message = Message {
        conversation,
        seq: count(seq),
        from,
        to,
        content: document.get_str("content").ok()?.into(),
        client_id,
        at: time(document, "at")?,
        changed_by: changed_by(document),
    };
    Some(Stored { message, by_first: document.get_i64("by_first").ok() })
}

/// The labels in a message. Fewer than are written there when something is odd: that is no
/// reason to lose the message.
fn changed_by(document: &RawDocument) -> ChangedBy {
    match document.get("changed_by") {
        Ok(Some(RawBsonRef::Array(labels))) => {
            ChangedBy::of(labels.into_iter().filter_map(|label| label.ok()?.as_str()))
        }
        _ => ChangedBy::default(),
    }
}

pub(super) fn new_message(
    layout: Layout,
    seq: i64,
    at: Timestamp,
    by_first: i64,
    new: &NewMessage,
) -> Document {
    let conversation = Conversation::between(new.from, new.to);
    let mut document = doc! {
        "_id": layout.id(conversation, seq),
        "from": new.from.to_string(),
        "to": new.to.to_string(),
        "content": &*new.content,
        "at": date(at),
    };
    if let Some(id) = &new.client_id {
        document.insert("id", &**id);
    }
    if !new.changed_by.is_empty() {
        document.insert("changed_by", new.changed_by.iter().collect::<Vec<_>>());
    }
    document.insert("by_first", by_first);
    document
}

/// The two participants in the written form of a conversation, `A_B`.
pub(super) fn conversation(name: &str) -> Option<Conversation> {
    let (first, second) = name.split_once('_')?;
    let (first, second): (UserId, UserId) = (first.parse().ok()?, second.parse().ok()?);
    (first <= second).then(|| Conversation::between(first, second))
}
