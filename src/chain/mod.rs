//! The chain: runs the hooks of every configured entry, in the order of the file.

mod background;
mod breaker;
mod contained;
mod entry;
mod host;
mod instance;
mod meters;
mod passage;
mod rehearsal;
mod share;
mod timing;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use confab_plugin::{Context, Decision, Event, EventKind, Manifest, Outcome, Problem, Verdict};
use futures_util::future::join_all;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    code::{Code, Refusal},
    config::{OnError, PluginEntry},
};
use entry::{Answer, Asked, Entry, Failure, Ran};
pub use host::{Bots, NoBots};
pub use passage::{Passage, Refused};
pub use rehearsal::{Did, Rehearsal, Step};

/// The entries that events pass.
///
/// Invariant: a chain never changes once built; a reload builds another one, and an event ends
/// on the chain it began with.
pub struct Chain {
    generation: u64,
    entries: Arc<[Entry]>,
    /// For each kind of event, the entries that handle it, in order.
    routes: Routes,
    /// Those of them that do something about it before it takes effect.
    judges: Routes,
    /// Cancelled when nobody holds the chain any more: its last event has passed.
    gone: CancellationToken,
    _gone: DropGuard,
}

/// For each kind of event, some of the entries by their places.
type Routes = [Box<[usize]>; EventKind::ALL.len()];

/// An entry that could not be built.
#[derive(Debug)]
pub struct BuildError {
    /// Its place in the configuration, from 0.
    pub entry: usize,
    /// What is wrong; the paths begin at the entry.
    pub problems: Vec<Problem>,
}

/// An entry whose plugin did not start.
#[derive(Debug)]
pub struct StartError {
    /// Its place in the configuration, from 0.
    pub entry: usize,
    name: Arc<str>,
    why: String,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "plugin entry \"{}\" did not start: {}", self.name, self.why)
    }
}

