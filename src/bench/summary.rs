//! All that a run has shown, as JSON and in words.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use serde::Serialize;

use super::{
    connect::Connects,
    crowd::Accounts,
    latency::Quantiles,
    memory::Idle,
    phase::Phase,
    report::{bytes, count, counted, rate, time},
};

/// All that a run has shown. What was not measured is left out.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// The version of the generator.
    pub version: &'static str,
    /// The servers.
    pub targets: Vec<String>,
    /// What was asked for.
    pub settings: Settings,
    /// How the accounts came about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accounts: Option<Accounts>,
    /// Opening sessions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect: Option<Connects>,
    /// The memory of idle sessions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Idle>,
    /// How these were opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_connect: Option<Connects>,
    /// The closed loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saturation: Option<Phase>,
    /// The open loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_loop: Option<Phase>,
    /// Whether it was interrupted.
    pub interrupted: bool,
    /// What ended it early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What to know before the figures are used.
    pub hints: Vec<String>,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Settings {
    /// Accounts.
    pub users: usize,
    /// Pairs that write to each other.
    pub pairs: usize,
    /// Messages that a session may have without an answer, at saturation.
    pub window: usize,
    /// Messages a second of the open loop; none for half of saturation.
    pub rate: Option<f64>,
    /// The bytes of each text.
    pub size: usize,
    /// How long each phase of messages is measured.
    pub duration_seconds: f64,
    /// How long messages are sent before.
    pub warmup_seconds: f64,
    /// Sessions that are being opened at the same time.
    pub concurrency: usize,
    /// Threads.
    pub threads: usize,
}

impl Summary {
    /// Adds what to know before the figures are used.
    pub fn add_hints(&mut self) {
        let mut hints = Vec::new();
        let phases = || self.saturation.iter().chain(&self.open_loop);
        if phases().any(|phase| phase.refused.contains_key("rate_limited")) {
            hints.push(
                "messages were refused as rate_limited: the figures show that limit. For a bench \
                 of confab set limits.frame_rate = 0",
            );
        }
        if phases().any(|phase| phase.refused.contains_key("overloaded")) {
            hints.push("messages were refused as overloaded: the store could not keep up");
        }
        if phases().any(|phase| !phase.sessions_ended.is_empty()) {
            hints.push("the server ended sessions: what they would have sent is missing");
        }
        if phases().any(|phase| phase.not_understood > 0) {
            hints.push("frames came that are not the protocol's: is it the right server?");
        }
        if self.saturation.as_ref().is_some_and(|phase| phase.generator.was_bottleneck) {
            hints.push(
                "at saturation the generator used all of its processor: the server may do more. \
                 Give it --threads and a processor of its own",
            );
        }
        if self.open_loop.as_ref().is_some_and(|phase| phase.generator.was_bottleneck) {
            hints.push(
                "in the open loop the generator was late or busy itself: its latencies are partly \
                 its own. Give it --threads and a processor of its own, or a lower --rate",
            );
        }
        let connects = || self.connect.iter().chain(&self.idle_connect);
        if connects().any(|connects| !connects.failed.is_empty()) {
            hints.push(
                "some sessions could not be opened. confab bounds them by \
                 limits.sessions_per_user, limits.connections_per_address and limits.connections",
            );
        }
        if self.accounts.is_some_and(|accounts| accounts.waited_seconds > 0.0) {
            hints.push("accounts were held up by limits.auth_rate; 0 means no limit");
        }
        self.hints = hints.into_iter().map(str::to_owned).collect();
    }

