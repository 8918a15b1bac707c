//! The collections, their indexes and their rules. Made when they are missing, whoever comes
//! first; what is there already is left as it is.
//!
//! | collection | `_id` | further indexes, and why |
//! |---|---|---|
//! | `accounts` | user id | `username`, unique: a name is given once; `change`: what each node learns changes by; `changes`, unique: a place among them is given once |
//! | `conversations` | `A_B` | `users, last_at, _id`: a user's list, newest first, page by page; `users, _id`: what a user lacks, by peer |
//! | `client_ids` | `{from, id}` | none: the `_id` says to whom a sender's id was used |
//! | `logins` | login id | `user, expires_at`: a user's, to bound them; `expires_at`: what is over |
//! | `A_B` (per_pair) | `seq` | `from, id`, unique where there is an `id`: a retry is no copy |
//! | `messages` (single) | `{c: A_B, s: seq}` | `_id.c, from, id`, unique where there is an `id` |
//!
//! The fixed collections are given the present rules at each start. Those of the pairs keep the
//! rules that they were made with, for there may be tens of thousands; so what an earlier
//! version made must take what a later one writes.
//!
//! Invariant: rules require only what messages had from the first version on, and never forbid a
//! field that they do not name.
//!
//! None of these names has a pair's form, two ids of 26 letters joined by `_`.
//!
//! To spread the layout `single` over shards, by conversation, so that one is read from one
//! shard and both unique indexes hold within it:
//!
//! ```text
//! sh.shardCollection("confab.messages", { "_id.c": 1 })
//! sh.shardCollection("confab.client_ids", { _id: "hashed" })
//! ```
//!
//! `accounts`, `conversations` and `logins` stay whole: a unique name needs it, and a user's list
//! then asks one shard.

use mongodb::{
    Collection, IndexModel,
    bson::{Document, doc},
    options::{IndexOptions, ValidationAction, ValidationLevel},
};

use super::{
    connect::{Space, durable},
    documents::{ACCOUNTS, CLIENT_IDS, CONVERSATIONS},
    errors::{NAMESPACE_EXISTS, UNAUTHORIZED, code},
    layout::{Layout, MESSAGES},
    logins::LOGINS,
};
use crate::store::Conversation;

/// What kind of MongoDB this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub version: String,
    pub is_standalone: bool,
}

type Outcome<T> = Result<T, mongodb::error::Error>;

/// Makes what is missing of the fixed collections.
pub(super) async fn prepare(space: &Space) -> Outcome<Server> {
    let hello = space.database.run_command(doc! { "hello": 1 }).await?;
    let is_router = is_router(&hello);
    space.set_routed(is_router);
    let is_standalone = !is_router && !hello.contains_key("setName");
    let build = space.database.run_command(doc! { "buildInfo": 1 }).await?;
    let version = build.get_str("version").unwrap_or("unknown").to_owned();

    for Planned { name, rules, indexes } in planned(space.layout) {
        collection(space, name, rules).await?;
        for index in indexes {
            ensure(&space.database.collection(name), index).await?;
        }
    }
    Ok(Server { version, is_standalone })
}

/// Whether it is the router of a sharded cluster that says hello.
pub(super) fn is_router(hello: &Document) -> bool {
    hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid")
}

/// A collection as it is made.
pub(super) struct Planned {
    pub name: &'static str,
    pub rules: Document,
    pub indexes: Vec<IndexModel>,
}

/// The fixed collections of a layout.
pub(super) fn planned(layout: Layout) -> Vec<Planned> {
    let options = IndexOptions::builder().name("username".to_owned()).unique(true).build();
    let username = IndexModel::builder().keys(doc! { "username": 1 }).options(options).build();
    let changed = |field: &str, unique| {
        let options = IndexOptions::builder()
            .name(field.to_owned())
            .unique(unique)
            .partial_filter_expression(doc! { field: { "$exists": true } })
            .build();
        IndexModel::builder().keys(doc! { field: 1 }).options(options).build()
    };
    let account_indexes = vec![username, changed("change", false), changed("changes", true)];
    let options = IndexOptions::builder().name("users".to_owned()).build();
    let keys = doc! { "users": 1, "last_at": -1, "_id": -1 };
    let users = IndexModel::builder().keys(keys).options(options).build();
    let options = IndexOptions::builder().name("peers".to_owned()).build();
    let peers = IndexModel::builder().keys(doc! { "users": 1, "_id": 1 }).options(options).build();
    let options = IndexOptions::builder().name("user".to_owned()).build();
    let keys = doc! { "user": 1, "expires_at": -1 };
    let user = IndexModel::builder().keys(keys).options(options).build();
    let options = IndexOptions::builder().name("expires_at".to_owned()).build();
    let expires = IndexModel::builder().keys(doc! { "expires_at": 1 }).options(options).build();
    let mut planned = vec![
        Planned { name: ACCOUNTS, rules: account_rules(), indexes: account_indexes },
        Planned { name: CONVERSATIONS, rules: conversation_rules(), indexes: vec![users, peers] },
        Planned { name: LOGINS, rules: login_rules(), indexes: vec![user, expires] },
        Planned { name: CLIENT_IDS, rules: client_id_rules(), indexes: Vec::new() },
    ];
    if !layout.is_per_pair() {
        let indexes = vec![client_id_index(layout)];
        planned.push(Planned { name: MESSAGES, rules: message_rules(false), indexes });
    }
    planned
}

