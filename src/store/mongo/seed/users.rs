//! The seed's users, and the accounts that they become.
//!
//! Invariant: the new id follows from the old one alone, so that every run of the adoption makes
//! the same accounts, and needs no list of who became whom.

use std::collections::{BTreeMap, HashMap, hash_map::Entry};

use confab_plugin::{UserId, Username};
use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document, doc};
use sha2::{Digest as _, Sha256};

use super::fields::{first, key, time, time_of_id};
use crate::store::{
    Account, Standing, StoreError, Timestamp, mongo::connect::Space, mongo::errors::unavailable,
};

/// The seed's collection of users.
pub(super) const USERS: &str = "users";

/// No password has this hash.
const NO_PASSWORD: &str = "!adopted";

/// A user of the seed.
pub(super) struct User {
    /// The login name, or else the id, for people to read.
    pub name: String,
    /// The account; or why there is none.
    pub account: Result<UserId, String>,
}

/// All users.
#[derive(Default)]
pub(super) struct Users {
    pub list: Vec<User>,
    /// Their places in the list, by id and by login name as the seed wrote them.
    by_key: HashMap<String, Vec<usize>>,
    /// The accounts, by id.
    pub accounts: BTreeMap<UserId, Account>,
    /// Those who need a new password.
    pub without_password: Vec<Username>,
}

impl Users {
    /// Reads them all into memory. `usable` says whether a text is a password's hash that logins
    /// can be checked against.
    pub(super) async fn read(
        space: &Space,
        usable: impl Fn(&str) -> bool,
    ) -> Result<Self, StoreError> {
        let collection = space.database.collection::<Document>(USERS);
        let find = collection.find(doc! {}).sort(doc! { "_id": 1 });
        let mut cursor = find.await.map_err(unavailable)?;
        let mut users = Self::default();
        let mut names: HashMap<Username, String> = HashMap::new();
        while let Some(document) = cursor.try_next().await.map_err(unavailable)? {
            users.add(&document, &usable, &mut names);
        }
        Ok(users)
    }

    fn add(
        &mut self,
        document: &Document,
        usable: &impl Fn(&str) -> bool,
        names: &mut HashMap<Username, String>,
    ) {
        let id = document.get("_id").unwrap_or(&Bson::Null);
        let written = first(document, &["username"]).and_then(Bson::as_str);
        let place = self.list.len();
        let keys = [key(id), written.map(str::to_owned)];
        for key in keys.iter().flatten() {
            let places = self.by_key.entry(key.clone()).or_default();
            if !places.contains(&place) {
                places.push(place);
            }
        }
        let name = written.map(str::to_owned).or_else(|| key(id)).unwrap_or_else(|| id.to_string());
        let account = account(document, id, written, usable);
        let account = account.and_then(|account| match names.entry(account.username.clone()) {
            Entry::Occupied(other) => {
                Err(format!("its username is that of \"{}\" but for capitals", other.get()))
            }
            Entry::Vacant(free) => {
                free.insert(name.clone());
                Ok(account)
            }
        });
        let account = account.map(|account| {
            let id = account.id;
            if &*account.password_hash == NO_PASSWORD {
                self.without_password.push(account.username.clone());
            }
            self.accounts.insert(id, account);
            id
        });
        self.list.push(User { name, account });
    }

    /// Who may be meant by an id or a login name.
    pub(super) fn named(&self, key: &str) -> &[usize] {
        self.by_key.get(key).map_or(&[], Vec::as_slice)
    }

    /// The account of a user; or why there is none.
    pub(super) fn account(&self, place: usize) -> Result<UserId, String> {
        match self.list.get(place) {
            Some(User { account: Ok(id), .. }) => Ok(*id),
            Some(User { name, .. }) => Err(format!("the user \"{name}\" is skipped")),
            None => Err("no such user".to_owned()),
        }
    }
}

fn account(
    document: &Document,
    id: &Bson,
    written: Option<&str>,
    usable: impl Fn(&str) -> bool,
) -> Result<Account, String> {
    let key = key(id).ok_or("its _id is neither a text, nor a number, nor an ObjectId")?;
    let written = written.ok_or("it has no username")?;
    let username: Username = written.parse().map_err(|why| format!("{why}"))?;
    let hash = first(document, &["hashed_password", "password"]).and_then(Bson::as_str);
    let created_at = first(document, &["created_at"]).and_then(time).or_else(|| time_of_id(id));
    Ok(Account {
        id: new_id(id, &key),
        display_name: (username.as_str() != written).then(|| written.into()),
        username,
        password_hash: hash.filter(|hash| usable(hash)).unwrap_or(NO_PASSWORD).into(),
        created_at: created_at.unwrap_or_default(),
        standing: Standing::default(),
    })
}

/// A ULID: the time at which the old id was made, if it says so, and 80 bits of a hash of it.
fn new_id(id: &Bson, key: &str) -> UserId {
    let kind: u8 = match id {
        Bson::ObjectId(_) => 1,
        Bson::String(_) => 2,
        _ => 3,
    };
    let mut hasher = Sha256::new();
    hasher.update(b"confab: the account of a user of the seed\0");
    hasher.update([kind]);
    hasher.update(key);
    let hash = hasher.finalize();
    let random = hash.iter().take(10).fold(0u128, |bits, byte| bits << 8 | u128::from(*byte));
    let made = time_of_id(id).unwrap_or(Timestamp(0));
    UserId::from_u128(u128::from(made.0.unsigned_abs()) << 80 | random)
}
