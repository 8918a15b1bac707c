//! A MongoDB to test on: a database of one's own on the server that `CONFAB_TEST_MONGO_URI`
//! names, dropped afterwards.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use confab::{
    config::{self, Mongo, MongoLayout},
    store::mongo::MongoStore,
};
use confab_plugin::{Duration, UserId};
use mongodb::{Client, Database};

/// The server for tests.
///
/// # Panics
/// Without one: a test that is skipped is no test.
pub fn server() -> String {
    std::env::var("CONFAB_TEST_MONGO_URI").unwrap_or_else(|_| {
        panic!(
            "CONFAB_TEST_MONGO_URI is not set: these tests need a MongoDB, and tests/run \
             fetches and starts one"
        )
    })
}

/// An empty database, dropped with this.
pub struct TestDatabase {
    pub uri: String,
    pub name: String,
}

impl TestDatabase {
    /// On the server for tests.
    pub fn new() -> Self {
        Self::on(server())
    }

    /// On another server.
    pub fn on(uri: String) -> Self {
        Self { uri, name: format!("confab-test-{}", UserId::generate()) }
    }

    /// The configuration of a store in this database. Times are long, because machines are slow
    /// at times.
    pub fn config(&self, layout: MongoLayout) -> config::Store {
        let long = Duration::from_secs(60);
        let mongo = Mongo {
            uri: Some(self.uri.clone().into()),
            database: self.name.clone(),
            layout,
            connect_timeout: long,
            server_selection_timeout: long,
            operation_timeout: long,
            ..Mongo::default()
        };
        config::Store { mongo, ..config::Store::default() }
    }

    /// An open store in this database.
    pub async fn open(&self, layout: MongoLayout, unread: u64) -> MongoStore {
        let store = MongoStore::open(&self.config(layout), unread).unwrap();
        store.prepare().await.unwrap();
        store
    }

    /// The database itself, for tests that look at what is in it.
    pub async fn database(&self) -> Database {
        Client::with_uri_str(&self.uri).await.unwrap().database(&self.name)
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (uri, name) = (self.uri.clone(), self.name.clone());
        let drop = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let mut options = mongodb::options::ClientOptions::parse(uri).await.unwrap();
                options.server_selection_timeout = Some(std::time::Duration::from_secs(2));
                let client = Client::with_options(options).unwrap();
                // Fails when a test has ended the server.
                let _ = client.database(&name).drop().await;
                client.shutdown().immediate(true).await;
            });
        });
        let _ = drop.join();
    }
}
