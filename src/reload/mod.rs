//! Reload: reads the configuration again and puts it in force in one step, or leaves everything
//! as it is.

mod candidate;
mod meters;
mod report;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tokio::{
    signal::unix::Signal,
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::{
    auth::Tokens,
    chain::Bots,
    code::{Code, Refusal},
    config::{Change, Config, Fingerprint, Sources, changes},
    dispatch::Dispatch,
    http::{Access, NotReloaded, Reload, Reloaded, Told},
    systemd::Manager,
    telemetry::LogLevel,
};
use candidate::{Candidate, Failed, Plan};
use meters::Meters;
pub use {meters::describe_metrics, report::warn};

/// Calls that may wait for their turn; one more is refused.
const WAITING: usize = 16;

/// What the threads get beyond `server.reload_timeout` to say themselves that it has passed.
const MARGIN: Duration = Duration::from_secs(1);

/// What a reload needs of the daemon.
pub struct Parts {
    /// Where the configuration comes from.
    pub sources: Sources,
    /// The configuration in force.
    pub config: Config,
    /// Holds the chain in force.
    pub dispatch: Arc<Dispatch>,
    /// Where the bots of new plugins come from.
    pub bots: Arc<dyn Bots>,
    /// Changes what is logged.
    pub level: LogLevel,
    /// What signs and verifies tokens.
    pub tokens: Arc<Tokens>,
    /// From where the API may be used.
    pub access: Arc<Access>,
    /// Who is told of reloads.
    pub manager: Arc<Manager>,
    /// From here on nothing is reloaded any more: the daemon drains.
    pub stop: CancellationToken,
    /// From here on nobody is answered any more.
    pub end: CancellationToken,
}

type Answer = Result<Reloaded, NotReloaded>;

/// The way to ask for a reload, and what is still under way of earlier ones.
pub struct Reloads {
    calls: mpsc::Sender<oneshot::Sender<Answer>>,
    limit: Duration,
    settled: CancellationToken,
    retiring: TaskTracker,
}

impl Reloads {
    /// Reloads at each SIGHUP and at each call, until `stop`.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(parts: Parts, hangups: Signal) -> Self {
        let (calls, asked) = mpsc::channel(WAITING);
        let (settled, retiring) = (CancellationToken::new(), TaskTracker::new());
        let limit = parts.config.server.reload_timeout.0;
        let meters = Meters::new();
        meters.started(parts.dispatch.chain().generation(), Fingerprint::of(&parts.config));
        let reloader = Reloader {
            parts,
            limit,
            meters,
            retiring: retiring.clone(),
            left: None,
            settled: Some(settled.clone().drop_guard()),
        };
        tokio::spawn(reloader.run(hangups, asked));
        Self { calls, limit, settled, retiring }
    }

    /// How long an answer may take: the reload under way, and then the one that was asked for.
    pub fn longest(&self) -> Duration {
        2 * (self.limit + 2 * MARGIN)
    }

    /// Waits until no other chain can come into force; soon after the daemon began to drain.
    pub async fn settled(&self) {
        self.settled.cancelled().await;
    }

    /// Waits until the plugins of all earlier chains are stopped. After
    /// [`settled`](Self::settled), once no event is in flight.
    pub async fn retired(&self) {
        self.retiring.close();
        self.retiring.wait().await;
    }
}

#[async_trait]
impl Reload for Reloads {
    async fn reload(&self) -> Answer {
        let refused = |code, message| Err(NotReloaded::Refused(Refusal::new(code, message)));
        let (answer, answered) = oneshot::channel();
        match self.calls.try_send(answer) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                return refused(Code::Overloaded, "Too many reloads wait already.");
            }
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(stopping()),
        }
        match tokio::time::timeout(self.longest(), answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(stopping()),
            Err(_) => refused(Code::Unavailable, "The reload takes long: the log will tell."),
        }
    }
}

fn stopping() -> NotReloaded {
    let message = "The server is stopping: nothing was reloaded.";
    NotReloaded::Refused(Refusal::new(Code::Unavailable, message))
}

/// Does one reload at a time. Those that are asked for meanwhile are one, which begins when this
/// one has ended: whoever asks gets the answer of a reload that began after the question.
struct Reloader {
    parts: Parts,
    limit: Duration,
    meters: Meters,
    retiring: TaskTracker,
    /// A reload that was given up and has not returned.
    left: Option<JoinHandle<()>>,
    settled: Option<DropGuard>,
}

