//! One entry of the chain: its plugin behind a time limit, a panic guard and its policies.

use std::{
    any::Any,
    borrow::Cow,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use confab_plugin::{
    Context, Event, EventKind, HookError, Host, Manifest, Outcome, Plugin, Problem, Verdict,
    host::Services,
};
use futures_util::{FutureExt, poll};
use metrics::{Counter, Histogram, counter, histogram};

use crate::config::{Mode, OnError, PluginEntry};

/// A plugin with its policies.
pub struct Entry {
    name: Arc<str>,
    plugin: Arc<dyn Plugin>,
    on: Box<[EventKind]>,
    mode: Mode,
    on_error: OnError,
    timeout: Duration,
    meters: Meters,
}

/// What an entry means for the event.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// On to the next entry.
    Continue,
    /// Refuse, and tell the client.
    Deny { code: Cow<'static, str>, message: Cow<'static, str>, retry_after: Option<Duration> },
    /// Refuse without a word.
    Drop,
    /// The hook failed, and its entry says that this refuses the event.
    Failed,
}

/// Registered once, so that counting is an atomic add.
struct Meters {
    pass: Counter,
    deny: Counter,
    drop: Counter,
    would_deny: Counter,
    would_drop: Counter,
    error: Counter,
    panic: Counter,
    timeout: Counter,
    seconds: Histogram,
}

impl Meters {
    fn new(entry: &Arc<str>) -> Self {
        let verdict = |verdict: &'static str| counter!("confab_plugin_verdicts_total", "plugin" => entry.to_string(), "verdict" => verdict);
        Self {
            pass: verdict("pass"),
            deny: verdict("deny"),
            drop: verdict("drop"),
            would_deny: verdict("would_deny"),
            would_drop: verdict("would_drop"),
            error: verdict("error"),
            panic: verdict("panic"),
            timeout: verdict("timeout"),
            seconds: histogram!("confab_plugin_duration_seconds", "plugin" => entry.to_string()),
        }
    }
}

/// How a hook failed.
enum Failure {
    Error(HookError),
    Panic(Box<dyn Any + Send>),
    Timeout,
}

impl Entry {
    pub fn build(config: &PluginEntry, manifests: &[Manifest]) -> Result<Self, Vec<Problem>> {
        let manifest = manifests.iter().find(|manifest| manifest.name == config.plugin);
        let Some(manifest) = manifest else {
            let message = format!("no plugin named \"{}\" is compiled in", config.plugin);
            return Err(vec![Problem::at("use", message)]);
        };
        let name: Arc<str> = config.label().into();
        let options = serde_json::Value::Object(config.options.clone());
        let plugin = (manifest.build)(&name, options).map_err(|mut problems| {
            for problem in &mut problems {
                problem.path.insert(0, "options".into());
            }
            problems
        })?;
        Ok(Self {
            meters: Meters::new(&name),
            name,
            plugin,
            on: config.on.as_deref().unwrap_or(manifest.on).into(),
            mode: config.mode,
            on_error: config.on_error,
            timeout: config.timeout.0,
        })
    }

    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub fn handles(&self, kind: EventKind) -> bool {
        self.on.contains(&kind)
    }

    pub async fn start(&self, services: &Arc<dyn Services>) -> Result<(), HookError> {
        let host = Host::new(Arc::clone(&self.name), Arc::clone(services));
        match AssertUnwindSafe(async { self.plugin.start(&host).await }).catch_unwind().await {
            Ok(result) => result,
            Err(panic) => Err(HookError::new(format!("it panicked: {}", panic_text(&*panic)))),
        }
    }

    pub async fn stop(&self) {
        let stop = AssertUnwindSafe(async { self.plugin.stop().await });
        if let Err(panic) = stop.catch_unwind().await {
            self.report(&Failure::Panic(panic));
        }
    }

    /// Runs the hook. In shadow mode it sees a copy of the event, and its answer only counts.
    ///
    /// A hook that fails leaves the event as it found it.
    pub async fn before(&self, cx: &Context, event: &mut Event) -> Step {
        let mut copy = event.clone();
        let started = Instant::now();
        let seen = match self.mode {
            Mode::Enforce => &mut *event,
            Mode::Shadow => &mut copy,
        };
        // A hook that ran out of time is dropped, and what it held may panic then.
        let limited = AssertUnwindSafe(self.limited(cx, seen, started)).catch_unwind();
        let result = limited.await.unwrap_or_else(|panic| Err(Failure::Panic(panic)));
        self.meters.seconds.record(started.elapsed().as_secs_f64());
        let verdict = match result {
            Ok(verdict) => verdict,
            Err(failure) => {
                self.report(&failure);
                if self.mode == Mode::Enforce {
                    *event = copy;
                    if self.on_error == OnError::Deny {
                        return Step::Failed;
                    }
                }
                return Step::Continue;
            }
        };
        let (counter, step) = match (verdict, self.mode) {
            (Verdict::Pass, _) => (&self.meters.pass, Step::Continue),
            (Verdict::Deny { .. }, Mode::Shadow) => (&self.meters.would_deny, Step::Continue),
            (Verdict::Drop, Mode::Shadow) => (&self.meters.would_drop, Step::Continue),
            (Verdict::Deny { code, message, retry_after }, Mode::Enforce) => {
                (&self.meters.deny, Step::Deny { code, message, retry_after })
            }
            (Verdict::Drop, Mode::Enforce) => (&self.meters.drop, Step::Drop),
        };
        counter.increment(1);
        step
    }

    /// Polls once in place, and arms a timer only for a hook that waits.
    async fn limited(
        &self,
        cx: &Context,
        event: &mut Event,
        started: Instant,
    ) -> Result<Verdict, Failure> {
        // The block also keeps a panic of a hook that is not an `async fn` for the first poll.
        let mut hook = pin!(async { self.plugin.before(cx, event).await });
        let result = if let std::task::Poll::Ready(result) = poll!(hook.as_mut()) {
            result
        } else {
            let left = self.timeout.saturating_sub(started.elapsed());
            tokio::time::timeout(left, hook).await.map_err(|_| Failure::Timeout)?
        };
        // A hook that blocks the thread cannot be interrupted, but it can be found out.
        if started.elapsed() > self.timeout {
            return Err(Failure::Timeout);
        }
        result.map_err(Failure::Error)
    }

    pub fn after(&self, cx: &Context, event: &Event, outcome: &Outcome) {
        let hook = AssertUnwindSafe(|| self.plugin.after(cx, event, outcome));
        if let Err(panic) = catch_unwind(hook) {
            self.report(&Failure::Panic(panic));
        }
    }

    fn report(&self, failure: &Failure) {
        let (counter, what) = match failure {
            Failure::Error(error) => (&self.meters.error, error.to_string()),
            Failure::Panic(panic) => {
                (&self.meters.panic, format!("it panicked: {}", panic_text(&**panic)))
            }
            Failure::Timeout => (
                &self.meters.timeout,
                format!("it took longer than {}", confab_plugin::Duration(self.timeout)),
            ),
        };
        counter.increment(1);
        let on_error = match self.on_error {
            OnError::Deny => "deny",
            OnError::Pass => "pass",
        };
        tracing::warn!(
            plugin = &*self.name,
            on_error,
            error = %what.escape_debug(),
            "a plugin failed"
        );
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
