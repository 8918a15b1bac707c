//! Every bus does what the trait says: the conformance suite on each backend.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[macro_use]
#[allow(dead_code)]
#[path = "support/bus_suite/mod.rs"]
mod bus_suite;
#[allow(dead_code)]
#[path = "support/redis_server.rs"]
mod redis_server;
#[path = "support/wait.rs"]
mod wait;

use std::sync::Arc;

use bb8_redis::redis::{Client, cmd};
use bus_suite::{Backend, Here, Node};
use confab::{
    bus::{local::LocalBus, redis::RedisBus},
    config,
};
use confab_plugin::UserId;

struct Local;

impl Backend for Local {
    async fn fresh() -> (Self, [Node; 2]) {
        let here = Here::new();
        let bus = Arc::new(LocalBus::new(Arc::clone(&here) as _));
        let node = Node { bus, here };
        (Self, [node.clone(), node])
    }

    async fn settled(&self, _: &Node, _: UserId) {}

    async fn gone(&self, _: &Node, _: UserId) {}
}

/// A deployment with a prefix of its own on the server that tests share.
struct Redis {
    prefix: String,
    client: Client,
}

impl Redis {
    async fn subscribers(&self, user: UserId) -> usize {
        let mut connection = self.client.get_multiplexed_async_connection().await.unwrap();
        let channel = format!("{}:user:{user}", self.prefix);
        let mut command = cmd("PUBSUB");
        command.arg("NUMSUB").arg(channel);
        let counts: Vec<(String, usize)> = command.query_async(&mut connection).await.unwrap();
        counts[0].1
    }
}

impl Backend for Redis {
    async fn fresh() -> (Self, [Node; 2]) {
        let url = redis_server::shared_url();
        let prefix = format!("test-{}", UserId::generate());
        let client = Client::open(url.as_str()).unwrap();
        let config = config::Redis {
            url: Some(url.into()),
            prefix: prefix.clone(),
            ..config::Redis::default()
        };
        let node = || {
            let here = Here::new();
            let bus = Arc::new(RedisBus::start(&config, Arc::clone(&here) as _).unwrap());
            here.watch(&bus);
            Node { bus, here }
        };
        (Self { prefix, client }, [node(), node()])
    }

    /// The bus says so when a user's messages begin to arrive.
    async fn settled(&self, node: &Node, user: UserId) {
        node.here.missed(user).await;
    }

    async fn gone(&self, _: &Node, user: UserId) {
        let started = std::time::Instant::now();
        while self.subscribers(user).await > 0 {
            assert!(started.elapsed() < wait::DEADLINE, "{user} is still subscribed");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}

bus_suite!(local: Local);
bus_suite!(redis: Redis);