impl Reloader {
    async fn run(
        mut self,
        mut hangups: Signal,
        mut asked: mpsc::Receiver<oneshot::Sender<Answer>>,
    ) {
        let (stop, end) = (self.parts.stop.clone(), self.parts.end.clone());
        loop {
            let mut waiting = Vec::new();
            let by = tokio::select! {
                biased;
                () = end.cancelled() => return,
                // Once: from then on it only refuses.
                () = stop.cancelled(), if self.settled.is_some() => {
                    drop(self.settled.take());
                    continue;
                }
                Some(()) = hangups.recv() => "SIGHUP",
                Some(answer) = asked.recv() => {
                    waiting.push(answer);
                    "the admin call"
                }
                else => return,
            };
            while let Ok(answer) = asked.try_recv() {
                waiting.push(answer);
            }
            let answer = if stop.is_cancelled() {
                tracing::warn!(by, "nothing is reloaded: the daemon is stopping");
                Err(stopping())
            } else {
                self.reload(by).await
            };
            for waiting in waiting {
                // Whoever asked may have gone.
                let _ = waiting.send(answer.clone());
            }
        }
    }

    async fn reload(&mut self, by: &'static str) -> Answer {
        let started = Instant::now();
        self.parts.manager.reloading().await;
        let answer = match self.prepare().await {
            Ok(candidate) => {
                let reloaded = self.put_in_force(candidate);
                report::success(&reloaded, by, started.elapsed());
                Ok(reloaded)
            }
            Err(failed) => {
                let chain = self.parts.dispatch.chain();
                // Building another one reset the gauges that it uses.
                chain.show();
                self.meters.failed();
                Err(report::failure(failed, by, chain.generation()))
            }
        };
        self.parts.manager.reloaded(answer.as_ref().err().map(report::in_short)).await;
        answer
    }

    /// Reads, checks, builds and starts, beside the threads that serve. Nothing of it has an
    /// effect on what runs.
    async fn prepare(&mut self) -> Result<Candidate, Failed> {
        if self.left.as_ref().is_some_and(|left| !left.is_finished()) {
            return Err(Failed::Busy);
        }
        let previous = self.parts.dispatch.chain();
        let plan = Plan {
            sources: self.parts.sources.clone(),
            config: self.parts.config.clone(),
            previous: Arc::clone(&previous),
            bots: Arc::clone(&self.parts.bots),
            limit: self.limit,
            stop: self.parts.stop.clone(),
            retiring: self.retiring.clone(),
        };
        let mut work = tokio::task::spawn_blocking(|| plan.carry_out());
        let failed = tokio::select! {
            biased;
            () = self.parts.stop.cancelled() => Failed::Stopping,
            done = &mut work => return done.unwrap_or(Err(Failed::Panicked)),
            () = tokio::time::sleep(self.limit + MARGIN) => Failed::TimedOut(self.limit),
        };
        // It may still come to a good end, which nobody wants any more.
        self.left = Some(self.retiring.spawn(async move {
            if let Ok(Ok(candidate)) = work.await {
                candidate.chain.retire(&previous).await;
            }
        }));
        Err(failed)
    }

    /// The swap. Nothing here waits, and nothing can fail.
    fn put_in_force(&mut self, candidate: Candidate) -> Reloaded {
        let Parts { config, dispatch, level, access, tokens, .. } = &mut self.parts;
        let Candidate { loaded, chain, keys } = candidate;
        let old = dispatch.replace_chain(Arc::clone(&chain));
        chain.show();
        access.replace(&config.server, &loaded.config.server, loaded.certificate);
        if loaded.config.log.level != config.log.level {
            level.set(&loaded.config.log.level);
        }

        let mut changes = changes(config, &loaded.config);
        changes.extend(report::keys(&tokens.keys(), &keys));
        tokens.replace_keys(keys);
        config.take_live(&loaded.config);
        let fingerprint = Fingerprint::of(config);
        let waits = |change: &&Change| !change.live;
        let reloaded = Reloaded {
            generation: chain.generation(),
            config: fingerprint.to_string(),
            needs_restart: changes.iter().filter(waits).map(|change| change.key.clone()).collect(),
            changes,
            warnings: loaded.warnings.iter().map(|warning| Told::from(warning.as_ref())).collect(),
        };
        self.meters.succeeded(reloaded.generation, fingerprint, reloaded.needs_restart.len());
        self.retiring.spawn(async move { old.retire(&chain).await });
        reloaded
    }
}
