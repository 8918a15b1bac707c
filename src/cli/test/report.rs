//! What `confab test` says: for people, a line for each test and what differs; for programs, one
//! JSON document.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::run::{Difference, Failure};
use crate::cli::diff::{Marked, compare};

/// A test that was run.
pub struct Report {
    /// Its file, as it was named.
    pub file: String,
    /// The line on which it begins, counted from 1.
    pub line: usize,
    pub name: String,
    /// How it failed, and the line of the step; `None` if all is as expected.
    pub failure: Option<(usize, Failure)>,
}

/// How text is set off on a terminal.
struct Style {
    good: &'static str,
    bad: &'static str,
    dim: &'static str,
    off: &'static str,
}

const PLAIN: Style = Style { good: "", bad: "", dim: "", off: "" };

const COLOURED: Style =
    Style { good: "\x1b[32m", bad: "\x1b[1;31m", dim: "\x1b[2m", off: "\x1b[0m" };

/// One line for a test that is as expected, more for one that is not.
pub fn line(report: &Report, colour: bool) -> String {
    let style = if colour { &COLOURED } else { &PLAIN };
    let Style { good, bad, dim, off } = style;
    let Report { file, name, .. } = report;
    let Some((line, failure)) = &report.failure else {
        return format!("{good}ok{off}      {file}: {name}\n");
    };
    let mut out = format!("{bad}FAILED{off}  {file}: {name}\n");
    // Writing to a string does not fail.
    let _ = write!(out, "  {dim}-->{off} {file}:{line}");
    if let Some((time, times)) = failure.time {
        let _ = write!(out, ", time {time} of {times}");
    }
    out.push('\n');
    for Difference { what, expected, got, text } in &failure.differences {
        let _ = writeln!(out, "  {what}");
        let (expected, got) = if *text { compare(expected, got) } else { plain(expected, got) };
        for (word, colour, marked) in [("expected", good, expected), ("got     ", bad, got)] {
            let _ = writeln!(out, "    {word} {}", marked.text);
            if !marked.carets.is_empty() {
                let _ = writeln!(out, "             {colour}{}{off}", marked.carets);
            }
        }
    }
    if !failure.entries.is_empty() {
        let _ = writeln!(out, "  {dim}what the entries did{off}");
        for entry in &failure.entries {
            let _ = writeln!(out, "    {dim}{entry}{off}");
        }
    }
    out
}

fn plain(expected: &str, got: &str) -> (Marked, Marked) {
    let marked =
        |text: &str| Marked { text: text.escape_debug().to_string(), carets: String::new() };
    (marked(expected), marked(got))
}

/// How many passed, failed, and were left out.
pub fn summary(reports: &[Report], left_out: usize, colour: bool) -> String {
    let style = if colour { &COLOURED } else { &PLAIN };
    let failed = failed(reports);
    let passed = reports.len() - failed;
    let mut out = format!("\n{passed} passed");
    if failed > 0 {
        let _ = write!(out, ", {}{failed} failed{}", style.bad, style.off);
    }
    if left_out > 0 {
        let _ = write!(out, ", {left_out} left out");
    }
    out.push('\n');
    out
}

/// How many failed.
pub fn failed(reports: &[Report]) -> usize {
    reports.iter().filter(|report| report.failure.is_some()).count()
}

/// All of it for programs.
pub fn json(reports: &[Report], left_out: usize) -> String {
    let failed = failed(reports);
    let document = json!({
        "passed": reports.len() - failed,
        "failed": failed,
        "left_out": left_out,
        "tests": reports.iter().map(report_json).collect::<Vec<_>>(),
    });
    format!("{document:#}\n")
}

fn report_json(report: &Report) -> Value {
    let Report { file, line, name, failure } = report;
    let mut test = json!({
        "file": file,
        "line": line,
        "name": name,
        "result": if failure.is_some() { "failed" } else { "ok" },
    });
    if let Some((line, failure)) = failure {
        let differences = failure.differences.iter().map(|difference| {
            let Difference { what, expected, got, .. } = difference;
            json!({ "what": what, "expected": expected, "got": got })
        });
        test["failure"] = json!({
            "step": failure.step + 1,
            "line": line,
            "time": failure.time.map_or(1, |(time, _)| time),
            "differences": differences.collect::<Vec<_>>(),
            "entries": failure.entries,
        });
    }
    test
}
