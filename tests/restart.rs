//! Stop and start again: everything is there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod support;

use serde_json::json;
use support::{Client, Daemon};

#[tokio::test]
async fn accounts_history_unread_counts_and_read_marks_survive() {
    let mut daemon = Daemon::start("");
    let (mut ann, mut bob) = (daemon.client("ann").await, daemon.client("bob").await);
    for n in 1..=5 {
        ann.say("@bob", &format!("message {n}")).await;
        ann.next().await;
        bob.next().await;
    }
    bob.send(json!({"event":"seen","to":"@ann","upto":2})).await;
    ann.next_event("seen").await;
    let paths = ["/conversations", "/conversations/@ann/messages", "/users/@ann", "/users/me"];
    let look = |daemon: &Daemon| {
        let read = |path| daemon.http().get_json(path, &bob.account.token);
        paths.map(read)
    };
    let before = look(&daemon);
    assert_eq!(before[0]["conversations"][0]["unread"], 3);
    assert_eq!(before[0]["conversations"][0]["seen"]["mine"], 2);

    daemon.restart(false);
    assert_eq!(look(&daemon), before, "after a stop; the old token is still good");
    assert_eq!(daemon.http().login("bob").id, bob.account.id);

    daemon.restart(true);
    assert_eq!(look(&daemon), before, "after a crash");
    let mut ann = Client::connect(daemon.address(), &ann.account).await;
    ann.say("@bob", "on it goes").await;
    assert_eq!(ann.next().await["seq"], 6);
}

#[tokio::test]
async fn what_was_acknowledged_under_load_survives_kill_9() {
    let mut daemon = Daemon::start("");
    let mut ann = daemon.client("ann").await;
    let bob = daemon.http().register("bob");
    let mut acknowledged = 0;
    for round in 0..3 {
        for n in 0..400 {
            let id = format!("{round}-{n}");
            ann.feed(json!({"event":"message","to":bob.id,"content":id,"id":id})).await;
        }
        ann.flush().await;
        for _ in 0..150 {
            let echo = ann.next().await;
            acknowledged = echo["seq"].as_u64().expect("a seq");
        }
        // In the middle of a batch.
        daemon.restart(true);
        let path = format!("/conversations/@ann/messages?limit=1&before={}", acknowledged + 1);
        let page = daemon.http().get_json(&path, &bob.token);
        assert_eq!(page["messages"][0]["seq"], acknowledged, "the last acknowledged is there");
        ann = Client::connect(daemon.address(), &ann.account).await;
    }
}
