//! Accounts.

use confab_plugin::{UserId, Username};
use mongodb::bson::{Document, RawDocumentBuf, doc};

use super::{
    connect::Space,
    documents::{account, count, new_account, number, odd, standing, whole},
    errors::{DUPLICATE_KEY, code, unavailable},
    pause::Pause,
};
use crate::store::{Account, AccountChange, StoreError};

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

/// Makes a change, and takes the next place among all changes in the same write: the newest place
/// that can be seen and one, tried again when another change took it. As nobody can take a place
/// before the one below it can be seen, whoever reads them in order misses none.
pub(super) async fn change(
    space: &Space,
    id: UserId,
    change: &AccountChange,
) -> Result<Option<Account>, StoreError> {
    let (id, mut pause) = (id.to_string(), Pause::of_a_race());
    loop {
        let Some(mut account) = find(space, doc! { "_id": &id }).await? else { return Ok(None) };
        let (before, hash) = (account.standing.change, account.password_hash.clone());
        match change.make(&mut account) {
            None => return Ok(None),
            Some(false) => return Ok(Some(account)),
            Some(true) => account.standing.change = last_change(space).await? + 1,
        }
        let (mut set, unset) = standing(&account);
        set.insert("change", number(account.standing.change));
        // Only then, for a login may replace the hash at the same time.
        if account.password_hash != hash {
            set.insert("password_hash", &*account.password_hash);
        }
        let unchanged = match before {
            0 => doc! { "_id": &id, "change": { "$exists": false } },
            before => doc! { "_id": &id, "change": number(before) },
        };
        let update = doc! { "$set": set, "$unset": unset };
        match space.accounts().update_one(unchanged, update).await {
            Ok(updated) if updated.matched_count > 0 => return Ok(Some(account)),
            Ok(_) => {}
            Err(error) if code(&error) == Some(DUPLICATE_KEY) => {}
            Err(error) => return Err(unavailable(error)),
        }
        pause.wait().await;
    }
}

pub(super) async fn in_order_of_names(
    space: &Space,
    after: Option<&Username>,
    most: usize,
) -> Result<Vec<Account>, StoreError> {
    let after = after.map(Username::as_str).unwrap_or_default();
    page(space, doc! { "username": { "$gt": after } }, doc! { "username": 1 }, most).await
}

pub(super) async fn changed_after(
    space: &Space,
    after: u64,
    most: usize,
) -> Result<Vec<Account>, StoreError> {
    page(space, doc! { "change": { "$gt": number(after) } }, doc! { "change": 1 }, most).await
}

pub(super) async fn last_change(space: &Space) -> Result<u64, StoreError> {
    let accounts = space.accounts().clone_with_type::<RawDocumentBuf>();
    let newest = accounts
        .find_one(doc! { "change": { "$gt": 0i64 } })
        .sort(doc! { "change": -1 })
        .projection(doc! { "change": 1 })
        .max_time(space.timeout)
        .await
        .map_err(unavailable)?;
    Ok(newest.map_or(0, |document| count(whole(&document, "change"))))
}

/// Accounts, at most so many; what cannot be read does not count.
async fn page(
    space: &Space,
    filter: Document,
    order: Document,
    most: usize,
) -> Result<Vec<Account>, StoreError> {
    let mut page = Vec::new();
    if most == 0 {
        return Ok(page);
    }
    let accounts = space.accounts().clone_with_type::<RawDocumentBuf>();
    let find = accounts.find(filter).sort(order).max_time(space.timeout);
    let mut cursor = find.await.map_err(unavailable)?;
    while page.len() < most && cursor.advance().await.map_err(unavailable)? {
        match account(cursor.current()) {
            Some(account) => page.push(account),
            None => odd("accounts"),
        }
    }
    Ok(page)
}
