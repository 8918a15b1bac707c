//! One entry of the chain: its plugin behind a time limit, a panic guard and its policies.

use std::{
    any::Any,
    fmt,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use confab_plugin::{Context, Event, EventKind, HookError, Manifest, Outcome, Problem, Verdict};
use metrics::gauge;

use super::{
    breaker::{Breaker, Run},
    contained::Contained,
    instance::Instance,
    meters::Meters,
    share::{Share, Treatment},
};
use crate::config::{Mode, OnError, PluginEntry};

/// A plugin with its policies.
pub struct Entry {
    name: Arc<str>,
    instance: Arc<Instance>,
    on: Box<[EventKind]>,
    mode: Mode,
    share: Share,
    on_error: OnError,
    timeout: Duration,
    /// That of the entry before, if it goes on.
    breaker: Arc<Breaker>,
    meters: Meters,
}

/// What an entry did with an event.
pub enum Asked {
    /// Nothing: it is not this user's turn.
    Left,
    /// The hook let the event pass as it was: the way of most events.
    Passed {
        /// Whether the answer decides.
        enforced: bool,
    },
    /// Anything else.
    Ran(Ran),
}

/// What came of one run of a `before` hook.
pub struct Ran {
    /// What the hook answered.
    pub answer: Answer,
    /// Whether the answer decides.
    pub enforced: bool,
    /// In shadow, what the event would have become.
    pub would: Option<Box<Event>>,
}

impl Ran {
    /// Whether it changed the event, or in shadow would have: one that lets an event pass as it
    /// was has [`Asked::Passed`] it.
    pub fn changed(&self) -> bool {
        matches!(self.answer, Answer::Verdict(Verdict::Pass))
    }
}

/// What a hook answered.
pub enum Answer {
    /// A decision.
    Verdict(Verdict),
    /// It failed.
    Failed(Failure),
    /// It was not asked: it has failed too often.
    Out,
}

/// A hook that runs.
type Hook<'h> = Pin<Box<dyn Future<Output = Result<Verdict, HookError>> + Send + 'h>>;

/// What came of a hook's first poll.
enum First<'h> {
    Answered(Result<Verdict, Failure>),
    Waits(Hook<'h>),
}

/// How a hook failed.
#[derive(Debug)]
pub enum Failure {
    /// It said so.
    Error(HookError),
    /// It panicked, with this message.
    Panic(String),
    /// It took longer than this.
    Timeout(Duration),
}

impl Failure {
    pub fn panic(panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Failure::Panic(text.unwrap_or("no message").to_owned())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Error(error) => error.fmt(f),
            Failure::Panic(message) => write!(f, "it panicked: {message}"),
            Failure::Timeout(limit) => {
                write!(f, "it took longer than {}", confab_plugin::Duration(*limit))
            }
        }
    }
}

impl Entry {
    /// Builds an entry, or goes on with what `previous` runs for it.
    pub fn build(
        config: &PluginEntry,
        manifests: &[Manifest],
        previous: &[Entry],
    ) -> Result<Self, Vec<Problem>> {
        let manifest = manifests.iter().find(|manifest| manifest.name == config.plugin);
        let Some(manifest) = manifest else {
            let message = format!("no plugin named \"{}\" is compiled in", config.plugin);
            return Err(vec![Problem::at("use", message)]);
        };
        let running = previous.iter().find(|entry| entry.instance.serves(config));
        let instance = match running {
            Some(entry) => Arc::clone(&entry.instance),
            None => Arc::new(Instance::build(config, manifest)?),
        };
        let name: Arc<str> = config.label().into();
        let (failures, pause) = (config.breaker_failures, config.breaker_pause.0);
        let open = gauge!("confab_plugin_breaker_open", "plugin" => name.to_string());
        let breaker = Breaker::new(failures, pause, config.timeout.0, open);
        let breaker = match running {
            Some(entry) if entry.breaker.is_like(&breaker) => Arc::clone(&entry.breaker),
            _ => Arc::new(breaker),
        };
        Ok(Self {
            meters: Meters::new(&name),
            breaker,
            share: Share::new(config.mode, config.percent, &name),
            name,
            instance,
            on: config.on.as_deref().unwrap_or(manifest.on).into(),
            mode: config.mode,
            on_error: config.on_error,
            timeout: config.timeout.0,
        })
    }

    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub fn instance(&self) -> &Arc<Instance> {
        &self.instance
    }

    pub fn mode(&self) -> Mode {
        self.mode
    }

    pub fn on_error(&self) -> OnError {
        self.on_error
    }

    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    pub fn publish(&self) {
        self.meters.publish();
    }

    pub fn is_on(&self) -> bool {
        self.mode != Mode::Off
    }

    pub fn handles(&self, kind: EventKind) -> bool {
        self.is_on() && self.on.contains(&kind)
    }

    /// Whether its hook has anything to do about this kind of event before it takes effect.
    pub fn judges(&self, kind: EventKind) -> bool {
        self.handles(kind) && self.instance.plugin.judges(kind)
    }

