//! Reads a database that the seed's backend wrote, FastAPI on MongoDB: a collection of users,
//! and for each pair of them a collection `A_B` whose documents have no `seq`.
//!
//! | what | fields, the first that is there |
//! |---|---|
//! | user, in `users` | `_id`; `username`; `hashed_password`, `password`; `created_at` |
//! | message, in `A_B` | `sender`, `from`; `receiver`, `to`; `content`, `message`, `text`; `timestamp`, `at`, `created_at`; `seen` |
//!
//! Nothing is ever written to it.

mod fields;
mod pairs;
mod plan;
mod users;

use std::{
    collections::BTreeMap,
    fmt,
    ops::Bound,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use confab_plugin::{UserId, Username};
use mongodb::bson::{Bson, Document, doc};

use self::{
    pairs::{Pair, candidates},
    plan::Plan,
    users::{USERS, Users},
};
use super::{MongoImport, OpenError, connect::Space, errors::unavailable, import::connect, schema};
use crate::{
    config,
    store::{
        Account, Conversation, LoginId, RefreshableLogin, StoreError,
        transfer::{Export, Size, Thread},
    },
};

/// Why a database cannot be adopted. Displays as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeedError {
    /// The configuration is wrong, or the hosts are not found.
    Open(OpenError),
    /// MongoDB cannot answer.
    Store(StoreError),
    /// It has no users.
    NoUsers(String),
    /// It is the database that is to be written to.
    Itself(String),
}

impl fmt::Display for SeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::NoUsers(name) => {
                write!(f, "the database {name} has no documents in a collection \"{USERS}\"")
            }
            Self::Itself(name) => write!(
                f,
                "{name} is both the old database and store.mongo.database: a new one needs \
                 another name"
            ),
        }
    }
}

impl std::error::Error for SeedError {}

impl From<StoreError> for SeedError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A collection of messages.
struct Collection {
    name: String,
    pairs: Vec<Pair>,
}

/// Messages of one collection that are left out: how many for which reason, and one of them.
#[derive(Default)]
struct Skipped(BTreeMap<String, (u64, String)>);

impl Skipped {
    fn add(&mut self, why: String, id: &Bson) {
        let (count, _) = self.0.entry(why).or_insert_with(|| (0, id.to_string()));
        *count += 1;
    }
}

/// What the readers of conversations share.
struct Inner {
    space: Space,
    users: Users,
    /// Of the collections that were read.
    skipped: Mutex<BTreeMap<String, Skipped>>,
}

impl Inner {
    fn skipped(&self, collection: &str, skipped: Skipped) {
        let mut all = self.skipped.lock().unwrap_or_else(PoisonError::into_inner);
        // Read again, it says the same.
        all.insert(collection.to_owned(), skipped);
    }
}

/// A database that the seed's backend wrote.
pub struct Seed {
    inner: Arc<Inner>,
    conversations: BTreeMap<Conversation, Vec<Arc<Collection>>>,
    /// Collections whose messages belong to nobody.
    left: Vec<String>,
}

impl Seed {
    /// Reads who the users are and which collections are theirs; both stay in memory. `usable`
    /// says whether a text is a password's hash that logins can be checked against: others get
    /// a hash that no password has.
    ///
    /// # Errors
    /// [`SeedError`], also when the database is the one that `target` would be written to.
    pub async fn open(
        config: &config::Mongo,
        target: &MongoImport,
        usable: impl Fn(&str) -> bool,
    ) -> Result<Self, SeedError> {
        let space = connect(config).await.map_err(SeedError::Open)?;
        let name = space.database.name().to_owned();
        if target.is_same(&space).await? {
            return Err(SeedError::Itself(name));
        }
        let users = Users::read(&space, usable).await?;
        if users.list.is_empty() {
            return Err(SeedError::NoUsers(name));
        }
        let mut names = space.database.list_collection_names().await.map_err(unavailable)?;
        names.retain(|name| name != USERS && !name.starts_with("system."));
        names.sort();
        let mut conversations: BTreeMap<_, Vec<Arc<Collection>>> = BTreeMap::new();
        let mut left = Vec::new();
        for name in names {
            let pairs = candidates(&users, &name);
            let known = pairs.iter().filter_map(|(a, b)| {
                Some(Conversation::between(users.account(*a).ok()?, users.account(*b).ok()?))
            });
            let known: Vec<Conversation> = known.collect();
            if known.is_empty() {
                let why = match pairs.first() {
                    Some((a, b)) => users.account(*a).err().or(users.account(*b).err()),
                    None => Some("its name is not that of two users".to_owned()),
                };
                left.push(format!("collection {name}: {}", why.unwrap_or_default()));
            }
            let collection = Arc::new(Collection { name, pairs });
            for conversation in known {
                conversations.entry(conversation).or_default().push(Arc::clone(&collection));
            }
        }
        let inner = Inner { space, users, skipped: Mutex::default() };
        Ok(Self { inner: Arc::new(inner), conversations, left })
    }

