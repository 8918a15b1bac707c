//! The store falls behind: another program holds the database.

use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{Client, Daemon, wait};

/// Keeps the daemon from storing, until it is dropped.
struct Held(Connection);

impl Held {
    fn new(daemon: &Daemon) -> Self {
        let db = Connection::open(daemon.folder().join("data/confab.db")).expect("opened");
        db.busy_timeout(wait::DEADLINE).expect("set");
        db.execute_batch("BEGIN IMMEDIATE").expect("held");
        Self(db)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.execute_batch("ROLLBACK");
    }
}

/// Sends so many messages, without waiting for an answer; their ids begin with `name`.
async fn flood(client: &mut Client, name: &str, to: &str, count: usize, content: &str) {
    for n in 0..count {
        let id = format!("{name}-{n}");
        client.feed(json!({"event":"message","to":to,"content":content,"id":id})).await;
    }
    client.flush().await;
}

async fn held(daemon: &Daemon, count: usize) {
    wait::until("so many are being stored", async || {
        (daemon.metric("confab_store_queue_events") == count as f64).then_some(())
    })
    .await;
}

/// Reads so many answers to what [`flood`] sent: how many were stored, and those that were refused.
async fn answers(client: &mut Client, name: &str, count: usize) -> (usize, Vec<Value>) {
    let (mut stored, mut refused) = (0, Vec::new());
    while stored + refused.len() < count {
        let frame = client.next().await;
        // Other sessions of the user send as well.
        if frame["id"].as_str().is_none_or(|id| !id.starts_with(name)) {
            continue;
        }
        if frame["event"] == "message" {
            stored += 1;
        } else {
            refused.push(frame);
        }
    }
    (stored, refused)
}

#[tokio::test]
async fn a_message_overtakes_the_flood_of_another() {
    let daemon = Daemon::start("[limits]\nframe_rate = 0\n[store]\ntimeout = \"60s\"\n");
    let mut bob = daemon.client("bob").await;
    let ann = daemon.http().register("ann");
    let mut anns = Vec::new();
    for _ in 0..8 {
        anns.push(Client::connect(daemon.address(), &ann).await);
    }
    let mut xan = daemon.client("xan").await;
    let lock = Held::new(&daemon);
    for session in &mut anns {
        for n in 0..64 {
            session.feed(json!({"event":"message","to":"@bob","content":format!("{n}")})).await;
        }
        session.flush().await;
    }
    held(&daemon, 512).await;
    // The last to come.
    xan.say("@bob", "hello").await;
    held(&daemon, 513).await;
    drop(lock);
    let (mut before, mut seq) = (None, 0);
    for n in 0..513 {
        let frame = bob.next_event("message").await;
        if frame["from"] == xan.id() {
            before = Some(n);
        } else {
            seq += 1;
            assert_eq!(frame["seq"], seq, "the flood keeps its own order");
        }
    }
    let before = before.expect("it came");
    println!("{before} of the 512 messages of the flood came before a bystander's, sent last");
    // A batch of the flood was on its way to the store, and a share goes along with it.
    assert!(before <= 256 + 16, "{before} of the flood before it");
    held(&daemon, 0).await;
}

#[tokio::test]
async fn whoever_fills_the_queue_is_refused_and_others_are_not() {
    for (limit, content, room) in [
        ("store_queue = 100", "x".to_owned(), 50),
        // 17 KiB each, with what is counted for the rest of a message.
        ("store_queue_bytes = \"1MiB\"", "x".repeat(16 * 1024), 30),
    ] {
        let daemon = Daemon::start(&format!(
            "[limits]\nframe_rate = 0\n{limit}\n[store]\ntimeout = \"60s\"\n"
        ));
        let ann = daemon.http().register("ann");
        let mut one = Client::connect(daemon.address(), &ann).await;
        let mut two = Client::connect(daemon.address(), &ann).await;
        let (mut xan, mut yve) = (daemon.client("xan").await, daemon.client("yve").await);
        let lock = Held::new(&daemon);
        flood(&mut one, "one", "@yve", 64, &content).await;
        flood(&mut two, "two", "@xan", 64, &content).await;
        wait::until("all that is too much is refused", async || {
            let refused = daemon.metric("confab_overloaded_total");
            (refused == (128 - room) as f64).then_some(())
        })
        .await;
        for n in 0..10 {
            xan.say("@yve", &format!("{n}")).await;
        }
        held(&daemon, room + 10).await;
        assert!(daemon.metric("confab_store_queue_bytes") <= 1024.0 * 1024.0 * 64.0);
        drop(lock);
        let (stored_one, refused_one) = answers(&mut one, "one", 64).await;
        let (stored_two, refused_two) = answers(&mut two, "two", 64).await;
        assert_eq!(stored_one + stored_two, room);
        for frame in refused_one.iter().chain(&refused_two) {
            assert_eq!(frame["code"], "overloaded", "{frame}");
            assert!((1..=30).contains(&frame["retry_after"].as_u64().unwrap()), "{frame}");
            assert!(frame["id"].is_string());
        }
        for n in 0..10 {
            let mut echo = xan.next_event("message").await;
            while echo["from"] != xan.id() {
                echo = xan.next_event("message").await;
            }
            assert_eq!(echo["content"], format!("{n}"), "none of hers is refused");
        }
        yve.next_event("message").await;
        held(&daemon, 0).await;
    }
}

