//! A rolling restart of two nodes behind a TCP balancer, under load: clients see nothing of it but
//! that they reconnect.
//!
//! `CONFAB_ROUNDS=5 tests/servers cargo test --release --test rolling_restart -- --nocapture`: see
//! docs/endurance.md.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod support;

#[path = "support/balancer.rs"]
mod balancer;
#[path = "support/mongo.rs"]
mod mongo;
#[allow(dead_code)]
mod verify {
    pub mod judge;
    pub mod run;
}

use std::time::{Duration, Instant};

use balancer::Balancer;
use mongo::TestDatabase;
use support::{
    Daemon,
    wait::{DEADLINE, until},
};
use verify::{
    judge::{accepted, all_kept, number, variable},
    run::Run,
};

/// A good key; every node has the same.
const KEY: &str = "q8Zk2vW5xY7bN1mC4dF6gH9jK3lP0rT8sU5wX2yZ";

/// How many messages pass between one restart and the next.
const BETWEEN: f64 = 400.0;

async fn ready(node: &Daemon) {
    until("the node is ready", async || (node.admin().get("/readyz", None).0 == 200).then_some(()))
        .await;
}

/// Waits until so many more messages have been stored, wherever their senders are.
fn flow(nodes: &[Daemon]) {
    let all = || nodes.iter().map(accepted).sum::<f64>();
    let (enough, started) = (all() + BETWEEN, Instant::now());
    while all() < enough {
        assert!(started.elapsed() < DEADLINE, "no messages");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_see_no_more_of_a_rolling_restart_than_reconnects() {
    let rounds: u64 = variable("CONFAB_ROUNDS", 1);
    let database = TestDatabase::new();
    let redis = std::env::var("CONFAB_TEST_REDIS_URL");
    let redis = redis.expect("CONFAB_TEST_REDIS_URL is not set: tests/run starts a Redis");
    let variables = [
        ("SECRET_KEY", KEY),
        ("MONGO_URI", &*database.uri),
        ("MONGO_DB", &*database.name),
        ("REDIS_URL", &*redis),
        ("CONFAB_BUS__REDIS__PREFIX", &*database.name),
        ("CONFAB_AUTH__ARGON2_MEMORY", "8MiB"),
        ("CONFAB_AUTH__ARGON2_ITERATIONS", "1"),
        ("CONFAB_LIMITS__FRAME_RATE", "0"),
        ("CONFAB_LIMITS__AUTH_RATE", "0"),
        ("RUST_LOG", "warn"),
    ];
    let mut nodes = [Daemon::start_node(&variables), Daemon::start_node(&variables)];
    for node in &nodes {
        ready(node).await;
    }
    let balancer = Balancer::start(&[nodes[0].address(), nodes[1].address()]).await;
    // A rate that leaves the machine room for the restart.
    let options = [
        "--pairs",
        "4",
        "--rate",
        "300",
        "--window",
        "16",
        "--seen-every",
        "20",
        "--several-nodes",
    ];
    let run = Run::start(&[balancer.url()], &[&options[..], &["--duration", "24h"]].concat());
    flow(&nodes);
    let mut drains = Vec::new();
    for _ in 0..rounds {
        for next in [0, 1] {
            let started = Instant::now();
            assert!(nodes[next].stop().success(), "{}", nodes[next].log());
            drains.push(started.elapsed());
            nodes[next].start_again();
            ready(&nodes[next]).await;
            flow(&nodes);
        }
    }
    let skipped = balancer.skipped();
    // Its last sync and the comparison, too, go through the balancer.
    let ended = tokio::task::spawn_blocking(|| run.end()).await.expect("it ended");
    println!("a node ended {:?} after SIGTERM at most", drains.iter().max());
    println!("the balancer went to the next node {skipped} times");
    all_kept(&format!("{rounds} rolling restarts of two nodes"), &ended);
    let found = &ended.1;
    assert_eq!(found["errors"], serde_json::json!({}), "{found:#}");
    // Each cut was announced.
    let cuts = found["cuts"].as_object().expect("cuts by reason");
    assert_eq!(cuts.keys().collect::<Vec<_>>(), ["closed with 1001"], "{found:#}");
    assert!(number(found, "reconnects") >= rounds * 16, "{found:#}");
    for node in &mut nodes {
        assert!(node.stop().success(), "{}", node.log());
    }
}
