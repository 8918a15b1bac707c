//! What a running daemon says of itself: request ids, the journal, spans for a collector.
//! docs/logging.md is the manual.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod dropped;
mod journal;
mod otlp;
mod request_id;

/// Lines of every request and event.
const VERBOSE: &str = "[limits]\nauth_rate = 0\n[log]\nlevel = \"info,confab=debug\"\n";
