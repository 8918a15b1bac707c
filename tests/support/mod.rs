//! What the tests share: a real daemon, and a client that speaks the public protocol.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

pub mod certificates;
pub mod client;
pub mod daemon;
pub mod endpoint;
pub mod wait;

pub use client::{Client, Http};
pub use daemon::Daemon;
