//! What the machine may do to the daemon: cut its power, fill its disk, take its descriptors,
//! move its clock, lose its packets. `docs/faults.md` says what each shows and how to run it long.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "../support/mod.rs"]
mod support;

mod descriptors;
mod disk_full;
mod ledger;
mod power_cut;
