//! What a run found, for people and for programs.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use serde::Serialize;

use super::{
    super::report::{count, counted, rate, time},
    findings::{Count, Findings},
    marks::Marks,
    run::Options,
    tally::Tally,
};

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Settings {
    /// The servers.
    pub targets: Vec<String>,
    /// Pairs of users.
    pub pairs: u32,
    /// Devices of all users together.
    pub devices: u64,
    /// Unacknowledged messages of one user.
    pub window: usize,
    /// Messages a second; 0: as fast as the echoes came.
    pub rate: f64,
    /// The bytes of a message's text.
    pub size: usize,
    /// How long messages were begun.
    pub duration_seconds: f64,
}

impl Settings {
    /// Those of a run.
    pub fn of(options: &Options, devices: usize) -> Self {
        let targets = std::iter::once(&options.targets.first).chain(&options.targets.others);
        Self {
            targets: targets.map(ToString::to_string).collect(),
            pairs: options.pairs,
            devices: devices as u64,
            window: options.window,
            rate: options.rate,
            size: options.size,
            duration_seconds: options.duration.as_secs_f64(),
        }
    }
}

/// What a run found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Whether every promise was kept.
    pub passed: bool,
    /// What was asked for.
    pub settings: Settings,
    /// From the first message until all was settled.
    pub seconds: f64,
    /// The promises.
    #[serde(flatten)]
    pub findings: Findings,
    /// Messages that were sent and never answered.
    pub unanswered: u64,
    /// The first of them.
    pub unanswered_ids: Vec<String>,
    /// Devices that were never told at the end that they have everything.
    pub incomplete_devices: u64,
    /// Conversations whose history could not be read.
    pub unread_histories: u64,
    /// Messages in the histories.
    pub kept: u64,
    /// Messages in the histories that this run did not send.
    pub foreign: u64,
    /// The read marks.
    pub read_marks: Marks,
    /// Traffic, cuts and refusals.
    #[serde(flatten)]
    pub tally: Tally,
}

impl Report {
    /// Of a run that found nothing yet.
    pub fn new(settings: Settings, elapsed: Duration) -> Self {
        Self {
            passed: false,
            settings,
            seconds: elapsed.as_secs_f64(),
            findings: Findings::default(),
            unanswered: 0,
            unanswered_ids: Vec::new(),
            incomplete_devices: 0,
            unread_histories: 0,
            kept: 0,
            foreign: 0,
            read_marks: Marks::default(),
            tally: Tally::default(),
        }
    }

    /// Decides whether it passed: all counts are 0, and something was acknowledged at all.
    pub fn judge(&mut self) {
        self.passed = self.tally.acknowledged > 0
            && self.findings.is_clean()
            && self.read_marks.is_clean()
            && self.unanswered + self.incomplete_devices + self.unread_histories == 0;
    }

    /// A summary for people, of several lines.
    pub fn summary(&self) -> String {
        let (settings, tally, mut text) = (&self.settings, &self.tally, String::new());
        let speed = match settings.rate > 0.0 {
            true => format!("{} messages/s", rate(settings.rate)),
            false => "as fast as the echoes came".to_owned(),
        };
        let _ = writeln!(
            text,
            "verify: {} of users, {}, window {}, {} B, {speed}, {} s\n",
            counted(settings.pairs.into(), "pair"),
            counted(settings.devices, "device"),
            settings.window,
            settings.size,
            settings.duration_seconds,
        );
        let mut row = |name: &str, value: String| {
            let _ = writeln!(text, "  {name:<26}{value}");
        };
        row("sent", count(tally.sent));
        row("acknowledged", count(tally.acknowledged));
        row(
            "sent again",
            format!(
                "{}, of which {} had been stored before",
                count(tally.resent),
                count(tally.answered_as_duplicate)
            ),
        );
        row("refused for good", count(tally.refused));
        row("in the history", count(self.kept));
        row("received", format!("{} by all devices", count(tally.received)));
        row(
            "sync",
            format!("{}, {}", counted(tally.sync_pages, "page"), counted(tally.holes, "hole")),
        );
        row("overtaken by echoes", count(self.findings.overtaken));
        row("reconnects", count(tally.reconnects));
        row("cuts", kinds(&tally.cuts));
        row("failed connects", kinds(&tally.failed_connects));
        row("errors", kinds(&tally.errors));
        row("longest gap of a client", time(tally.longest_gap));
        row("longest wait for an echo", time(tally.longest_acknowledgement));
        text.push('\n');
        let mut row = |name: &str, count: u64, examples: &[String]| {
            let _ = writeln!(text, "  {name:<26}{}", super::super::report::count(count));
            for example in examples {
                let _ = writeln!(text, "      {example}");
            }
        };
        for (name, found) in self.findings.counts() {
            row(name, found.count, &lines(found));
        }
        row("unanswered", self.unanswered, &self.unanswered_ids);
        let marks = &self.read_marks;
        let rest = [
            ("read marks gone back", marks.gone_back.count, lines(&marks.gone_back)),
            ("read marks missed", marks.missed.count, lines(&marks.missed)),
            ("devices left incomplete", self.incomplete_devices, Vec::new()),
            ("histories not read", self.unread_histories, Vec::new()),
            ("not sent by this run", self.foreign, Vec::new()),
        ];
        for (name, count, examples) in rest.iter().filter(|(_, count, _)| *count > 0) {
            row(name, *count, examples);
        }
        let verdict = match (self.passed, tally.acknowledged) {
            (true, _) => "passed: every promise was kept",
            (false, 0) => "FAILED: nothing was acknowledged, so nothing was proved",
            (false, _) => "FAILED",
        };
        let _ = writeln!(text, "\n{verdict}");
        text
    }
}

fn lines(found: &Count) -> Vec<String> {
    let line = |example: &super::findings::Example| {
        let places: Vec<String> = example.seq.iter().map(u64::to_string).collect();
        let id = example.id.as_deref().unwrap_or("-");
        format!("{id} in {} at {}: {}", example.conversation, places.join(", "), example.what)
    };
    found.examples.iter().map(line).collect()
}

fn kinds(kinds: &BTreeMap<String, u64>) -> String {
    if kinds.is_empty() {
        return "0".to_owned();
    }
    let all = count(kinds.values().sum());
    let each: Vec<_> = kinds.iter().map(|(kind, n)| format!("{kind} {}", count(*n))).collect();
    format!("{all}: {}", each.join(", "))
}
