//! Who is meant: turns the names that clients write into users, from memory where it can.

use std::sync::Arc;

use confab_plugin::{User, UserId, Username};
use quick_cache::sync::Cache;

use crate::store::{Account, Store, StoreError};

/// What everybody may know of a user. Never holds the password's hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The id and login name.
    pub user: Arc<User>,
    /// The name to show, if one was given.
    pub display_name: Option<Arc<str>>,
}

impl From<&Account> for Profile {
    fn from(account: &Account) -> Self {
        Self {
            user: Arc::new(User { id: account.id, name: account.username.clone() }),
            display_name: account.display_name.clone(),
        }
    }
}

/// Finds users by id or name, and remembers `limits.account_cache` of them. Names and ids are
/// permanent, so nothing remembered here goes stale but a display name.
pub struct Directory {
    store: Arc<dyn Store>,
    by_id: Cache<UserId, Arc<Profile>>,
    by_name: Cache<Username, UserId>,
}

impl Directory {
    /// A directory of the store's accounts.
    pub fn new(store: Arc<dyn Store>, capacity: usize) -> Self {
        Self { store, by_id: Cache::new(capacity), by_name: Cache::new(capacity) }
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
        Ok(self.store.account_by_id(id).await?.map(|account| self.remember(&account)))
    }

    /// The user with this name.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn by_name(&self, name: &Username) -> Result<Option<Arc<Profile>>, StoreError> {
        if let Some(id) = self.by_name.get(name) {
            return self.by_id(id).await;
        }
        Ok(self.store.account_by_name(name).await?.map(|account| self.remember(&account)))
    }

    fn remember(&self, account: &Account) -> Arc<Profile> {
        let profile = Arc::new(Profile::from(account));
        self.by_name.insert(account.username.clone(), account.id);
        self.by_id.insert(account.id, Arc::clone(&profile));
        profile
    }
}
