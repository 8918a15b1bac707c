//! Two nodes whose Redis is gone: accounts are learnt of from the store.

use std::time::Instant;

use super::{
    mongo::TestDatabase,
    redis_server::RedisServer,
    support::{Client, Daemon, wait::until},
    world::{AT_ONCE, all_end, is_refused, user},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_bus_keeps_nobody_in() {
    let (database, mut redis) = (TestDatabase::new(), RedisServer::start());
    let url = redis.url();
    let variables = [
        ("SECRET_KEY", "q8Zk2vW5xY7bN1mC4dF6gH9jK3lP0rT8sU5wX2yZ"),
        ("MONGO_URI", &*database.uri),
        ("MONGO_DB", &*database.name),
        ("REDIS_URL", &*url),
    ];
    let nodes = [Daemon::start_node(&variables), Daemon::start_node(&variables)];
    for node in &nodes {
        until("a node is ready", async || {
            (node.admin().get("/readyz", None).0 == 200).then_some(())
        })
        .await;
    }
    let ann = nodes[0].http().register("ann");
    let mut sessions = Vec::new();
    for node in &nodes {
        sessions.push(Client::connect(node.address(), &ann).await);
    }
    redis.kill();
    user(&nodes[0], &["disable", "ann"], "");
    let took = all_end(&mut sessions, Instant::now()).await;
    println!("without Redis, sessions on both nodes were closed after {took:?}");
    assert!(took < AT_ONCE, "{took:?}");
    is_refused(&nodes, &ann, 401, "session_ended").await;
}
