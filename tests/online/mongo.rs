//! MongoDB: good, not there, locked, frozen, users with too few rights, and databases that do not
//! go with the configuration.

use std::collections::BTreeMap;

use confab::{config::MongoLayout, store::Store as _};
use confab_plugin::UserId;
use futures_util::TryStreamExt as _;
use mongodb::{
    Client, Database, IndexModel,
    bson::{Document, doc},
    options::IndexOptions,
};

use crate::{
    Check, PASSWORD,
    database::TestDatabase,
    mongod::Mongod,
    nowhere::{CLOSED_PORT, NO_SUCH_HOST},
};

fn check(uri: &str, database: &str) -> Check {
    Check::run(&[("MONGO_URI", uri), ("MONGO_DB", database)])
}

fn check_layout(database: &TestDatabase, layout: &str) -> Check {
    Check::run(&[
        ("MONGO_URI", &database.uri),
        ("MONGO_DB", &database.name),
        ("CONFAB_STORE__MONGO__LAYOUT", layout),
    ])
}

/// All that a check could have changed: collections, rules, indexes, and a sum of the contents.
async fn state(database: &Database) -> BTreeMap<String, String> {
    let collections: Vec<_> =
        database.list_collections().await.unwrap().try_collect().await.unwrap();
    let mut state = BTreeMap::new();
    for collection in collections {
        let indexes: Vec<_> = database
            .collection::<Document>(&collection.name)
            .list_indexes()
            .await
            .unwrap()
            .try_collect()
            .await
            .unwrap();
        state.insert(collection.name, format!("{:?} {indexes:?}", collection.options));
    }
    let sum = database.run_command(doc! { "dbHash": 1 }).await.unwrap();
    state.insert(String::new(), sum.get_str("md5").unwrap().to_owned());
    state
}

fn pair() -> String {
    let (a, b) = (UserId::from_u128(1), UserId::from_u128(2));
    format!("{a}_{b}")
}

#[tokio::test]
async fn a_good_one_before_the_first_start() {
    let test = TestDatabase::new();
    check(&test.uri, &test.name)
        .good()
        .says("ok", "reached", "")
        .says("warn", "version", "6.0.5")
        .says("warn", "replica set", "rs0 with one member")
        .says("ok", "majority", "a write needs 1")
        .says("ok", "sign-in", "nobody needs to sign in")
        .says("ok", "collections", "none yet")
        .says("ok", "layout", "")
        .says("ok", "clock", "ms")
        .says("ok", "latency", "ms");
    let names = test.database().await.list_collection_names().await.unwrap();
    assert_eq!(names, Vec::<String>::new(), "it made something");
}

#[tokio::test]
async fn a_good_one_that_is_prepared_stays_as_it_is() {
    for (layout, name) in [(MongoLayout::PerPair, "per_pair"), (MongoLayout::Single, "single")] {
        let test = TestDatabase::new();
        test.open(layout, 10).await;
        let database = test.database().await;
        let before = state(&database).await;
        check_layout(&test, name)
            .good()
            .says("ok", "collections", "all there")
            .says("ok", "indexes", "as they should be")
            .says("ok", "rules", "as they should be");
        assert_eq!(state(&database).await, before);
    }
}

#[tokio::test]
async fn messages_in_the_other_layout_are_told() {
    let test = TestDatabase::new();
    let database = test.database().await;
    let pairs = database.collection::<Document>(&pair());
    pairs.insert_one(doc! { "_id": 1, "content": "x" }).await.unwrap();
    check_layout(&test, "single")
        .bad()
        .says("FAIL", "layout", "in the layout per_pair, and none")
        .advises("set store.mongo.layout to \"per_pair\"");
    check_layout(&test, "per_pair").good().says("ok", "collections", "one of a pair").says(
        "ok",
        "indexes",
        &format!("made at the next start or message: {}", pair()),
    );
    let messages = database.collection::<Document>("messages");
    messages.insert_one(doc! { "content": "x" }).await.unwrap();
    check_layout(&test, "per_pair").good().says("warn", "layout", "single too");
    check_layout(&test, "single").good().says("warn", "layout", "per_pair too");
}

