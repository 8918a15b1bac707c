//! Accounts.

use mongodb::bson::{Document, RawDocumentBuf, doc};

use super::{
    connect::Space,
    documents::{account, new_account, odd},
    errors::{DUPLICATE_KEY, code, unavailable},
};
use crate::store::{Account, StoreError};

pub(super) async fn create(space: &Space, account: &Account) -> Result<(), StoreError> {
    match space.accounts().insert_one(new_account(account)).await {
        Ok(_) => Ok(()),
        Err(error) if code(&error) == Some(DUPLICATE_KEY) => Err(StoreError::UsernameTaken),
        Err(error) => Err(unavailable(error)),
    }
}

pub(super) async fn find(space: &Space, filter: Document) -> Result<Option<Account>, StoreError> {
    let accounts = space.accounts().clone_with_type::<RawDocumentBuf>();
    let found = accounts.find_one(filter).max_time(space.timeout).await.map_err(unavailable)?;
    let Some(document) = found else {
        return Ok(None);
    };
    let account = account(&document);
    if account.is_none() {
        odd("accounts");
    }
    Ok(account)
}

pub(super) async fn update_password(
    space: &Space,
    id: &str,
    old: &str,
    new: &str,
) -> Result<bool, StoreError> {
    let filter = doc! { "_id": id, "password_hash": { "$eq": old } };
    let change = doc! { "$set": { "password_hash": new } };
    let updated = space.accounts().update_one(filter, change).await.map_err(unavailable)?;
    Ok(updated.matched_count > 0)
}
