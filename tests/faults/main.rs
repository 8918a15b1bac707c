//! What the machine may do to the daemon: cut its power, fill its disk, take its descriptors,
//! move its clock, lose its packets. `docs/faults.md` says what each shows and how to run it long.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/mongo.rs"]
mod mongo;

#[path = "../support/mongod.rs"]
mod mongod;

#[path = "../support/network.rs"]
mod network;

#[allow(dead_code)]
#[path = "../support/redis_server.rs"]
mod redis_server;

#[path = "../nodes/load.rs"]
mod load;

/// `redis_server` looks for its deadline beside itself.
mod wait {
    pub use super::support::wait::DEADLINE;
}

mod clock;
mod descriptors;
mod disk_full;
mod half_open;
mod ledger;
mod partition;
mod power_cut;
