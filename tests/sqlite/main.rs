//! What is the embedded store's own: its folder, its file, and what it does when the disk fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use confab::{
    config,
    store::{
        Account, ChangedBy, Conversation, HistoryQuery, Message, NewMessage, Standing, Store,
        StoreError, Timestamp,
        sqlite::{OpenError, SqliteStore},
    },
};
use confab_plugin::UserId;
use rusqlite::Connection;
use tempfile::TempDir;

mod opening;
mod running;

const ANN: UserId = UserId::from_u128(1);
const BOB: UserId = UserId::from_u128(2);

fn config(path: &Path) -> config::Store {
    config::Store { path: path.to_owned(), ..config::Store::default() }
}

async fn try_open(config: config::Store) -> Result<SqliteStore, OpenError> {
    tokio::task::spawn_blocking(move || SqliteStore::open(&config, 100)).await.unwrap()
}

async fn open(folder: &Path) -> SqliteStore {
    try_open(config(folder)).await.unwrap()
}

fn message(content: &str, id: &str) -> NewMessage {
    let at = Timestamp(1_750_000_000_000);
    NewMessage {
        from: ANN,
        to: BOB,
        content: content.into(),
        client_id: Some(id.into()),
        at,
        changed_by: ChangedBy::default(),
    }
}

async fn send(store: &SqliteStore, content: &str, id: &str) -> Result<Message, StoreError> {
    let mut answers = store.append(vec![message(content, id)]).await;
    answers.remove(0).map(|answer| answer.message)
}

async fn stored(store: &SqliteStore) -> Vec<Message> {
    let query = HistoryQuery { limit: 100_000, ..HistoryQuery::default() };
    store.history(Conversation::between(ANN, BOB), query).await.unwrap().messages
}

fn is_gap_free(messages: &[Message]) -> bool {
    messages.iter().map(|message| message.seq).eq((1..).take(messages.len()))
}
