//! A MongoDB that is away: messages are refused, sessions stay, everything heals.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::json;

use super::{
    cluster::Cluster,
    load::{Sent, check, history, read, send},
};
use crate::{
    mongod::Mongod,
    redis_server,
    support::{Client, client::Account, wait::until},
};

struct Scene {
    mongod: Mongod,
    cluster: Cluster,
    ann: Account,
    bob: Account,
}

impl Scene {
    async fn new() -> Self {
        let mongod = Mongod::replica_set().await;
        let cluster = Cluster::impatient(mongod.uri(), &redis_server::shared_url()).await;
        let ann = cluster.one.http().register("ann");
        let bob = cluster.two.http().register("bob");
        Self { mongod, cluster, ann, bob }
    }

    /// Lets two senders send while `act` is done to the MongoDB; everything that was
    /// acknowledged must be there afterwards, once, and everybody must have seen it.
    async fn under_load(&mut self, act: impl AsyncFnOnce(&mut Mongod)) -> Vec<Sent> {
        let Self { mongod, cluster, ann, bob } = self;
        let (seen, reading) = read(Client::connect(cluster.two.address(), bob).await);
        let stop = Arc::new(AtomicBool::new(false));
        let mut senders = Vec::new();
        for (name, account, peer, node) in
            [("a", &*ann, &*bob, cluster.one.address()), ("b", &*bob, &*ann, cluster.two.address())]
        {
            let mut client = Client::connect(node, account).await;
            let (to, stop) = (peer.id.clone(), Arc::clone(&stop));
            let sending = async move { send(&mut client, &to, name, usize::MAX, &stop).await };
            senders.push(tokio::spawn(sending));
        }
        until("messages flow", async || (seen.lock().expect("seen").len() > 50).then_some(()))
            .await;
        act(mongod).await;
        let before = seen.lock().expect("seen").len();
        until("messages flow again", async || {
            (seen.lock().expect("seen").len() > before + 50).then_some(())
        })
        .await;
        stop.store(true, Ordering::Relaxed);
        let mut sent = Vec::new();
        for sender in senders {
            sent.push(sender.await.expect("a sender whose session stayed open"));
        }
        let all = history(&cluster.one, &ann.token, &bob.id);
        check(&all, &sent.iter().collect::<Vec<_>>());
        let acknowledged: usize = sent.iter().map(|sent| sent.acknowledged.len()).sum();
        assert_eq!(all.len(), acknowledged, "retries leave one copy each");
        until("the reader has everything", async || {
            (seen.lock().expect("seen").len() == all.len()).then_some(())
        })
        .await;
        assert!(!reading.is_finished(), "no session closes");
        println!("{acknowledged} acknowledged, errors: {:?}", [&sent[0].errors, &sent[1].errors]);
        sent
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mongod_killed_for_ten_seconds() {
    let mut scene = Scene::new().await;
    let sent = scene
        .under_load(async |mongod| {
            mongod.kill();
            tokio::time::sleep(Duration::from_secs(10)).await;
            mongod.start();
            mongod.wait().await;
        })
        .await;
    for sender in &sent {
        assert!(sender.errors.get("unavailable") > Some(&0), "{:?}", sender.errors);
        assert!(
            sender.errors.keys().all(|code| code == "unavailable" || code == "overloaded"),
            "{:?}",
            sender.errors
        );
    }
    scene.cluster.ready().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_that_cannot_be_answered_is_refused_with_its_id() {
    let mut scene = Scene::new().await;
    let mut ann = Client::connect(scene.cluster.one.address(), &scene.ann).await;
    ann.say("@bob", "before").await;
    assert_eq!(ann.next().await["seq"], 1);
    scene.mongod.kill();
    ann.send(json!({"event":"sync","have":{},"id":"s1"})).await;
    let error = ann.next().await;
    assert_eq!((&error["event"], &error["code"]), (&json!("error"), &json!("unavailable")));
    assert_eq!((&error["id"], &error["retry_after"]), (&json!("s1"), &json!(1)));
    scene.mongod.start();
    scene.mongod.wait().await;
    let sync = until("it is answered again", async || {
        ann.send(json!({"event":"sync","have":{},"id":"s2"})).await;
        let answer = ann.next().await;
        assert_eq!(answer["id"], "s2");
        (answer["event"] == "sync").then_some(answer)
    })
    .await;
    assert_eq!((&sync["messages"][0]["seq"], &sync["complete"]), (&json!(1), &json!(true)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mongod_killed_ten_times() {
    let mut scene = Scene::new().await;
    scene
        .under_load(async |mongod| {
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_millis(700)).await;
                mongod.kill();
                mongod.start();
                mongod.wait().await;
            }
        })
        .await;
}
