//! confab plugin: an append-only log of events in JSON lines, with a hash chain.
#![doc = include_str!("../README.md")]

mod chain;
mod entry;
mod fields;
mod files;
mod key;
mod measures;
mod open;
mod options;
mod shared;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

use std::sync::{Arc, Mutex, OnceLock, atomic::AtomicU64};

use confab_plugin::{
    Command, Context, Definition, Event, EventKind, HookError, Host, JobOrder, Outcome, Plugin,
    Problem, async_trait,
};
use tokio::task::spawn_blocking;

use chain::Seal;
use entry::Entry;
use measures::Measures;
pub use options::{Options, Sync};
use shared::Handle;
use writer::Policy;

/// The audit log: it looks at outcomes and changes nothing.
pub struct Audit {
    options: Options,
    /// Empty before the start, and in a rehearsal.
    entry: OnceLock<Arc<Entry>>,
}

#[async_trait]
impl Plugin for Audit {
    fn judges(&self, _: EventKind) -> bool {
        false
    }

    fn after(&self, cx: &Context, event: &Event, outcome: &Outcome) {
        if let Some(entry) = self.entry.get() {
            entry.push(fields::of_event(&self.options, &entry.name, cx, event, outcome));
        }
    }

    async fn start(&self, host: &Host) -> Result<(), HookError> {
        if host.is_rehearsal() {
            return Ok(());
        }
        let (options, name) = (self.options.clone(), Arc::clone(host.entry()));
        let policy = Policy::from(&options);
        let opened = spawn_blocking(move || -> Result<_, HookError> {
            let seal = match &options.key_file {
                Some(path) => Seal::keyed(&key::read(path).map_err(HookError::new)?),
                None => Seal::Plain,
            };
            Ok(Handle::open(&options.path, seal, &name, &policy)?)
        });
        let (log, written) = opened.await??;
        let name = Arc::clone(host.entry());
        let measures = Measures::register(&name);
        measures.written(written);
        let entry = Entry {
            log,
            policy,
            background: host.background(JobOrder::Pushed),
            measures,
            name,
            pushed: Mutex::new(0),
            next: AtomicU64::new(0),
        };
        // The host starts a plugin once.
        let _ = self.entry.set(Arc::new(entry));
        Ok(())
    }

    async fn stop(&self) {
        if let Some(entry) = self.entry.get() {
            entry.finish().await;
        }
    }
}

impl Definition for Audit {
    const NAME: &'static str = "audit";
    const SUMMARY: &'static str = "keeps an append-only log of events that shows tampering";
    const MANUAL: &'static str = include_str!("../README.md");
    /// All but typing, which is most events and says least.
    const ON: &'static [EventKind] = &[
        EventKind::Register,
        EventKind::Login,
        EventKind::Connect,
        EventKind::Message,
        EventKind::Seen,
        EventKind::Disconnect,
    ];
    const COMMANDS: &'static [Command] = &[Command {
        name: "verify",
        arguments: "[--key-file FILE] [--head N:HASH] FILE…",
        about: "Check the hash chain of an audit log",
        run: verify::run,
    }];
    type Options = Options;

    fn new(_entry: &str, options: Options) -> Result<Self, Vec<Problem>> {
        Ok(Self { options: options.check()?, entry: OnceLock::new() })
    }
}
