//! `confab backup` and `confab restore` on real daemons: a backup is one moment of the store, whole
//! or not there, and nothing is lost by restoring it. docs/backup.md is the manual.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "../faults/ledger.rs"]
#[allow(dead_code)]
mod ledger;
#[path = "../support/mod.rs"]
mod support;

mod command;
mod full_disk;
mod killed;
mod load;
mod refusals;
mod tokens;
