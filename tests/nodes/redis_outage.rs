//! A Redis that is away delays what comes from other nodes, and nothing else.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    cluster::Cluster,
    load::{check, history, read, send},
};
use crate::{
    mongo,
    redis_server::RedisServer,
    support::{
        Client,
        wait::{DEADLINE, until},
    },
};

/// How long Redis is away.
const AWAY: Duration = Duration::from_secs(10);

async fn outage(away: impl FnOnce(&mut RedisServer), back: impl FnOnce(&mut RedisServer)) {
    let mut redis = RedisServer::start();
    let cluster = Cluster::on(mongo::server(), &redis.url()).await;
    let ann = cluster.one.http().register("ann");
    let bob = cluster.two.http().register("bob");
    let readers = [
        read(Client::connect(cluster.one.address(), &ann).await),
        read(Client::connect(cluster.two.address(), &bob).await),
    ];
    let stop = Arc::new(AtomicBool::new(false));
    let mut senders = Vec::new();
    for (name, account, peer, node) in
        [("a", &ann, &bob, cluster.one.address()), ("b", &bob, &ann, cluster.two.address())]
    {
        let mut client = Client::connect(node, account).await;
        let (to, stop) = (peer.id.clone(), Arc::clone(&stop));
        let sending = async move { send(&mut client, &to, name, usize::MAX, &stop).await };
        senders.push(tokio::spawn(sending));
    }
    until("messages cross", async || {
        let seen = |n: usize| readers[n].0.lock().expect("seen").len();
        (seen(0) > 100 && seen(1) > 100).then_some(())
    })
    .await;
    away(&mut redis);
    tokio::time::sleep(AWAY).await;
    back(&mut redis);
    let returned = Instant::now();
    tokio::time::sleep(Duration::from_secs(1)).await;
    stop.store(true, Ordering::Relaxed);
    let mut sent = Vec::new();
    for sender in senders {
        let result = sender.await.expect("a sender whose session stayed open");
        assert!(result.errors.is_empty(), "no sender gets an error: {:?}", result.errors);
        sent.push(result);
    }
    let all = history(&cluster.one, &ann.token, &bob.id);
    check(&all, &sent.iter().collect::<Vec<_>>());
    assert_eq!(all.len(), sent.iter().map(|sent| sent.acknowledged.len()).sum::<usize>());
    for (n, (seen, reading)) in readers.iter().enumerate() {
        let everything = until("a reader has everything", async || {
            (seen.lock().expect("seen").len() == all.len()).then_some(())
        });
        if tokio::time::timeout(DEADLINE / 2, everything).await.is_err() {
            let seen = seen.lock().expect("seen");
            let missing: Vec<_> = all.iter().filter(|(seq, _)| !seen.contains_key(seq)).collect();
            panic!("reader {n} misses {missing:?} of {}", all.len());
        }
        assert_eq!(*seen.lock().expect("seen"), all);
        assert!(!reading.is_finished(), "no session closes");
    }
    let healed = returned.elapsed();
    println!("{} messages; all were there {healed:?} after the return", all.len());
    assert!(healed < Duration::from_secs(10), "{healed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_killed_under_load() {
    outage(RedisServer::kill, RedisServer::start_again).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_frozen_under_load() {
    outage(|redis| redis.freeze(), |redis| redis.thaw()).await;
}
