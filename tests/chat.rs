//! Two people chat: what the protocol promises, against the real daemon.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod support;

use serde_json::{Value, json};
use support::{Client, Daemon};

fn fields(frame: &Value) -> Vec<&str> {
    frame.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[tokio::test]
async fn a_message_reaches_its_recipient_and_comes_back_as_its_acknowledgement() {
    let daemon = Daemon::start("");
    let (mut ann, mut bob) = (daemon.client("ann").await, daemon.client("Bob").await);
    assert_eq!(bob.account.name, "bob", "capitals are folded");

    ann.send(json!({"event":"message","to":bob.id(),"content":"hello","id":"m-1"})).await;
    let echo = ann.next().await;
    let delivery = bob.next().await;
    assert_eq!(echo, delivery, "one frame for all");
    assert_eq!(
        fields(&echo),
        ["event", "conversation", "seq", "from", "to", "content", "at", "id"]
    );
    let (low, high) = if ann.id() < bob.id() { (&ann, &bob) } else { (&bob, &ann) };
    assert_eq!(echo["conversation"], format!("{}_{}", low.id(), high.id()));
    assert_eq!(echo["seq"], 1);
    assert_eq!(echo["from"], ann.id());
    assert_eq!(echo["to"], bob.id());
    assert_eq!(echo["content"], "hello");
    assert_eq!(echo["id"], "m-1");
    let at = echo["at"].as_str().expect("a time");
    assert!(at.len() == 24 && at.ends_with('Z') && at.as_bytes()[19] == b'.', "{at}");

    bob.say("@ANN", "hi").await;
    assert_eq!(ann.next().await["seq"], 2);
    let without_id = bob.next().await;
    assert_eq!(
        fields(&without_id),
        ["event", "conversation", "seq", "from", "to", "content", "at"]
    );
}

#[tokio::test]
async fn typing_and_seen_reach_the_peer_and_the_other_devices() {
    let daemon = Daemon::start("");
    let (mut ann, mut bob) = (daemon.client("ann").await, daemon.client("bob").await);
    let mut tablet = Client::connect(daemon.address(), &ann.account).await;

    ann.send(json!({"event":"typing","to":"@bob"})).await;
    let typing = bob.next().await;
    assert_eq!(typing, json!({"event":"typing","from":ann.id(),"to":bob.id(),"on":true}));
    ann.send(json!({"event":"typing","to":"@bob","on":false})).await;
    assert_eq!(bob.next().await["on"], false);

    bob.say("@ann", "one").await;
    bob.say("@ann", "two").await;
    for device in [&mut ann, &mut tablet] {
        assert_eq!(device.next().await["seq"], 1);
        assert_eq!(device.next().await["seq"], 2);
    }
    ann.say("@bob", "three").await;
    assert_eq!(ann.next().await["content"], "three", "the acknowledgement");
    assert_eq!(tablet.next().await["content"], "three", "the sender's other device");

    ann.send(json!({"event":"seen","to":bob.id(),"upto":1})).await;
    let seen = bob.next_event("seen").await;
    assert_eq!(fields(&seen), ["event", "from", "to", "upto", "at"]);
    assert_eq!((&seen["from"], &seen["upto"]), (&json!(ann.id()), &json!(1)));
    assert_eq!(tablet.next().await, seen);

    ann.send(json!({"event":"seen","to":"@bob"})).await;
    assert_eq!(bob.next().await["upto"], 3, "the newest, unless said otherwise");
    ann.send(json!({"event":"seen","to":"@bob","upto":1})).await;
    assert!(ann.is_quiet().await && bob.is_quiet().await, "marks never go back");
}

#[tokio::test]
async fn notes_to_self_are_messages_too() {
    let daemon = Daemon::start("");
    let mut ann = daemon.client("ann").await;
    let mut tablet = Client::connect(daemon.address(), &ann.account).await;
    ann.say("@ann", "buy milk").await;
    let echo = ann.next().await;
    assert_eq!((&echo["seq"], &echo["from"], &echo["to"]), (&json!(1), &echo["to"], &echo["from"]));
    assert_eq!(tablet.next().await, echo);
    assert!(ann.is_quiet().await, "one copy");
    let list = daemon.http().get_json("/conversations", &ann.account.token);
    assert_eq!(list["conversations"][0]["unread"], 0);
    assert_eq!(list["conversations"][0]["peer"]["username"], "ann");
}

#[tokio::test]
async fn a_message_is_delivered_even_if_its_sender_leaves_at_once() {
    let daemon = Daemon::start("");
    let mut bob = daemon.client("bob").await;
    for n in 1..=20 {
        let mut ann = daemon.client(&format!("ann{n}")).await;
        ann.say("@bob", "gone").await;
        drop(ann);
        assert_eq!(bob.next().await["content"], "gone");
    }
}

#[tokio::test]
async fn conversations_and_history_are_pages() {
    let daemon = Daemon::start("");
    let http = daemon.http();
    let mut ann = daemon.client("ann").await;
    let mut peers = Vec::new();
    for name in ["bob", "cid", "dee"] {
        let mut peer = daemon.client(name).await;
        for n in 1..=5 {
            peer.say("@ann", &format!("{name} {n}")).await;
            peer.next().await;
        }
        peers.push(peer);
    }
    ann.send(json!({"event":"seen","to":"@cid","upto":3})).await;
    peers[1].next_event("seen").await;

    let token = &ann.account.token;
    let page = http.get_json("/conversations?limit=2", token);
    let names = |page: &Value| -> Vec<String> {
        let list = page["conversations"].as_array().expect("a list");
        list.iter().map(|c| c["peer"]["username"].as_str().expect("a name").into()).collect()
    };
    assert_eq!(names(&page), ["dee", "cid"], "newest first");
    let cid = &page["conversations"][1];
    assert_eq!((&cid["last_seq"], &cid["unread"]), (&json!(5), &json!(2)));
    assert_eq!(cid["seen"], json!({"mine": 3, "theirs": 0}));
    assert_eq!(cid["last_message"]["content"], "cid 5");
    let next = page["next"].as_str().expect("a cursor");
    let rest = http.get_json(&format!("/conversations?limit=2&cursor={next}"), token);
    assert_eq!((names(&rest), &rest["next"]), (vec!["bob".to_owned()], &Value::Null));

    let seqs = |query: &str| -> (Vec<u64>, bool) {
        let page = http.get_json(&format!("/conversations/@dee/messages{query}"), token);
        let list = page["messages"].as_array().expect("a list");
        let seqs = list.iter().map(|m| m["seq"].as_u64().expect("a number")).collect();
        (seqs, page["more"].as_bool().expect("a bool"))
    };
    assert_eq!(seqs(""), (vec![1, 2, 3, 4, 5], false));
    assert_eq!(seqs("?limit=2"), (vec![4, 5], true));
    assert_eq!(seqs("?limit=2&before=4"), (vec![2, 3], true));
    assert_eq!(seqs("?limit=2&before=3"), (vec![1, 2], false));
    assert_eq!(seqs("?limit=2&after=0"), (vec![1, 2], true));
    assert_eq!(seqs("?limit=2&after=3"), (vec![4, 5], false));
    assert_eq!(seqs("?after=5"), (vec![], false));
    assert_eq!(
        http.get_json("/users/@dee", token),
        json!({"user_id": peers[2].id(), "username": "dee"})
    );
    assert_eq!(http.get_json("/users/me", token)["username"], "ann");
}

#[tokio::test]
async fn sync_brings_what_is_missing() {
    let daemon = Daemon::start("[limits]\nsync_messages = 4\n");
    let (mut ann, mut bob) = (daemon.client("ann").await, daemon.client("bob").await);
    for n in 1..=10 {
        ann.say("@bob", &n.to_string()).await;
        ann.next().await;
        bob.next().await;
    }
    bob.send(json!({"event":"seen","to":"@ann","upto":7})).await;
    ann.next_event("seen").await;

    let mut have = 3;
    let mut pages = 0;
    loop {
        bob.send(json!({"event":"sync","have":{"@ann": have}})).await;
        let sync = bob.next().await;
        assert_eq!(sync["event"], "sync");
        if sync["complete"] == true {
            assert_eq!(sync["seen"][0]["upto"], 7);
        } else {
            assert_eq!(sync["seen"], json!([]), "marks come once, at the end");
        }
        for message in sync["messages"].as_array().expect("a list") {
            have += 1;
            assert_eq!(message["seq"], have, "ascending, without a hole");
        }
        pages += 1;
        if sync["complete"] == true {
            break;
        }
    }
    assert_eq!((have, pages), (10, 2));
}

#[tokio::test]
async fn a_browser_may_give_its_token_as_a_subprotocol() {
    let daemon = Daemon::start("[server]\nallowed_origins = [\"https://app.example\"]\n");
    let ann = daemon.http().register("ann");
    let (path, address) = (format!("/ws/{}", ann.id), daemon.address());
    let offer = format!("confab.v1, bearer.{}", ann.token);
    let answer =
        Client::try_connect(address, &path, &[("sec-websocket-protocol", &offer)]).await.unwrap();
    assert_eq!(answer.headers()["sec-websocket-protocol"], "confab.v1");

    let bearer = format!("Bearer {}", ann.token);
    for origin in ["https://app.example", &format!("http://{address}")] {
        let headers = [("authorization", bearer.as_str()), ("origin", origin)];
        assert!(Client::try_connect(address, "/ws/@ann", &headers).await.is_ok(), "{origin}");
    }
    let headers = [("authorization", bearer.as_str()), ("origin", "https://evil.example")];
    let (status, body) = Client::try_connect(address, &path, &headers).await.unwrap_err();
    assert_eq!((status, &body["code"]), (403, &json!("origin_not_allowed")));
}
