//! The way of one event through the chain, from its arrival to its outcome.

use std::{any::Any, sync::Arc, time::Instant};

use confab_plugin::{Context, Decision, Event, Outcome};

use super::Chain;
use crate::{
    code::{Code, Refusal},
    trace::{self, Kind, Span, Trace},
};

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
    trace: Trace,
    /// The request in whose course it is.
    request: Option<u64>,
    kept: Option<Box<dyn Any + Send + Sync>>,
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
    /// Begins an event's way and runs the `before` hooks, and when they refuse it, the `after`
    /// hooks as well.
    ///
    /// # Errors
    /// The refusal.
    pub async fn enter(
        chain: Arc<Chain>,
        cx: Context,
        event: Event,
        started: Instant,
    ) -> Result<Self, Refused> {
        let mut passage = Self::begin(chain, cx, event, started);
        match passage.judge().await {
            Ok(()) => Ok(passage),
            Err((decision, refused)) => {
                passage.finish(decision);
                Err(refused)
            }
        }
    }

    /// An event at the beginning of its way: no hook has seen it.
    pub fn begin(chain: Arc<Chain>, mut cx: Context, event: Event, started: Instant) -> Self {
        cx.generation = chain.generation();
        let (changed_by, trace, request) = (Vec::new(), Trace::current(), Trace::request_span());
        Self { chain, cx, event, changed_by, started, finished: false, trace, request, kept: None }
    }

    /// Runs the `before` hooks on the event.
    ///
    /// # Errors
    /// The refusal. The passage is then to be [finished](Self::finish) with that decision.
    pub async fn judge(&mut self) -> Result<(), (Decision, Refused)> {
        let Self { chain, cx, event, changed_by, .. } = self;
        chain.before(cx, event, changed_by).await
    }

    /// Keeps something until the `after` hooks have run.
    pub fn keep(&mut self, kept: impl Send + Sync + 'static) {
        self.kept = Some(Box::new(kept));
    }

    /// Whether some `before` hook has anything to do about the event.
    pub fn is_judged(&self) -> bool {
        self.chain.judges(self.event.kind())
    }

    /// In place of the `before` hooks: the event is a retry of this one, which has passed them,
    /// and which these entries changed then.
    pub fn recall(&mut self, original: Event, changed_by: Vec<Arc<str>>) {
        (self.event, self.changed_by) = (original, changed_by);
    }

    /// The event, as the hooks left it.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// The entries that changed it, in the order of the chain.
    pub fn changed_by(&self) -> &[Arc<str>] {
        &self.changed_by
    }

    /// What ties together all that is logged of it.
    pub fn trace(&self) -> Trace {
        self.trace
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
        self.tell(&outcome);
        self.chain.after(&self.cx, &self.event, &outcome);
    }
}

impl Passage {
    /// Logs what became of it, and exports it where that is wanted.
    fn tell(&self, outcome: &Outcome) {
        tracing::debug!(
            trace = %self.trace,
            event = %self.event.kind(),
            user = self.cx.user.as_ref().map(|user| tracing::field::display(user.id)),
            outcome = outcome.decision.as_str(),
            micros = u64::try_from(outcome.elapsed.as_micros()).unwrap_or(u64::MAX),
            "an event"
        );
        trace::export(self.trace, || Span {
            id: self.request.map_or_else(|| self.trace.root(), |_| trace::random()),
            parent: self.request,
            name: self.event.kind().as_str().into(),
            kind: if self.request.is_some() { Kind::Internal } else { Kind::Server },
            took: outcome.elapsed,
            failed: matches!(outcome.decision, Decision::Failed { .. }),
            attributes: vec![("confab.outcome", outcome.decision.as_str().into())],
        });
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        if !self.finished {
            self.conclude(Decision::Failed { code: Code::Internal.as_str() });
        }
    }
}
