//! Takes over what another store has, as it is, and reads it back.
//!
//! A conversation is written in the order in which a daemon would: client ids, how far the
//! messages will go, the messages, each page as one ordered insert. So whatever interrupts it
//! leaves a part from the beginning, and its newest message tells where to go on.

use std::collections::HashMap;

use async_trait::async_trait;
use confab_plugin::UserId;
use futures_util::{StreamExt, TryStreamExt, stream};
use mongodb::bson::{Document, RawDocumentBuf, doc};

use super::{
    OpenError,
    append::promise,
    claims::{Claim, claim},
    connect::{Settings, Space, durable},
    documents::{
        account, conversation, count, date, new_account, new_message, number, odd, time, whole,
    },
    errors::{DUPLICATE_KEY, INVALID_DOCUMENT, Stopped, unavailable},
    heads::newest,
    history::{Part, read},
    layout::{END, MESSAGES},
    logins,
    marks::side,
    schema,
};
use crate::{
    config,
    store::{
        Account, Conversation, LoginId, Mark, Message, NewMessage, RefreshableLogin, StoreError,
        Timestamp,
        transfer::{Export, Import, Messages, PAGE_BYTES, PAGE_MESSAGES, Presence, Size, Thread},
    },
};

/// Collections that are counted at the same time.
const AT_ONCE: usize = 16;

/// A MongoDB that takes over what another store has.
pub struct MongoImport {
    space: Space,
}

impl MongoImport {
    /// The database that `config` names. Makes nothing in it before
    /// [`prepare`](Import::prepare).
    ///
    /// # Errors
    /// [`OpenError`] for what is wrong with the configuration, or when the hosts are not found.
    pub async fn connect(config: &config::Mongo) -> Result<Self, OpenError> {
        Ok(Self { space: connect(config).await? })
    }

    /// The database.
    pub(super) fn space(&self) -> &Space {
        &self.space
    }

    /// Ends the connections.
    pub async fn close(&self) {
        self.space.close().await;
    }

    /// The collections that belong to one conversation each.
    async fn pairs(&self) -> Result<Vec<Conversation>, StoreError> {
        let names = self.space.database.list_collection_names().await.map_err(unavailable)?;
        Ok(names.iter().filter_map(|name| conversation(name)).collect())
    }

    async fn find(&self, filter: Document) -> Result<Vec<Account>, StoreError> {
        let accounts = self.space.accounts().clone_with_type::<RawDocumentBuf>();
        let mut cursor = accounts.find(filter).await.map_err(unavailable)?;
        let mut found = Vec::new();
        while cursor.advance().await.map_err(unavailable)? {
            match account(cursor.current()) {
                Some(account) => found.push(account),
                None => odd("accounts"),
            }
        }
        Ok(found)
    }
}

/// The place of a change is each store's own.
fn is_same(found: &Account, account: &Account) -> bool {
    let mut account = account.clone();
    account.standing.change = found.standing.change;
    *found == account
}

/// A client of its own for the database that `config` names.
pub(super) async fn connect(config: &config::Mongo) -> Result<Space, OpenError> {
    let settings = Settings::of(config)?;
    settings.connect().await.map_err(|error| OpenError::Uri(super::errors::one_line(&error)))
}

#[async_trait]
impl Export for MongoImport {
    async fn size(&self) -> Result<Size, StoreError> {
        let space = &self.space;
        let messages = if space.layout.is_per_pair() {
            let counts = stream::iter(self.pairs().await?).map(|pair| async move {
                space.messages(pair).count_documents(doc! {}).await.map_err(unavailable)
            });
            let counts: Vec<u64> = counts.buffer_unordered(AT_ONCE).try_collect().await?;
            counts.into_iter().sum()
        } else {
            let all = space.database.collection::<Document>(MESSAGES);
            all.count_documents(doc! {}).await.map_err(unavailable)?
        };
        let accounts = space.accounts().count_documents(doc! {}).await.map_err(unavailable)?;
        let conversations =
            space.conversations().count_documents(doc! {}).await.map_err(unavailable)?;
        Ok(Size { accounts, conversations, messages })
    }