#[tokio::test]
async fn an_index_in_the_way_is_told_and_would_stop_the_store() {
    let test = TestDatabase::new();
    let accounts = test.database().await.collection::<Document>("accounts");
    let options = IndexOptions::builder().name("by_name".to_owned()).unique(true).build();
    let index = IndexModel::builder().keys(doc! { "username": 1 }).options(options).build();
    accounts.create_index(index).await.unwrap();
    check(&test.uri, &test.name)
        .bad()
        .says("FAIL", "indexes", "accounts has an index by_name")
        .advises("dropIndex(\"by_name\")");
    let config = test.config(MongoLayout::PerPair);
    let open = || confab::store::mongo::MongoStore::open(&config, 10).unwrap();
    let store = open();
    assert!(store.prepare().await.is_err(), "it does not stand in the way");
    // It would try again by itself.
    store.close().await;
    accounts.drop_index("by_name").await.unwrap();
    check(&test.uri, &test.name).good().says("ok", "indexes", "accounts.username");
    open().prepare().await.unwrap();
}

#[tokio::test]
async fn one_that_is_not_there() {
    let uri = format!("mongodb://me:{PASSWORD}@127.0.0.1:{CLOSED_PORT}/");
    check(&uri, "confab").bad().says("FAIL", "reached", "refused").advises("nothing listens there");
    check(&format!("mongodb://me:{PASSWORD}@{NO_SUCH_HOST}/"), "confab")
        .bad()
        .says("FAIL", "reached", &format!("{NO_SUCH_HOST}:27017"))
        .advises("no such host");
    check(&format!("mongodb+srv://me:{PASSWORD}@{NO_SUCH_HOST}/"), "confab")
        .bad()
        .says("FAIL", "reached", "");
}

#[tokio::test]
async fn a_replica_set_with_another_name() {
    let test = TestDatabase::new();
    let uri = test.uri.replace("replicaSet=rs0", "replicaSet=other");
    assert_ne!(uri, test.uri);
    check(&uri, &test.name).bad().says("FAIL", "reached", "").advises("replicaSet");
}

#[tokio::test]
async fn a_standalone_and_one_that_does_not_answer() {
    let server = Mongod::standalone(&[]).await;
    check(&server.uri(), "confab").good().says("warn", "replica set", "none, a standalone");
    server.stop();
    check(&server.uri(), "confab").bad().says("FAIL", "reached", "").advises("no answer");
    server.go_on();
}

#[tokio::test]
async fn users_and_their_rights() {
    let server = Mongod::standalone(&["--auth"]).await;
    let admin = Client::with_uri_str(server.uri()).await.unwrap().database("admin");
    let root = doc! { "createUser": "root", "pwd": PASSWORD, "roles": ["root"] };
    admin.run_command(root).await.unwrap();
    let admin = Client::with_uri_str(server.uri_as("root", PASSWORD)).await.unwrap();
    let read_write = doc! { "role": "readWrite", "db": "chat" };
    for (name, roles) in [
        ("nobody", vec![]),
        ("reader", vec![doc! { "role": "read", "db": "chat" }]),
        ("confab", vec![read_write]),
        ("elsewhere", vec![doc! { "role": "readWrite", "db": "other" }]),
    ] {
        let user = doc! { "createUser": name, "pwd": PASSWORD, "roles": roles };
        admin.database("admin").run_command(user).await.unwrap();
    }
    let check = |user: &str| check(&server.uri_as(user, PASSWORD), "chat");
    check("confab")
        .good()
        .says("ok", "sign-in", "as confab")
        .says("ok", "rights", "no write was tried")
        .says("ok", "collections", "none yet");
    check("root").good().says("ok", "rights", "");
    check("nobody")
        .bad()
        .says("FAIL", "rights", "nobody lacks, in the database chat: find, insert, update")
        .advises("grantRolesToUser(\"nobody\", [{ role: \"readWrite\", db: \"chat\" }])");
    check("elsewhere").bad().says("FAIL", "rights", "listCollections");
    check("reader")
        .bad()
        .says("FAIL", "rights", "lacks, in the database chat: insert, update, createIndex")
        .never_says("find,");
    let names = admin.database("chat").list_collection_names().await.unwrap();
    assert_eq!(names, Vec::<String>::new(), "it made something");

    // What a check calls good is good: the store prepares itself as this user.
    let mut test = TestDatabase::on(server.uri_as("confab", PASSWORD));
    test.name = "chat".to_owned();
    test.open(MongoLayout::PerPair, 10).await;
    check("confab").good().says("ok", "indexes", "as they should be");

    crate::mongo::check(&server.uri_as("confab", "wrong"), "chat")
        .bad()
        .says("ok", "reached", "")
        .says("FAIL", "sign-in", "")
        .advises("authSource");
    crate::mongo::check(&server.uri(), "chat").bad().says("FAIL", "sign-in", "the URI names none");
}
