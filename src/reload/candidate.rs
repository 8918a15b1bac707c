//! What a reload prepares before anything changes: a configuration that holds, and its chain,
//! started.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::runtime::Handle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    auth::Keys,
    chain::{Bots, Chain},
    config::{Config, ConfigError, Loaded, Sources},
};

/// What can be put in force.
pub struct Candidate {
    /// The configuration.
    pub loaded: Loaded,
    /// Its chain, whose plugins run.
    pub chain: Arc<Chain>,
    /// The keys of tokens, read anew.
    pub keys: Keys,
}

/// Why there is none.
pub enum Failed {
    /// All that is wrong with the configuration.
    Invalid(Vec<ConfigError>),
    /// It took longer than this, outside the start of plugins.
    TimedOut(Duration),
    /// An earlier reload still waits for a file or a plugin.
    Busy,
    /// The daemon stops.
    Stopping,
    /// A defect.
    Panicked,
}

/// How to get there.
pub struct Plan {
    pub sources: Sources,
    /// The configuration in force.
    pub config: Config,
    /// The chain in force, whose plugins the candidate may go on with.
    pub previous: Arc<Chain>,
    pub bots: Arc<dyn Bots>,
    /// For all of it.
    pub limit: Duration,
    /// Gives it up.
    pub stop: CancellationToken,
    /// Where the plugins of a candidate are stopped that did not start in whole.
    pub retiring: TaskTracker,
}

impl Plan {
    /// Blocks: on files, on building, and on the start of plugins, which may be careless.
    pub fn carry_out(self) -> Result<Candidate, Failed> {
        let deadline = Instant::now() + self.limit;
        let loaded = self.sources.load();
        let loaded = loaded.map_err(|errors| Failed::Invalid(errors.iter().cloned().collect()))?;
        let keys = self.keys(&loaded)?;
        let generation = self.previous.generation() + 1;
        let manifests = &self.sources.manifests;
        let built =
            Chain::build(&loaded.config.plugins, manifests, generation, Some(&self.previous));
        let chain = built.map_err(|errors| {
            let errors = errors.iter().flat_map(|error| {
                let problems = error.problems.iter();
                problems.map(|problem| loaded.entry_error(error.entry, problem.to_string()))
            });
            Failed::Invalid(errors.collect())
        })?;
        let chain = Arc::new(chain);
        match Handle::current().block_on(self.start(&chain, &loaded, deadline)) {
            Ok(()) => Ok(Candidate { loaded, chain, keys }),
            Err(failed) => {
                let previous = self.previous;
                self.retiring.spawn(async move { chain.retire(&previous).await });
                Err(failed)
            }
        }
    }

    /// The keys that hold once what is live is taken over. Their files are read at each reload:
    /// what is in one may change while its name does not.
    fn keys(&self, loaded: &Loaded) -> Result<Keys, Failed> {
        let mut config = self.config.clone();
        config.take_live(&loaded.config);
        Keys::of(&config).map_err(|error| {
            Failed::Invalid(vec![loaded.file_error(error.file(), error.to_string())])
        })
    }

    async fn start(&self, chain: &Chain, loaded: &Loaded, deadline: Instant) -> Result<(), Failed> {
        if deadline <= Instant::now() {
            return Err(Failed::TimedOut(self.limit));
        }
        let error = tokio::select! {
            biased;
            () = self.stop.cancelled() => return Err(Failed::Stopping),
            started = chain.start(&self.bots) => match started {
                Ok(()) => return Ok(()),
                Err(error) => error,
            },
            () = tokio::time::sleep_until(deadline.into()) => {
                chain.start_timed_out(self.limit).ok_or(Failed::TimedOut(self.limit))?
            }
        };
        Err(Failed::Invalid(vec![loaded.entry_error(error.entry, error.to_string())]))
    }
}
