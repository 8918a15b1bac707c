//! Pairs of users who write to each other, as fast as their windows allow or at a rate.

mod session;
mod shift;
mod tally;

use std::{
    io,
    rc::Rc,
    sync::{Arc, atomic::Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{
    crowd::Crowd, error::CallError, latency::nanos, phase::Phase, progress::Progress, report,
    schedule::Schedule, socket,
};
pub use shift::Pace;
use shift::{Seat, Shift};
pub use tally::{Live, Tally, add_counts, count};

/// How long answers are waited for once sending has ended.
pub const DRAIN: Duration = Duration::from_secs(5);

/// How long before the start the threads are told of it.
const LEAD: Duration = Duration::from_millis(20);

/// How often the counts of the threads are looked at.
const TICK: Duration = Duration::from_millis(10);

/// When messages are sent, over all sessions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Drive {
    /// Each session keeps so many messages without an answer: it finds the most that the server
    /// does.
    Window(usize),
    /// So many a second over all senders, whatever the server does.
    Rate(f64),
}

/// What is to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Pairs of users; each of both has a session and sends to the other.
    pub pairs: usize,
    /// When.
    pub drive: Drive,
    /// The bytes of each text, at least 1.
    pub size: usize,
    /// How long messages are sent before anything is measured.
    pub warmup: Duration,
    /// How long it is measured.
    pub duration: Duration,
    /// Threads that share the sessions, at least 1.
    pub threads: usize,
    /// Sessions that each thread opens at the same time, at least 1.
    pub concurrency: usize,
}

/// What a thread is told once all are ready.
struct Go {
    start: Instant,
    run: u32,
}

/// A thread from outside.
struct Hand {
    live: Arc<Live>,
    ready: oneshot::Receiver<Result<(), CallError>>,
    go: oneshot::Sender<Go>,
    done: oneshot::Receiver<io::Result<Tally>>,
}

/// Opens the sessions, sends, and measures, until the time is over or `stop` is cancelled.
///
/// # Errors
/// When a session cannot be opened.
pub async fn run(
    crowd: &Arc<Crowd>,
    load: Load,
    stop: &CancellationToken,
    progress: &mut Progress,
) -> Result<Phase, CallError> {
    let hands: io::Result<Vec<_>> = (0..load.threads.clamp(1, load.pairs.max(1)))
        .map(|thread| start(crowd, load, thread))
        .collect();
    let (mut started, mut goes) = (Vec::new(), Vec::new());
    for Hand { live, ready, go, done } in hands.map_err(CallError::Local)? {
        ready.await.map_err(|_| died())??;
        started.push((live, done));
        goes.push(go);
    }
    let start = Instant::now() + LEAD;
    let run = rand::random();
    for go in goes {
        let _ = go.send(Go { start, run });
    }
    let lives: Vec<_> = started.iter().map(|(live, _)| Arc::clone(live)).collect();
    let cpu = super::cpu_time();
    let until = watch(&lives, load, start, stop, progress).await;
    let cpu = super::cpu_time().saturating_sub(cpu);
    let elapsed = start.elapsed();
    lives.iter().for_each(|live| live.over.store(true, Relaxed));
    let mut tally = Tally::default();
    for (_, done) in started {
        tally.add(done.await.map_err(|_| died())?.map_err(CallError::Local)?);
    }
    Ok(Phase::new(load, tally, &lives, until.saturating_sub(load.warmup), elapsed, cpu))
}

