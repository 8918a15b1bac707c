//! Certificates by ACME from Pebble, the test server of Let's Encrypt: a daemon with nothing but a
//! name gets one, chats with it, renews it, and keeps it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "../support/mod.rs"]
mod support;

mod check;
mod names;
mod pebble;
mod promise;
mod trouble;
mod visitor;
mod world;
