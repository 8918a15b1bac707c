//! A MongoDB that dies, hangs and comes back.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use confab::{
    config::{self, MongoLayout},
    store::{Message, Store, StoreError, mongo::MongoStore},
};

use crate::{
    all, assert_no_gap,
    database::TestDatabase,
    message,
    mongod::Mongod,
    send, send_surely, user,
    wait::{self, DEADLINE},
};

/// How long calls may take in these tests, and some time for the machine to be slow.
const TIMEOUT: Duration = Duration::from_secs(2);
const SLACK: Duration = Duration::from_secs(3);

fn impatient(database: &TestDatabase, layout: MongoLayout) -> config::Store {
    let mut config = database.config(layout);
    config.mongo.operation_timeout = confab_plugin::Duration(TIMEOUT);
    config.mongo.server_selection_timeout = confab_plugin::Duration(TIMEOUT);
    config.mongo.connect_timeout = confab_plugin::Duration(TIMEOUT);
    config
}

async fn open(database: &TestDatabase, layout: MongoLayout) -> Arc<MongoStore> {
    let store = MongoStore::open(&impatient(database, layout), 5).unwrap();
    wait::until("MongoDB is ready", async || store.prepare().await.ok()).await;
    Arc::new(store)
}

/// Every call fails, none takes longer than it may.
async fn assert_unavailable(store: &MongoStore) {
    let (ann, bob) = (user(1), user(2));
    let started = Instant::now();
    let answers = store.append(vec![message(ann, bob, "lost", ""); 3]).await;
    assert!(answers.iter().all(|answer| matches!(answer, Err(StoreError::Unavailable(_)))));
    assert!(started.elapsed() < TIMEOUT + SLACK, "{:?}", started.elapsed());
    let started = Instant::now();
    assert!(store.ping().await.is_err());
    assert!(store.account_by_id(ann).await.is_err());
    assert!(started.elapsed() < (TIMEOUT + SLACK) * 2, "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_killed_server_is_unavailable_until_it_is_back() {
    let mut server = Mongod::replica_set().await;
    let database = TestDatabase::on(server.uri());
    let store = open(&database, MongoLayout::PerPair).await;
    let (ann, bob) = (user(1), user(2));
    let first = send_surely(&*store, message(ann, bob, "before", "a")).await;

    server.kill();
    assert_unavailable(&store).await;

    server.start();
    let again = send_surely(&*store, message(ann, bob, "before", "a")).await;
    assert_eq!(again, first);
    let next = send_surely(&*store, message(ann, bob, "after", "b")).await;
    // What failed above was never stored: it never reached a server.
    assert_eq!(next.seq, 2);
    assert_eq!(all(&*store, ann, bob).await, [first, next]);
    store.ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_hangs_is_unavailable_until_it_goes_on() {
    let server = Mongod::replica_set().await;
    let database = TestDatabase::on(server.uri());
    let store = open(&database, MongoLayout::Single).await;
    let (ann, bob) = (user(1), user(2));
    let first = send_surely(&*store, message(ann, bob, "before", "a")).await;

    server.stop();
    assert_unavailable(&store).await;
    let started = Instant::now();
    let hung = send(&*store, message(ann, bob, "during", "b")).await;
    assert!(matches!(hung, Err(StoreError::Unavailable(_))));
    assert!(started.elapsed() < TIMEOUT + SLACK);

    server.go_on();
    let second = send_surely(&*store, message(ann, bob, "during", "b")).await;
    let stored = all(&*store, ann, bob).await;
    assert_no_gap(&stored);
    assert_eq!(stored[0], first);
    // What was under way when it stopped may have been stored; the retry made no copy.
    let retried = stored.iter().filter(|message| message.client_id.as_deref() == Some("b"));
    assert_eq!(retried.collect::<Vec<_>>(), [&second]);
}

/// What a writer was told, by its ids.
type Told = HashMap<String, Message>;

async fn write_on(
    store: Arc<MongoStore>,
    writer: u128,
    stop: Arc<AtomicBool>,
    told: Arc<AtomicUsize>,
) -> Told {
    let (from, to) = (user(writer), user(1 + writer % 3));
    let mut acknowledged = Told::new();
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        let id = format!("{writer}-{number}");
        let message = send_surely(&*store, message(from, to, &id, &id)).await;
        acknowledged.insert(id, message);
        told.fetch_add(1, Ordering::Relaxed);
    }
    acknowledged
}

/// Eight writers on two nodes, who send again what was not acknowledged, and a server that is
/// killed ten times: every acknowledged message is there once, in the place that was told.
async fn ten_deaths(layout: MongoLayout) {
    let mut server = Mongod::replica_set().await;
    let database = TestDatabase::on(server.uri());
    let nodes = [open(&database, layout).await, open(&database, layout).await];
    let (stop, told) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let writers: Vec<_> = (11..19)
        .map(|writer| {
            let node = Arc::clone(&nodes[usize::try_from(writer % 2).unwrap()]);
            tokio::spawn(write_on(node, writer, Arc::clone(&stop), Arc::clone(&told)))
        })
        .collect();
    for _ in 0..10 {
        let before = told.load(Ordering::Relaxed);
        wait::until("messages flow", async || {
            (told.load(Ordering::Relaxed) > before + 40).then_some(())
        })
        .await;
        server.kill();
        server.start();
    }
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = Told::new();
    for writer in writers {
        let own = tokio::time::timeout(DEADLINE * 2, writer).await.expect("it heals").unwrap();
        acknowledged.extend(own);
    }
    assert!(acknowledged.len() > 400);
    let mut stored = 0;
    for writer in 11..19 {
        let messages = all(&*nodes[0], user(writer), user(1 + writer % 3)).await;
        assert_no_gap(&messages);
        for message in &messages {
            let id = message.client_id.as_deref().unwrap();
            assert_eq!(acknowledged.get(id), Some(message));
        }
        stored += messages.len();
    }
    assert_eq!(stored, acknowledged.len(), "each once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_acknowledged_is_lost_in_ten_deaths_per_pair() {
    ten_deaths(MongoLayout::PerPair).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_acknowledged_is_lost_in_ten_deaths_single() {
    ten_deaths(MongoLayout::Single).await;
}
