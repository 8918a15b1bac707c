//! Who is meant: turns the names that clients write into users, from memory where it can.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use confab_plugin::{User, UserId, Username};
use quick_cache::sync::Cache;

use crate::store::{Account, Standing, Store, StoreError};

/// What everybody may know of a user. Never holds the password's hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The id and login name.
    pub user: Arc<User>,
    /// The name to show, if one was given.
    pub display_name: Option<Arc<str>>,
    /// Whether the account may be used.
    pub standing: Standing,
}

impl From<&Account> for Profile {
    fn from(account: &Account) -> Self {
        Self {
            user: Arc::new(User { id: account.id, name: account.username.clone() }),
            display_name: account.display_name.clone(),
            standing: account.standing,
        }
    }
}

/// Finds users by id or name, and remembers `limits.account_cache` of them. Names and ids are
/// permanent; of everything else that changes, it is [told](Self::learn).
///
/// Invariant: what was read from the store before a change was learnt is not remembered after it.
pub struct Directory {
    store: Arc<dyn Store>,
    by_id: Cache<UserId, Arc<Profile>>,
    by_name: Cache<Username, UserId>,
    /// How many times something was learnt. Held while something is remembered.
    learnt: Mutex<u64>,
}

impl Directory {
    /// A directory of the store's accounts.
    pub fn new(store: Arc<dyn Store>, capacity: usize) -> Self {
        Self {
            store,
            by_id: Cache::new(capacity),
            by_name: Cache::new(capacity),
            learnt: Mutex::new(0),
        }
    }

    /// The user meant by `@username` or an id; `None` when there is none, or the text is
    /// neither.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn find(&self, text: &str) -> Result<Option<Arc<Profile>>, StoreError> {
        match text.strip_prefix('@') {
            Some(name) => match name.parse() {
                Ok(name) => self.by_name(&name).await,
                Err(_) => Ok(None),
            },
            None => match text.parse() {
                Ok(id) => self.by_id(id).await,
                Err(_) => Ok(None),
            },
        }
    }

    /// The user with this id.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn by_id(&self, id: UserId) -> Result<Option<Arc<Profile>>, StoreError> {
        if let Some(profile) = self.by_id.get(&id) {
            return Ok(Some(profile));
        }
        self.read(id).await
    }

    /// The user with this id, from the store whatever is remembered.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn read(&self, id: UserId) -> Result<Option<Arc<Profile>>, StoreError> {
        let asked = *self.lock();
        Ok(self.store.account_by_id(id).await?.map(|account| self.remember(&account, asked)))
    }

    /// The user with this name.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn by_name(&self, name: &Username) -> Result<Option<Arc<Profile>>, StoreError> {
        if let Some(id) = self.by_name.get(name) {
            return self.by_id(id).await;
        }
        let asked = *self.lock();
        let found = self.store.account_by_name(name).await?;
        Ok(found.map(|account| self.remember(&account, asked)))
    }

    /// These accounts were changed, and are now as given.
    pub fn learn(&self, accounts: &[Account]) {
        // News of nothing must not outdate what is being asked for.
        if accounts.is_empty() {
            return;
        }
        let mut learnt = self.lock();
        *learnt += 1;
        for account in accounts {
            // Others' place is not taken by somebody whom nobody asked for. What is remembered may
            // be newer than what is learnt, where two learn at the same time.
            if let Some(known) = self.by_id.peek(&account.id)
                && known.standing.change < account.standing.change
            {
                self.by_id.insert(account.id, Arc::new(Profile::from(account)));
            }
        }
    }

    /// Forgets everybody: anything may have changed.
    pub fn forget(&self) {
        let mut learnt = self.lock();
        *learnt += 1;
        self.by_id.clear();
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.learnt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers what the store was asked for when so much had been learnt.
    fn remember(&self, account: &Account, asked: u64) -> Arc<Profile> {
        let profile = Arc::new(Profile::from(account));
        let learnt = self.lock();
        if *learnt == asked {
            self.by_name.insert(account.username.clone(), account.id);
            self.by_id.insert(account.id, Arc::clone(&profile));
        }
        profile
    }
}
