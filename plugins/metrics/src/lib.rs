//! confab plugin: counts and times events, by kind and outcome.
#![doc = include_str!("../README.md")]

mod handles;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use confab_plugin::{
    Context, Decision, Definition, Event, EventKind, HookError, Host, Outcome, Plugin, Problem,
    async_trait,
};
use schemars::JsonSchema;
use serde::Deserialize;

use handles::Handles;

/// The options of the meter.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Time the events: `confab_event_duration_seconds`.
    pub durations: bool,
    /// Measure the content of accepted messages: `confab_message_content_bytes`.
    pub content_size: bool,
    /// Count refusals by who refused and with which code: `confab_events_refused_total`.
    pub refusals: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { durations: true, content_size: true, refusals: true }
    }
}

/// The meter: it looks at outcomes and changes nothing.
#[derive(Debug)]
pub struct Metrics {
    options: Options,
    /// Made when the entry starts, or at the first event: whatever recorder the daemon has is
    /// installed by then, and an event costs no look-up by name.
    handles: OnceLock<Handles>,
}

impl Metrics {
    fn handles(&self) -> &Handles {
        self.handles.get_or_init(|| Handles::register(&self.options))
    }
}

#[async_trait]
impl Plugin for Metrics {
    async fn start(&self, _host: &Host) -> Result<(), HookError> {
        self.handles();
        Ok(())
    }

    fn judges(&self, _: EventKind) -> bool {
        false
    }

    fn after(&self, _cx: &Context, event: &Event, outcome: &Outcome) {
        let handles = self.handles();
        let kind = event.kind();
        handles.count(kind, outcome);
        if let (Event::Message(message), Decision::Accepted { duplicate: false, .. }) =
            (event, &outcome.decision)
        {
            handles.content(message.content().len());
        }
        if self.options.refusals {
            match &outcome.decision {
                Decision::Denied { by, code } => handles.refused(kind, by, code),
                Decision::Dropped { by } => handles.refused(kind, by, "dropped"),
                Decision::Failed { code } => handles.refused(kind, "", code),
                _ => {}
            }
        }
    }
}

impl Definition for Metrics {
    const NAME: &'static str = "metrics";
    const SUMMARY: &'static str = "counts and times events, by kind and outcome";
    const MANUAL: &'static str = include_str!("../README.md");
    const ON: &'static [EventKind] = &EventKind::ALL;
    type Options = Options;

    fn new(_entry: &str, options: Options) -> Result<Self, Vec<Problem>> {
        Ok(Self { options, handles: OnceLock::new() })
    }
}
