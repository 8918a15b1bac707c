//! Promise 6, while the daemon runs: a reload is whole or not at all. A real daemon, with a plugin
//! compiled in that watches which chain each event passes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "../support/mod.rs"]
mod support;

mod live;
mod many;
mod plugins;
mod trouble;
mod world;
