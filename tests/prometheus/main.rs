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

/// One test, because the daemons and their load are what takes time.
#[tokio::test(flavor = "multi_thread")]
async fn what_busy_daemons_say_is_what_operators_are_told() {
    let chat = chat::Chat::start().await;
    let prometheus = server::Prometheus::start(&chat);
    dashboard::every_panel_and_every_rule_has_data(&chat, &prometheus).await;
    page::has_every_metric_and_no_other(&chat);
    text::promtool_finds_no_fault(&chat);
}
