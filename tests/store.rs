//! Every store does what the trait says: the conformance suite on each backend.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[macro_use]
#[path = "support/store_suite/mod.rs"]
mod store_suite;
#[path = "support/mongo.rs"]
mod mongo;

use std::{path::PathBuf, sync::Arc};

use confab::{
    config::{self, MongoLayout},
    store::{Store, sqlite::SqliteStore},
};
use mongo::TestDatabase;
use store_suite::{Backend, UNREAD};
use tempfile::TempDir;

/// The embedded store in a folder of its own.
struct Sqlite(TempDir);

impl Sqlite {
    fn path(&self) -> PathBuf {
        self.0.path().join("data")
    }
}

impl Backend for Sqlite {
    async fn fresh() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    async fn open(&self) -> Arc<dyn Store> {
        let config = config::Store { path: self.path(), ..config::Store::default() };
        let open = move || SqliteStore::open(&config, UNREAD);
        Arc::new(tokio::task::spawn_blocking(open).await.unwrap().unwrap())
    }
}

store_suite!(sqlite: Sqlite);

/// MongoDB with a collection for each pair, in a database of its own.
struct MongoPerPair(TestDatabase);

impl Backend for MongoPerPair {
    async fn fresh() -> Self {
        Self(TestDatabase::new())
    }

    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.0.open(MongoLayout::PerPair, UNREAD).await)
    }
}

store_suite!(mongo_per_pair: MongoPerPair);

/// MongoDB with one collection for all, in a database of its own.
struct MongoSingle(TestDatabase);

impl Backend for MongoSingle {
    async fn fresh() -> Self {
        Self(TestDatabase::new())
    }

    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.0.open(MongoLayout::Single, UNREAD).await)
    }
}

store_suite!(mongo_single: MongoSingle);
