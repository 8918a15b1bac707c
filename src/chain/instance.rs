//! A plugin as one entry runs it: built, started once, stopped once.

use std::{
    any::Any,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use confab_plugin::{Host, Manifest, Plugin, Problem};

use super::{
    background::JobLimits,
    contained::Contained,
    entry::Failure,
    host::{Bots, EntryServices, NoBots},
    named_files,
};
use crate::config::PluginEntry;

/// A plugin with its options, and what the host does for it.
///
/// Invariant: two generations of the chain share an instance when nothing that it was made from
/// changed, so that a reload leaves its state, its files and its queue alone.
pub struct Instance {
    pub plugin: Arc<dyn Plugin>,
    name: Arc<str>,
    made_from: PluginEntry,
    /// What was in the files that its options name, just before it was started.
    files: OnceLock<[u8; 32]>,
    /// Set when it was started.
    services: OnceLock<Arc<EntryServices>>,
    stopped: AtomicBool,
}

impl Instance {
    /// Builds the plugin. Pure.
    ///
    /// # Errors
    /// What is wrong with the entry; the paths begin there.
    pub fn build(config: &PluginEntry, manifest: &Manifest) -> Result<Self, Vec<Problem>> {
        let name: Arc<str> = config.label().into();
        let options = serde_json::Value::Object(config.options.clone());
        let plugin = (manifest.build)(&name, options).map_err(|mut problems| {
            for problem in &mut problems {
                problem.path.insert(0, "options".into());
            }
            problems
        })?;
        Ok(Self {
            plugin,
            name,
            made_from: config.clone(),
            files: OnceLock::new(),
            services: OnceLock::new(),
            stopped: AtomicBool::new(false),
        })
    }

    /// Whether it runs, and was made from the same, also in the files that it names: its entry may
    /// then go on with it. Reads these files: not for an async thread.
    pub fn serves(&self, config: &PluginEntry) -> bool {
        let (old, new) = (&self.made_from, config);
        self.runs()
            && old.plugin == new.plugin
            && old.label() == new.label()
            && old.options == new.options
            && JobLimits::of(old) == JobLimits::of(new)
            && self.files.get() == Some(&named_files::digest(&new.options))
    }

    /// Whether it was started, also if it was stopped since.
    pub fn started(&self) -> bool {
        self.services.get().is_some()
    }

    /// Whether it was started, and not stopped.
    pub fn runs(&self) -> bool {
        self.started() && !self.stopped()
    }

    /// Whether it was stopped.
    pub fn stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// Starts the plugin.
    ///
    /// # Errors
    /// Why it does not start.
    pub async fn start(&self, bots: &Arc<dyn Bots>) -> Result<(), Failure> {
        let services = Arc::new(EntryServices::new(&self.name, &self.made_from, Arc::clone(bots)));
        let host = Host::new(Arc::clone(&self.name), Arc::clone(&services) as _);
        // Before, so that what changes while it starts is seen at the next reload.
        let options = self.made_from.options.clone();
        let files = tokio::task::spawn_blocking(move || named_files::digest(&options)).await;
        if let Ok(files) = files {
            // It is started once.
            let _ = self.files.set(files);
        }
        let started = self.start_with(&host).await;
        if started.is_ok() {
            // It is started once.
            let _ = self.services.set(services);
        } else {
            services.close().await;
        }
        started
    }

    /// Starts the plugin for a rehearsal.
    ///
    /// # Errors
    /// Why it does not start.
    pub async fn rehearse(&self) -> Result<(), Failure> {
        let host = Host::new(Arc::clone(&self.name), Arc::new(NoBots)).rehearsing();
        self.start_with(&host).await
    }

    async fn start_with(&self, host: &Host) -> Result<(), Failure> {
        // In a block, so that a panic before there is a future is contained too.
        match Contained::new(Box::pin(async { self.plugin.start(host).await })).await {
            Ok(result) => result.map_err(Failure::Error),
            Err(panic) => Err(Failure::panic(&*panic)),
        }
    }

    /// Finishes the jobs, if some of them may be a bot's messages. It takes no more.
    pub async fn finish_bots(&self) {
        if let Some(services) = self.services.get().filter(|services| services.has_bots()) {
            services.close().await;
        }
    }

    /// Finishes the jobs, then stops the plugin; but once. Bounded by the caller's grace.
    ///
    /// # Errors
    /// A panic of the plugin.
    pub async fn stop(&self) -> Result<(), Failure> {
        if self.stopped.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        if let Some(services) = self.services.get() {
            services.close().await;
        }
        let stop = Contained::new(Box::pin(async { self.plugin.stop().await }));
        stop.await.map_err(|panic: Box<dyn Any + Send>| Failure::panic(&*panic))
    }
}
