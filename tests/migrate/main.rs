//! `confab migrate`: the real program, an embedded store and a real MongoDB.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod adopt;
mod conflicts;
mod embedded;
#[path = "../support/mongo.rs"]
mod mongo;
mod operator;
mod world;
