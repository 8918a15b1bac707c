//! What one node takes, the other delivers.

use std::process::Command;

use serde_json::json;

use super::cluster::Cluster;
use crate::support::Client;

#[tokio::test]
async fn messages_typing_and_seen_cross_both_ways() {
    let cluster = Cluster::seeds_own().await;
    let mut ann = cluster.one.client("ann").await;
    let mut bob = cluster.two.client("bob").await;
    // A token of one node is good on the other.
    let mut tablet = Client::connect(cluster.two.address(), &ann.account).await;
    for round in 0..2 {
        let (here, there) = if round == 0 { (&mut ann, &mut bob) } else { (&mut bob, &mut ann) };
        let to = there.id().to_owned();
        here.say(&to, "hello").await;
        let echo = here.next_event("message").await;
        assert_eq!(echo["seq"], round + 1);
        assert_eq!(there.next_event("message").await, echo);
        here.send(json!({"event":"typing","to":to})).await;
        assert_eq!(there.next_event("typing").await["from"], here.id());
        let from = here.id().to_owned();
        there.send(json!({"event":"seen","to":from})).await;
        assert_eq!(here.next_event("seen").await["upto"], round + 1);
    }
    assert_eq!(tablet.next_event("message").await["content"], "hello", "another device's node");

    // Looked at with a client that is not ours.
    let (low, high) = if ann.id() < bob.id() { (&ann, &bob) } else { (&bob, &ann) };
    let script = "
import sys, pymongo
uri, name, collection, ann, bob = sys.argv[1:]
found = list(pymongo.MongoClient(uri)[name][collection].find().sort('_id'))
print(found)
assert [d['_id'] for d in found] == [1, 2], found
assert [d['from'] for d in found] == [ann, bob], found
assert [d['to'] for d in found] == [bob, ann], found
assert all(d['content'] == 'hello' and d['at'].year > 2000 for d in found), found
";
    let python = std::env::var("CONFAB_TEST_PYTHON").expect("CONFAB_TEST_PYTHON: run tests/run");
    let looked = Command::new(python)
        .args(["-c", script, &cluster.database.uri, &cluster.database.name])
        .arg(format!("{}_{}", low.id(), high.id()))
        .args([ann.id(), bob.id()])
        .status();
    assert!(looked.expect("python runs").success());
}

#[tokio::test]
async fn a_retry_on_another_node_is_not_a_duplicate() {
    let cluster = Cluster::seeds_own().await;
    let mut ann = cluster.one.client("ann").await;
    let mut bob = cluster.two.client("bob").await;
    let message = json!({"event":"message","to":"@bob","content":"once","id":"m1"});
    ann.send(message.clone()).await;
    let original = ann.next().await;
    assert_eq!(bob.next().await, original);
    let mut elsewhere = Client::connect(cluster.two.address(), &ann.account).await;
    elsewhere.send(message).await;
    assert_eq!(elsewhere.next().await, original);
    assert!(bob.is_quiet().await);
}
