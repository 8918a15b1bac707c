//! Logins that can be refreshed.

use confab_plugin::UserId;
use mongodb::bson::{
    Binary, Document, RawDocument, RawDocumentBuf, doc, spec::BinarySubtype::Generic,
};

use super::{
    connect::Space,
    documents::{count, date, number, odd, time, whole},
    errors::unavailable,
};
use crate::store::{Hash, LoginId, RefreshableLogin, StoreError, Timestamp, UsedToken};

/// The collection of logins.
pub(super) const LOGINS: &str = "logins";

fn binary(hash: &Hash) -> Binary {
    Binary { subtype: Generic, bytes: hash.to_vec() }
}

fn hash(document: &RawDocument, field: &str) -> Option<Hash> {
    document.get_binary(field).ok()?.bytes.try_into().ok()
}

fn login(document: &RawDocument) -> Option<RefreshableLogin> {
    let used = match hash(document, "used_token") {
        Some(token) => {
            Some(UsedToken { token, at: time(document, "used_at")?, salt: hash(document, "salt")? })
        }
        None => None,
    };
    Some(RefreshableLogin {
        id: id(document)?,
        user: document.get_str("user").ok()?.parse().ok()?,
        epoch: count(whole(document, "epoch")),
        token: hash(document, "token")?,
        used,
        expires: time(document, "expires_at")?,
    })
}

fn id(document: &RawDocument) -> Option<LoginId> {
    document.get_str("_id").ok()?.parse().ok()
}

/// What changes of a login.
fn changing(login: &RefreshableLogin) -> Document {
    let mut document = doc! { "token": binary(&login.token), "expires_at": date(login.expires) };
    if let Some(used) = &login.used {
        document.insert("used_token", binary(&used.token));
        document.insert("used_at", date(used.at));
        document.insert("salt", binary(&used.salt));
    }
    document
}

/// A login as it is kept.
fn new_login(login: &RefreshableLogin) -> Document {
    let mut document = doc! {
        "_id": login.id.to_string(),
        "user": login.user.to_string(),
        "epoch": number(login.epoch),
    };
    document.extend(changing(login));
    document
}

/// Makes a login, and then ends those of its user beyond `most`.
pub(super) async fn create(
    space: &Space,
    login: &RefreshableLogin,
    most: usize,
) -> Result<(), StoreError> {
    space.logins().insert_one(new_login(login)).await.map_err(unavailable)?;
    let all = of_user(space, login.user).await?;
    let others = all.into_iter().filter(|id| *id != login.id);
    let beyond: Vec<_> = others.skip(most.saturating_sub(1)).map(|id| id.to_string()).collect();
    if !beyond.is_empty() {
        let filter = doc! { "_id": { "$in": beyond } };
        space.logins().delete_many(filter).await.map_err(unavailable)?;
    }
    Ok(())
}

pub(super) async fn by_id(
    space: &Space,
    id: LoginId,
) -> Result<Option<RefreshableLogin>, StoreError> {
    let logins = space.logins().clone_with_type::<RawDocumentBuf>();
    let find = logins.find_one(doc! { "_id": id.to_string() }).max_time(space.timeout);
    let Some(document) = find.await.map_err(unavailable)? else { return Ok(None) };
    let login = login(&document);
    if login.is_none() {
        odd(LOGINS);
    }
    Ok(login)
}

/// At most `most` logins after an id, by id.
pub(super) async fn in_order_of_ids(
    space: &Space,
    after: Option<LoginId>,
    most: usize,
) -> Result<Vec<RefreshableLogin>, StoreError> {
    let after = after.map(|id| id.to_string()).unwrap_or_default();
    let logins = space.logins().clone_with_type::<RawDocumentBuf>();
    let find = logins.find(doc! { "_id": { "$gt": after } }).sort(doc! { "_id": 1 });
    let mut cursor = find.await.map_err(unavailable)?;
    let mut page = Vec::new();
    while page.len() < most && cursor.advance().await.map_err(unavailable)? {
        match login(cursor.current()) {
            Some(login) => page.push(login),
            None => odd(LOGINS),
        }
    }
    Ok(page)
}

/// Keeps logins of another store, in the place of what they were before.
pub(super) async fn put(space: &Space, logins: &[RefreshableLogin]) -> Result<(), StoreError> {
    end_all(space, &logins.iter().map(|login| login.id).collect::<Vec<_>>()).await?;
    if logins.is_empty() {
        return Ok(());
    }
    let documents = logins.iter().map(new_login);
    space.logins().insert_many(documents).await.map(|_| ()).map_err(unavailable)
}

/// Forgets logins.
pub(super) async fn end_all(space: &Space, logins: &[LoginId]) -> Result<(), StoreError> {
    if logins.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = logins.iter().map(ToString::to_string).collect();
    let filter = doc! { "_id": { "$in": ids } };
    space.logins().delete_many(filter).await.map(|_| ()).map_err(unavailable)
}

/// A user's logins, the one that was used last first.
pub(super) async fn of_user(space: &Space, user: UserId) -> Result<Vec<LoginId>, StoreError> {
    let filter = doc! { "user": user.to_string() };
    found(space, filter, doc! { "expires_at": -1 }, 0).await
}

/// The ids of logins; at most so many, or with 0 all.
async fn found(
    space: &Space,
    filter: Document,
    order: Document,
    most: i64,
) -> Result<Vec<LoginId>, StoreError> {
    let logins = space.logins().clone_with_type::<RawDocumentBuf>();
    let find = logins.find(filter).sort(order).limit(most).projection(doc! { "_id": 1 });
    let mut cursor = find.max_time(space.timeout).await.map_err(unavailable)?;
    let mut ids = Vec::new();
    while cursor.advance().await.map_err(unavailable)? {
        match id(cursor.current()) {
            Some(id) => ids.push(id),
            None => odd(LOGINS),
        }
    }
    Ok(ids)
}

/// Puts a login in the place of what it was before, if the token to be used next still is `old`.
pub(super) async fn renew(
    space: &Space,
    old: &Hash,
    login: &RefreshableLogin,
) -> Result<bool, StoreError> {
    let unchanged = doc! { "_id": login.id.to_string(), "token": binary(old) };
    let update = doc! { "$set": changing(login) };
    let updated = space.logins().update_one(unchanged, update).await.map_err(unavailable)?;
    Ok(updated.matched_count > 0)
}

pub(super) async fn end(space: &Space, id: LoginId) -> Result<bool, StoreError> {
    let ended = space.logins().delete_one(doc! { "_id": id.to_string() }).await;
    Ok(ended.map_err(unavailable)?.deleted_count > 0)
}

pub(super) async fn remove_expired(
    space: &Space,
    now: Timestamp,
    most: usize,
) -> Result<usize, StoreError> {
    let most = i64::try_from(most).unwrap_or(i64::MAX).max(1);
    let expired = doc! { "expires_at": { "$lte": date(now) } };
    let ids = found(space, expired.clone(), doc! { "expires_at": 1 }, most).await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
    // One that was renewed meanwhile stays.
    let mut filter = expired;
    filter.insert("_id", doc! { "$in": ids });
    let removed = space.logins().delete_many(filter).await.map_err(unavailable)?;
    Ok(usize::try_from(removed.deleted_count).unwrap_or(usize::MAX))
}