    async fn accounts(
        &self,
        after: Option<UserId>,
        most: usize,
    ) -> Result<Vec<Account>, StoreError> {
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        let accounts = self.space.accounts().clone_with_type::<RawDocumentBuf>();
        let find = accounts.find(doc! { "_id": { "$gt": after } }).sort(doc! { "_id": 1 });
        let mut cursor = find.await.map_err(unavailable)?;
        let mut page = Vec::new();
        while page.len() < most && cursor.advance().await.map_err(unavailable)? {
            match account(cursor.current()) {
                Some(account) => page.push(account),
                None => odd("accounts"),
            }
        }
        Ok(page)
    }

    async fn conversations(
        &self,
        after: Option<Conversation>,
        most: usize,
    ) -> Result<Vec<Conversation>, StoreError> {
        let after = after.map(|after| after.to_string()).unwrap_or_default();
        let conversations = self.space.conversations();
        let find = conversations
            .find(doc! { "_id": { "$gt": after } })
            .sort(doc! { "_id": 1 })
            .projection(doc! { "_id": 1 });
        let mut cursor = find.await.map_err(unavailable)?;
        let mut page = Vec::new();
        while page.len() < most && cursor.advance().await.map_err(unavailable)? {
            match cursor.current().get_str("_id").ok().and_then(conversation) {
                Some(conversation) => page.push(conversation),
                None => odd("conversations"),
            }
        }
        Ok(page)
    }

    async fn thread(&self, conversation: Conversation) -> Result<Thread, StoreError> {
        let head = newest(&self.space, conversation).await?;
        let rows = self.space.conversations().clone_with_type::<RawDocumentBuf>();
        let row = rows.find_one(doc! { "_id": conversation.to_string() });
        let row = row.await.map_err(unavailable)?;
        let (first, second) = (conversation.first(), conversation.second());
        let sides = if first == second { vec![first] } else { vec![first, second] };
        let marks = sides.into_iter().filter_map(|reader| {
            let (row, side) = (row.as_ref()?, side(conversation, reader));
            let upto = count(whole(row, side.seen));
            let peer = if reader == first { second } else { first };
            let at = time(row, side.seen_at).unwrap_or_default();
            (upto > 0).then_some(Mark { reader, peer, upto, at })
        });
        let messages = Box::new(Stored { space: self.space.clone(), conversation });
        Ok(Thread { last_seq: count(head.seq), last_at: head.at, marks: marks.collect(), messages })
    }

    fn keeps_logins(&self) -> bool {
        true
    }

    async fn logins(
        &self,
        after: Option<LoginId>,
        most: usize,
    ) -> Result<Vec<RefreshableLogin>, StoreError> {
        logins::in_order_of_ids(&self.space, after, most).await
    }
}

/// The messages of one conversation.
struct Stored {
    space: Space,
    conversation: Conversation,
}

#[async_trait]
impl Messages for Stored {
    async fn after(&self, seq: u64) -> Result<Vec<Message>, StoreError> {
        let part = Part {
            after: number(seq),
            before: END,
            backward: false,
            most: PAGE_MESSAGES,
            bytes: PAGE_BYTES,
        };
        let stored = read(&self.space, self.conversation, part).await?;
        Ok(stored.into_iter().map(|stored| stored.message).collect())
    }
}

#[async_trait]
impl Import for MongoImport {
    async fn prepare(&self) -> Result<(), StoreError> {
        schema::prepare(&self.space).await.map(|_| ()).map_err(unavailable)
    }

    async fn objection(&self) -> Result<Option<String>, StoreError> {
        let other = if self.space.layout.is_per_pair() {
            let all = self.space.database.collection::<Document>(MESSAGES);
            let any = all.find_one(doc! {}).await.map_err(unavailable)?;
            any.map(|_| "\"single\"")
        } else {
            (!self.pairs().await?.is_empty()).then_some("\"per_pair\"")
        };
        Ok(other.map(|layout| {
            format!(
                "the database {} holds messages in the layout {layout}: set store.mongo.layout \
                 to it, or name another database",
                self.space.database.name()
            )
        }))
    }

