//! Prometheus's text format, as far as the tests need it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    process::{Command, Stdio},
};

use crate::chat::Chat;

/// What `/metrics` says of one metric.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metric {
    /// counter, gauge or histogram.
    pub kind: String,
    /// What it means.
    pub help: String,
    /// The names of its labels.
    pub labels: BTreeSet<String>,
}

/// Adds the metrics of a text to those that are known.
pub fn read(text: &str, metrics: &mut BTreeMap<String, Metric>) {
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|l| l.split_once(' ')) {
            metrics.entry(name.to_owned()).or_default().help = help.to_owned();
        } else if let Some((name, kind)) =
            line.strip_prefix("# TYPE ").and_then(|l| l.split_once(' '))
        {
            metrics.entry(name.to_owned()).or_default().kind = kind.to_owned();
        } else {
            let end = line.find(['{', ' ']).expect("a value");
            let (series, rest) = line.split_at(end);
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .filter_map(|suffix| series.strip_suffix(suffix))
                .find(|family| metrics.contains_key(*family));
            let metric = metrics.get_mut(family.unwrap_or(series));
            let metric = metric.unwrap_or_else(|| panic!("{series} is not described"));
            let labels = rest.strip_prefix('{').map_or("", |rest| rest.split_once('}').unwrap().0);
            let names = labels.split("\",").filter_map(|label| label.split_once("=\""));
            metric.labels.extend(names.map(|(name, _)| name.to_owned()).filter(|n| n != "le"));
        }
    }
}

/// What the daemons say is as Prometheus's own checker wants it.
pub fn promtool_finds_no_fault(chat: &Chat) {
    for (name, daemon) in chat.daemons() {
        assert!(daemon.metric("confab_messages_accepted_total") > 0.0, "{name}");
        let mut check = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("promtool is in the package prometheus");
        check.stdin.take().unwrap().write_all(daemon.metrics().as_bytes()).unwrap();
        let told = check.wait_with_output().unwrap();
        let problems = String::from_utf8_lossy(&told.stderr);
        assert!(told.status.success() && problems.is_empty(), "{name}: {problems}");
    }
}
