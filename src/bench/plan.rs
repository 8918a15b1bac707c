//! The whole run: accounts, idle sessions, connects, saturation, open loop.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{
    connect::{Opening, open},
    crowd::{Crowd, Names},
    error::CallError,
    load::{self, Drive, Load},
    memory::Source,
    progress::Progress,
    summary::{Settings, Summary},
    target::Target,
};

/// What to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The nodes of one server; not empty.
    pub targets: Vec<Target>,
    /// Where the server's memory is told, for idle sessions.
    pub memory: Option<Source>,
    /// Accounts; at least twice the pairs.
    pub users: usize,
    /// Pairs that write to each other; 0 sends no messages.
    pub pairs: usize,
    /// Messages that a session may have without an answer, at saturation.
    pub window: usize,
    /// Messages a second of the open loop; else saturation comes first, and then half its rate.
    pub rate: Option<f64>,
    /// The bytes of each text.
    pub size: usize,
    /// How long each phase of messages is measured.
    pub duration: Duration,
    /// How long messages are sent before, in each phase.
    pub warmup: Duration,
    /// Sessions to open for the rate of connects; 0 for none.
    pub connect_sessions: usize,
    /// Sessions that are being opened at the same time.
    pub concurrency: usize,
    /// Idle sessions to open for their memory; 0 for none.
    pub idle: usize,
    /// The prefix of the accounts' names.
    pub name: String,
    /// Their password.
    pub password: String,
    /// Threads.
    pub threads: usize,
}

/// Does all of it, or what there is time for until `stop` is cancelled. `summary` holds what is
/// known so far, also after a failure.
///
/// # Errors
/// What makes the rest useless: the server is not there, refuses accounts or sessions.
pub async fn run(
    plan: &Plan,
    stop: &CancellationToken,
    progress: &mut Progress,
    summary: &mut Summary,
) -> Result<(), CallError> {
    let names = Names { prefix: &plan.name, password: &plan.password };
    let gathering = Crowd::gather(plan.targets.clone(), plan.users, names, progress);
    let Some(gathered) = stop.run_until_cancelled(gathering).await else {
        summary.interrupted = true;
        return Ok(());
    };
    let (crowd, accounts) = gathered?;
    let crowd = Arc::new(crowd);
    summary.accounts = Some(accounts);
    let result = phases(plan, &crowd, stop, progress, summary).await;
    summary.interrupted = stop.is_cancelled();
    result
}

async fn phases(
    plan: &Plan,
    crowd: &Arc<Crowd>,
    stop: &CancellationToken,
    progress: &mut Progress,
    summary: &mut Summary,
) -> Result<(), CallError> {
    let opening =
        |sessions| Opening { sessions, concurrency: plan.concurrency, threads: plan.threads };
    // First, because memory that other sessions gave back would be used again.
    if let Some(memory) = plan.memory.as_ref().filter(|_| plan.idle > 0 && !stop.is_cancelled()) {
        let before = memory.read_settled().await?;
        let (connects, held) = open(crowd, opening(plan.idle), stop, progress).await?;
        let after = memory.read_settled().await;
        held.close().await;
        summary.idle = Some(memory.idle(connects.opened, before, after?));
        summary.idle_connect = Some(connects);
    }
    if plan.connect_sessions > 0 && !stop.is_cancelled() {
        let (connects, held) = open(crowd, opening(plan.connect_sessions), stop, progress).await?;
        held.close().await;
        summary.connect = Some(connects);
    }
    let load = |drive| Load {
        pairs: plan.pairs,
        drive,
        size: plan.size,
        warmup: plan.warmup,
        duration: plan.duration,
        threads: plan.threads,
        concurrency: plan.concurrency,
    };
    let mut rate = plan.rate;
    if rate.is_none() && plan.pairs > 0 && !stop.is_cancelled() {
        let phase = load::run(crowd, load(Drive::Window(plan.window)), stop, progress).await?;
        // A server that acknowledged nothing in time is asked for little, not for nothing.
        rate = Some((phase.acknowledged_per_second / 2.0).max(1.0));
        summary.saturation = Some(phase);
    }
    if let Some(rate) = rate.filter(|_| plan.pairs > 0 && !stop.is_cancelled()) {
        let phase = load::run(crowd, load(Drive::Rate(rate)), stop, progress).await?;
        summary.open_loop = Some(phase);
    }
    Ok(())
}

impl Plan {
    /// What the summary tells of it.
    pub fn settings(&self) -> Settings {
        Settings {
            users: self.users,
            pairs: self.pairs,
            window: self.window,
            rate: self.rate,
            size: self.size,
            duration_seconds: self.duration.as_secs_f64(),
            warmup_seconds: self.warmup.as_secs_f64(),
            concurrency: self.concurrency,
            threads: self.threads,
        }
    }
}