    async fn compare_accounts(&self, accounts: &[Account]) -> Result<Vec<Presence>, StoreError> {
        let ids: Vec<String> = accounts.iter().map(|account| account.id.to_string()).collect();
        let names: Vec<&str> = accounts.iter().map(|account| account.username.as_str()).collect();
        let by_id = self.find(doc! { "_id": { "$in": ids } }).await?;
        let by_name = self.find(doc! { "username": { "$in": names } }).await?;
        let by_id: HashMap<_, _> = by_id.iter().map(|found| (found.id, found)).collect();
        let by_name: HashMap<_, _> = by_name.iter().map(|found| (&found.username, found)).collect();
        let presence = accounts.iter().map(|account| {
            match (by_id.get(&account.id), by_name.get(&account.username)) {
                (Some(found), _) if is_same(found, account) => Presence::Same,
                (Some(found), _) => Presence::Other(account.differs(found)),
                (None, Some(found)) => {
                    Presence::Other(format!("its username belongs to {}", found.id))
                }
                (None, None) => Presence::Missing,
            }
        });
        Ok(presence.collect())
    }

    async fn add_accounts(&self, accounts: &[Account]) -> Result<(), StoreError> {
        if accounts.is_empty() {
            return Ok(());
        }
        let documents = accounts.iter().map(new_account);
        let accounts = self.space.accounts();
        accounts.insert_many(documents).ordered(false).await.map(|_| ()).map_err(unavailable)
    }

    async fn begin(
        &self,
        conversation: Conversation,
        last_seq: u64,
        last_at: Timestamp,
    ) -> Result<(), StoreError> {
        // Which there may be already, and without what belongs to it.
        schema::prepare_pair(&self.space, conversation, true).await.map_err(unavailable)?;
        promise(&self.space, conversation, number(last_seq), last_at, durable()).await
    }

    async fn add_messages(
        &self,
        conversation: Conversation,
        by_first: u64,
        messages: &[Message],
    ) -> Result<Option<String>, StoreError> {
        let new: Vec<NewMessage> = messages.iter().map(as_new).collect();
        let claims = claim(&self.space, &new).await?;
        if let Some((message, _)) =
            messages.iter().zip(claims).find(|(_, claim)| *claim == Claim::Reused)
        {
            let seq = message.seq;
            return Ok(Some(format!("seq {seq}: its client id was used for somebody else")));
        }
        let mut by_first = number(by_first);
        let documents = messages.iter().zip(&new).map(|(message, new)| {
            by_first += i64::from(message.from == conversation.first());
            new_message(self.space.layout, number(message.seq), message.at, by_first, new)
        });
        let documents: Vec<Document> = documents.collect();
        let inserted = self.space.messages(conversation).insert_many(documents).await;
        let Err(error) = inserted else {
            return Ok(None);
        };
        let stopped = Stopped::of(&error).ok_or_else(|| unavailable(error))?;
        let seq = messages.get(stopped.at).map_or(0, |message| message.seq);
        match stopped.code {
            DUPLICATE_KEY => {
                Ok(Some(format!("seq {seq}: its place or its client id is taken by another")))
            }
            INVALID_DOCUMENT => Ok(Some(format!("seq {seq}: {}", stopped.why))),
            _ => Err(stopped.why),
        }
    }

    async fn add_marks(&self, marks: &[Mark]) -> Result<(), StoreError> {
        for mark in marks {
            let conversation = Conversation::between(mark.reader, mark.peer);
            let side = side(conversation, mark.reader);
            let upto = number(mark.upto);
            let filter = doc! {
                "_id": conversation.to_string(),
                "$or": [{ side.seen: { "$exists": false } }, { side.seen: { "$lt": upto } }],
            };
            let change = doc! { "$set": { side.seen: upto, side.seen_at: date(mark.at) } };
            self.space.conversations().update_one(filter, change).await.map_err(unavailable)?;
        }
        Ok(())
    }

    async fn put_logins(&self, logins: &[RefreshableLogin]) -> Result<(), StoreError> {
        logins::put(&self.space, logins).await
    }

    async fn end_logins(&self, logins: &[LoginId]) -> Result<(), StoreError> {
        logins::end_all(&self.space, logins).await
    }
}

fn as_new(message: &Message) -> NewMessage {
    NewMessage {
        from: message.from,
        to: message.to,
        content: message.content.clone(),
        client_id: message.client_id.clone(),
        at: message.at,
        changed_by: message.changed_by.clone(),
    }
}