impl Chain {
    /// Builds every entry; those that `previous` already runs go on. Pure but for the
    /// registration of metrics.
    ///
    /// # Errors
    /// All entries that cannot be built, not only the first.
    pub fn build(
        entries: &[PluginEntry],
        manifests: &[Manifest],
        generation: u64,
        previous: Option<&Chain>,
    ) -> Result<Self, Vec<BuildError>> {
        let (mut built, mut errors) = (Vec::with_capacity(entries.len()), Vec::new());
        let previous = previous.map_or(&[][..], |chain| &chain.entries);
        for (place, config) in entries.iter().enumerate() {
            match Entry::build(config, manifests, previous) {
                Ok(entry) => built.push(entry),
                Err(problems) => errors.push(BuildError { entry: place, problems }),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let (handling, judges) = (routes(&built, Entry::handles), routes(&built, Entry::judges));
        let gone = CancellationToken::new();
        let _gone = gone.clone().drop_guard();
        Ok(Self { generation, entries: built.into(), routes: handling, judges, gone, _gone })
    }

    /// Which chain it is: 1 at the daemon's start, one more with each reload.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The entries' names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| &**entry.name())
    }

    /// Starts every plugin that was not started yet, in order, but for entries that are off.
    ///
    /// # Errors
    /// The first that does not start. Those started before it are stopped again.
    pub async fn start(&self, bots: &Arc<dyn Bots>) -> Result<(), StartError> {
        let mut started: Vec<&Entry> = Vec::new();
        for (place, entry) in self.unstarted() {
            if let Err(failure) = entry.instance().start(bots).await {
                for entry in started {
                    entry.stop().await;
                }
                let (name, why) = (Arc::clone(entry.name()), failure.to_string());
                return Err(StartError { entry: place, name, why });
            }
            started.push(entry);
        }
        Ok(())
    }

    /// What a [`start`](Self::start) that was given up after `limit` waited for.
    pub fn start_timed_out(&self, limit: Duration) -> Option<StartError> {
        let (place, entry) = self.unstarted().next()?;
        let why = Failure::Timeout(limit).to_string();
        Some(StartError { entry: place, name: Arc::clone(entry.name()), why })
    }

    fn unstarted(&self) -> impl Iterator<Item = (usize, &Entry)> {
        let entries = self.entries.iter().enumerate();
        entries.filter(|(_, entry)| entry.is_on() && !entry.instance().started())
    }

    /// Sends what bots still have to say: they need the way that every message takes. Their
    /// entries' queues take no more. Bounded by the caller's grace.
    pub async fn finish_bots(&self) {
        join_all(self.entries.iter().map(|entry| entry.instance().finish_bots())).await;
    }

    /// Stops every plugin that runs; one that takes its time takes none of the others'. Bounded by
    /// the caller's grace.
    pub async fn stop(&self) {
        let running = self.entries.iter().filter(|entry| entry.instance().runs());
        join_all(running.map(Entry::stop)).await;
    }

    /// Waits until the last event of this chain has passed, then stops what `successor` does not
    /// go on with. A chain that never took events, because it did not start in whole, retires in
    /// favour of the one that goes on.
    ///
    /// Invariant: nothing is stopped that an event may still meet. Until this chain is gone the
    /// successor is held, so the successor's own retirement waits for both.
    pub async fn retire(self: Arc<Self>, successor: &Chain) {
        let (gone, entries) = (self.gone.clone(), Arc::clone(&self.entries));
        let instances: Vec<_> =
            successor.entries.iter().map(|entry| Arc::clone(entry.instance())).collect();
        drop(self);
        gone.cancelled().await;
        // Its last events may have moved the gauges.
        let names = |name: &Arc<str>| successor.entries.iter().any(|entry| entry.name() == name);
        entries
            .iter()
            .filter(|entry| !names(entry.name()))
            .for_each(|entry| entry.breaker().hide());
        successor.show();
        let running = entries.iter().filter(|entry| entry.instance().runs());
        let gone =
            |entry: &&Entry| !instances.iter().any(|kept| Arc::ptr_eq(kept, entry.instance()));
        join_all(running.filter(gone).map(Entry::stop)).await;
    }

    /// Hands over what is counted in the chain itself; before metrics are read, and now and then.
    pub fn publish(&self) {
        self.entries.iter().for_each(Entry::publish);
    }

    /// Shows the state of every entry again: an older chain used the same gauges.
    pub fn show(&self) {
        self.entries.iter().for_each(|entry| entry.breaker().show());
    }

    /// Whether some entry may change or refuse events of this kind, or count them.
    pub fn judges(&self, kind: EventKind) -> bool {
        !self.judges[kind as usize].is_empty()
    }

    fn among<'c>(&'c self, routes: &'c Routes, kind: EventKind) -> impl Iterator<Item = &'c Entry> {
        routes[kind as usize].iter().map(|place| &self.entries[*place])
    }

    fn route(&self, kind: EventKind) -> impl Iterator<Item = &Entry> {
        self.among(&self.routes, kind)
    }

    /// Runs the `before` hooks; the first refusal ends it. Leaves in `changed_by` who changed
    /// the event.
    ///
    /// Invariant: also when it is given up in the middle of a hook, the event is as the hooks that
    /// ended have left it.
    async fn before(
        &self,
        cx: &Context,
        event: &mut Event,
        changed_by: &mut Vec<Arc<str>>,
    ) -> Result<(), (Decision, Refused)> {
        let kind = event.kind();
        if !self.judges(kind) {
            return Ok(());
        }
        let mut scratch = event.clone();
        let mut now = Instant::now();
        for entry in self.among(&self.judges, kind) {
            let asked = entry.before(cx, event, &mut scratch, &mut now).await;
            let Asked::Ran(ran) = asked else { continue };
            if ran.enforced {
                if ran.changed() {
                    changed_by.push(Arc::clone(entry.name()));
                }
                decide(entry, ran)?;
            }
        }
        Ok(())
    }

    /// Runs the `after` hooks of every entry that is there for this user, whoever refused.
    fn after(&self, cx: &Context, event: &Event, outcome: &Outcome) {
        for entry in self.route(event.kind()) {
            entry.after(cx, event, outcome);
        }
    }
}

fn routes(entries: &[Entry], takes: impl Fn(&Entry, EventKind) -> bool) -> Routes {
    EventKind::ALL.map(|kind| {
        let taken = entries.iter().enumerate().filter(|(_, entry)| takes(entry, kind));
        taken.map(|(place, _)| place).collect()
    })
}

/// What the answer of an entry that enforces means for the event.
fn decide(entry: &Entry, ran: Ran) -> Result<(), (Decision, Refused)> {
    let by = || Arc::clone(entry.name());
    match ran.answer {
        Answer::Verdict(Verdict::Pass) => Ok(()),
        Answer::Verdict(Verdict::Deny { code, message, retry_after }) => {
            let refusal = Refusal {
                code: code.clone(),
                status: if retry_after.is_some() { 429 } else { 403 },
                message,
                plugin: Some(by()),
                retry_after: retry_after.map(whole_seconds),
            };
            Err((Decision::Denied { by: by(), code }, Refused::Tell(refusal)))
        }
        Answer::Verdict(Verdict::Drop) => Err((Decision::Dropped { by: by() }, Refused::Silently)),
        Answer::Failed(_) | Answer::Out => match entry.on_error() {
            OnError::Pass => Ok(()),
            OnError::Deny => {
                let mut refusal = Refusal::new(
                    Code::PluginFailed,
                    "A plugin could not decide about this: try again later.",
                );
                refusal.plugin = Some(by());
                let code = refusal.code.clone();
                Err((Decision::Denied { by: by(), code }, Refused::Tell(refusal)))
            }
        },
    }
}

/// Rounded up, and at least 1: a client that waits as long as it was told must not be early.
fn whole_seconds(time: Duration) -> u32 {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    u32::try_from(seconds).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
#[path = "succession_tests.rs"]
mod succession;
#[cfg(test)]
mod tests;
