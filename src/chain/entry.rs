//! One entry of the chain: its plugin behind a time limit, a panic guard and its policies.

use std::{
    any::Any,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use confab_plugin::{Context, Event, EventKind, HookError, Manifest, Outcome, Problem, Verdict};
use futures_util::{FutureExt, poll};
use metrics::gauge;

use super::{
    breaker::Breaker,
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
    breaker: Breaker,
    meters: Meters,
}

/// What came of one run of a `before` hook.
pub struct Ran {
    /// What the hook answered.
    pub answer: Answer,
    /// Whether the answer decides.
    pub enforced: bool,
    /// Whether it changed the event, or in shadow would have.
    pub changed: bool,
    /// In shadow, what the event would have become.
    pub would: Option<Box<Event>>,
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
        let open = gauge!("confab_plugin_breaker_open", "plugin" => name.to_string());
        Ok(Self {
            meters: Meters::new(&name),
            breaker: Breaker::new(config.breaker_failures, config.breaker_pause.0, open),
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
        self.meters.seconds.publish();
    }

    pub fn is_on(&self) -> bool {
        self.mode != Mode::Off
    }

    pub fn handles(&self, kind: EventKind) -> bool {
        self.is_on() && self.on.contains(&kind)
    }

    /// Runs the hook, from `now` on; `None` if it does not run for this event. Leaves in `now`
    /// when it ended.
    ///
    /// Invariant: `scratch` equals `event` before and after. In shadow the hook sees the scratch;
    /// a hook that fails or refuses leaves the event as it found it.
    pub async fn before(
        &self,
        cx: &Context,
        event: &mut Event,
        scratch: &mut Event,
        now: &mut Instant,
    ) -> Option<Ran> {
        let enforced = match self.share.treatment(cx, event) {
            Treatment::Enforce => true,
            Treatment::Shadow => false,
            Treatment::Leave => return None,
        };
        if !self.breaker.admits(*now) {
            let ran = Ran { answer: Answer::Out, enforced, changed: false, would: None };
            self.meters.count(&ran, Duration::ZERO);
            return Some(ran);
        }
        let started = *now;
        let seen = if enforced { &mut *event } else { &mut *scratch };
        // A hook that ran out of time is dropped, and what it held may panic then.
        let limited = AssertUnwindSafe(self.limited(cx, seen, started)).catch_unwind();
        let answer = limited.await.unwrap_or_else(|panic| Err(Failure::panic(&*panic)));
        *now = Instant::now();
        let took = *now - started;
        let answer = match answer {
            // A hook that blocks the thread cannot be interrupted, but it can be found out.
            Ok(_) if took > self.timeout => Err(Failure::Timeout(self.timeout)),
            answer => answer,
        };
        let mut ran = match answer {
            Ok(verdict) => {
                if self.breaker.succeeded() {
                    tracing::info!(plugin = &*self.name, "a plugin that failed is back");
                }
                Ran { answer: Answer::Verdict(verdict), enforced, changed: false, would: None }
            }
            Err(failure) => {
                self.report(&failure);
                if self.breaker.failed(cx, *now) {
                    tracing::warn!(
                        plugin = &*self.name,
                        on_error = self.on_error.as_str(),
                        "a plugin failed too often: it is taken out for a while"
                    );
                }
                Ran { answer: Answer::Failed(failure), enforced, changed: false, would: None }
            }
        };
        // Texts are shared, so that comparing what was not touched compares two pointers.
        if event != scratch {
            ran.changed = matches!(ran.answer, Answer::Verdict(Verdict::Pass));
            if enforced && !ran.changed {
                event.clone_from(scratch);
            } else {
                ran.would = (!enforced && ran.changed).then(|| Box::new(scratch.clone()));
                scratch.clone_from(event);
            }
        }
        self.meters.count(&ran, took);
        Some(ran)
    }

    /// Polls once in place, and arms a timer only for a hook that waits.
    async fn limited(
        &self,
        cx: &Context,
        event: &mut Event,
        started: Instant,
    ) -> Result<Verdict, Failure> {
        // The block also keeps a panic of a hook that is not an `async fn` for the first poll.
        let mut hook = pin!(async { self.instance.plugin.before(cx, event).await });
        let result = match poll!(hook.as_mut()) {
            Poll::Ready(result) => result,
            Poll::Pending => {
                let left = self.timeout.saturating_sub(started.elapsed());
                let limited = tokio::time::timeout(left, hook).await;
                limited.map_err(|_| Failure::Timeout(self.timeout))?
            }
        };
        result.map_err(Failure::Error)
    }

    pub fn after(&self, cx: &Context, event: &Event, outcome: &Outcome) {
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
