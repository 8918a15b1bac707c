//! The way of one event through the chain, from its arrival to its outcome.

use std::{sync::Arc, time::Instant};

use confab_plugin::{Context, Decision, Event, Outcome};

use super::Chain;
use crate::code::{Code, Refusal};

/// An event that the `before` hooks let through, and that the `after` hooks have yet to see.
///
/// Invariant: the `after` hooks run exactly once for each event, also when whoever held the
/// passage gave up.
pub struct Passage {
    chain: Arc<Chain>,
    cx: Context,
    event: Event,
    changed_by: Vec<Arc<str>>,
    started: Instant,
    finished: bool,
}

/// The chain refused the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The client is told.
    Tell(Refusal),
    /// The client is not told.
    Silently,
}

impl Refused {
    /// What a client is told where an answer is owed.
    pub fn into_refusal(self) -> Refusal {
        match self {
            Refused::Tell(refusal) => refusal,
            Refused::Silently => Refusal::new(Code::Refused, "This was refused."),
        }
    }
}

impl Passage {
    /// Runs the `before` hooks on the event, and when they refuse it, the `after` hooks as well.
    ///
    /// # Errors
    /// The refusal.
    pub async fn enter(
        chain: Arc<Chain>,
        mut cx: Context,
        event: Event,
        started: Instant,
    ) -> Result<Self, Refused> {
        cx.generation = chain.generation();
        let changed_by = Vec::new();
        let mut passage = Self { chain, cx, event, changed_by, started, finished: false };
        let Self { chain, cx, event, changed_by, .. } = &mut passage;
        match chain.before(cx, event, changed_by).await {
            Ok(()) => Ok(passage),
            Err((decision, refused)) => {
                passage.finish(decision);
                Err(refused)
            }
        }
    }

    /// The event, as the hooks left it.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// The entries that changed it, in the order of the chain.
    pub fn changed_by(&self) -> &[Arc<str>] {
        &self.changed_by
    }

    /// Its circumstances.
    pub fn context(&self) -> &Context {
        &self.cx
    }

    /// For events whose user is only known once they took effect: register and login.
    pub fn context_mut(&mut self) -> &mut Context {
        &mut self.cx
    }

    /// Runs the `after` hooks.
    pub fn finish(mut self, decision: Decision) {
        self.conclude(decision);
    }

    fn conclude(&mut self, decision: Decision) {
        self.finished = true;
        let mut outcome = Outcome::new(decision, self.started.elapsed());
        outcome.changed_by = std::mem::take(&mut self.changed_by);
        self.chain.after(&self.cx, &self.event, &outcome);
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        if !self.finished {
            self.conclude(Decision::Failed { code: Code::Internal.as_str() });
        }
    }
}
