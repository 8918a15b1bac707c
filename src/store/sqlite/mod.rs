//! The embedded store, on SQLite: one file, one writer thread, several readers.
//!
//! Callers never block a thread of the runtime: a change is a job in a bounded queue before the
//! writer, a query runs on the blocking pool with one of the readers. The log is moved into the
//! database beside the writer.

mod accounts;
pub mod backup;
mod changes;
mod checkpoint;
mod connection;
mod export;
mod heads;
mod job;
mod open;
mod probe;
mod queries;
mod readers;
mod rows;
mod schema;
mod sync;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use confab_plugin::{UserId, Username};
use tokio::{
    sync::{mpsc, watch},
    time::timeout_at,
};

pub use export::SqliteExport;
pub use open::OpenError;
pub use probe::probe;

use self::{
    accounts::NewPassword,
    checkpoint::Checkpoints,
    connection::Role,
    job::{Change, Run},
    readers::Readers,
    writer::{Request, Writer},
};
use super::{
    Account, AccountChange, Appended, ChangeQuery, Changes, Conversation, ConversationCursor,
    ConversationPage, HistoryPage, HistoryQuery, Marked, Message, NewMark, NewMessage, Store,
    StoreError,
};
use crate::{config, turns::Turns};

/// The store in a folder of this machine.
///
/// A call waits at most `store.timeout`. A change that was queued by then may still be stored
/// though its caller was told [`StoreError::Unavailable`]; a retry with the same client id then
/// finds it.
pub struct SqliteStore {
    requests: mpsc::Sender<Request>,
    closed: watch::Receiver<()>,
    turns: Arc<Turns>,
    readers: Readers,
    batch: usize,
    timeout: Duration,
    unread: u64,
}

impl SqliteStore {
    /// Opens the folder `config.path`, and makes it and the database `confab.db` in it when they
    /// are missing. The folder belongs to this store until it is closed. `unread` is the highest
    /// unread count that is told. Blocks on the disk: not for an async thread.
    ///
    /// # Errors
    /// [`OpenError`] says in one line what is wrong and what to do.
    pub fn open(config: &config::Store, unread: u64) -> Result<Self, OpenError> {
        let opened = open::open(&config.path, config.timeout.0)?;
        Self::over(opened, config, unread)
    }

    /// Opens the store in the folder `config.path`, which must exist, beside a daemon that may use
    /// it: for changes of accounts alone, as this process and the daemon would not learn of each
    /// other's messages. Blocks on the disk.
    ///
    /// # Errors
    /// [`OpenError::Missing`], [`OpenError::Behind`], and most others.
    pub fn open_beside(config: &config::Store) -> Result<Self, OpenError> {
        let opened = open::open_beside(&config.path, config.timeout.0)?;
        Self::over(opened, config, 0)
    }

    fn over(opened: open::Opened, config: &config::Store, unread: u64) -> Result<Self, OpenError> {
        let timeout = config.timeout.0;
        let batch = config.batch.max(1);
        let path = opened.path;
        let failed = |why: String| OpenError::Database(path.clone(), why);
        let log = connection::open_for(Role::Checkpointer, &path, timeout)
            .map_err(|error| failed(open::one_line(&error)))?;
        let checkpoints = Checkpoints::start(log).map_err(|error| failed(error.to_string()))?;
        let (requests, waiting) = mpsc::channel(batch);
        let (closing, closed) = watch::channel(());
        let turns = Arc::default();
        Writer {
            db: opened.writer,
            checkpoints,
            batch,
            lock: opened.lock,
            closed: closing,
            turns: Arc::clone(&turns),
        }
        .start(waiting)
        .map_err(|error| failed(error.to_string()))?;
        let readers = Readers::new(path, config.readers, timeout);
        Ok(Self { requests, closed, turns, readers, batch, timeout, unread })
    }

