//! Promise 4: nothing is missed, however many conversations somebody has and however small the
//! pages are; and an answer that says it is complete is.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::{collections::HashMap, sync::Arc};

use confab::{
    config::{self, MongoLayout},
    store::{
        Account, ChangedBy, NewMark, NewMessage, Standing, Store, Timestamp, mongo::MongoStore,
        sqlite::SqliteStore,
    },
};
use confab_plugin::UserId;
use futures_util::future::join_all;
use serde_json::{Map, Value, json};
use support::{Client, Daemon};

/// Enough that their read marks are more than all else that a `sync` may hold, and that their ids
/// do not fit into one frame.
const CONVERSATIONS: usize = 2500;

/// As many ids as fit into a frame, with room to spare.
const NAMED: usize = 1000;

/// With MongoDB, one collection for all: 2,500 take their time to be made.
const CONFIG: &str = "[store.mongo]\nlayout = \"single\"\n";

/// The store of a stopped daemon.
async fn open(daemon: &Daemon) -> Arc<dyn Store> {
    let Some(uri) = daemon.variable("MONGO_URI") else {
        let path = daemon.folder().join("data");
        let timeout = confab_plugin::Duration::from_secs(60);
        let config = config::Store { path, timeout, ..config::Store::default() };
        return Arc::new(SqliteStore::open(&config, 1000).expect("opened"));
    };
    let mongo = config::Mongo {
        uri: Some(uri.to_owned().into()),
        database: daemon.variable("MONGO_DB").expect("a name").to_owned(),
        layout: MongoLayout::Single,
        operation_timeout: confab_plugin::Duration::from_secs(60),
        ..config::Mongo::default()
    };
    let config = config::Store { mongo, ..config::Store::default() };
    let store = MongoStore::open(&config, 1000).expect("opened");
    store.prepare().await.expect("prepared");
    Arc::new(store)
}

/// Writes conversations of `user` into the store of a stopped daemon, one message each, read by
/// both. Answers the peers, in their order.
async fn fill(daemon: &Daemon, user: UserId) -> Vec<UserId> {
    let store = open(daemon).await;
    let (mut messages, mut marks, mut peers) = (Vec::new(), Vec::new(), Vec::new());
    let mut accounts = Vec::new();
    for n in 0..CONVERSATIONS {
        let (peer, at) = (UserId::generate(), Timestamp::now());
        let account = Account {
            id: peer,
            username: format!("u{n}").parse().expect("a name"),
            display_name: None,
            password_hash: "none".into(),
            created_at: at,
            standing: Standing::default(),
        };
        accounts.push(store.create_account(account));
        let content = Arc::from("hello");
        messages.push(NewMessage {
            from: peer,
            to: user,
            content,
            client_id: None,
            at,
            changed_by: ChangedBy::default(),
        });
        marks.push(NewMark { reader: user, peer, upto: None, at });
        marks.push(NewMark { reader: peer, peer: user, upto: None, at });
        peers.push(peer);
    }
    assert!(join_all(accounts).await.iter().all(Result::is_ok));
    assert!(store.append(messages).await.iter().all(Result::is_ok));
    assert!(store.mark_seen(marks).await.iter().all(Result::is_ok));
    store.close().await;
    peers.sort_unstable();
    peers
}

/// Ann, with all her conversations.
async fn ann_of_many() -> (Daemon, Client, Vec<UserId>) {
    let mut daemon = Daemon::start(CONFIG);
    let ann = daemon.http().register("ann");
    assert!(daemon.stop().success());
    let peers = fill(&daemon, ann.id.parse().expect("an id")).await;
    daemon.start_again();
    let ann = Client::connect(daemon.address(), &ann).await;
    (daemon, ann, peers)
}

fn list<'a>(sync: &'a Value, name: &str) -> &'a Vec<Value> {
    sync[name].as_array().expect("a list")
}

#[tokio::test]
async fn however_many_conversations_there_are_each_is_asked_about() {
    let (_daemon, mut ann, peers) = ann_of_many().await;

    // By short names all fit into one question, and all their marks arrive.
    let have: Map<String, Value> =
        (0..CONVERSATIONS).map(|n| (format!("@u{n}"), json!(1))).collect();
    ann.send(json!({"event":"sync","have":have})).await;
    let sync = ann.next_event("sync").await;
    assert_eq!(sync["complete"], true);
    assert_eq!(list(&sync, "seen").len(), 2 * CONVERSATIONS);

    // By id they do not: range by range, nothing is told that is known.
    let cuts = peers.chunks(NAMED).skip(1).map(|chunk| Some(chunk[0]));
    let ends: Vec<_> = [None].into_iter().chain(cuts).chain([None]).collect();
    let mut marks = 0;
    for (chunk, ends) in peers.chunks(NAMED).zip(ends.windows(2)) {
        let have: HashMap<_, _> = chunk.iter().map(|peer| (*peer, 1)).collect();
        ann.send(json!({"event":"sync","have":have,"between":ends,"id":"r"})).await;
        // With a bus, what is seconds old may come once more by itself.
        let sync = ann.next_event("sync").await;
        assert_eq!(sync["id"], "r");
        assert_eq!((list(&sync, "messages").len(), &sync["complete"]), (0, &json!(true)));
        marks += list(&sync, "seen").len();
    }
    assert_eq!(marks, 2 * CONVERSATIONS);

    // Who has nothing gets all of it page by page, each mark once.
    let (mut told, mut marks, mut pages) = (0, 0, 0);
    for ends in ends.windows(2) {
        let mut have = Map::new();
        loop {
            ann.send(json!({"event":"sync","have":have,"between":ends})).await;
            let sync = ann.next_event("sync").await;
            for message in list(&sync, "messages") {
                have.insert(message["from"].as_str().expect("an id").to_owned(), json!(1));
                told += 1;
            }
            marks += list(&sync, "seen").len();
            pages += 1;
            if sync["complete"] == true {
                break;
            }
        }
    }
    assert_eq!((told, marks), (CONVERSATIONS, 2 * CONVERSATIONS));
    assert_eq!(pages, 4 + 4 + 2, "256 messages a page");
}

