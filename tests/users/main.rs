//! Accounts that are changed while their users are connected: from the shell and over HTTP, on
//! one node and on several.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/mongo.rs"]
mod mongo;

#[allow(dead_code)]
#[path = "../support/redis_server.rs"]
mod redis_server;

/// `redis_server` looks for its deadline beside itself.
mod wait {
    pub use super::support::wait::DEADLINE;
}

mod http;
mod races;
mod shell;
mod without_daemon;
mod without_redis;
mod world;
