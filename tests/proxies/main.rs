//! Behind a proxy, a client is who the proxy says it is, if the operator trusts that proxy.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "../support/mod.rs"]
mod support;

mod forwarded;
mod recipes;
