//! Promise 8 under overload: what waits is bounded and shared out fairly, and whoever floods, or
//! never reads, harms themselves alone.
//!
//! Whether a flood delays others is shown by what is stored before what, not by the clock. What it
//! costs in time is measured by `figures`, which prints: see there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "../support/mod.rs"]
mod support;

mod figures;
mod flood;
mod flooding;
mod floods;
mod raw;
mod slow;
mod store;