#[tokio::test]
async fn read_marks_count_as_well() {
    let daemon =
        Daemon::start("[limits]\nframe_rate = 0\nstore_queue = 100\n[store]\ntimeout = \"60s\"\n");
    let (mut ann, mut xan) = (daemon.client("ann").await, daemon.client("xan").await);
    let lock = Held::new(&daemon);
    for _ in 0..300 {
        ann.feed(json!({"event":"seen","to":"@xan"})).await;
    }
    ann.flush().await;
    for _ in 0..250 {
        let frame = ann.next_event("error").await;
        assert_eq!(frame["code"], "overloaded");
    }
    xan.say("@ann", "hello").await;
    held(&daemon, 51).await;
    drop(lock);
    assert_eq!(xan.next_event("message").await["seq"], 1);
}

#[tokio::test]
async fn a_store_that_hangs_keeps_nobody_waiting_and_holds_nothing_for_ever() {
    let daemon = Daemon::start("[limits]\nframe_rate = 0\n[store]\ntimeout = \"3s\"\n");
    let ann = daemon.http().register("ann");
    let (mut anns, mut bob) = (Vec::new(), daemon.client("bob").await);
    for _ in 0..4 {
        anns.push(Client::connect(daemon.address(), &ann).await);
    }
    // Others send as well, so batches are small.
    bob.say("@ann", "hello").await;
    bob.next_event("message").await;
    let lock = Held::new(&daemon);
    let started = Instant::now();
    for (n, session) in anns.iter_mut().enumerate() {
        flood(session, &format!("s{n}"), "@bob", 64, "hello").await;
    }
    for (n, session) in anns.iter_mut().enumerate() {
        let (stored, refused) = answers(session, &format!("s{n}"), 64).await;
        assert_eq!(stored, 0);
        assert!(refused.iter().all(|frame| frame["code"] == "unavailable"), "{refused:?}");
    }
    println!("256 messages to a store that hangs were refused after {:?}", started.elapsed());
    // One after the other, 16 batches would have taken 48 s.
    assert!(started.elapsed() < Duration::from_secs(20));
    held(&daemon, 0).await;
    drop(lock);
    wait::until("it is stored, once the store is back", async || {
        flood(&mut bob, "again", "@ann", 1, "hello again").await;
        (answers(&mut bob, "again", 1).await.0 == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_retry_that_was_refused_is_told_to_nobody_again() {
    let daemon = Daemon::start("[store]\ntimeout = \"3s\"\n");
    let (mut ann, mut bob) = (daemon.client("ann").await, daemon.client("bob").await);
    let message = json!({"event":"message","to":"@bob","content":"hello","id":"a"});
    ann.send(message.clone()).await;
    let original = ann.next().await;
    ann.say("@bob", "later").await;
    assert_eq!(ann.next().await["seq"], 2);
    let lock = Held::new(&daemon);
    ann.send(message.clone()).await;
    assert_eq!(ann.next().await["code"], "unavailable");
    drop(lock);
    let again = wait::until("the store is back", async || {
        ann.send(message.clone()).await;
        Some(ann.next().await).filter(|answer| answer["event"] == "message")
    });
    assert_eq!(again.await, original);
    for seq in [1, 2] {
        assert_eq!(bob.next().await["seq"], seq);
    }
    assert!(bob.is_quiet().await, "he was told before");
    assert_eq!(daemon.metric("confab_messages_accepted_total"), 2.0);
    assert_eq!(daemon.metric("confab_messages_duplicate_total"), 1.0);
}