    /// Bounds the database to this many pages, for tests of a full disk. Never below its present
    /// size.
    #[doc(hidden)]
    pub async fn limit_pages(&self, pages: u32) -> Result<(), StoreError> {
        self.change(pages, 1, self.deadline(), |work, pages| {
            work.db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
        })
        .await
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// Has the writer make a change, and waits for its answer.
    async fn change<I: Send + 'static, O: Send + 'static>(
        &self,
        input: I,
        size: usize,
        deadline: Instant,
        run: Run<I, O>,
    ) -> Result<O, StoreError> {
        let unavailable = |why: &str| StoreError::Unavailable(why.to_owned());
        let (change, answer) = Change::new(input, size, deadline, run);
        let work = async {
            self.requests
                .send(Request::Change(Box::new(change)))
                .await
                .map_err(|_| unavailable("the store is closed"))?;
            answer.await.map_err(|_| unavailable("the writer has stopped"))?
        };
        match timeout_at(deadline.into(), work).await {
            Ok(answer) => answer,
            Err(_) => Err(unavailable("no answer in time")),
        }
    }

    /// Has the writer make a batch of changes, in as many transactions as the batch size wants.
    async fn batches<I: Send + 'static, O: Send + 'static>(
        &self,
        mut items: Vec<I>,
        run: Run<Vec<I>, Vec<Result<O, StoreError>>>,
    ) -> Vec<Result<O, StoreError>> {
        let deadline = self.deadline();
        let mut answers = Vec::with_capacity(items.len());
        while !items.is_empty() {
            let rest = items.split_off(self.batch.min(items.len()));
            let size = items.len();
            match self.change(items, size, deadline, run).await {
                Ok(mut part) => answers.append(&mut part),
                Err(error) => answers.extend((0..size).map(|_| Err(error.clone()))),
            }
            items = rest;
        }
        answers
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn create_account(&self, account: Account) -> Result<(), StoreError> {
        self.change(account, 1, self.deadline(), accounts::create).await?
    }

    async fn account_by_id(&self, id: UserId) -> Result<Option<Account>, StoreError> {
        self.readers.read(move |db| accounts::by_id(db, id)).await
    }

    async fn account_by_name(&self, name: &Username) -> Result<Option<Account>, StoreError> {
        let name = name.clone();
        self.readers.read(move |db| accounts::by_name(db, &name)).await
    }

    async fn update_password(&self, id: UserId, old: &str, new: &str) -> Result<bool, StoreError> {
        let change = NewPassword { account: id, old: old.to_owned(), new: new.to_owned() };
        self.change(change, 1, self.deadline(), accounts::update_password).await
    }

    async fn change_account(
        &self,
        id: UserId,
        change: AccountChange,
    ) -> Result<Option<Account>, StoreError> {
        self.change((id, change), 1, self.deadline(), accounts::change).await
    }

    async fn accounts(
        &self,
        after: Option<&Username>,
        most: usize,
    ) -> Result<Vec<Account>, StoreError> {
        let after = after.map(ToString::to_string).unwrap_or_default();
        self.readers.read(move |db| accounts::in_order_of_names(db, &after, most)).await
    }

    async fn account_changes(&self, after: u64, most: usize) -> Result<Vec<Account>, StoreError> {
        self.readers.read(move |db| accounts::changed_after(db, after, most)).await
    }

    async fn last_account_change(&self) -> Result<u64, StoreError> {
        self.readers.read(|db| accounts::last_change(db)).await
    }

    async fn append(&self, batch: Vec<NewMessage>) -> Vec<Result<Appended, StoreError>> {
        self.batches(batch, |work, batch| changes::append(work, batch)).await
    }

    async fn originals(
        &self,
        asked: Vec<(UserId, Arc<str>)>,
    ) -> Result<Vec<Option<Message>>, StoreError> {
        self.readers.read(move |db| queries::originals(db, &asked)).await
    }

    async fn mark_seen(&self, batch: Vec<NewMark>) -> Vec<Result<Marked, StoreError>> {
        self.batches(batch, |work, batch| changes::mark_seen(work, batch)).await
    }

    async fn history(
        &self,
        conversation: Conversation,
        query: HistoryQuery,
    ) -> Result<HistoryPage, StoreError> {
        self.readers.read(move |db| queries::history(db, conversation, query)).await
    }

    async fn conversations(
        &self,
        user: UserId,
        cursor: Option<ConversationCursor>,
        limit: usize,
    ) -> Result<ConversationPage, StoreError> {
        let bound = self.unread;
        self.readers.read(move |db| queries::conversations(db, user, cursor, limit, bound)).await
    }

    async fn changes_since(&self, user: UserId, query: ChangeQuery) -> Result<Changes, StoreError> {
        self.readers.read(move |db| sync::changes_since(db, user, &query)).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.readers.read(|db| db.query_row("SELECT 1 FROM sqlite_schema", [], |_| Ok(()))).await?;
        self.change((), 1, self.deadline(), changes::ping).await
    }

    /// One group in the making while the other is committed.
    fn lanes(&self) -> usize {
        2
    }

    /// The writer has so long for one group as a change may wait for it: another program may hold
    /// the database, or the disk be slow.
    async fn turned(&self) {
        let wake = async || {
            let _ = self.requests.send(Request::Turn).await;
        };
        self.turns.turned(self.timeout, wake).await;
    }

    fn longest(&self) -> Duration {
        self.timeout
    }

    async fn close(&self) {
        self.readers.close().await;
        // Fails when it is closed already.
        let _ = self.requests.send(Request::Close).await;
        // Fails when the writer has ended and all is closed.
        let _ = self.closed.clone().changed().await;
    }
}
