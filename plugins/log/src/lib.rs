//! confab plugin: a structured log of events, through `tracing`.
#![doc = include_str!("../README.md")]

mod escape;
mod fields;
#[cfg(test)]
mod tests;

use confab_plugin::{
    Context, Decision, Definition, Event, EventKind, Outcome, Plugin, Problem, async_trait,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use fields::Fields;

/// The `tracing` target of the log's lines.
pub const TARGET: &str = "confab::events";

/// The most characters of content that an operator can ask for.
const MAX_CONTENT: usize = 65_536;

/// The options of the log.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// The level of the lines: error, warn, info, debug or trace.
    pub level: Level,
    /// The level of the lines of what goes on all the time: messages, typing and read marks that
    /// were accepted. They are most lines by far.
    pub routine: Level,
    /// Which outcomes are logged: any of accepted, denied, dropped, failed.
    #[schemars(length(min = 1))]
    pub only: Vec<Sort>,
    /// Log the content of messages. Others will read it: think before you do.
    pub content: bool,
    /// The most characters of content in a line; the rest is cut off. From 1 to 65536.
    #[schemars(range(min = 1, max = MAX_CONTENT))]
    pub content_limit: usize,
    /// Log the clients' addresses.
    pub address: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            level: Level::Info,
            routine: Level::Debug,
            only: vec![Sort::Accepted, Sort::Denied, Sort::Dropped, Sort::Failed],
            content: false,
            content_limit: 256,
            address: true,
        }
    }
}

impl Options {
    fn level_of(&self, event: &Event, decision: &Decision) -> Level {
        match (event, decision) {
            (Event::Message(_) | Event::Typing(_) | Event::Seen(_), Decision::Accepted { .. }) => {
                self.routine
            }
            _ => self.level,
        }
    }
}

/// The level of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Something is broken.
    Error,
    /// Something may need a look.
    Warn,
    /// What goes on.
    Info,
    /// For finding out why.
    Debug,
    /// All there is.
    Trace,
}

/// A sort of outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sort {
    /// It took effect.
    Accepted,
    /// An entry of the chain refused it.
    Denied,
    /// An entry of the chain dropped it.
    Dropped,
    /// The daemon itself refused it or could not carry it out.
    Failed,
}

impl Sort {
    fn holds(self, decision: &Decision) -> bool {
        match self {
            Sort::Accepted => matches!(decision, Decision::Accepted { .. }),
            Sort::Denied => matches!(decision, Decision::Denied { .. }),
            Sort::Dropped => matches!(decision, Decision::Dropped { .. }),
            Sort::Failed => matches!(decision, Decision::Failed { .. }),
        }
    }
}

/// The log: it looks at outcomes and changes nothing.
#[derive(Debug)]
pub struct Log {
    options: Options,
}

/// Writes a line if anybody listens. A level must be known when the program is compiled, so
/// there is one of these for each.
macro_rules! line {
    ($level:ident, $log:ident, $cx:ident, $event:ident, $outcome:ident) => {
        if tracing::enabled!(target: TARGET, tracing::Level::$level) {
            let line = Fields::new(&$log.options, $cx, $event, $outcome);
            tracing::event!(
                target: TARGET,
                tracing::Level::$level,
                kind = line.kind,
                decision = line.decision,
                user = line.user.as_deref(),
                user_id = line.user_id.as_deref(),
                to = line.to.as_deref(),
                session = line.session.map(tracing::field::display),
                address = line.address.map(tracing::field::display),
                sent_by = line.sent_by,
                changed_by = line.changed_by.as_deref(),
                generation = line.generation,
                seq = line.seq,
                upto = line.upto,
                on = line.on,
                duplicate = line.duplicate,
                by = line.by,
                code = line.code.as_deref(),
                reason = line.reason,
                size = line.size,
                elapsed_ms = line.elapsed_ms,
                id = line.id.as_deref(),
                display_name = line.display_name.as_deref(),
                user_agent = line.user_agent.as_deref(),
                content = line.content.as_deref(),
                "{} {}",
                line.kind,
                line.decision,
            );
        }
    };
}

#[async_trait]
impl Plugin for Log {
    fn judges(&self, _: EventKind) -> bool {
        false
    }

    fn after(&self, cx: &Context, event: &Event, outcome: &Outcome) {
        if !self.options.only.iter().any(|sort| sort.holds(&outcome.decision)) {
            return;
        }
        match self.options.level_of(event, &outcome.decision) {
            Level::Error => line!(ERROR, self, cx, event, outcome),
            Level::Warn => line!(WARN, self, cx, event, outcome),
            Level::Info => line!(INFO, self, cx, event, outcome),
            Level::Debug => line!(DEBUG, self, cx, event, outcome),
            Level::Trace => line!(TRACE, self, cx, event, outcome),
        }
    }
}

impl Definition for Log {
    const NAME: &'static str = "log";
    const SUMMARY: &'static str = "writes a structured log of events";
    const MANUAL: &'static str = include_str!("../README.md");
    /// All but typing, which is most events and says least.
    const ON: &'static [EventKind] = &[
        EventKind::Register,
        EventKind::Login,
        EventKind::Connect,
        EventKind::Message,
        EventKind::Seen,
        EventKind::Disconnect,
    ];
    type Options = Options;

    fn new(_entry: &str, options: Options) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        if options.only.is_empty() {
            problems.push(Problem::at("only", "logs nothing: name an outcome, or leave it out"));
        }
        if !(1..=MAX_CONTENT).contains(&options.content_limit) {
            let message = format!("give a number from 1 to {MAX_CONTENT}");
            problems.push(Problem::at("content_limit", message));
        }
        if problems.is_empty() { Ok(Self { options }) } else { Err(problems) }
    }
}
