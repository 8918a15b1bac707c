//! One order for every reader on every node.

use std::sync::{Arc, atomic::AtomicBool};

use super::{
    cluster::Cluster,
    load::{check, history, read, send},
};
use crate::{
    mongo, redis_server,
    support::{Client, wait::until},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_senders_on_two_nodes_have_one_order() {
    const EACH: usize = 2500;
    let cluster = Cluster::on(mongo::server(), &redis_server::shared_url()).await;
    let ann = cluster.one.http().register("ann");
    let bob = cluster.two.http().register("bob");
    let nodes = [cluster.one.address(), cluster.two.address()];
    let mut readers = Vec::new();
    for (account, node) in [(&ann, nodes[1]), (&bob, nodes[0])] {
        readers.push(read(Client::connect(node, account).await));
    }
    let stop = Arc::new(AtomicBool::new(false));
    let mut senders = Vec::new();
    for (name, account, peer, node) in [
        ("a1", &ann, &bob, nodes[0]),
        ("a2", &ann, &bob, nodes[1]),
        ("b1", &bob, &ann, nodes[0]),
        ("b2", &bob, &ann, nodes[1]),
    ] {
        let mut client = Client::connect(node, account).await;
        let (to, stop) = (peer.id.clone(), Arc::clone(&stop));
        senders.push(tokio::spawn(async move { send(&mut client, &to, name, EACH, &stop).await }));
    }
    let mut sent = Vec::new();
    for sender in senders {
        let result = sender.await.expect("a sender");
        assert!(result.errors.is_empty(), "{:?}", result.errors);
        assert_eq!(result.acknowledged.len(), EACH);
        sent.push(result);
    }
    let all = history(&cluster.one, &ann.token, &bob.id);
    assert_eq!(all.len(), 4 * EACH);
    check(&all, &sent.iter().collect::<Vec<_>>());
    for (seen, _) in &readers {
        until("a reader has everything", async || {
            (seen.lock().expect("seen").len() == all.len()).then_some(())
        })
        .await;
        assert_eq!(*seen.lock().expect("seen"), all, "the same order, no hole, no copy");
    }
}