    /// The users who need a new password.
    pub fn without_password(&self) -> &[Username] {
        &self.inner.users.without_password
    }

    /// What is left out, and why: users, collections, and messages of the conversations that
    /// were read. One line each.
    pub fn left_out(&self) -> Vec<String> {
        let users = self.inner.users.list.iter().filter_map(|user| {
            let why = user.account.as_ref().err()?;
            Some(format!("user \"{}\": {why}", user.name))
        });
        let mut all: Vec<String> = users.collect();
        all.extend(self.left.iter().cloned());
        let skipped = self.inner.skipped.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, Skipped(reasons)) in skipped.iter() {
            for (why, (count, id)) in reasons {
                let what = if *count == 1 { "message" } else { "messages" };
                all.push(format!("collection {name}: {count} {what} {why}, the first: _id {id}"));
            }
        }
        all
    }

    /// Ends the connections.
    pub async fn close(&self) {
        self.inner.space.close().await;
    }
}

impl MongoImport {
    /// Whether this is the same database: of that name, on a server that is the same or may be.
    async fn is_same(&self, other: &Space) -> Result<bool, StoreError> {
        let ours = self.space();
        if ours.database.name() != other.database.name() {
            return Ok(false);
        }
        let (ours, theirs) = (Server::of(ours).await?, Server::of(other).await?);
        Ok(match (ours.process, theirs.process) {
            // The routers of one cluster are processes of their own.
            _ if ours.is_router && theirs.is_router => true,
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => true,
        })
    }
}

/// What tells a server from others.
struct Server {
    process: Option<Bson>,
    is_router: bool,
}

impl Server {
    async fn of(space: &Space) -> Result<Self, StoreError> {
        let hello = space.database.run_command(doc! { "hello": 1 }).await.map_err(unavailable)?;
        let version = hello.get_document("topologyVersion").ok();
        Ok(Self {
            process: version.and_then(|version| version.get("processId").cloned()),
            is_router: schema::is_router(&hello),
        })
    }
}

#[async_trait]
impl Export for Seed {
    async fn size(&self) -> Result<Size, StoreError> {
        let mut names: Vec<&str> =
            self.conversations.values().flatten().map(|collection| &*collection.name).collect();
        names.sort_unstable();
        names.dedup();
        let mut messages = 0;
        for name in names {
            let collection = self.inner.space.database.collection::<Document>(name);
            messages += collection.estimated_document_count().await.map_err(unavailable)?;
        }
        let accounts = self.inner.users.accounts.len() as u64;
        Ok(Size { accounts, conversations: self.conversations.len() as u64, messages })
    }

    async fn accounts(
        &self,
        after: Option<UserId>,
        most: usize,
    ) -> Result<Vec<Account>, StoreError> {
        let beyond = self.inner.users.accounts.range(beyond(after));
        Ok(beyond.map(|(_, account)| account.clone()).take(most).collect())
    }

    async fn conversations(
        &self,
        after: Option<Conversation>,
        most: usize,
    ) -> Result<Vec<Conversation>, StoreError> {
        let beyond = self.conversations.range(beyond(after));
        Ok(beyond.map(|(conversation, _)| *conversation).take(most).collect())
    }

    async fn thread(&self, conversation: Conversation) -> Result<Thread, StoreError> {
        let collections = self.conversations.get(&conversation).cloned().unwrap_or_default();
        let plan = Plan::of(&self.inner, conversation, collections).await?;
        let (last_seq, last_at) = plan.last();
        let marks = plan.marks.clone();
        Ok(Thread { last_seq, last_at, marks, messages: Box::new(plan) })
    }

    fn keeps_logins(&self) -> bool {
        false
    }

    async fn logins(
        &self,
        _after: Option<LoginId>,
        _most: usize,
    ) -> Result<Vec<RefreshableLogin>, StoreError> {
        Ok(Vec::new())
    }
}

/// All that come after this one.
fn beyond<T>(after: Option<T>) -> (Bound<T>, Bound<T>) {
    (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)
}
