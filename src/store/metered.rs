//! Times every call of a store, and counts those that it could not answer.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use confab_plugin::{UserId, Username};
use metrics::{Counter, Histogram, Unit, counter, describe_counter, describe_histogram, histogram};

use super::{
    Account, AccountChange, Appended, ChangeQuery, Changes, Conversation, ConversationCursor,
    ConversationPage, HistoryPage, HistoryQuery, Marked, Message, NewMark, NewMessage, Store,
    StoreError, Timestamp,
};

/// A store whose calls are measured, each under its name in [`Store`].
pub struct MeteredStore {
    inner: Arc<dyn Store>,
    create_account: Op,
    account_by_id: Op,
    account_by_name: Op,
    update_password: Op,
    change_account: Op,
    accounts: Op,
    account_changes: Op,
    last_account_change: Op,
    append: Op,
    originals: Op,
    mark_seen: Op,
    history: Op,
    conversations: Op,
    changes_since: Op,
    ping: Op,
}

/// The metrics of one operation, registered once.
struct Op {
    seconds: Histogram,
    errors: Counter,
}

impl Op {
    fn new(op: &'static str) -> Self {
        let errors = counter!("confab_store_errors_total", "op" => op);
        // So that a first error is seen as a change.
        errors.increment(0);
        Self { seconds: histogram!("confab_store_operation_duration_seconds", "op" => op), errors }
    }

    async fn one<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let result = self.timed(call).await;
        self.count(result.as_ref().err());
        result
    }

    /// A batch that fails is one error.
    async fn batch<T>(
        &self,
        call: impl Future<Output = Vec<Result<T, StoreError>>>,
    ) -> Vec<Result<T, StoreError>> {
        let results = self.timed(call).await;
        let mut errors = results.iter().filter_map(|result| result.as_ref().err());
        self.count(errors.find(|error| matches!(error, StoreError::Unavailable(_))));
        results
    }

    async fn timed<T>(&self, call: impl Future<Output = T>) -> T {
        let started = Instant::now();
        let result = call.await;
        self.seconds.record(started.elapsed());
        result
    }

    /// The others are a caller's mistakes.
    fn count(&self, error: Option<&StoreError>) {
        if let Some(StoreError::Unavailable(_)) = error {
            self.errors.increment(1);
        }
    }
}

impl MeteredStore {
    /// Measures `inner`, with handles from the recorder that is in place now.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        describe_counter!(
            "confab_store_errors_total",
            Unit::Count,
            "Calls that the store could not answer, by operation."
        );
        describe_histogram!(
            "confab_store_operation_duration_seconds",
            Unit::Seconds,
            "How long the store took for a call, by operation; append is of a batch."
        );
        Self {
            inner,
            create_account: Op::new("create_account"),
            account_by_id: Op::new("account_by_id"),
            account_by_name: Op::new("account_by_name"),
            update_password: Op::new("update_password"),
            change_account: Op::new("change_account"),
            accounts: Op::new("accounts"),
            account_changes: Op::new("account_changes"),
            last_account_change: Op::new("last_account_change"),
            append: Op::new("append"),
            originals: Op::new("originals"),
            mark_seen: Op::new("mark_seen"),
            history: Op::new("history"),
            conversations: Op::new("conversations"),
            changes_since: Op::new("changes_since"),
            ping: Op::new("ping"),
        }
    }
}

#[async_trait]
impl Store for MeteredStore {
    async fn create_account(&self, account: Account) -> Result<(), StoreError> {
        self.create_account.one(self.inner.create_account(account)).await
    }

    async fn account_by_id(&self, id: UserId) -> Result<Option<Account>, StoreError> {
        self.account_by_id.one(self.inner.account_by_id(id)).await
    }

    async fn account_by_name(&self, name: &Username) -> Result<Option<Account>, StoreError> {
        self.account_by_name.one(self.inner.account_by_name(name)).await
    }

    async fn update_password(&self, id: UserId, old: &str, new: &str) -> Result<bool, StoreError> {
        self.update_password.one(self.inner.update_password(id, old, new)).await
    }

    async fn change_account(
        &self,
        id: UserId,
        change: AccountChange,
    ) -> Result<Option<Account>, StoreError> {
        self.change_account.one(self.inner.change_account(id, change)).await
    }

    async fn accounts(
        &self,
        after: Option<&Username>,
        most: usize,
    ) -> Result<Vec<Account>, StoreError> {
        self.accounts.one(self.inner.accounts(after, most)).await
    }

    async fn account_changes(&self, after: u64, most: usize) -> Result<Vec<Account>, StoreError> {
        self.account_changes.one(self.inner.account_changes(after, most)).await
    }

    async fn last_account_change(&self) -> Result<u64, StoreError> {
        self.last_account_change.one(self.inner.last_account_change()).await
    }

    async fn append(&self, batch: Vec<NewMessage>) -> Vec<Result<Appended, StoreError>> {
        self.append.batch(self.inner.append(batch)).await
    }

    async fn originals(
        &self,
        asked: Vec<(UserId, Arc<str>)>,
    ) -> Result<Vec<Option<Message>>, StoreError> {
        self.originals.one(self.inner.originals(asked)).await
    }

    fn saw(&self, conversation: Conversation, from: UserId, seq: u64, at: Timestamp) {
        self.inner.saw(conversation, from, seq, at);
    }

    async fn mark_seen(&self, batch: Vec<NewMark>) -> Vec<Result<Marked, StoreError>> {
        self.mark_seen.batch(self.inner.mark_seen(batch)).await
    }

    async fn history(
        &self,
        conversation: Conversation,
        query: HistoryQuery,
    ) -> Result<HistoryPage, StoreError> {
        self.history.one(self.inner.history(conversation, query)).await
    }

    async fn conversations(
        &self,
        user: UserId,
        cursor: Option<ConversationCursor>,
        limit: usize,
    ) -> Result<ConversationPage, StoreError> {
        self.conversations.one(self.inner.conversations(user, cursor, limit)).await
    }

    async fn changes_since(&self, user: UserId, query: ChangeQuery) -> Result<Changes, StoreError> {
        self.changes_since.one(self.inner.changes_since(user, query)).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.ping.one(self.inner.ping()).await
    }

    fn lanes(&self) -> usize {
        self.inner.lanes()
    }

    async fn turned(&self) {
        self.inner.turned().await;
    }

    fn longest(&self) -> Duration {
        self.inner.longest()
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
