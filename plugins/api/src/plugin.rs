//! The hooks that a plugin implements, and what they answer.

use std::{borrow::Cow, error::Error, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{Context, Event, EventKind, Host};

/// The hooks of a plugin. Both have default bodies: a filter writes `before`, a logger `after`.
///
/// The host contains what goes wrong: a panic, an error or a hook that takes longer than the
/// entry's `timeout` is counted and answered by the operator's `on_error`, and the event goes on
/// as if this hook had not changed it.
#[async_trait]
pub trait Plugin: Send + Sync + 'static {
    /// Runs before the event takes effect, in the order of the configuration file. May change
    /// or refuse the event. A message that is sent again with the same id, and is stored, does not
    /// come here again.
    ///
    /// Never block the thread here: only `await` can be interrupted by the time limit.
    ///
    /// # Errors
    /// An error means "this hook could not decide"; the operator's `on_error` then decides.
    async fn before(&self, cx: &Context, event: &mut Event) -> Result<Verdict, HookError> {
        let _ = (cx, event);
        Ok(Verdict::Pass)
    }

    /// Whether [`before`](Self::before) does anything about events of this kind, as its options
    /// are: asked once, when the entry is built. Where it says `false` the hook is not run; where
    /// no entry of a chain judges messages, a message need not be looked up to know whether it is
    /// a retry. Write it if you write no `before`, or only for some kinds; to leave it out costs
    /// no more than time.
    fn judges(&self, kind: EventKind) -> bool {
        let _ = kind;
        true
    }

    /// Runs after the event took effect or was refused, with who refused it. Cannot change it,
    /// must not block: the sender already has its answer, but other events wait. Runs in shadow
    /// as well, and not for users whom `percent` leaves out of a shadow. In a rehearsal
    /// ([`Host::is_rehearsal`]) the outcome is made up: learn from it, tell nobody.
    fn after(&self, cx: &Context, event: &Event, outcome: &Outcome) {
        let _ = (cx, event, outcome);
    }

    /// Runs once before the first event: open files and connections here, never in
    /// [`Definition::new`](crate::Definition::new). Keep what `host` gives: work in the
    /// background, a bot's account.
    ///
    /// At a reload an entry whose options or `job_…` keys changed gets a new instance, which is
    /// started while the old one still takes events: it must be able to share files and ports.
    /// An entry that did not change keeps its instance. A start that takes longer than
    /// `server.reload_timeout` is dropped at an `await`, and not followed by `stop`.
    ///
    /// In a rehearsal ([`Host::is_rehearsal`]) touch nothing that others see.
    ///
    /// # Errors
    /// An error stops the daemon's start, or the reload, with this message.
    async fn start(&self, host: &Host) -> Result<(), HookError> {
        let _ = host;
        Ok(())
    }

    /// Runs once after the last event and the last job, within the daemon's drain grace.
    async fn stop(&self) {}
}

/// What a hook decides about an event. The first `Deny` or `Drop` ends the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Let it go on.
    Pass,
    /// Refuse it, and tell the client.
    Deny {
        /// A stable word for programs, such as `content_denied`.
        code: Cow<'static, str>,
        /// A sentence for people.
        message: Cow<'static, str>,
        /// When it makes sense to try again: told to the client in whole seconds, rounded up.
        retry_after: Option<Duration>,
    },
    /// Refuse it without telling the client. On `register`, `login` and `connect`, where an
    /// answer is owed, the client gets the code `refused`.
    Drop,
}

impl Verdict {
    /// A refusal that the client is told.
    pub fn deny(code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Verdict::Deny { code: code.into(), message: message.into(), retry_after: None }
    }

    /// A refusal for now: the client is told when to try again. Over HTTP its status is 429.
    pub fn deny_for(
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
        retry_after: Duration,
    ) -> Self {
        let retry_after = Some(retry_after);
        Verdict::Deny { code: code.into(), message: message.into(), retry_after }
    }
}

/// A hook could not decide. Any error converts into it, so `?` works in hooks.
#[derive(Debug)]
pub struct HookError(Box<dyn Error + Send + Sync>);

impl HookError {
    /// An error that says `message`.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into().into())
    }
}

impl fmt::Display for HookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

// `HookError` itself is not an `Error`, which leaves room for this blanket conversion.
impl<E: Error + Send + Sync + 'static> From<E> for HookError {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

/// How an event ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// What was decided, and by whom.
    pub decision: Decision,
    /// From the event's arrival to its decision: for a message, until it was stored.
    pub elapsed: Duration,
    /// The entries that changed the event, in the order of the chain.
    pub changed_by: Vec<Arc<str>>,
}

impl Outcome {
    /// The outcome of an event that no entry changed.
    pub fn new(decision: Decision, elapsed: Duration) -> Self {
        Self { decision, elapsed, changed_by: Vec::new() }
    }
}

/// What was decided about an event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// It took effect.
    Accepted {
        /// A message's place in its conversation, or the last message seen.
        seq: Option<u64>,
        /// Whether a message was a retry of one already stored.
        duplicate: bool,
    },
    /// An entry of the chain refused it.
    Denied {
        /// The entry's name.
        by: Arc<str>,
        /// The stable word the client was given.
        code: Cow<'static, str>,
    },
    /// An entry of the chain dropped it without a word.
    Dropped {
        /// The entry's name.
        by: Arc<str>,
    },
    /// The daemon itself refused it or could not carry it out.
    Failed {
        /// The stable code the client was given, such as `unavailable`.
        code: &'static str,
    },
}

impl Decision {
    /// All that [`as_str`](Self::as_str) answers.
    pub const WORDS: [&'static str; 4] = ["accepted", "denied", "dropped", "failed"];

    /// One of `accepted`, `denied`, `dropped`, `failed`: a bounded label for metrics and logs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Decision::Accepted { .. } => "accepted",
            Decision::Denied { .. } => "denied",
            Decision::Dropped { .. } => "dropped",
            Decision::Failed { .. } => "failed",
        }
    }
}