    /// Runs the hook, from `now` on. Leaves in `now` when it ended.
    ///
    /// Invariant: `scratch` equals `event` before and after. The hook sees the scratch; a hook that
    /// fails, refuses, is in shadow or is given up leaves the event as it found it.
    pub async fn before(
        &self,
        cx: &Context,
        event: &mut Event,
        scratch: &mut Event,
        now: &mut Instant,
    ) -> Asked {
        let enforced = match self.share.treatment(cx, event) {
            Treatment::Enforce => true,
            Treatment::Shadow => false,
            Treatment::Leave => return Asked::Left,
        };
        let Some(run) = self.breaker.admits(*now) else {
            let ran = Ran { answer: Answer::Out, enforced, would: None };
            self.meters.count(&ran, Duration::ZERO);
            return Asked::Ran(ran);
        };
        let started = *now;
        let answer = match self.first_poll(cx, scratch).await {
            First::Answered(answer) => answer,
            // A hook that ran out of time is dropped, and what it held may panic then.
            First::Waits(hook) => self.limited(Contained::new(hook), started).await,
        };
        *now = Instant::now();
        let took = *now - started;
        let answer = match answer {
            // A hook that blocks the thread cannot be interrupted, but it can be found out.
            Ok(_) if took > self.timeout => Err(Failure::Timeout(self.timeout)),
            answer => answer,
        };
        // Texts are shared, so that comparing what was not touched compares two pointers.
        let touched = event != scratch;
        if !touched && matches!(answer, Ok(Verdict::Pass)) {
            self.succeeded(run);
            self.meters.passed(took);
            return Asked::Passed { enforced };
        }
        let mut ran = match answer {
            Ok(verdict) => {
                self.succeeded(run);
                Ran { answer: Answer::Verdict(verdict), enforced, would: None }
            }
            Err(failure) => {
                self.report(&failure);
                if self.breaker.failed(run, cx, *now) {
                    tracing::warn!(
                        plugin = &*self.name,
                        on_error = self.on_error.as_str(),
                        "a plugin failed too often: it is taken out for a while"
                    );
                }
                Ran { answer: Answer::Failed(failure), enforced, would: None }
            }
        };
        if touched {
            if enforced && ran.changed() {
                event.clone_from(scratch);
            } else {
                ran.would = ran.changed().then(|| Box::new(scratch.clone()));
                scratch.clone_from(event);
            }
        }
        self.meters.count(&ran, took);
        Asked::Ran(ran)
    }

    fn succeeded(&self, run: Run) {
        if self.breaker.succeeded(run) {
            tracing::info!(plugin = &*self.name, "a plugin that failed is back");
        }
    }

    /// Makes the hook's future and polls it once, in place. Most hooks wait for nothing.
    async fn first_poll<'h>(&'h self, cx: &'h Context, event: &'h mut Event) -> First<'h> {
        let mut event = Some(event);
        poll_fn(|task| {
            let Some(event) = event.take() else { return Poll::Pending };
            let first = catch_unwind(AssertUnwindSafe(move || {
                let event = event;
                let mut hook = self.instance.plugin.before(cx, event);
                match hook.as_mut().poll(task) {
                    Poll::Ready(result) => First::Answered(result.map_err(Failure::Error)),
                    Poll::Pending => First::Waits(hook),
                }
            }));
            let panicked =
                |panic: Box<dyn Any + Send>| First::Answered(Err(Failure::panic(&*panic)));
            Poll::Ready(first.unwrap_or_else(panicked))
        })
        .await
    }

    /// Waits for a hook, but no longer than it may take.
    async fn limited(
        &self,
        hook: Contained<'_, Result<Verdict, HookError>>,
        started: Instant,
    ) -> Result<Verdict, Failure> {
        let left = self.timeout.saturating_sub(started.elapsed());
        match tokio::time::timeout(left, hook).await {
            Ok(Ok(result)) => result.map_err(Failure::Error),
            Ok(Err(panic)) => Err(Failure::panic(&*panic)),
            Err(_) => Err(Failure::Timeout(self.timeout)),
        }
    }

    pub fn after(&self, cx: &Context, event: &Event, outcome: &Outcome) {
        if self.share.treatment(cx, event) == Treatment::Leave {
            return;
        }
        let hook = AssertUnwindSafe(|| self.instance.plugin.after(cx, event, outcome));
        if let Err(panic) = catch_unwind(hook) {
            let failure = Failure::panic(&*panic);
            self.meters.failed(&failure);
            self.report(&failure);
        }
    }

    pub async fn stop(&self) {
        if let Err(failure) = self.instance.stop().await {
            self.meters.failed(&failure);
            self.report(&failure);
        }
    }

    fn report(&self, failure: &Failure) {
        tracing::warn!(
            plugin = &*self.name,
            on_error = self.on_error.as_str(),
            error = %failure.to_string().escape_debug(),
            "a plugin failed"
        );
    }
}
