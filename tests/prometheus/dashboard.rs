//! Every panel of the dashboard has data, asked from a Prometheus that scrapes daemons under load.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    chat::{Chat, EMBEDDED, NODES},
    server::{Prometheus, RULES, metrics_in},
    support::wait::DEADLINE,
};

const DASHBOARD: &str = "config/grafana-dashboard.json";

/// The row whose panels a single node without Redis leaves empty.
const NODES_ROW: &str = "Several nodes";

/// One query of a panel.
struct Query {
    row: String,
    panel: String,
    text: String,
}

fn dashboard() -> Value {
    serde_json::from_str(&std::fs::read_to_string(DASHBOARD).unwrap()).unwrap()
}

/// All queries, in the order of the dashboard.
fn queries(dashboard: &Value) -> Vec<Query> {
    let (mut row, mut found) = (String::new(), Vec::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        if panel["type"] == "row" {
            row = title.to_owned();
            continue;
        }
        for target in panel["targets"].as_array().unwrap() {
            let text = target["expr"].as_str().unwrap().to_owned();
            found.push(Query { row: row.clone(), panel: title.to_owned(), text });
        }
    }
    found
}

/// What Grafana sends for a query.
fn substituted(query: &str, instance: &str) -> String {
    let text = query
        .replace("$__rate_interval", "5s")
        .replace("$job", "confab")
        .replace("$instance", instance);
    assert!(!text.contains('$'), "an unknown variable: {query}");
    text
}

#[test]
fn panels_are_well_made() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = HashSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "an id twice: {panel}");
        if panel["type"] == "row" {
            continue;
        }
        assert!(panel["description"].as_str().unwrap().ends_with('.'), "{panel}");
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{panel}");
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{panel}");
        for target in targets {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{panel}");
            // A window that does not follow the scrape interval may hold a single sample.
            let text = target["expr"].as_str().unwrap();
            let windows = text.matches('[').count();
            assert_eq!(windows, text.matches("[$__rate_interval]").count(), "{text}");
        }
    }
    // Grafana draws 24 columns; panels must not cover each other.
    let mut taken = HashSet::new();
    for panel in panels {
        let place = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        assert!(place("x") + place("w") <= 24, "{panel}");
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(taken.insert((x, y)), "two panels at {x}, {y}: {}", panel["title"]);
            }
        }
    }
}

/// As soon as there are two samples of everything.
pub async fn every_panel_and_every_rule_has_data(chat: &Chat, prometheus: &Prometheus) {
    let dashboard = dashboard();
    let queries = queries(&dashboard);
    assert!(queries.len() > 40, "{}", queries.len());

    // Each by itself, and all of them as Grafana asks for "All".
    let mut waiting = Vec::new();
    for query in &queries {
        if query.row != NODES_ROW {
            waiting.push((query, EMBEDDED));
        }
        waiting.push((query, NODES[0]));
        waiting.push((query, ".*"));
    }
    let started = Instant::now();
    while !waiting.is_empty() && started.elapsed() < DEADLINE {
        // The load sends messages; people also come.
        for http in chat.ways() {
            http.login("twice");
        }
        waiting.retain(|(query, instance)| {
            let text = substituted(&query.text, instance);
            let series = prometheus.series(&text);
            series.unwrap_or_else(|error| panic!("{}: {text}: {error}", query.panel)) == 0
        });
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let empty: Vec<String> = waiting
        .iter()
        .map(|(query, instance)| format!("{} of {instance}: {}", query.panel, query.text))
        .collect();
    assert!(empty.is_empty(), "panels without data:\n{}", empty.join("\n"));

    // `or vector(0)` would hide a name that is gone.
    let asked = queries.iter().flat_map(|query| metrics_in(&query.text));
    has_names(prometheus, asked.map(str::to_owned).collect()).await;
    variables_have_values(&dashboard, prometheus);
    rules_are_well(prometheus).await;
}

/// Waits until there is something of each of these names: a rule records with its own rhythm.
async fn has_names(prometheus: &Prometheus, mut wanted: HashSet<String>) {
    let started = Instant::now();
    while !wanted.is_empty() && started.elapsed() < DEADLINE {
        for name in prometheus.names() {
            wanted.remove(&name);
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    assert!(wanted.is_empty(), "a panel or a rule asks for what there is not: {wanted:?}");
}

/// The choices of the dashboard's variables.
fn variables_have_values(dashboard: &Value, prometheus: &Prometheus) {
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        let Some(query) = variable["query"]["query"].as_str() else { continue };
        let inner = query.strip_prefix("label_values(").and_then(|q| q.strip_suffix(')'));
        let (selector, label) = inner.and_then(|q| q.rsplit_once(", ")).expect("label_values");
        let selector = substituted(selector, ".*");
        let values = prometheus.ask(&format!("label/{label}/values"), &[("match[]", &selector)]);
        let values = values.unwrap();
        assert!(!values.as_array().unwrap().is_empty(), "{query}");
    }
}

/// Every rule can be evaluated, asks for what there is, and no alert fires where all is well.
async fn rules_are_well(prometheus: &Prometheus) {
    let rules = prometheus.ask("rules", &[]).unwrap();
    let groups = rules["groups"].as_array().unwrap();
    let rules: Vec<&Value> =
        groups.iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
    assert!(rules.len() >= 40, "{}", rules.len());
    let mut wanted = HashSet::new();
    for rule in &rules {
        let asked = metrics_in(rule["query"].as_str().unwrap());
        wanted.extend(asked.into_iter().map(str::to_owned));
        if rule["type"] != "alerting" {
            wanted.insert(rule["name"].as_str().unwrap().to_owned());
        }
    }
    has_names(prometheus, wanted).await;
    // Each was evaluated, for what they record is there.
    let rules = prometheus.ask("rules", &[]).unwrap();
    for rule in
        rules["groups"].as_array().unwrap().iter().flat_map(|g| g["rules"].as_array().unwrap())
    {
        assert_eq!(rule["health"], "ok", "{rule}");
        assert_ne!(rule["state"], "firing", "{RULES:?}: {rule}");
    }
}
