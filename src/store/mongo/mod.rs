//! The store on MongoDB: many nodes, one chat.
//!
//! `connect` says what is asked of every write and read, `schema` what is where and by which
//! index, `append` how messages get their order without a counter and without a gap.
//!
//! A store is opened without a reachable server. A task prepares the database as soon as it can
//! be had; until then every call fails with the reason.

mod accounts;
mod append;
mod claims;
mod connect;
mod conversations;
mod documents;
mod errors;
mod heads;
mod history;
mod import;
mod layout;
mod marks;
mod meters;
mod originals;
mod pause;
mod prepare;
mod probe;
mod schema;
mod seed;
mod sync;
mod turns;

use std::{collections::HashMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use confab_plugin::{UserId, Username};
use mongodb::bson::doc;
use tokio::{
    sync::{OnceCell, oneshot},
    time::{Instant, timeout, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use connect::{check_database, check_uri};
pub use errors::OpenError;
pub use import::MongoImport;
pub use probe::probe;
pub use seed::{Seed, SeedError};

use self::{
    append::Item,
    claims::Claim,
    connect::{Settings, Space},
    heads::Heads,
    prepare::Readiness,
    turns::{Answers, Job, Turns},
};
use super::{
    Account, AccountChange, Appended, ChangeQuery, Changes, Conversation, ConversationCursor,
    ConversationPage, HistoryPage, HistoryQuery, Marked, Message, NewMark, NewMessage, Store,
    StoreError, Timestamp,
};
use crate::config;

/// The store on a MongoDB.
///
/// A call waits at most `store.mongo.operation_timeout`. A change that MongoDB was told of by
/// then may still be stored though its caller was told [`StoreError::Unavailable`]; a retry with
/// the same client id then finds it.
pub struct MongoStore {
    shared: Arc<Shared>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// What the store's tasks share.
struct Shared {
    settings: Settings,
    /// Made once the hosts are known.
    space: OnceCell<Arc<Space>>,
    readiness: ArcSwap<Readiness>,
    preparing: tokio::sync::Mutex<()>,
    heads: Heads,
    turns: Turns,
    unread: u64,
}

impl MongoStore {
    /// A store on the database that `config.mongo` names. Asks nobody: a task of the runtime
    /// tries to prepare the database until it can. `unread` is the highest unread count that is
    /// told. To be called within a Tokio runtime.
    ///
    /// # Errors
    /// [`OpenError`] says in one line what is wrong with the configuration.
    pub fn open(config: &config::Store, unread: u64) -> Result<Self, OpenError> {
        meters::describe();
        let shared = Arc::new(Shared {
            settings: Settings::of(&config.mongo)?,
            space: OnceCell::new(),
            readiness: ArcSwap::from_pointee(Readiness::default()),
            preparing: tokio::sync::Mutex::default(),
            heads: Heads::new(),
            turns: Turns::default(),
            unread,
        });
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(prepare::until_ready(Arc::clone(&shared), stop.clone()));
        Ok(Self { shared, stop, tasks })
    }

    /// Prepares the database now: collections, indexes, rules. Does no harm when it is done
    /// already. The store calls it by itself.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] with the reason.
    pub async fn prepare(&self) -> Result<(), StoreError> {
        self.shared.prepare().await
    }

    async fn within<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match timeout(self.shared.settings.operation_timeout, work).await {
            Ok(result) => result,
            Err(_) => Err(late()),
        }
    }

    /// Has a batch carried out, each conversation's part by itself. `part` makes a job of a
    /// part and gives the way to its answers.
    async fn in_turns<I, O>(
        &self,
        space: &Arc<Space>,
        items: Vec<(usize, Conversation, I)>,
        answers: &mut [Result<O, StoreError>],
        deadline: Instant,
        job: impl Fn(Vec<I>, oneshot::Sender<Answers<O>>) -> Job,
    ) {
        let mut places: HashMap<Conversation, usize> = HashMap::new();
        let mut parts: Vec<(Conversation, Vec<usize>, Vec<I>)> = Vec::new();
        for (index, conversation, item) in items {
            let place = *places.entry(conversation).or_insert_with(|| {
                parts.push((conversation, Vec::new(), Vec::new()));
                parts.len() - 1
            });
            if let Some((_, indices, items)) = parts.get_mut(place) {
                indices.push(index);
                items.push(item);
            }
        }
        let waiting: Vec<_> = parts
            .into_iter()
            .map(|(conversation, indices, items)| {
                let (sender, receiver) = oneshot::channel();
                turns::take(&self.shared, space, conversation, job(items, sender));
                (indices, receiver)
            })
            .collect();
        for (indices, receiver) in waiting {
            let failed = match timeout_at(deadline, receiver).await {
                Ok(Ok(part)) => {
                    for (index, answer) in indices.into_iter().zip(part) {
                        if let Some(place) = answers.get_mut(index) {
                            *place = answer;
                        }
                    }
                    continue;
                }
                Ok(Err(_)) => StoreError::Unavailable("the change was not carried out".to_owned()),
                Err(_) => late(),
            };
            for index in indices {
                if let Some(place) = answers.get_mut(index) {
                    *place = Err(failed.clone());
                }
            }
        }
    }
}

fn late() -> StoreError {
    StoreError::Unavailable("no answer in time (store.mongo.operation_timeout)".to_owned())
}

#[async_trait]
impl Store for MongoStore {
    async fn create_account(&self, account: Account) -> Result<(), StoreError> {
        let space = self.shared.space()?;
        self.within(accounts::create(&space, &account)).await
    }

    async fn account_by_id(&self, id: UserId) -> Result<Option<Account>, StoreError> {
        let space = self.shared.space()?;
        self.within(accounts::find(&space, doc! { "_id": id.to_string() })).await
    }

    async fn account_by_name(&self, name: &Username) -> Result<Option<Account>, StoreError> {
        let space = self.shared.space()?;
        self.within(accounts::find(&space, doc! { "username": name.as_str() })).await
    }

    async fn update_password(&self, id: UserId, old: &str, new: &str) -> Result<bool, StoreError> {
        let space = self.shared.space()?;
        self.within(accounts::update_password(&space, &id.to_string(), old, new)).await
    }

    async fn change_account(
        &self,
        id: UserId,
        change: AccountChange,
    ) -> Result<Option<Account>, StoreError> {
        let space = self.shared.space()?;
        self.within(accounts::change(&space, id, &change)).await
    }

    async fn accounts(
        &self,
        after: Option<&Username>,
        most: usize,
    ) -> Result<Vec<Account>, StoreError> {
        let space = self.shared.space()?;
        self.within(accounts::in_order_of_names(&space, after, most)).await
    }

    async fn account_changes(&self, after: u64, most: usize) -> Result<Vec<Account>, StoreError> {
        let space = self.shared.space()?;
        self.within(accounts::changed_after(&space, after, most)).await
    }

    async fn last_account_change(&self) -> Result<u64, StoreError> {
        let space = self.shared.space()?;
        self.within(accounts::last_change(&space)).await
    }

    async fn append(&self, batch: Vec<NewMessage>) -> Vec<Result<Appended, StoreError>> {
        let deadline = Instant::now() + self.shared.settings.operation_timeout;
        let claims = async {
            let space = self.shared.space()?;
            let claims = timeout_at(deadline, claims::claim(&space, &batch)).await;
            Ok((space, claims.unwrap_or_else(|_| Err(late()))?))
        };
        let (space, claims) = match claims.await {
            Ok(claims) => claims,
            Err(error) => return batch.iter().map(|_| Err(StoreError::clone(&error))).collect(),
        };
        let mut answers = vec![Err(StoreError::IdReused); batch.len()];
        let items = batch.into_iter().zip(claims).enumerate();
        let items = items.filter(|(_, (_, claim))| *claim != Claim::Reused);
        let items = items.map(|(index, (new, claim))| {
            (index, Conversation::between(new.from, new.to), Item { new, claim })
        });
        self.in_turns(&space, items.collect(), &mut answers, deadline, Job::Append).await;
        answers
    }

    async fn originals(
        &self,
        asked: Vec<(UserId, Arc<str>)>,
    ) -> Result<Vec<Option<Message>>, StoreError> {
        let space = self.shared.space()?;
        self.within(originals::of_anybody(&space, &asked)).await
    }

    fn saw(&self, conversation: Conversation, from: UserId, seq: u64, at: Timestamp) {
        self.shared.heads.saw(conversation, from, seq, at);
    }

    async fn mark_seen(&self, batch: Vec<NewMark>) -> Vec<Result<Marked, StoreError>> {
        let deadline = Instant::now() + self.shared.settings.operation_timeout;
        let space = match self.shared.space() {
            Ok(space) => space,
            Err(error) => return batch.iter().map(|_| Err(error.clone())).collect(),
        };
        let mut answers = vec![Err(late()); batch.len()];
        let items = batch.into_iter().enumerate();
        let items =
            items.map(|(index, new)| (index, Conversation::between(new.reader, new.peer), new));
        self.in_turns(&space, items.collect(), &mut answers, deadline, Job::Mark).await;
        answers
    }

    async fn history(
        &self,
        conversation: Conversation,
        query: HistoryQuery,
    ) -> Result<HistoryPage, StoreError> {
        let space = self.shared.space()?;
        self.within(history::history(&space, conversation, query)).await
    }

    async fn conversations(
        &self,
        user: UserId,
        cursor: Option<ConversationCursor>,
        limit: usize,
    ) -> Result<ConversationPage, StoreError> {
        let space = self.shared.space()?;
        let bound = self.shared.unread;
        self.within(conversations::conversations(&space, user, cursor, limit, bound)).await
    }

    async fn changes_since(&self, user: UserId, query: ChangeQuery) -> Result<Changes, StoreError> {
        let space = self.shared.space()?;
        self.within(sync::changes_since(&space, user, &query)).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let space = self.shared.space()?;
        self.within(async { space.ping().await.map_err(errors::unavailable) }).await
    }

    fn lanes(&self) -> usize {
        self.shared.settings.lanes
    }

    async fn turned(&self) {}

    fn longest(&self) -> Duration {
        self.shared.settings.operation_timeout
    }

    async fn close(&self) {
        self.shared.readiness.store(Arc::new(Readiness::Closed));
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.shared.turns.close().await;
        if let Some(space) = self.shared.space.get() {
            space.close().await;
        }
    }
}

impl Drop for MongoStore {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
