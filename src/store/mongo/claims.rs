//! To whom a sender's id was first used.
//!
//! The unique index beside a conversation's messages makes a retry no copy; but it does not
//! reach over to other conversations, which are in other collections or on other shards. So an
//! id is claimed for its recipient first. A claim without a message (the node stopped between
//! the two) harms nobody: the retry goes to the same recipient.
//!
//! One insert a batch, acknowledged by the primary alone, unless shards are many:
//! the message follows it in the same log, and its acknowledgement is that of the claim. Should a primary be lost just between the
//! two, the id could be used once more for somebody else, and still never twice for the same.

use std::collections::{HashMap, HashSet};

use confab_plugin::UserId;
use futures_util::TryStreamExt;
use mongodb::{
    bson::{Bson, Document, doc},
    error::ErrorKind,
};

use super::{
    connect::Space,
    documents::odd,
    errors::{DUPLICATE_KEY, unavailable},
};
use crate::store::{NewMessage, StoreError};

/// What is known of one message's id before it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// It has none, or nobody has used it.
    Fresh,
    /// It was used for this recipient: the message may be stored.
    Known,
    /// It was used for somebody else.
    Reused,
}

/// One sender's id, and for whom it is.
struct Slot<'a> {
    from: UserId,
    id: &'a str,
    to: String,
    was_known: bool,
}

impl Slot<'_> {
    fn key(&self) -> Bson {
        key(self.from, self.id)
    }
}

/// The `_id` of a claim.
fn key(from: UserId, id: &str) -> Bson {
    Bson::Document(doc! { "from": from.to_string(), "id": id })
}

/// Claims the ids of a batch, each for the first recipient that the batch names.
pub(super) async fn claim(space: &Space, batch: &[NewMessage]) -> Result<Vec<Claim>, StoreError> {
    let mut slots: Vec<Slot<'_>> = Vec::new();
    let mut places: HashMap<(UserId, &str), usize> = HashMap::new();
    for new in batch {
        if let Some(id) = new.client_id.as_deref() {
            places.entry((new.from, id)).or_insert_with(|| {
                slots.push(Slot { from: new.from, id, to: new.to.to_string(), was_known: false });
                slots.len() - 1
            });
        }
    }
    for index in insert(space, &slots).await? {
        if let Some(slot) = slots.get_mut(index) {
            slot.was_known = true;
        }
    }
    let known = slots.iter().filter(|slot| slot.was_known).map(Slot::key).collect();
    let known = read(space, known).await?;
    for (from, id, to) in known.iter().filter_map(parse) {
        if let Some(slot) = places.get(&(from, id)).and_then(|index| slots.get_mut(*index)) {
            to.clone_into(&mut slot.to);
        }
    }
    let claims = batch.iter().map(|new| {
        let id = new.client_id.as_deref()?;
        let slot = slots.get(*places.get(&(new.from, id))?)?;
        Some(match (slot.to == new.to.to_string(), slot.was_known) {
            (false, _) => Claim::Reused,
            (true, true) => Claim::Known,
            (true, false) => Claim::Fresh,
        })
    });
    Ok(claims.map(|claim| claim.unwrap_or(Claim::Fresh)).collect())
}

/// Inserts claims; returns the places of those that were there.
async fn insert(space: &Space, slots: &[Slot<'_>]) -> Result<Vec<usize>, StoreError> {
    if slots.is_empty() {
        return Ok(Vec::new());
    }
    let documents = slots.iter().map(|slot| doc! { "_id": slot.key(), "to": &slot.to });
    let Err(error) = space.client_ids().insert_many(documents).ordered(false).await else {
        return Ok(Vec::new());
    };
    let ErrorKind::InsertMany(many) = &*error.kind else {
        return Err(unavailable(error));
    };
    let wrong = many.write_errors.as_deref().unwrap_or_default();
    if many.write_concern_error.is_some() || wrong.iter().any(|one| one.code != DUPLICATE_KEY) {
        return Err(unavailable(error));
    }
    Ok(wrong.iter().map(|one| one.index).collect())
}

/// To whom each of these ids was used, by those who did.
pub(super) async fn recipients(
    space: &Space,
    asked: &HashSet<(UserId, &str)>,
) -> Result<Vec<(UserId, String, UserId)>, StoreError> {
    let keys = asked.iter().map(|(from, id)| key(*from, id)).collect();
    let claims = read(space, keys).await?;
    let parsed = claims.iter().filter_map(parse);
    Ok(parsed.filter_map(|(from, id, to)| Some((from, id.to_owned(), to.parse().ok()?))).collect())
}

/// The claims with these keys.
async fn read(space: &Space, keys: Vec<Bson>) -> Result<Vec<Document>, StoreError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let client_ids = space.client_ids();
    let find = client_ids.find(doc! { "_id": { "$in": keys } }).max_time(space.timeout);
    find.await.map_err(unavailable)?.try_collect().await.map_err(unavailable)
}

fn parse(document: &Document) -> Option<(UserId, &str, &str)> {
    let parsed = parts(document);
    if parsed.is_none() {
        odd("client_ids");
    }
    parsed
}

fn parts(document: &Document) -> Option<(UserId, &str, &str)> {
    let key = document.get_document("_id").ok()?;
    let from = key.get_str("from").ok()?.parse().ok()?;
    Some((from, key.get_str("id").ok()?, document.get_str("to").ok()?))
}