/// Waits until all is over; says how long messages were sent.
async fn watch(
    lives: &[Arc<Live>],
    load: Load,
    start: Instant,
    stop: &CancellationToken,
    progress: &mut Progress,
) -> Duration {
    let sum = |of: fn(&Live) -> u64| lives.iter().map(|live| of(live)).sum::<u64>();
    let length = load.warmup + load.duration;
    let sessions = 2 * load.pairs as u64;
    let mut shown = (Instant::now(), 0);
    loop {
        let stopped = tokio::time::timeout(TICK, stop.cancelled()).await.is_ok();
        let now = start.elapsed();
        let (acknowledged, ended) =
            (sum(|live| live.acknowledged.get()), sum(|live| live.ended.get()));
        if stopped || ended == sessions {
            return now.min(length);
        }
        let settled = acknowledged + sum(|live| live.refused.get() + live.given_up.get());
        // A generator that is late has messages to send yet.
        let all_sent = match load.drive {
            Drive::Window(_) => true,
            Drive::Rate(_) => sum(|live| live.finished.get()) == sessions,
        };
        // What a session that ended would have received cannot be waited for.
        let drained = all_sent
            && settled >= sum(|live| live.sent.get())
            && (ended > 0 || sum(|live| live.delivered.get()) >= acknowledged);
        if now >= length + DRAIN || now >= length + TICK && drained {
            return length;
        }
        let since = shown.0.elapsed();
        if progress.is_due() {
            let per_second = (acknowledged - shown.1) as f64 / since.as_secs_f64().max(1e-3);
            let phase = if now < load.warmup { "warming up" } else { load.drive.name() };
            progress.show(&format!(
                "{phase}: {:.0} of {:.0} s, {} messages/s acknowledged",
                now.as_secs_f64().min(length.as_secs_f64()),
                length.as_secs_f64(),
                report::rate(per_second),
            ));
            shown = (Instant::now(), acknowledged);
        }
    }
}

impl Drive {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Window(_) => "saturation",
            Self::Rate(_) => "open loop",
        }
    }
}

fn died() -> CallError {
    CallError::Local(io::Error::other("a thread of the generator ended"))
}

/// Starts thread number `thread`, which opens its sessions and then waits.
fn start(crowd: &Arc<Crowd>, load: Load, thread: usize) -> io::Result<Hand> {
    let live = Arc::new(Live::default());
    let (ready_sender, ready) = oneshot::channel();
    let (go, go_receiver) = oneshot::channel();
    let (done_sender, done) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (crowd, theirs) = (Arc::clone(crowd), Arc::clone(&live));
    thread::Builder::new().name(format!("bench-{thread}")).spawn(move || {
        runtime.block_on(async {
            let seats = match take_seats(&crowd, load, thread).await {
                Ok(seats) => seats,
                Err(error) => {
                    let _ = ready_sender.send(Err(error));
                    return;
                }
            };
            let _ = ready_sender.send(Ok(()));
            // When another thread failed there is no start.
            let Ok(go) = go_receiver.await else { return };
            let shift = shift(load, &go, theirs, seats.len());
            let _ = done_sender.send(shift::work(Rc::new(shift), seats, load.size).await);
        });
    })?;
    Ok(Hand { live, ready, go, done })
}

fn shift(load: Load, go: &Go, live: Arc<Live>, sessions: usize) -> Shift {
    let from = nanos(load.warmup);
    let until = from.saturating_add(nanos(load.duration));
    let pace = match load.drive {
        Drive::Window(window) => Pace::Window(window.max(1)),
        Drive::Rate(rate) => {
            let share = sessions as f64 / (2 * load.pairs) as f64;
            Pace::Rate(Schedule::new(rate * share, sessions, until))
        }
    };
    Shift::new(go.start, go.run, pace, (from, until), live, sessions)
}

/// Opens the sessions of one thread: those of every so many-th pair. Sessions are spread over
/// the targets, both of a pair over two.
async fn take_seats(crowd: &Crowd, load: Load, thread: usize) -> Result<Vec<Seat>, CallError> {
    let pairs = (thread..load.pairs).step_by(load.threads.clamp(1, load.pairs.max(1)));
    let sessions = pairs.flat_map(|pair| [(2 * pair, 2 * pair + 1), (2 * pair + 1, 2 * pair)]);
    stream::iter(sessions)
        .map(|(me, to)| async move {
            let (me_account, to_account) = (crowd.account(me), crowd.account(to));
            let socket = socket::connect(crowd.target(me), me_account, crowd.token_in).await?;
            Ok(Seat { socket, me: me_account.user_id.clone(), to: to_account.user_id.clone() })
        })
        .buffered(load.concurrency.max(1))
        .try_collect()
        .await
}

#[cfg(test)]
mod tests;