#[tokio::test]
async fn a_range_that_makes_no_sense_is_refused_with_words() {
    let daemon = Daemon::start("");
    let (mut ann, bob) = (daemon.client("ann").await, daemon.client("bob").await);
    let (low, high) = ("00000000000000000000000001", "00000000000000000000000002");
    let upper = bob.id().to_uppercase();
    for (have, between, wrong) in [
        (json!({}), json!(["@bob", null]), "\"@bob\", which is not a user id"),
        (json!({}), json!([null, upper]), upper.as_str()),
        (json!({}), json!(["", null]), "\"\", which is not a user id"),
        (json!({}), json!([high, low]), "ends before it begins"),
        (json!({"@bob": 1}), json!([low, high]), "`have` names \"@bob\", who is not in"),
        (json!({bob.id(): 1}), json!([null, bob.id()]), bob.id()),
        (json!({high: 1}), json!([low, high]), high),
    ] {
        ann.send(json!({"event":"sync","have":have,"between":between,"id":"s"})).await;
        let error = ann.next().await;
        assert_eq!((&error["code"], &error["id"]), (&json!("invalid_parameter"), &json!("s")));
        let message = error["message"].as_str().expect("words");
        assert!(message.contains(wrong), "{between}: {message}");
    }
    ann.send(json!({"event":"sync","have":{"@nobody":1},"id":"t"})).await;
    let error = ann.next().await;
    assert_eq!((&error["code"], &error["id"]), (&json!("unknown_user"), &json!("t")));
    assert!(error["message"].as_str().expect("words").contains("@nobody"), "{error}");
    ann.send(json!({"event":"sync","have":{},"id":"x".repeat(65)})).await;
    assert_eq!(ann.next().await["code"], "invalid_id");
    ann.send(json!({"event":"sync","have":{"@bob":"1"},"id":"u"})).await;
    let error = ann.next().await;
    assert_eq!((&error["code"], &error["id"]), (&json!("malformed"), &json!("u")));

    for between in [json!([low, low]), json!([bob.id(), null]), json!([null, null])] {
        ann.send(json!({"event":"sync","have":{},"between":between})).await;
        let sync = ann.next().await;
        let nothing = json!({"event":"sync","messages":[],"seen":[],"complete":true});
        assert_eq!(sync, nothing, "{between}");
    }
}

#[tokio::test]
async fn questions_are_answered_in_their_order() {
    let daemon = Daemon::start("");
    let mut ann = daemon.client("ann").await;
    for n in 0..50 {
        ann.feed(json!({"event":"sync","have":{"@ann":n},"id":n.to_string()})).await;
    }
    ann.flush().await;
    for n in 0..50 {
        let sync = ann.next().await;
        assert_eq!((&sync["event"], &sync["id"]), (&json!("sync"), &json!(n.to_string())));
    }
}

/// A message that arrives while one asks comes live, before the answer or behind it, or is in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn complete_is_true_while_others_write() {
    const MESSAGES: u64 = 150;
    let daemon = Daemon::start("[limits]\nsync_messages = 1\nframe_rate = 0\n");
    let ann = daemon.http().register("ann");
    let mut writers = Vec::new();
    for name in ["bob", "cid"] {
        let mut writer = daemon.client(name).await;
        writers.push(tokio::spawn(async move {
            for n in 1..=MESSAGES {
                writer.say("@ann", "hello").await;
                assert_eq!(writer.next().await["seq"], n);
            }
            writer.id().to_owned()
        }));
    }
    // She comes and goes; each time, she asks until it is complete.
    let (mut have, mut ended) = (HashMap::<String, u64>::new(), false);
    while !ended {
        ended = writers.iter().all(tokio::task::JoinHandle::is_finished);
        let mut client = Client::connect(daemon.address(), &ann).await;
        let mut live = HashMap::<String, Vec<u64>>::new();
        loop {
            client.send(json!({"event":"sync","have":have})).await;
            let sync = loop {
                let frame = client.next().await;
                if frame["event"] == "sync" {
                    break frame;
                }
                let from = frame["from"].as_str().expect("an id").to_owned();
                live.entry(from).or_default().push(frame["seq"].as_u64().expect("a number"));
            };
            assert!(list(&sync, "messages").len() <= 1);
            for message in list(&sync, "messages") {
                let known =
                    have.entry(message["from"].as_str().expect("an id").into()).or_default();
                *known += 1;
                assert_eq!(message["seq"], *known);
            }
            if sync["complete"] == true {
                break;
            }
        }
        // What came live joins on to what the complete answer brought: there is no hole.
        for (from, seqs) in live {
            let known = have.entry(from).or_default();
            for seq in seqs {
                assert!(seq <= *known + 1, "{seq} came live, and {known} are known");
                *known = seq.max(*known);
            }
        }
        client.close().await;
    }
    for writer in writers {
        assert_eq!(have[&writer.await.expect("it wrote")], MESSAGES);
    }
}
