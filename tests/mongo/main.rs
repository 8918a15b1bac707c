//! The store on MongoDB when things go wrong: outages, races between nodes, documents that
//! others wrote, servers that refuse. What it does when all is well, `tests/store.rs` says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mongo.rs"]
mod database;
#[path = "../support/mongod.rs"]
mod mongod;
#[path = "../support/wait.rs"]
mod wait;

mod changed_by;
mod documents;
mod opening;
mod outages;
mod races;

use std::time::{Duration, Instant};

use confab::store::{
    Appended, ChangedBy, Conversation, HistoryQuery, Message, NewMessage, Store, StoreError,
    Timestamp,
};
use confab_plugin::UserId;

/// A user, by number.
fn user(number: u128) -> UserId {
    UserId::from_u128(0x0198_0000_0000_0000_0000_0000_0000_0000 + number)
}

fn message(from: UserId, to: UserId, content: &str, id: &str) -> NewMessage {
    let client_id = (!id.is_empty()).then(|| id.into());
    NewMessage {
        from,
        to,
        content: content.into(),
        client_id,
        at: Timestamp::now(),
        changed_by: ChangedBy::default(),
    }
}

async fn send(store: &dyn Store, new: NewMessage) -> Result<Appended, StoreError> {
    store.append(vec![new]).await.remove(0)
}

/// Sends until it is acknowledged.
async fn send_surely(store: &dyn Store, new: NewMessage) -> Message {
    let started = Instant::now();
    loop {
        match send(store, new.clone()).await {
            Ok(answer) => return answer.message,
            Err(StoreError::Unavailable(why)) => {
                assert!(started.elapsed() < wait::DEADLINE * 2, "{why}");
            }
            Err(error) => panic!("{error}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn all(store: &dyn Store, a: UserId, b: UserId) -> Vec<Message> {
    let query = HistoryQuery { limit: 100_000, ..HistoryQuery::default() };
    store.history(Conversation::between(a, b), query).await.unwrap().messages
}

/// `seq` is 1, 2, 3 … to the end.
fn assert_no_gap(messages: &[Message]) {
    let seqs: Vec<_> = messages.iter().map(|message| message.seq).collect();
    assert_eq!(seqs, (1..).take(messages.len()).collect::<Vec<_>>());
}
