//! Promises 2 and 3: one order per conversation, and a retry is not a duplicate.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod support;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use support::{Client, Daemon};

fn seq(frame: &Value) -> u64 {
    frame["seq"].as_u64().unwrap_or_else(|| panic!("no seq in {frame}"))
}

#[tokio::test]
async fn a_retry_gives_the_stored_original() {
    let mut daemon = Daemon::start("");
    let (mut ann, mut bob) = (daemon.client("ann").await, daemon.client("bob").await);
    let message = json!({"event":"message","to":"@bob","content":"once","id":"m1"});
    ann.send(message.clone()).await;
    let original = ann.next().await;
    assert_eq!(bob.next().await, original);
    ann.say("@bob", "between").await;
    assert_eq!(seq(&ann.next().await), 2);
    assert_eq!(seq(&bob.next().await), 2);

    ann.send(message.clone()).await;
    assert_eq!(ann.next().await, original, "the same session");
    let mut other = Client::connect(daemon.address(), &ann.account).await;
    let changed = json!({"event":"message","to":"@bob","content":"changed","id":"m1"});
    other.send(changed).await;
    assert_eq!(other.next().await, original, "another session, another text");
    assert!(bob.is_quiet().await, "nobody sees it twice");
    assert_eq!(daemon.metric("confab_messages_duplicate_total"), 2.0);

    for crash in [false, true] {
        daemon.restart(crash);
        let mut ann = Client::connect(daemon.address(), &ann.account).await;
        ann.send(message.clone()).await;
        assert_eq!(ann.next().await, original, "after a restart");
    }

    let cid = daemon.http().register("cid");
    let mut ann = Client::connect(daemon.address(), &ann.account).await;
    ann.send(json!({"event":"message","to":cid.id,"content":"other","id":"m1"})).await;
    let error = ann.next().await;
    assert_eq!((&error["code"], &error["id"]), (&json!("id_reused"), &json!("m1")));
}

#[tokio::test]
async fn one_id_sent_many_times_at_once_is_one_message() {
    let daemon = Daemon::start("");
    let mut bob = daemon.client("bob").await;
    let ann = daemon.http().register("ann");
    let mut sessions = Vec::new();
    for _ in 0..8 {
        sessions.push(Client::connect(daemon.address(), &ann).await);
    }
    for session in &mut sessions {
        for _ in 0..10 {
            session.feed(json!({"event":"message","to":"@bob","content":"x","id":"same"})).await;
        }
    }
    for session in &mut sessions {
        session.flush().await;
    }
    for session in &mut sessions {
        // Another session's first copy may come as a delivery too: count the echoes by quiet.
        for _ in 0..10 {
            assert_eq!(seq(&session.next().await), 1);
        }
    }
    assert_eq!(seq(&bob.next().await), 1);
    assert!(bob.is_quiet().await, "one copy");
    assert_eq!(daemon.metric("confab_messages_accepted_total"), 1.0);
}

/// Sends `count` messages with a window of 50, and checks that echoes keep the order of sending.
async fn flood(client: &mut Client, to: &str, count: usize) -> BTreeMap<u64, String> {
    let (mut sent, mut echoed, mut seen) = (0, 0, BTreeMap::new());
    let me = client.id().to_owned();
    while echoed < count {
        while sent < count && sent - echoed < 50 {
            let content = format!("{me} {sent}");
            client
                .feed(json!({"event":"message","to":to,"content":content,"id":format!("{sent}")}))
                .await;
            sent += 1;
        }
        client.flush().await;
        let frame = client.next().await;
        assert_eq!(frame["event"], "message", "{frame}");
        let content = frame["content"].as_str().expect("a text").to_owned();
        if frame["from"] == me.as_str() {
            assert_eq!(content, format!("{me} {echoed}"), "echoes keep their order");
            echoed += 1;
        }
        let last = seen.last_key_value().map_or(0, |(seq, _)| *seq);
        assert!(seq(&frame) > last, "live frames come in the order of seq");
        assert!(seen.insert(seq(&frame), content).is_none(), "no copy");
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_concurrent_sends_have_one_order_without_a_hole() {
    const EACH: usize = 1000;
    let daemon = Daemon::start("");
    let (mut ann, mut bob) = (daemon.client("ann").await, daemon.client("bob").await);
    let bob_id = bob.id().to_owned();
    let one = tokio::spawn(async move {
        let mut seen = flood(&mut ann, &bob_id, EACH).await;
        while seen.len() < 2 * EACH {
            let frame = ann.next().await;
            seen.insert(seq(&frame), frame["content"].as_str().expect("a text").into());
        }
        seen
    });
    let two = tokio::spawn(async move {
        let mut seen = flood(&mut bob, "@ann", EACH).await;
        while seen.len() < 2 * EACH {
            let frame = bob.next().await;
            seen.insert(seq(&frame), frame["content"].as_str().expect("a text").into());
        }
        (seen, bob)
    });
    let (ann_saw, (bob_saw, bob)) = (one.await.expect("ann"), two.await.expect("bob"));
    assert_eq!(ann_saw, bob_saw, "every reader sees the same order");
    assert!(ann_saw.keys().copied().eq(1..=2 * EACH as u64), "1…2000 without a hole");

    let mut stored = BTreeMap::new();
    loop {
        let after = stored.len();
        let path = format!("/conversations/@ann/messages?limit=100&after={after}");
        let page = daemon.http().get_json(&path, &bob.account.token);
        for message in page["messages"].as_array().expect("a list") {
            stored.insert(seq(message), message["content"].as_str().expect("a text").to_owned());
        }
        if page["more"] == false {
            break;
        }
    }
    assert_eq!(stored, ann_saw, "and so does the history");
}
