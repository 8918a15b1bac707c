//! A node that dies: its clients go to the other, and miss nothing.

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
    load::{Seen, check, history, note, read, send},
};
use crate::{
    mongo, redis_server,
    support::{Client, client::End, wait::until},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_a_killed_node_hold_the_same_as_everybody() {
    let mut cluster = Cluster::on(mongo::server(), &redis_server::shared_url()).await;
    let ann = cluster.one.http().register("ann");
    let bob = cluster.two.http().register("bob");
    let (bob_saw, _) = read(Client::connect(cluster.two.address(), &bob).await);
    let (ann_saw, ann_reads) = read(Client::connect(cluster.one.address(), &ann).await);
    let stop = Arc::new(AtomicBool::new(false));
    let mut sender = Client::connect(cluster.two.address(), &bob).await;
    let (to, stopped) = (ann.id.clone(), Arc::clone(&stop));
    let sending =
        tokio::spawn(async move { send(&mut sender, &to, "b", usize::MAX, &stopped).await });
    // Ann's sender dies with its node, in the middle of its window; then it tries again.
    let mut doomed = Client::connect(cluster.one.address(), &ann).await;
    for n in 0..200 {
        let id = format!("a-{n}");
        doomed.feed(json!({"event":"message","to":bob.id,"content":id,"id":id})).await;
    }
    doomed.flush().await;
    until("messages flow", async || {
        let flowing = |seen: &Seen| seen.lock().expect("seen").len() > 30;
        (flowing(&ann_saw) && flowing(&bob_saw)).then_some(())
    })
    .await;
    cluster.one.kill();
    assert_eq!(ann_reads.await.expect("a reader"), End::Cut);

    let mut again = Client::connect(cluster.two.address(), &ann).await;
    for n in 0..200 {
        let id = format!("a-{n}");
        again.feed(json!({"event":"message","to":bob.id,"content":id,"id":id})).await;
    }
    again.flush().await;
    let mut answered = 0;
    while answered < 200 {
        let frame = again.next_event("message").await;
        answered += usize::from(frame["from"] == ann.id.as_str());
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    stop.store(true, Ordering::Relaxed);
    let sent = sending.await.expect("a sender");
    assert!(sent.errors.is_empty(), "{:?}", sent.errors);

    let all = history(&cluster.two, &ann.token, &bob.id);
    check(&all, &[&sent]);
    assert_eq!(all.len(), sent.acknowledged.len() + 200, "every retry left one copy");
    let mut reader = Client::connect(cluster.two.address(), &ann).await;
    loop {
        let have = ann_saw.lock().expect("seen").last_key_value().map_or(0, |(seq, _)| *seq);
        reader.send(json!({"event":"sync","have":{&bob.id: have}})).await;
        let sync = reader.next_event("sync").await;
        for message in sync["messages"].as_array().expect("a list") {
            note(&ann_saw, message, true);
        }
        if sync["complete"] == true {
            break;
        }
    }
    assert_eq!(*ann_saw.lock().expect("seen"), all, "who came back");
    until("who stayed has everything", async || {
        (bob_saw.lock().expect("seen").len() == all.len()).then_some(())
    })
    .await;
    assert_eq!(*bob_saw.lock().expect("seen"), all);
}
