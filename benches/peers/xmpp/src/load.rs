//! The load: pairs that send with a window or at a rate, sessions that connect, sessions that
//! idle.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::{
    sync::{
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        watch,
    },
    task::JoinSet,
    time::{sleep_until, timeout},
};

use crate::session::{Arrived, DOMAIN, Session};

/// Sessions of one user, as confab has them by default.
const EACH: usize = 16;

/// How long what is under way at the end may take to be acknowledged.
const GRACE: Duration = Duration::from_secs(10);

/// What pairs send, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Pairs of users; each of both sends to the other.
    pub pairs: usize,
    /// Messages that one sender has unacknowledged, without a rate.
    pub window: usize,
    /// Messages a second of all senders, sent when they are due whatever is unacknowledged.
    pub rate: Option<f64>,
    /// Bytes of a message's text.
    pub size: usize,
    /// How long before anything is counted.
    pub warmup: Duration,
    /// How long is counted.
    pub duration: Duration,
}

/// What came of a plan.
#[derive(Debug)]
pub struct Outcome {
    /// Messages acknowledged in the time that counts.
    pub measured: u64,
    /// Messages acknowledged in all, with those of the warm-up and of the end.
    pub acknowledged: u64,
    /// Messages that reached their recipient, of all.
    pub delivered: u64,
    /// Messages that came back as errors.
    pub refused: u64,
    /// Microseconds from when a message was due to its acknowledgement, of those that were due in
    /// the time that counts.
    pub latency: Histogram<u64>,
}

/// What one sender has seen.
struct Sent {
    measured: u64,
    refused: u64,
    latency: Histogram<u64>,
}

/// A histogram of microseconds up to a minute, to three digits.
fn histogram() -> io::Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, 60_000_000, 3).map_err(io::Error::other)
}

/// What the senders tell while they work.
#[derive(Debug, Default)]
struct Counts {
    /// Senders whose messages are all acknowledged, after the end.
    finished: AtomicU64,
    /// Messages that they acknowledged.
    acknowledged: AtomicU64,
    /// Messages that reached their recipient.
    delivered: AtomicU64,
}

/// Connects the pairs, and lets them send.
///
/// # Errors
/// When a connection is refused or breaks, or messages stay unacknowledged.
pub async fn send(address: &str, plan: Plan) -> io::Result<Outcome> {
    let mut opened = Vec::new();
    for number in 0..2 * plan.pairs {
        opened.push(Session::open(address, &user(number), "load").await?);
    }
    let counts = Arc::new(Counts::default());
    let start = Instant::now() + plan.warmup;
    let (stop, stopped) = watch::channel(false);
    let (mut senders, mut clocks) = (JoinSet::new(), Vec::new());
    for (number, session) in opened.into_iter().enumerate() {
        let (clock, due) = unbounded_channel();
        clocks.push(clock);
        let to = format!("{}@{DOMAIN}/load", user(number ^ 1));
        let sender = Sender::new(session, &to, plan, start, Arc::clone(&counts))?;
        senders.spawn(sender.run(due, stopped.clone()));
    }
    if let Some(rate) = plan.rate {
        thread::spawn(move || keep_time(rate, start + plan.duration, &clocks));
    }
    let all = 2 * plan.pairs as u64;
    let mut done = None;
    while done.is_none() && counts.finished.load(Relaxed) < all {
        done = timeout(Duration::from_millis(10), senders.join_next()).await.ok().flatten();
    }
    let until = Instant::now() + GRACE;
    let missing = || counts.delivered.load(Relaxed) < counts.acknowledged.load(Relaxed);
    while done.is_none() && missing() && Instant::now() < until {
        done = timeout(Duration::from_millis(10), senders.join_next()).await.ok().flatten();
    }
    stop.send_replace(true);
    let mut outcome = Outcome {
        measured: 0,
        acknowledged: counts.acknowledged.load(Relaxed),
        delivered: counts.delivered.load(Relaxed),
        refused: 0,
        latency: histogram()?,
    };
    // One that ended before it was told has failed.
    while let Some(sent) = match done.take() {
        Some(sent) => Some(sent),
        None => senders.join_next().await,
    } {
        let sent = sent.map_err(io::Error::other)??;
        outcome.measured += sent.measured;
        outcome.refused += sent.refused;
        outcome.latency.add(&sent.latency).map_err(io::Error::other)?;
    }
    Ok(outcome)
}

/// Tells the senders in turn when a message is due. A thread of its own: a sleep of the runtime
/// ends up to a millisecond late.
fn keep_time(rate: f64, end: Instant, clocks: &[UnboundedSender<Instant>]) {
    let start = Instant::now();
    for (number, clock) in (0_u32..).zip(clocks.iter().cycle()) {
        let due = start + Duration::from_secs_f64(f64::from(number) / rate);
        if due >= end {
            return;
        }
        thread::sleep(due.saturating_duration_since(Instant::now()));
        // A sender that is gone has told why.
        let _ = clock.send(due);
    }
}

