//! Promise 4: nothing is missed, however many conversations somebody has.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;

use confab::{
    config,
    store::{Account, ChangedBy, NewMark, NewMessage, Store, Timestamp, sqlite::SqliteStore},
};
use confab_plugin::UserId;
use serde_json::{Map, Value, json};
use support::{Client, Daemon};

/// Enough that their read marks are more than all else that a `sync` may hold.
const CONVERSATIONS: usize = 2500;

/// Writes conversations of `user` into the store of a stopped daemon, one message each, read by
/// both.
async fn fill(daemon: &Daemon, user: UserId) {
    let path = daemon.folder().join("data");
    let config = config::Store { path, ..config::Store::default() };
    let store = SqliteStore::open(&config, 1000).expect("opened");
    let (mut messages, mut marks) = (Vec::new(), Vec::new());
    for n in 0..CONVERSATIONS {
        let (peer, at) = (UserId::generate(), Timestamp::now());
        let account = Account {
            id: peer,
            username: format!("u{n}").parse().expect("a name"),
            display_name: None,
            password_hash: "none".into(),
            created_at: at,
        };
        store.create_account(account).await.expect("created");
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
    }
    assert!(store.append(messages).await.iter().all(Result::is_ok));
    assert!(store.mark_seen(marks).await.iter().all(Result::is_ok));
    store.close().await;
}

#[tokio::test]
async fn the_marks_of_many_conversations_arrive() {
    let mut daemon = Daemon::start("");
    let ann = daemon.http().register("ann");
    assert!(daemon.stop().success());
    fill(&daemon, ann.id.parse().expect("an id")).await;
    daemon.start_again();

    let mut ann = Client::connect(daemon.address(), &ann).await;
    let have: Map<String, Value> =
        (0..CONVERSATIONS).map(|n| (format!("@u{n}"), json!(1))).collect();
    ann.send(json!({"event":"sync","have":have})).await;
    let sync = ann.next_event("sync").await;
    assert_eq!(sync["complete"], true);
    assert_eq!(sync["seen"].as_array().map(Vec::len), Some(2 * CONVERSATIONS));
}
