//! Opens many sessions as fast as the server lets it, and holds them.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream};
use serde::Serialize;
use tokio::{sync::oneshot, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    crowd::Crowd,
    error::CallError,
    latency::{Latencies, Quantiles, nanos},
    load::{add_counts, count},
    progress::Progress,
    report,
    socket::{self, Socket},
};

/// How long the server gets to answer a close frame.
const CLOSE: Duration = Duration::from_secs(2);

/// What opening sessions has shown.
#[derive(Clone, Debug, Serialize)]
pub struct Connects {
    /// Sessions that were to be opened.
    pub sessions: u64,
    /// Sessions that were.
    pub opened: u64,
    /// Those that were not, by reason.
    pub failed: BTreeMap<String, u64>,
    /// From the first attempt to the last answer.
    pub seconds: f64,
    /// Opened sessions a second.
    pub per_second: f64,
    /// From the connection's first packet until the session is open.
    pub latency: Quantiles,
    /// Processor time that the generator used.
    pub cpu_seconds: f64,
}

/// Sessions that are open until this is dropped or closed.
#[derive(Debug)]
pub struct Held {
    release: Vec<oneshot::Sender<()>>,
    done: Vec<oneshot::Receiver<()>>,
}

impl Held {
    /// Closes them in the proper way, and waits for it.
    pub async fn close(self) {
        drop(self.release);
        for done in self.done {
            let _ = done.await;
        }
    }
}

/// How many sessions to open, and how.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// Sessions, spread over users and targets.
    pub sessions: usize,
    /// How many are being opened at the same time, over all threads; at least 1.
    pub concurrency: usize,
    /// Threads; at least 1.
    pub threads: usize,
}

/// What one thread has done.
#[derive(Default)]
struct Opened {
    latencies: Latencies,
    failed: BTreeMap<String, u64>,
    error: Option<CallError>,
}

/// Opens sessions; what `stop` cancels is not opened.
///
/// # Errors
/// The first failure, when not one session could be opened.
pub async fn open(
    crowd: &Arc<Crowd>,
    opening: Opening,
    stop: &CancellationToken,
    progress: &mut Progress,
) -> Result<(Connects, Held), CallError> {
    let threads = opening.threads.clamp(1, opening.concurrency.max(1));
    let opened_so_far = Arc::new(AtomicU64::new(0));
    let cpu = super::cpu_time();
    let began = Instant::now();
    let mut held = Held { release: Vec::new(), done: Vec::new() };
    let mut working = Vec::new();
    for thread in 0..threads {
        let (opened_sender, opened) = oneshot::channel();
        let (release, release_receiver) = oneshot::channel::<()>();
        let (done_sender, done) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(CallError::Local)?;
        let (crowd, stop) = (Arc::clone(crowd), stop.clone());
        let so_far = Arc::clone(&opened_so_far);
        let work = move || {
            runtime.block_on(async {
                let numbers = (thread..opening.sessions).step_by(threads);
                let at_once = opening.concurrency.div_ceil(threads);
                let (opened, sockets) = open_some(&crowd, numbers, at_once, &stop, &so_far).await;
                let _ = opened_sender.send(opened);
                let _ = release_receiver.await;
                close(sockets, at_once).await;
                let _ = done_sender.send(());
            });
        };
        thread::Builder::new()
            .name(format!("bench-{thread}"))
            .spawn(work)
            .map_err(CallError::Local)?;
        held.release.push(release);
        held.done.push(done);
        working.push(opened);
    }
    let mut all = Opened::default();
    for mut opened in working {
        let opened = loop {
            match timeout(Duration::from_millis(100), &mut opened).await {
                Ok(opened) => break opened,
                Err(_) => progress.tick(|| {
                    let so_far = opened_so_far.load(Relaxed);
                    format!("sessions: {} of {}", report::count(so_far), opening.sessions)
                }),
            }
        };
        let died = || io::Error::other("a thread of the generator ended");
        let opened = opened.map_err(|_| CallError::Local(died()))?;
        all.latencies.add(&opened.latencies);
        add_counts(&mut all.failed, opened.failed);
        all.error = all.error.or(opened.error);
    }
    let seconds = began.elapsed().as_secs_f64();
    let latency = all.latencies.quantiles();
    if let (0, Some(error)) = (latency.count, all.error) {
        return Err(error);
    }
    let connects = Connects {
        sessions: opening.sessions as u64,
        opened: latency.count,
        failed: all.failed,
        seconds,
        per_second: latency.count as f64 / seconds.max(1e-9),
        latency,
        cpu_seconds: super::cpu_time().saturating_sub(cpu).as_secs_f64(),
    };
    Ok((connects, held))
}

async fn open_some(
    crowd: &Crowd,
    numbers: impl Iterator<Item = usize>,
    at_once: usize,
    stop: &CancellationToken,
    so_far: &AtomicU64,
) -> (Opened, Vec<Socket>) {
    let mut all = Opened::default();
    let mut sockets = Vec::new();
    let numbers = numbers.take_while(|_| !stop.is_cancelled());
    let mut attempts = std::pin::pin!(
        stream::iter(numbers)
            .map(|number| async move {
                let began = Instant::now();
                let (target, account) = (crowd.target(number), crowd.account(number));
                let socket = socket::connect(target, account, crowd.token_in).await;
                (socket, nanos(began.elapsed()))
            })
            .buffer_unordered(at_once.max(1))
    );
    while let Some((socket, latency)) = attempts.next().await {
        match socket {
            Ok(socket) => {
                sockets.push(socket);
                all.latencies.record(latency);
                so_far.fetch_add(1, Relaxed);
            }
            Err(error) => {
                count(&mut all.failed, &error.kind());
                all.error.get_or_insert(error);
            }
        }
    }
    (all, sockets)
}

async fn close(sockets: Vec<Socket>, at_once: usize) {
    stream::iter(sockets)
        .for_each_concurrent(at_once.max(1), |mut socket| async move {
            let closing = async {
                if socket.close(None).await.is_ok() {
                    while let Some(Ok(_)) = socket.next().await {}
                }
            };
            let _ = timeout(CLOSE, closing).await;
        })
        .await;
}
