//! The rules are well formed, every alert has a test, a text and a section of its own.

use std::{collections::BTreeSet, fs, process::Command};

use crate::server::RULES;

const TESTS: &str = "tests/prometheus/rules_test.yml";
const RUNBOOK: &str = "docs/alerts.md";

fn promtool(arguments: &[&str]) {
    let told = Command::new("promtool").args(arguments).output().expect("promtool is installed");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        told.status.success(),
        "promtool {arguments:?}:\n{}{}",
        text(&told.stdout),
        text(&told.stderr)
    );
}

/// What follows `key` on the lines of a file that have it.
fn values(path: &str, key: &str) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().filter_map(|line| line.trim_start().strip_prefix(key));
    lines.map(|value| value.trim().to_owned()).collect()
}

fn alerts() -> Vec<String> {
    let alerts = values(RULES[1], "- alert:");
    assert!(alerts.len() >= 25, "{alerts:?}");
    alerts
}

#[test]
fn promtool_takes_the_rules_and_the_configuration() {
    promtool(&["check", "rules", "--lint=all", "--lint-fatal", RULES[0], RULES[1]]);
    promtool(&["check", "config", "config/prometheus/prometheus.yml"]);
}

#[test]
fn every_alert_fires_when_it_should_and_only_then() {
    promtool(&["test", "rules", TESTS]);
    assert_eq!(values(TESTS, "- name:"), alerts(), "a test for each alert, in their order");
    // Each test expects its alert of what is wrong, beside something that is not.
    assert_eq!(values(TESTS, "- exp_labels:").len(), alerts().len());
}

#[test]
fn every_alert_says_what_to_do() {
    let texts = ["severity:", "summary:", "description:", "runbook_url:"];
    for key in texts {
        assert_eq!(values(RULES[1], key).len(), alerts().len(), "{key}");
    }
    let severities: BTreeSet<_> = values(RULES[1], "severity:").into_iter().collect();
    assert_eq!(severities.into_iter().collect::<Vec<_>>(), ["critical", "info", "warning"]);
    let links = values(RULES[1], "runbook_url:");
    let sections = values(RUNBOOK, "### ");
    for (alert, link) in alerts().iter().zip(links) {
        assert_eq!(link, format!("{RUNBOOK}#{}", alert.to_lowercase()));
        assert!(sections.contains(alert), "{RUNBOOK} has no section {alert}");
    }
    assert_eq!(sections, alerts(), "sections in the order of the alerts, and no more");
}
