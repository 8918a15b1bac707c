//! Tries an event on a chain and tells what each entry does to it: `confab explain` and
//! `confab test`. Nothing that others see is touched.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use confab_plugin::{Context, Decision, Event, Outcome, Verdict};

use super::{
    Chain, decide,
    entry::{Answer, Asked, Entry},
    passage::Refused,
};
use crate::config::{Mode, OnError};

/// What became of an event.
#[derive(Debug)]
pub struct Rehearsal {
    /// Every entry of the chain, in its order.
    pub steps: Vec<Step>,
    /// The event as the hooks left it.
    pub event: Event,
    /// The entries that changed it.
    pub changed_by: Vec<Arc<str>>,
    /// Who refused it and how; `None` if it passed.
    pub refused: Option<(Decision, Refused)>,
}

/// What one entry did.
#[derive(Debug)]
pub struct Step {
    /// The entry's name.
    pub entry: Arc<str>,
    /// Its mode.
    pub mode: Mode,
    /// What it means when it fails.
    pub on_error: OnError,
    /// What it did.
    pub did: Did,
    /// The event before and after, if the entry changed it, or in shadow would have.
    pub change: Option<(Event, Event)>,
    /// What it noted to explain itself.
    pub notes: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

/// What an entry did with an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Did {
    /// It is off, or does not handle this kind of event, or not this user's.
    NotAsked(&'static str),
    /// An entry before it had refused the event.
    NotReached,
    /// It answered; `enforced` says whether that counts.
    Answered {
        /// What.
        verdict: Verdict,
        /// Whether it decides.
        enforced: bool,
        /// Whether it changed the event, or would have.
        changed: bool,
    },
    /// It failed, and this is why.
    Failed(String),
}

impl Did {
    /// All that [`as_str`](Self::as_str) answers.
    pub const WORDS: [&'static str; 10] = [
        "pass",
        "change",
        "deny",
        "drop",
        "would_change",
        "would_deny",
        "would_drop",
        "failed",
        "not_asked",
        "not_reached",
    ];

    /// What it did in one word; where it decided, the one under which the daemon counts it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Did::NotAsked(_) => "not_asked",
            Did::NotReached => "not_reached",
            Did::Failed(_) => "failed",
            Did::Answered { verdict, enforced, changed } => match (verdict, enforced) {
                (Verdict::Pass, _) if !changed => "pass",
                (Verdict::Pass, true) => "change",
                (Verdict::Pass, false) => "would_change",
                (Verdict::Deny { .. }, true) => "deny",
                (Verdict::Deny { .. }, false) => "would_deny",
                (Verdict::Drop, true) => "drop",
                (Verdict::Drop, false) => "would_drop",
            },
        }
    }

    /// The code and the message of a refusal, why it was not asked, or how it failed; `None` if
    /// the word says all. What a terminal can't be trusted with is escaped.
    pub fn detail(&self) -> Option<String> {
        match self {
            Did::NotAsked(why) => Some((*why).to_owned()),
            Did::Failed(why) => Some(why.escape_debug().to_string()),
            Did::Answered { verdict: Verdict::Deny { code, message, .. }, .. } => {
                Some(format!("{} {message:?}", code.escape_debug()))
            }
            Did::Answered { .. } | Did::NotReached => None,
        }
    }
}

impl Chain {
    /// Starts every plugin for a rehearsal, in order, but for entries that are off.
    ///
    /// # Errors
    /// The first that does not start, by the entry's name.
    pub async fn start_rehearsal(&self) -> Result<(), String> {
        for entry in self.entries.iter().filter(|entry| entry.is_on()) {
            if let Err(failure) = entry.instance().rehearse().await {
                return Err(format!("plugin entry \"{}\" did not start: {failure}", entry.name()));
            }
        }
        Ok(())
    }

    /// Runs the `before` hooks on the event, without the entries whose names are in `skip`.
    pub async fn rehearse(&self, cx: &Context, event: Event, skip: &[String]) -> Rehearsal {
        let mut cx = cx.clone();
        cx.generation = self.generation;
        cx.listen();
        let mut rehearsal =
            Rehearsal { steps: Vec::new(), event, changed_by: Vec::new(), refused: None };
        for entry in &*self.entries {
            let step = rehearsal.step(entry, &cx, skip).await;
            rehearsal.steps.push(step);
        }
        rehearsal
    }

    /// Runs the `after` hooks on the event, without the entries whose names are in `skip`, so
    /// that those that learn from outcomes know of it when the next event is tried.
    pub fn rehearse_after(&self, cx: &Context, event: &Event, outcome: &Outcome, skip: &[String]) {
        let mut cx = cx.clone();
        cx.generation = self.generation;
        for entry in self.route(event.kind()) {
            if !skip.iter().any(|name| **name == **entry.name()) {
                entry.after(&cx, event, outcome);
            }
        }
    }
}

impl Rehearsal {
    async fn step(&mut self, entry: &Entry, cx: &Context, skip: &[String]) -> Step {
        let mut step = Step {
            entry: Arc::clone(entry.name()),
            mode: entry.mode(),
            on_error: entry.on_error(),
            did: Did::NotReached,
            change: None,
            notes: Vec::new(),
            took: Duration::ZERO,
        };
        let not_asked = if !entry.is_on() {
            Some("off")
        } else if !entry.handles(self.event.kind()) {
            Some("not its kind of event")
        } else if skip.iter().any(|name| **name == **entry.name()) {
            Some("skipped")
        } else {
            None
        };
        if let Some(why) = not_asked {
            step.did = Did::NotAsked(why);
            return step;
        }
        if self.refused.is_some() {
            return step;
        }
        let found = self.event.clone();
        let (mut scratch, mut now) = (found.clone(), Instant::now());
        let started = now;
        let asked = entry.before(cx, &mut self.event, &mut scratch, &mut now).await;
        step.took = now - started;
        step.notes = cx.take_notes();
        let mut ran = match asked {
            Asked::Ran(ran) => ran,
            Asked::Passed { enforced } => {
                let verdict = Verdict::Pass;
                step.did = Did::Answered { verdict, enforced, changed: false };
                return step;
            }
            Asked::Left => {
                step.did = Did::NotAsked("not this user's turn");
                return step;
            }
        };
        step.did = match &ran.answer {
            Answer::Verdict(verdict) => Did::Answered {
                verdict: verdict.clone(),
                enforced: ran.enforced,
                changed: ran.changed(),
            },
            Answer::Failed(failure) => Did::Failed(failure.to_string()),
            Answer::Out => Did::Failed("it has failed too often".to_owned()),
        };
        if let Some(would) = ran.would.take() {
            step.change = Some((found.clone(), *would));
        }
        if ran.enforced {
            if ran.changed() {
                step.change = Some((found, self.event.clone()));
                self.changed_by.push(Arc::clone(entry.name()));
            }
            self.refused = decide(entry, ran).err();
        }
        step
    }
}
