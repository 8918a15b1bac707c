//! Which entries changed a message, in documents: ours, those of earlier versions, and odd ones.

use std::collections::BTreeMap;

use confab::{
    config::MongoLayout,
    store::{ChangedBy, Conversation, NewMessage, Store},
};
use futures_util::TryStreamExt;
use mongodb::{
    Collection, Database,
    bson::{Bson, DateTime, Document, doc},
};

use crate::{all, database::TestDatabase, message, send, user};

const LAYOUTS: [MongoLayout; 2] = [MongoLayout::PerPair, MongoLayout::Single];

fn changed(content: &str, id: &str, by: &[&str]) -> NewMessage {
    let changed_by = ChangedBy::of(by.iter().copied());
    NewMessage { changed_by, ..message(user(1), user(2), content, id) }
}

/// The collection of a layout for the messages of the first two users.
fn name(layout: MongoLayout) -> String {
    match layout {
        MongoLayout::PerPair => Conversation::between(user(1), user(2)).to_string(),
        MongoLayout::Single => "messages".to_owned(),
    }
}

fn id(layout: MongoLayout, seq: i64) -> Bson {
    match layout {
        MongoLayout::PerPair => seq.into(),
        MongoLayout::Single => doc! { "c": name(MongoLayout::PerPair), "s": seq }.into(),
    }
}

/// The rules of each collection.
async fn rules(database: &Database) -> BTreeMap<String, Option<Document>> {
    let found: Vec<_> = database.list_collections().await.unwrap().try_collect().await.unwrap();
    found.into_iter().map(|one| (one.name, one.options.validator)).collect()
}

/// Takes what is known of `changed_by` out of a collection's rules, as the version before it
/// had them.
async fn go_back(database: &Database, collection: &str) {
    let mut before = rules(database).await.remove(collection).unwrap().unwrap();
    let schema = before.get_document_mut("$jsonSchema").unwrap();
    let fields = schema.get_document_mut("properties").unwrap();
    assert!(fields.remove("changed_by").is_some());
    let change = doc! {
        "collMod": collection, "validator": before, "validationLevel": "moderate",
        "validationAction": "error",
    };
    database.run_command(change).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_field_is_there_only_if_something_changed() {
    for layout in LAYOUTS {
        let test = TestDatabase::new();
        let store = test.open(layout, 5).await;
        send(&store, changed("hi", "", &["words", "no-links"])).await.unwrap();
        send(&store, changed("ho", "", &[])).await.unwrap();
        let messages = test.database().await.collection::<Document>(&name(layout));
        let first = messages.find_one(doc! { "_id": id(layout, 1) }).await.unwrap().unwrap();
        let labels: Vec<_> = first.get_array("changed_by").unwrap().iter().collect();
        assert_eq!(labels, [&Bson::from("words"), &Bson::from("no-links")]);
        let second = messages.find_one(doc! { "_id": id(layout, 2) }).await.unwrap().unwrap();
        assert!(!second.contains_key("changed_by"), "{second}");
        store.close().await;
    }
}

/// A database that the version before made, with a conversation in it.
#[tokio::test(flavor = "multi_thread")]
async fn rules_of_the_version_before_take_the_field() {
    for layout in LAYOUTS {
        let test = TestDatabase::new();
        let store = test.open(layout, 5).await;
        let old = send(&store, changed("before", "a", &[])).await.unwrap().message;
        store.close().await;
        let database = test.database().await;
        let present = rules(&database).await;
        go_back(&database, &name(layout)).await;
        let before = rules(&database).await;
        assert_ne!(before, present);

        let store = test.open(layout, 5).await;
        let after = rules(&database).await;
        match layout {
            // There may be tens of thousands: they stay as they are.
            MongoLayout::PerPair => assert_eq!(after, before),
            MongoLayout::Single => assert_eq!(after, present),
        }
        let new = send(&store, changed("after", "b", &["words"])).await.unwrap().message;
        let retry = send(&store, changed("again", "a", &["words"])).await.unwrap();
        assert_eq!((&retry.message, retry.new), (&old, false));
        let stored = all(&store, user(1), user(2)).await;
        assert_eq!(stored, [old, new]);
        assert_eq!(stored[1].changed_by, ChangedBy::of(["words"]));
        store.close().await;
    }
}

/// What another program wrote in the field is no reason to lose the message.
#[tokio::test(flavor = "multi_thread")]
async fn an_odd_field_does_not_hide_the_message() {
    for layout in LAYOUTS {
        let test = TestDatabase::new();
        let store = test.open(layout, 5).await;
        send(&store, changed("first", "", &["words"])).await.unwrap();
        let messages: Collection<Document> = test.database().await.collection(&name(layout));
        let many: Vec<String> = (0..10_000).map(|n| format!("entry-{n}")).collect();
        let kept: Vec<&str> = many.iter().take(ChangedBy::MOST).map(String::as_str).collect();
        let odd = [
            (Bson::Null, vec![]),
            ("words".into(), vec![]),
            (doc! { "$ne": 1 }.into(), vec![]),
            (Bson::Array(vec![]), vec![]),
            (Bson::Array(vec![5.into(), "UP".into(), "a,b".into(), "fine".into()]), vec!["fine"]),
            (many.clone().into(), kept),
        ];
        for ((value, _), seq) in odd.iter().zip(2..) {
            let document = doc! {
                "_id": id(layout, seq), "from": user(1).to_string(), "to": user(2).to_string(),
                "content": "hi", "at": DateTime::now(), "changed_by": value.clone(),
            };
            messages.insert_one(document).bypass_document_validation(true).await.unwrap();
        }
        let stored = all(&store, user(1), user(2)).await;
        assert_eq!(stored.len(), odd.len() + 1);
        for ((value, wanted), message) in odd.iter().zip(&stored[1..]) {
            assert_eq!(message.changed_by, ChangedBy::of(wanted.iter().copied()), "{value}");
        }
        store.close().await;
    }
}
