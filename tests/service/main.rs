//! The daemon as a service: what the service manager is told, the watchdog, sockets that are handed
//! over, `confab reload`, and the shipped units.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout
)]

#[path = "../support/mod.rs"]
mod support;

mod manager;
#[path = "../support/mongod.rs"]
mod mongod;
mod reload;
mod sockets;
mod told;
mod units;
mod watchdog;