/// One of a pair, who sends and receives.
struct Sender {
    session: Session,
    plan: Plan,
    start: Instant,
    end: Instant,
    message: String,
    /// When each unacknowledged message was due, the oldest first.
    in_flight: VecDeque<Instant>,
    /// What the server says it has handled.
    handled: u32,
    sent: Sent,
    counts: Arc<Counts>,
}

impl Sender {
    fn new(
        session: Session,
        to: &str,
        plan: Plan,
        start: Instant,
        counts: Arc<Counts>,
    ) -> io::Result<Self> {
        let text = "x".repeat(plan.size);
        let message = format!("<message type='chat' to='{to}'><body>{text}</body></message>");
        let sent = Sent { measured: 0, refused: 0, latency: histogram()? };
        let (end, in_flight) = (start + plan.duration, VecDeque::new());
        Ok(Self { session, plan, start, end, message, in_flight, handled: 0, sent, counts })
    }

    /// Sends, and receives until it is told to stop.
    async fn run(
        mut self,
        mut clock: UnboundedReceiver<Instant>,
        mut stop: watch::Receiver<bool>,
    ) -> io::Result<Sent> {
        let paced = self.plan.rate.is_some();
        let mut finished = false;
        loop {
            let now = Instant::now();
            let mut queued = false;
            if paced {
                while let Ok(due) = clock.try_recv() {
                    queued = true;
                    self.queue(due);
                }
            } else if now < self.end {
                while self.in_flight.len() < self.plan.window {
                    queued = true;
                    self.queue(now);
                }
            }
            if queued {
                // One request covers all that leave together.
                self.session.queue(b"<r xmlns='urn:xmpp:sm:3'/>");
            }
            self.session.write()?;
            if *stop.borrow() {
                return Ok(self.sent);
            }
            if now >= self.end && self.in_flight.is_empty() && !finished {
                finished = true;
                self.counts.finished.fetch_add(1, Relaxed);
            }
            if now >= self.end + GRACE && !finished {
                let left = self.in_flight.len();
                return Err(io::Error::other(format!("{left} messages unacknowledged")));
            }
            let wake = if now < self.end { self.end } else { self.end + GRACE };
            let waits = !finished;
            tokio::select! {
                ready = self.session.ready() => {
                    ready?;
                    self.read()?;
                }
                due = clock.recv(), if paced && !clock.is_closed() => {
                    if let Some(due) = due {
                        self.queue(due);
                        self.session.queue(b"<r xmlns='urn:xmpp:sm:3'/>");
                    }
                }
                () = sleep_until(wake.into()), if waits => {}
                _ = stop.changed() => {}
            }
        }
    }

    fn queue(&mut self, due: Instant) {
        self.session.queue(self.message.as_bytes());
        self.in_flight.push_back(due);
    }

    fn read(&mut self) -> io::Result<()> {
        let Self { session, in_flight, handled, sent, start, end, counts, .. } = self;
        let mut unasked = false;
        session.read(|arrived| match arrived {
            Arrived::Refused => sent.refused += 1,
            Arrived::Message => {
                counts.delivered.fetch_add(1, Relaxed);
            }
            Arrived::Acknowledged(number) => {
                let now = Instant::now();
                while *handled != number && !unasked {
                    let Some(due) = in_flight.pop_front() else {
                        unasked = true;
                        return;
                    };
                    *handled = handled.wrapping_add(1);
                    counts.acknowledged.fetch_add(1, Relaxed);
                    if *start <= now && now < *end {
                        sent.measured += 1;
                    }
                    if *start <= due && due < *end {
                        let took = now.saturating_duration_since(due).as_micros();
                        sent.latency.saturating_record(u64::try_from(took).unwrap_or(u64::MAX));
                    }
                }
            }
        })?;
        if unasked {
            return Err(io::Error::other("more acknowledged than sent"));
        }
        Ok(())
    }
}

/// Opens sessions, at most `at_once` of them at the same time, and returns them all.
///
/// # Errors
/// When one is refused.
pub async fn connect(address: &str, sessions: usize, at_once: usize) -> io::Result<Vec<Session>> {
    let (mut opening, mut opened) = (JoinSet::new(), Vec::with_capacity(sessions));
    for number in 0..sessions {
        if opening.len() >= at_once
            && let Some(done) = opening.join_next().await
        {
            opened.push(done.map_err(io::Error::other)??);
        }
        let (address, user) = (address.to_owned(), user(number / EACH));
        opening.spawn(async move { Session::open(&address, &user, &format!("s{number}")).await });
    }
    while let Some(done) = opening.join_next().await {
        opened.push(done.map_err(io::Error::other)??);
    }
    Ok(opened)
}

/// The users are numbered; the runner registers as many as are needed.
fn user(number: usize) -> String {
    format!("user{number}")
}
