//! The Redis bus when Redis fails: killed, frozen, locked, missing, or used by somebody else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code)]
#[path = "../support/bus_suite/mod.rs"]
mod bus_suite;
#[path = "../support/nowhere.rs"]
mod nowhere;
#[allow(dead_code)]
#[path = "../support/redis_server.rs"]
mod redis_server;
#[path = "../support/wait.rs"]
mod wait;

mod access;
mod outages;
mod proxy;
mod setup;
