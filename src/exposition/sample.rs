//! Writes a metric of a single series in Prometheus's text format.

use std::fmt::Write;

/// Adds a gauge to `text`.
pub fn gauge(text: &mut String, name: &str, help: &str, value: f64) {
    metric(text, name, "gauge", help, value);
}

/// Adds a counter to `text`; the recorder has whole numbers only.
pub fn counter(text: &mut String, name: &str, help: &str, value: f64) {
    metric(text, name, "counter", help, value);
}

fn metric(text: &mut String, name: &str, kind: &str, help: &str, value: f64) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
}
