//! How fast the embedded store makes messages durable: `cargo bench --bench store [-- SECONDS]`.
//!
//! Producers each append a short message with a client id of its own and wait for the
//! acknowledgement before the next. One line a setting: rows a second, and how long an
//! acknowledgement took. Then what it costs to look messages up by their senders' ids.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use confab::{
    config,
    store::{ChangedBy, NewMessage, Store, Timestamp, sqlite::SqliteStore},
};
use confab_plugin::UserId;

/// Producers, and how many conversations they share.
const SETTINGS: [(u64, u64); 5] = [(1, 1), (32, 16), (512, 1), (512, 256), (512, 4096)];

fn main() {
    let argument = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    let time = Duration::from_secs(argument.unwrap_or(5));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    println!("producers conversations  rows/s   p50 ms   p99 ms   max ms   log MiB");
    for (producers, conversations) in SETTINGS {
        runtime.block_on(measure(producers, conversations, time));
    }
    println!("ids asked at once   known  us an id   us a question");
    for (batch, known) in [(1, false), (1, true), (32, false), (32, true), (1024, false)] {
        runtime.block_on(look_up(batch, known, time));
    }
}

/// Among a hundred thousand messages.
async fn look_up(batch: u64, known: bool, time: Duration) {
    const MESSAGES: u64 = 100_000;
    let folder = tempfile::tempdir().unwrap();
    let config = config::Store { path: folder.path().to_owned(), ..config::Store::default() };
    let open = move || SqliteStore::open(&config, 1000).unwrap();
    let store = tokio::task::spawn_blocking(open).await.unwrap();
    let from = UserId::from_u128(1);
    let messages = (0..MESSAGES).map(|number| NewMessage {
        from,
        to: UserId::from_u128(2 + u128::from(number % 1000)),
        content: "Shall we meet at seven, at the usual place?".into(),
        client_id: Some(id(number)),
        at: Timestamp::now(),
        changed_by: ChangedBy::default(),
    });
    store.append(messages.collect()).await;
    let (begin, mut asked) = (Instant::now(), 0);
    while begin.elapsed() < time {
        let first = if known { 0 } else { MESSAGES };
        let ids = (0..batch).map(|n| (from, id(first + (asked + n) * 7919 % MESSAGES)));
        let found = store.originals(ids.collect()).await.unwrap();
        assert!(found.iter().all(|found| found.is_some() == known));
        asked += batch;
    }
    let micros = begin.elapsed().as_secs_f64() * 1e6 / asked as f64;
    println!("{batch:17} {known:>7} {micros:9.2} {:15.2}", micros * batch as f64);
    store.close().await;
}

fn id(number: u64) -> Arc<str> {
    format!("{:016x}-{number:08}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).into()
}

async fn measure(producers: u64, conversations: u64, time: Duration) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let config = config::Store { path, ..config::Store::default() };
    let open = move || SqliteStore::open(&config, 1000).unwrap();
    let store = Arc::new(tokio::task::spawn_blocking(open).await.unwrap());
    let end = Instant::now() + time;
    let tasks: Vec<_> = (0..producers)
        .map(|producer| tokio::spawn(produce(store.clone(), producer, conversations, end)))
        .collect();
    let mut waits = Vec::new();
    for task in tasks {
        waits.extend(task.await.unwrap());
    }
    waits.sort_unstable();
    let rate = waits.len() as f64 / time.as_secs_f64();
    let wait = |part: f64| {
        let index = ((waits.len() - 1) as f64 * part) as usize;
        waits[index].as_secs_f64() * 1000.0
    };
    let log = std::fs::metadata(folder.path().join("confab.db-wal")).unwrap().len() >> 20;
    println!(
        "{producers:9} {conversations:13} {rate:7.0} {:8.2} {:8.2} {:8.2} {log:9}",
        wait(0.5),
        wait(0.99),
        wait(1.0)
    );
    store.close().await;
}

async fn produce(
    store: Arc<SqliteStore>,
    producer: u64,
    conversations: u64,
    end: Instant,
) -> Vec<Duration> {
    let mut waits = Vec::new();
    for number in 0.. {
        let begin = Instant::now();
        if begin >= end {
            break;
        }
        let conversation = (producer + number * 37) % conversations;
        let message = NewMessage {
            from: UserId::from_u128(u128::from(conversation) << 64),
            to: UserId::from_u128((u128::from(conversation) << 64) + 1),
            content: "Shall we meet at seven, at the usual place?".into(),
            client_id: Some(format!("{producer:04}-{number:08}").into()),
            at: Timestamp::now(),
            changed_by: ChangedBy::default(),
        };
        let answers = store.append(vec![message]).await;
        assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(|answer| answer.new)));
        waits.push(begin.elapsed());
    }
    waits
}
