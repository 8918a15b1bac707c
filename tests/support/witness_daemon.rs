//! confab with a plugin that watches which chain each event passes, and how its own entries come
//! and go. It tells by the text of messages, by metrics, and by the log.

use std::{
    collections::HashMap,
    path::PathBuf,
    process::ExitCode,
    sync::{
        LazyLock, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use confab_plugin::{
    Context, Definition, Event, EventKind, HookError, Host, Manifest, Outcome, Plugin, Problem,
    SessionId, Verdict, async_trait,
};
use metrics::{counter, gauge};

fn main() -> ExitCode {
    let mut manifests = confab::registry::manifests();
    manifests.push(Manifest::of::<Witness>());
    confab::cli::run(&manifests)
}

#[derive(Clone, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Options {
    /// The same in all entries of one generation; `None` for an entry that never changes.
    mark: Option<String>,
    /// Whether it refuses to start.
    #[serde(default)]
    broken: bool,
    /// It starts only once this file exists, and holds messages that begin with "wait" until then.
    gate: Option<PathBuf>,
}

/// One instance.
struct Witness {
    entry: String,
    options: Options,
    messages: AtomicU64,
    stops: AtomicU64,
}

/// What the `before` hooks saw of an event whose `after` hooks are to come.
struct Seen {
    generation: u64,
    mark: Option<String>,
    entries: usize,
}

type Key = (Option<SessionId>, Instant);

static SEEN: LazyLock<Mutex<HashMap<Key, Seen>>> = LazyLock::new(Mutex::default);

impl Witness {
    /// Counts what no event may show.
    fn hold(&self, what: &'static str, good: bool) {
        if !good {
            counter!("witness_broken_promises_total", "what" => what).increment(1);
        }
    }

    async fn pass_the_gate(&self) {
        let Some(gate) = &self.options.gate else { return };
        tracing::info!(entry = self.entry, "at the gate");
        while !gate.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[async_trait]
impl Plugin for Witness {
    async fn start(&self, _: &Host) -> Result<(), HookError> {
        self.pass_the_gate().await;
        if self.options.broken {
            return Err(HookError::new("broken on purpose"));
        }
        tracing::info!(entry = self.entry, mark = self.options.mark, "the witness starts");
        counter!("witness_starts_total").increment(1);
        Ok(())
    }

    async fn stop(&self) {
        self.hold("stopped once", self.stops.fetch_add(1, Ordering::SeqCst) == 0);
        tracing::info!(entry = self.entry, mark = self.options.mark, "the witness stops");
        counter!("witness_stops_total").increment(1);
    }

    async fn before(&self, cx: &Context, event: &mut Event) -> Result<Verdict, HookError> {
        self.hold("not stopped", self.stops.load(Ordering::SeqCst) == 0);
        let mark = self.options.mark.clone();
        if let Event::Message(message) = event {
            if message.content().starts_with("wait") {
                self.pass_the_gate().await;
            }
            let own = match &mark {
                Some(mark) => format!("{mark} of {}", cx.generation),
                None => self.messages.fetch_add(1, Ordering::SeqCst).to_string(),
            };
            let told = format!("{}|{own}", message.content());
            message.set_content(told);
        }
        if mark.is_some() {
            let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
            let seen = seen.entry((cx.session, cx.arrived)).or_insert_with(|| Seen {
                generation: cx.generation,
                mark: mark.clone(),
                entries: 0,
            });
            seen.entries += 1;
            self.hold("one generation before", seen.generation == cx.generation);
            self.hold("one mark before", seen.mark == mark);
        }
        Ok(Verdict::Pass)
    }

    fn after(&self, cx: &Context, event: &Event, _: &Outcome) {
        self.hold("not stopped", self.stops.load(Ordering::SeqCst) == 0);
        if self.options.mark.is_none() {
            return;
        }
        let mut all = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (cx.session, cx.arrived);
        let Some(seen) = all.get_mut(&key) else {
            return self.hold("seen before", false);
        };
        self.hold("the same generation after", seen.generation == cx.generation);
        self.hold("the same mark after", seen.mark == self.options.mark);
        seen.entries -= 1;
        if seen.entries == 0 {
            all.remove(&key);
            counter!("witness_events_total", "kind" => event.kind().as_str()).increment(1);
        }
        gauge!("witness_events_under_way").set(u32::try_from(all.len()).unwrap_or(u32::MAX));
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        gauge!("witness_instances").decrement(1);
    }
}

impl Definition for Witness {
    const NAME: &'static str = "witness";
    const SUMMARY: &'static str = "tells which chain events pass";
    const MANUAL: &'static str = "# witness\n";
    const ON: &'static [EventKind] = &[EventKind::Message, EventKind::Typing];
    type Options = Options;

    fn new(entry: &str, options: Options) -> Result<Self, Vec<Problem>> {
        gauge!("witness_instances").increment(1);
        let (messages, stops) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Witness { entry: entry.to_owned(), options, messages, stops })
    }
}
