//! What an operator gets for Prometheus and Grafana, held against real daemons under load: the
//! metrics, the page that explains them, the rules with their alerts, and the dashboard.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

#[path = "../support/mod.rs"]
mod support;

mod chat;
mod dashboard;
mod entries;
mod page;
mod rules;
mod server;
mod text;