    /// One JSON object, with a line's end.
    pub fn json(&self) -> String {
        // Strings, numbers, lists and maps with text for keys always serialize.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) {
        line(out, "server", &self.targets.join(" "));
        if let Some(accounts) = &self.accounts {
            let Accounts { registered, logged_in, .. } = accounts;
            line(out, "accounts", &format!("{registered} registered, {logged_in} logged in"));
        }
        if let Some(idle) = &self.idle {
            let Idle { sessions, source, before_bytes, after_bytes, bytes_per_session } = idle;
            line(
                out,
                "idle",
                &format!(
                    "{} a session, over {} ({} to {}, of its {source})",
                    bytes(*bytes_per_session),
                    counted(*sessions, "session"),
                    bytes(*before_bytes as f64),
                    bytes(*after_bytes as f64),
                ),
            );
        }
        if let Some(connects) = &self.connect {
            connects_text(out, "connect", connects);
        }
        if let Some(phase) = &self.saturation {
            let title = format!(
                "saturation: {} sessions, {} unanswered each, {} B, {:.1} s",
                phase.sessions,
                phase.window.unwrap_or_default(),
                self.settings.size,
                phase.seconds
            );
            phase_text(out, &title, phase);
        }
        if let Some(phase) = &self.open_loop {
            let title = format!(
                "open loop: {} messages/s over {} sessions, {} B, {:.1} s",
                rate(phase.rate.unwrap_or_default()),
                phase.sessions,
                self.settings.size,
                phase.seconds
            );
            phase_text(out, &title, phase);
        }
        if self.interrupted {
            out.push_str("\ninterrupted: this is what there was until then\n");
        }
        for hint in &self.hints {
            let _ = write!(out, "\nnote: {hint}\n");
        }
    }
}

fn line(out: &mut String, what: &str, said: &str) {
    let _ = writeln!(out, "{what:<12}{said}");
}

fn connects_text(out: &mut String, what: &str, connects: &Connects) {
    let Connects { opened, failed, seconds, per_second, latency, .. } = connects;
    let said = format!(
        "{} sessions/s ({} in {}), p50 {} p99 {}",
        rate(*per_second),
        counted(*opened, "session"),
        time(Duration::from_secs_f64(seconds.max(0.0))),
        micros(latency.p50_us),
        micros(latency.p99_us),
    );
    line(out, what, &said);
    kinds(out, "not opened", failed);
}

fn phase_text(out: &mut String, title: &str, phase: &Phase) {
    let _ = writeln!(out, "\n{title}");
    let rates = format!(
        "{} messages/s acknowledged, {} delivered",
        rate(phase.acknowledged_per_second),
        rate(phase.delivered_per_second)
    );
    line(out, "  rate", &rates);
    latency(out, "  echo", &phase.echo);
    latency(out, "  delivery", &phase.delivery);
    let sums = format!(
        "{} sent, {} acknowledged, {} delivered, {} unanswered",
        count(phase.sent),
        count(phase.acknowledged),
        count(phase.delivered),
        count(phase.unanswered),
    );
    line(out, "  in all", &sums);
    kinds(out, "  refused", &phase.refused);
    kinds(out, "  ended", &phase.sessions_ended);
    let generator = &phase.generator;
    let mut said = format!("{:.0} % of its processor", generator.cpu_share * 100.0);
    if phase.rate.is_some() {
        let _ = write!(
            said,
            ", late by p99 {} max {}",
            micros(generator.lag.p99_us),
            micros(generator.lag.max_us)
        );
        if generator.held_back > 0 {
            let _ = write!(said, ", {} held back by the server", count(generator.held_back));
        }
    }
    line(out, "  generator", &said);
}

fn latency(out: &mut String, what: &str, latency: &Quantiles) {
    let Quantiles { count, p50_us, p99_us, p999_us, max_us, .. } = *latency;
    if count == 0 {
        return line(out, what, "none was measured");
    }
    let said = [("p50", p50_us), ("p99", p99_us), ("p99.9", p999_us), ("max", max_us)]
        .map(|(name, value)| format!("{name} {:<9}", micros(value)));
    line(out, what, said.join("  ").trim_end());
}

fn kinds(out: &mut String, what: &str, counts: &BTreeMap<String, u64>) {
    if !counts.is_empty() {
        let said: Vec<_> =
            counts.iter().map(|(kind, number)| format!("{} {kind}", count(*number))).collect();
        line(out, what, &said.join(", "));
    }
}

fn micros(micros: f64) -> String {
    time(Duration::from_secs_f64((micros / 1e6).max(0.0)))
}
