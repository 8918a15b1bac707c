//! TLS on the public listener: spoken as it should be, renewed without a break, and no way to
//! harm others.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "../support/mod.rs"]
mod support;

mod check;
mod renewal;
mod spoken;
mod world;
