//! A store of accounts in memory, which can be made to fail and to be too late.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use confab_plugin::{UserId, Username};

use crate::store::{
    Account, AccountChange, Appended, ChangeQuery, Changes, Conversation, ConversationCursor,
    ConversationPage, HistoryPage, HistoryQuery, Marked, Message, NewMark, NewMessage, Store,
    StoreError,
};

#[derive(Default)]
pub struct AccountsOnly {
    pub accounts: Mutex<HashMap<Username, Account>>,
    /// Every call fails.
    pub down: AtomicBool,
    /// `update_password` fails.
    pub read_only: AtomicBool,
    /// `account_by_name` finds nobody, as for the slower of two that register at once.
    pub blind: AtomicBool,
}

fn down() -> StoreError {
    StoreError::Unavailable("for the test".into())
}

impl AccountsOnly {
    fn check(&self) -> Result<(), StoreError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(down());
        }
        Ok(())
    }
}

#[async_trait]
impl Store for AccountsOnly {
    async fn create_account(&self, account: Account) -> Result<(), StoreError> {
        self.check()?;
        let mut accounts = self.accounts.lock().unwrap();
        if accounts.contains_key(&account.username) {
            return Err(StoreError::UsernameTaken);
        }
        accounts.insert(account.username.clone(), account);
        Ok(())
    }

    async fn account_by_id(&self, id: UserId) -> Result<Option<Account>, StoreError> {
        self.check()?;
        let accounts = self.accounts.lock().unwrap();
        Ok(accounts.values().find(|account| account.id == id).cloned())
    }

    async fn account_by_name(&self, name: &Username) -> Result<Option<Account>, StoreError> {
        self.check()?;
        if self.blind.load(Ordering::SeqCst) {
            return Ok(None);
        }
        Ok(self.accounts.lock().unwrap().get(name).cloned())
    }

    async fn update_password(&self, id: UserId, old: &str, new: &str) -> Result<bool, StoreError> {
        self.check()?;
        if self.read_only.load(Ordering::SeqCst) {
            return Err(down());
        }
        let mut accounts = self.accounts.lock().unwrap();
        let Some(account) = accounts.values_mut().find(|account| account.id == id) else {
            return Ok(false);
        };
        let same = &*account.password_hash == old;
        if same {
            account.password_hash = new.into();
        }
        Ok(same)
    }

    async fn change_account(
        &self,
        id: UserId,
        change: AccountChange,
    ) -> Result<Option<Account>, StoreError> {
        self.check()?;
        let mut accounts = self.accounts.lock().unwrap();
        let account = accounts.values_mut().find(|account| account.id == id);
        Ok(account.and_then(|account| change.make(account).map(|_| account.clone())))
    }

    async fn accounts(&self, _: Option<&Username>, _: usize) -> Result<Vec<Account>, StoreError> {
        Err(down())
    }

    async fn account_changes(&self, _: u64, _: usize) -> Result<Vec<Account>, StoreError> {
        Err(down())
    }

    async fn last_account_change(&self) -> Result<u64, StoreError> {
        Err(down())
    }

    async fn append(&self, _: Vec<NewMessage>) -> Vec<Result<Appended, StoreError>> {
        Vec::new()
    }

    async fn originals(
        &self,
        _: Vec<(UserId, Arc<str>)>,
    ) -> Result<Vec<Option<Message>>, StoreError> {
        Err(down())
    }

    async fn mark_seen(&self, _: Vec<NewMark>) -> Vec<Result<Marked, StoreError>> {
        Vec::new()
    }

    async fn history(&self, _: Conversation, _: HistoryQuery) -> Result<HistoryPage, StoreError> {
        Err(down())
    }

    async fn conversations(
        &self,
        _: UserId,
        _: Option<ConversationCursor>,
        _: usize,
    ) -> Result<ConversationPage, StoreError> {
        Err(down())
    }

    async fn changes_since(&self, _: UserId, _: ChangeQuery) -> Result<Changes, StoreError> {
        Err(down())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.check()
    }

    fn lanes(&self) -> usize {
        1
    }

    async fn turned(&self) {}

    fn longest(&self) -> Duration {
        Duration::ZERO
    }

    async fn close(&self) {}
}
