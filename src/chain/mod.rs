//! The chain: runs the hooks of every configured entry, in the order of the file.

mod entry;
mod host;
mod passage;

use std::{sync::Arc, time::Duration};

use confab_plugin::{
    Context, Decision, Event, EventKind, Manifest, Outcome, Problem, host::Services,
};

use crate::{
    code::{Code, Refusal},
    config::PluginEntry,
};
use entry::{Entry, Step};
pub use host::NoServices;
pub use passage::{Passage, Refused};

/// The entries that events pass.
///
/// Invariant: a chain never changes once built; a reload builds another one, and an event ends
/// on the chain it began with.
pub struct Chain {
    entries: Box<[Entry]>,
    /// For each kind of event, the entries that handle it, in order.
    routes: [Box<[usize]>; EventKind::ALL.len()],
}

/// An entry that could not be built.
#[derive(Debug)]
pub struct BuildError {
    /// Its place in the configuration, from 0.
    pub entry: usize,
    /// What is wrong; the paths begin at the entry.
    pub problems: Vec<Problem>,
}

impl Chain {
    /// Builds every entry. Pure but for the registration of metrics.
    ///
    /// # Errors
    /// All entries that cannot be built, not only the first.
    pub fn build(entries: &[PluginEntry], manifests: &[Manifest]) -> Result<Self, Vec<BuildError>> {
        let (mut built, mut errors) = (Vec::with_capacity(entries.len()), Vec::new());
        for (place, config) in entries.iter().enumerate() {
            match Entry::build(config, manifests) {
                Ok(entry) => built.push(entry),
                Err(problems) => errors.push(BuildError { entry: place, problems }),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let routes = EventKind::ALL.map(|kind| {
            let handles = |(place, entry): (usize, &Entry)| entry.handles(kind).then_some(place);
            built.iter().enumerate().filter_map(handles).collect()
        });
        Ok(Self { entries: built.into(), routes })
    }

    /// Starts every plugin, in order.
    ///
    /// # Errors
    /// The first that does not start, by the entry's name. Those before it are stopped again.
    pub async fn start(&self, services: &Arc<dyn Services>) -> Result<(), String> {
        for (started, entry) in self.entries.iter().enumerate() {
            if let Err(error) = entry.start(services).await {
                for entry in &self.entries[..started] {
                    entry.stop().await;
                }
                return Err(format!("plugin entry \"{}\" did not start: {error}", entry.name()));
            }
        }
        Ok(())
    }

    /// Stops every plugin, in order. Bounded by the caller's drain grace.
    pub async fn stop(&self) {
        for entry in &self.entries {
            entry.stop().await;
        }
    }

    fn route(&self, kind: EventKind) -> impl Iterator<Item = &Entry> {
        self.routes[kind as usize].iter().map(|place| &self.entries[*place])
    }

    /// Runs the `before` hooks; the first refusal ends it.
    async fn before(&self, cx: &Context, event: &mut Event) -> Result<(), (Decision, Refused)> {
        for entry in self.route(event.kind()) {
            let by = || Arc::clone(entry.name());
            match entry.before(cx, event).await {
                Step::Continue => {}
                Step::Deny { code, message, retry_after } => {
                    let refusal = Refusal {
                        code: code.clone(),
                        status: if retry_after.is_some() { 429 } else { 403 },
                        message,
                        plugin: Some(by()),
                        retry_after: retry_after.map(whole_seconds),
                    };
                    return Err((Decision::Denied { by: by(), code }, Refused::Tell(refusal)));
                }
                Step::Drop => return Err((Decision::Dropped { by: by() }, Refused::Silently)),
                Step::Failed => {
                    let mut refusal = Refusal::new(
                        Code::PluginFailed,
                        "A plugin could not decide about this: try again later.",
                    );
                    refusal.plugin = Some(by());
                    let code = refusal.code.clone();
                    return Err((Decision::Denied { by: by(), code }, Refused::Tell(refusal)));
                }
            }
        }
        Ok(())
    }

    /// Runs the `after` hooks of every entry, whoever refused.
    fn after(&self, cx: &Context, event: &Event, outcome: &Outcome) {
        for entry in self.route(event.kind()) {
            entry.after(cx, event, outcome);
        }
    }
}

/// Rounded up, and at least 1: a client that waits as long as it was told must not be early.
fn whole_seconds(time: Duration) -> u32 {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    u32::try_from(seconds).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests;
