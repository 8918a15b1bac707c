//! docs/metrics.md has a row for each metric that daemons have, and says the same of it.
//! `CONFAB_BLESS=1` writes the rows anew.

use std::{collections::BTreeMap, fmt::Write};

use crate::{
    chat::Chat,
    text::{Metric, read},
};

const PAGE: &str = "docs/metrics.md";

/// The rows stand between these.
const MARKS: (&str, &str) = ("<!-- metrics: begin -->\n", "<!-- metrics: end -->\n");

/// The areas, each with what its metrics begin with; the first that fits takes a metric.
const AREAS: [(&str, &[&str]); 8] = [
    (
        "Messages and deliveries",
        &[
            "confab_messages_",
            "confab_delivery_",
            "confab_echo_",
            "confab_overloaded_",
            "confab_outbox_",
            "confab_ephemeral_",
            "confab_frames_",
        ],
    ),
    (
        "Sessions, requests and accounts",
        &[
            "confab_websocket_",
            "confab_connections",
            "confab_http_",
            "confab_tls_",
            "confab_auth_",
            "confab_tokens_",
            "confab_password_",
        ],
    ),
    ("Store", &["confab_store_"]),
    ("Several nodes", &["confab_bus_"]),
    ("Configuration", &["confab_config_", "confab_build_"]),
    ("The chain", &["confab_plugin_"]),
    ("Process", &["process_", "confab_runtime_", "confab_memory_", "confab_time_", "confab_log_"]),
    ("Plugins", &[""]),
];

fn rows(metrics: &BTreeMap<String, Metric>) -> String {
    let area = |name: &str| {
        AREAS.iter().position(|(_, begin)| begin.iter().any(|begin| name.starts_with(begin)))
    };
    let mut text = String::new();
    for (place, (title, _)) in AREAS.iter().enumerate() {
        write!(text, "\n## {title}\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n")
            .unwrap();
        for (name, metric) in metrics.iter().filter(|(name, _)| area(name) == Some(place)) {
            let labels: Vec<String> = metric.labels.iter().map(|l| format!("`{l}`")).collect();
            let (kind, labels, help) = (&metric.kind, labels.join(", "), &metric.help);
            writeln!(text, "| `{name}` | {kind} | {labels} | {help} |").unwrap();
        }
    }
    text + "\n"
}

/// The page is of these daemons.
pub fn has_every_metric_and_no_other(chat: &Chat) {
    let mut metrics = BTreeMap::new();
    for (_, daemon) in chat.daemons() {
        read(&daemon.metrics(), &mut metrics);
    }
    for (name, metric) in &metrics {
        assert!(!metric.kind.is_empty() && metric.help.ends_with('.'), "{name}: {metric:?}");
        for label in &metric.labels {
            assert!(!["user", "conversation", "address"].contains(&label.as_str()), "{name}");
        }
    }
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(MARKS.0).expect("the mark before the rows");
    let (written, after) = rest.split_once(MARKS.1).expect("the mark after the rows");
    let expected = rows(&metrics);
    if std::env::var_os("CONFAB_BLESS").is_some() {
        let page = format!("{before}{}{expected}{}{after}", MARKS.0, MARKS.1);
        std::fs::write(PAGE, page).unwrap();
    } else {
        for row in expected.lines() {
            assert!(written.contains(row), "{PAGE} lacks, or CONFAB_BLESS=1 writes:\n{row}");
        }
        assert_eq!(written, expected, "{PAGE} has more than there is");
    }
}

#[test]
fn every_call_of_the_api_has_a_route_of_its_own() {
    let daemon = crate::support::Daemon::start("");
    let api = daemon.http().get("/openapi.json", None).1;
    let api: serde_json::Value = serde_json::from_str(&api).unwrap();
    let paths: Vec<&String> = api["paths"].as_object().unwrap().keys().collect();
    assert!(paths.len() >= 6, "{paths:?}");
    for path in paths {
        // Each segment that is a parameter stands for itself: a name like any other.
        daemon.http().get(&path.replace(['{', '}'], ""), None);
    }
    let metrics = daemon.metrics();
    assert!(!metrics.contains("confab_http_request_duration_seconds_count{route=\"other\"}"));
    daemon.http().get("/nowhere", None);
    let other = "confab_http_requests_total{route=\"other\",status=\"404\"}";
    assert_eq!(daemon.metric(other), 1.0);
}
