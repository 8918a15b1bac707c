//! Servers that are not there, or refuse.

use std::time::{Duration, Instant};

use confab::{
    config::{self, MongoLayout},
    store::{
        Store, StoreError,
        mongo::{MongoStore, OpenError},
    },
};
use mongodb::{
    Client,
    bson::{Bson, doc},
};

use crate::{all, database::TestDatabase, message, mongod::Mongod, send, send_surely, user, wait};

const SHORT: Duration = Duration::from_secs(1);

fn opened(database: &TestDatabase) -> MongoStore {
    let mut config = database.config(MongoLayout::PerPair);
    config.mongo.server_selection_timeout = confab_plugin::Duration(SHORT);
    MongoStore::open(&config, 5).unwrap()
}

async fn why(store: &MongoStore) -> String {
    match store.ping().await {
        Err(StoreError::Unavailable(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_comes_later_is_found() {
    let mut server = Mongod::later();
    let database = TestDatabase::on(server.uri());
    let store = opened(&database);
    // At once, whatever the timeouts are.
    let started = Instant::now();
    let answer = send(&store, message(user(1), user(2), "hi", "")).await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))));
    assert!(store.account_by_id(user(1)).await.is_err());
    assert!(started.elapsed() < SHORT);
    wait::until("the reason is known", async || {
        why(&store).await.contains("Server selection timeout").then_some(())
    })
    .await;

    server.start();
    wait::until("the store is ready", async || store.ping().await.ok()).await;
    send(&store, message(user(1), user(2), "hi", "")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_never_was_ready_closes() {
    let database = TestDatabase::on(Mongod::later().uri());
    let store = opened(&database);
    tokio::time::timeout(SHORT * 10, store.close()).await.expect("it closes");
    assert!(why(&store).await.contains("closed"));
}

/// A standalone that asks for passwords works; a wrong one, or one without rights, is told.
#[tokio::test(flavor = "multi_thread")]
async fn users_and_their_rights() {
    let server = Mongod::standalone(&["--auth"]).await;
    let admin = Client::with_uri_str(server.uri()).await.unwrap();
    let root = doc! { "createUser": "root", "pwd": "r%t", "roles": ["root"] };
    admin.database("admin").run_command(root).await.unwrap();
    let admin = Client::with_uri_str(server.uri_as("root", "r%25t")).await.unwrap();
    let database = TestDatabase::on(server.uri_as("confab", "p%40ss"));
    for (user, role) in [("confab", "readWrite"), ("reader", "read")] {
        let roles = Bson::Array(vec![doc! { "role": role, "db": &database.name }.into()]);
        let create = doc! { "createUser": user, "pwd": "p@ss", "roles": roles };
        admin.database("admin").run_command(create).await.unwrap();
    }

    let store = opened(&database);
    let sent = send_surely(&store, message(user(1), user(2), "hi", "x")).await;
    assert_eq!(all(&store, user(1), user(2)).await, [sent]);
    // Again, when the collections are there, and the rules cannot be changed.
    opened(&database).prepare().await.unwrap();

    for (uri, wanted) in [
        (server.uri_as("confab", "wrong"), "Authentication failed"),
        (server.uri_as("nobody", "p%40ss"), "Authentication failed"),
        (server.uri_as("reader", "p%40ss"), "not authorized"),
        (server.uri(), "authentication"),
    ] {
        let refused = TestDatabase { uri, name: database.name.clone() };
        let store = opened(&refused);
        let error = store.prepare().await.unwrap_err().to_string();
        assert!(error.contains(wanted), "{wanted} in {error}");
        assert!(!error.contains("wrong") && !error.contains("p%40ss"), "{error}");
        assert!(why(&store).await.contains(wanted));
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_configuration() {
    let open = |change: &dyn Fn(&mut config::Mongo)| {
        let mut config = config::Store::default();
        config.mongo.uri = Some("mongodb://localhost".to_owned().into());
        change(&mut config.mongo);
        MongoStore::open(&config, 5).map(|_| ())
    };
    assert_eq!(open(&|_| {}), Ok(()));
    assert_eq!(open(&|mongo| mongo.uri = None), Err(OpenError::NoUri));
    let uri = open(&|mongo| mongo.uri = Some("http://hunter2@x".to_owned().into()));
    let uri = uri.unwrap_err();
    assert!(matches!(uri, OpenError::Uri(_)) && !uri.to_string().contains("hunter2"), "{uri}");
    for name in ["", "a.b", "a b", "a$b", "a/b", "local"] {
        let error = open(&|mongo| mongo.database = name.to_owned()).unwrap_err();
        assert!(matches!(error, OpenError::Database(_)), "{name}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_nodes_prepare_at_once() {
    let database = TestDatabase::new();
    for layout in [MongoLayout::PerPair, MongoLayout::Single] {
        let nodes: Vec<_> =
            (0..6).map(|_| MongoStore::open(&database.config(layout), 5).unwrap()).collect();
        let prepared = nodes.iter().map(MongoStore::prepare);
        for result in futures_util::future::join_all(prepared).await {
            result.unwrap();
        }
        for node in nodes {
            node.prepare().await.unwrap();
            node.ping().await.unwrap();
            node.close().await;
        }
    }
}
