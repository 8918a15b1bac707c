//! Two daemons, one chat: on one MongoDB and one Redis, and what happens when one of the four
//! goes away.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/mongo.rs"]
mod mongo;

#[path = "../support/mongod.rs"]
mod mongod;

#[allow(dead_code)]
#[path = "../support/redis_server.rs"]
mod redis_server;

/// `redis_server` looks for its deadline beside itself.
mod wait {
    pub use super::support::wait::DEADLINE;
}

mod cluster;
mod crossing;
mod doubt;
mod load;
mod mongo_outage;
mod node_crash;
mod order;
mod redis_outage;
mod trace;