/// Makes a conversation's own collection, or what it lacks. To be done before the first message
/// is written there, for the index is what makes a retry no copy.
pub(super) async fn prepare_pair(
    space: &Space,
    conversation: Conversation,
    is_new: bool,
) -> Outcome<()> {
    if !space.layout.is_per_pair() {
        return Ok(());
    }
    if is_new {
        let name = space.layout.collection(conversation);
        let create = space.database.create_collection(name).validator(message_rules(true));
        let create = create
            .validation_level(ValidationLevel::Moderate)
            .validation_action(ValidationAction::Error);
        match create.write_concern(durable()).await {
            Err(error) if code(&error) != Some(NAMESPACE_EXISTS) => return Err(error),
            _ => {}
        }
    }
    ensure(&space.messages(conversation), client_id_index(space.layout)).await
}

async fn ensure(collection: &Collection<Document>, index: IndexModel) -> Outcome<()> {
    collection.create_index(index).write_concern(durable()).await.map(|_| ())
}

/// The index of messages that makes a retry no copy.
pub(super) fn client_id_index(layout: Layout) -> IndexModel {
    let options = IndexOptions::builder()
        .name("client_id".to_owned())
        .unique(true)
        .partial_filter_expression(doc! { "id": { "$exists": true } })
        .build();
    IndexModel::builder().keys(layout.client_id_keys()).options(options).build()
}

/// Makes a collection with rules; gives one that exists the rules, if the user may.
async fn collection(space: &Space, name: &str, rules: Document) -> Outcome<()> {
    let create = space
        .database
        .create_collection(name)
        .validator(rules.clone())
        .validation_level(ValidationLevel::Moderate)
        .validation_action(ValidationAction::Error)
        .write_concern(durable());
    match create.await {
        Err(error) if code(&error) == Some(NAMESPACE_EXISTS) => {}
        other => return other,
    }
    if space
        .database
        .list_collections()
        .filter(doc! { "name": name, "options.validator": { "$eq": &rules } })
        .await?
        .advance()
        .await?
    {
        return Ok(());
    }
    let change = doc! {
        "collMod": name,
        "validator": rules,
        "validationLevel": "moderate",
        "validationAction": "error",
        "writeConcern": { "w": "majority", "j": true },
    };
    match space.database.run_command(change).await {
        Err(error) if code(&error) == Some(UNAUTHORIZED) => {
            // The role readWrite does not have it, and the rules only keep others from writing
            // what confab would skip.
            tracing::info!(collection = name, "the rules stay as they are: collMod is not allowed");
            Ok(())
        }
        other => other.map(|_| ()),
    }
}

fn rules(required: &[&str], properties: Document) -> Document {
    doc! { "$jsonSchema": {
        "bsonType": "object",
        "required": required.to_vec(),
        "properties": properties,
    } }
}

fn account_rules() -> Document {
    let text = || doc! { "bsonType": "string" };
    rules(
        &["username", "password_hash", "created_at"],
        doc! {
            "_id": text(),
            "username": text(),
            "display_name": text(),
            "password_hash": text(),
            "created_at": { "bsonType": "date" },
            "epoch": { "bsonType": ["long", "int"], "minimum": 0 },
            "disabled_at": { "bsonType": "date" },
            "deleted_at": { "bsonType": "date" },
            "change": { "bsonType": ["long", "int"], "minimum": 1 },
            "changes": { "bsonType": "array", "items": { "bsonType": ["long", "int"] } },
        },
    )
}

fn conversation_rules() -> Document {
    let count = || doc! { "bsonType": ["long", "int"], "minimum": 0 };
    let date = || doc! { "bsonType": "date" };
    rules(
        &["users", "last_seq", "last_at"],
        doc! {
            "_id": { "bsonType": "string" },
            "users": { "bsonType": "array", "minItems": 2, "maxItems": 2,
                       "items": { "bsonType": "string" } },
            "last_seq": count(),
            "last_at": date(),
            "first_seen": count(),
            "first_seen_at": date(),
            "second_seen": count(),
            "second_seen_at": date(),
        },
    )
}

fn login_rules() -> Document {
    let hash = || doc! { "bsonType": "binData" };
    rules(
        &["user", "token", "expires_at"],
        doc! {
            "_id": { "bsonType": "string" },
            "user": { "bsonType": "string" },
            "epoch": { "bsonType": ["long", "int"], "minimum": 0 },
            "token": hash(),
            "used_token": hash(),
            "used_at": { "bsonType": "date" },
            "salt": hash(),
            "expires_at": { "bsonType": "date" },
        },
    )
}

fn client_id_rules() -> Document {
    rules(&["to"], doc! { "_id": { "bsonType": "object" }, "to": { "bsonType": "string" } })
}

fn message_rules(per_pair: bool) -> Document {
    let text = || doc! { "bsonType": "string" };
    let id = if per_pair {
        doc! { "bsonType": ["long", "int"], "minimum": 1 }
    } else {
        doc! { "bsonType": "object", "required": ["c", "s"], "properties": {
        "c": text(), "s": { "bsonType": ["long", "int"], "minimum": 1 } } }
    };
    rules(
        &["from", "to", "content", "at"],
        doc! {
            "_id": id,
            "from": text(),
            "to": text(),
            "content": text(),
            "at": { "bsonType": "date" },
            "id": text(),
            "by_first": { "bsonType": "long" },
            "changed_by": { "bsonType": "array", "items": text() },
        },
    )
}
