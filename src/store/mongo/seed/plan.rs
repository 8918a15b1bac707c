//! The order of one conversation: by time, then by `_id`.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use async_trait::async_trait;
use confab_plugin::UserId;
use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document, doc, oid::ObjectId};

use super::{
    Collection, Inner, Skipped,
    fields::{first, time, time_of_id},
    pairs::direction,
};
use crate::store::{
    ChangedBy, Conversation, Mark, Message, StoreError, Timestamp, mongo::errors::unavailable,
    transfer::Messages,
};

/// Messages that are fetched at once.
const PAGE: usize = 500;

/// A message of the seed.
pub(super) struct Found {
    from: UserId,
    to: UserId,
    content: String,
    at: Timestamp,
    seen: bool,
}

/// Reads a message.
///
/// # Errors
/// Why it is none that can be taken over.
pub(super) fn parse(
    inner: &Inner,
    collection: &Collection,
    document: &Document,
) -> Result<Found, String> {
    let (from, to) = direction(&inner.users, &collection.pairs, document)?;
    let (from, to) = (inner.users.account(from)?, inner.users.account(to)?);
    let content = first(document, &["content", "message", "text"]).and_then(Bson::as_str);
    let content = content.ok_or("without a text")?;
    let at = first(document, &["timestamp", "at", "created_at"]).and_then(time);
    let at = at.or_else(|| document.get("_id").and_then(time_of_id)).ok_or("without a time")?;
    let seen = document.get_bool("seen").unwrap_or(false);
    Ok(Found { from, to, content: content.to_owned(), at, seen })
}

/// An `_id`, small, because many are kept.
#[derive(Clone, Debug, PartialEq)]
enum Id {
    Object(ObjectId),
    Other(Box<Bson>),
}

impl Id {
    fn of(value: &Bson) -> Self {
        match value {
            Bson::ObjectId(id) => Self::Object(*id),
            other => Self::Other(Box::new(other.clone())),
        }
    }

    fn bson(&self) -> Bson {
        match self {
            Self::Object(id) => Bson::ObjectId(*id),
            Self::Other(other) => (**other).clone(),
        }
    }
}

/// A message's place, before it has one.
struct Place {
    at: Timestamp,
    collection: u32,
    id: Id,
}

/// The messages of a conversation in their order. About 50 bytes a message.
pub(super) struct Plan {
    inner: Arc<Inner>,
    conversation: Conversation,
    collections: Vec<Arc<Collection>>,
    places: Vec<Place>,
    pub marks: Vec<Mark>,
}

impl Plan {
    /// Reads the conversation's collections once.
    pub(super) async fn of(
        inner: &Arc<Inner>,
        conversation: Conversation,
        collections: Vec<Arc<Collection>>,
    ) -> Result<Self, StoreError> {
        let mut places = Vec::new();
        for (index, collection) in (0..).zip(&collections) {
            let mut skipped = Skipped::default();
            let stored = inner.space.database.collection::<Document>(&collection.name);
            let find = stored.find(doc! {}).sort(doc! { "_id": 1 });
            let mut cursor = find.await.map_err(unavailable)?;
            while let Some(document) = cursor.try_next().await.map_err(unavailable)? {
                let id = document.get("_id").unwrap_or(&Bson::Null);
                match parse(inner, collection, &document) {
                    Ok(found) if Conversation::between(found.from, found.to) == conversation => {
                        let place = Place { at: found.at, collection: index, id: Id::of(id) };
                        places.push((place, found.seen.then_some(found.to)));
                    }
                    Ok(_) => {}
                    Err(why) => skipped.add(why, id),
                }
            }
            inner.skipped(&collection.name, skipped);
        }
        // Stable: of one time, the order of the ids remains.
        places.sort_by_key(|(place, _)| place.at);
        let mut seen: BTreeMap<UserId, (u64, Timestamp)> = BTreeMap::new();
        for (seq, (place, by)) in (1..).zip(&places) {
            if let Some(reader) = by {
                seen.insert(*reader, (seq, place.at));
            }
        }
        let marks = seen.into_iter().map(|(reader, (upto, at))| {
            let (first, second) = (conversation.first(), conversation.second());
            Mark { reader, peer: if reader == first { second } else { first }, upto, at }
        });
        Ok(Self {
            inner: Arc::clone(inner),
            conversation,
            collections,
            marks: marks.collect(),
            places: places.into_iter().map(|(place, _)| place).collect(),
        })
    }

    pub(super) fn last(&self) -> (u64, Timestamp) {
        (self.places.len() as u64, self.places.last().map_or(Timestamp(0), |place| place.at))
    }
}

#[async_trait]
impl Messages for Plan {
    async fn after(&self, seq: u64) -> Result<Vec<Message>, StoreError> {
        let start = usize::try_from(seq).unwrap_or(usize::MAX).min(self.places.len());
        let page: Vec<&Place> = self.places.iter().skip(start).take(PAGE).collect();
        let mut found: HashMap<(u32, String), Found> = HashMap::new();
        for (index, collection) in (0..).zip(&self.collections) {
            let ids = page.iter().filter(|place| place.collection == index);
            let ids: Vec<Bson> = ids.map(|place| place.id.bson()).collect();
            if ids.is_empty() {
                continue;
            }
            let stored = self.inner.space.database.collection::<Document>(&collection.name);
            let mut cursor =
                stored.find(doc! { "_id": { "$in": ids } }).await.map_err(unavailable)?;
            while let Some(document) = cursor.try_next().await.map_err(unavailable)? {
                let id = document.get("_id").unwrap_or(&Bson::Null).to_string();
                if let Ok(message) = parse(&self.inner, collection, &document) {
                    found.insert((index, id), message);
                }
            }
        }
        let messages = (seq + 1..).zip(page).map(|(seq, place)| {
            let found = found.remove(&(place.collection, place.id.bson().to_string()));
            let found = found.filter(|found| found.at == place.at).ok_or_else(|| {
                let why = "the old database changes while it is read: stop what writes to it";
                StoreError::Unavailable(why.to_owned())
            })?;
            Ok(Message {
                conversation: self.conversation,
                seq,
                from: found.from,
                to: found.to,
                content: found.content.into(),
                client_id: None,
                at: found.at,
                changed_by: ChangedBy::default(),
            })
        });
        messages.collect()
    }
}
