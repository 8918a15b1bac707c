//! One device of a user: connects, and connects again, as a good client does.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{
    super::{
        error::CallError,
        http::{Account, Http},
        load::count,
        socket::{self, TokenIn},
        target::Target,
    },
    backoff::Backoff,
    have::Have,
    ledger::{Acknowledged, Arrival, Ids, Key},
    link::{Cut, Link},
    tally::Tally,
    window::Window,
};

/// The close code of a session whose token has expired.
const TOKEN_EXPIRED: u16 = 4401;

/// The close code of a session that broke a rule, and how long a client then stays away.
const POLICY: (u16, Duration) = (1008, Duration::from_secs(15));

/// One server or several: never none.
#[derive(Clone, Debug)]
pub struct Targets {
    /// The first.
    pub first: Target,
    /// And the others.
    pub others: Vec<Target>,
}

impl Targets {
    /// The `n`th, from 0; beyond the last they begin anew.
    pub fn nth(&self, n: usize) -> &Target {
        let place = n % (self.others.len() + 1);
        place.checked_sub(1).and_then(|other| self.others.get(other)).unwrap_or(&self.first)
    }
}

/// What all devices of a run do.
#[derive(Debug)]
pub struct Plan {
    /// The servers, which share one store.
    pub targets: Targets,
    /// The ids of the run's messages.
    pub ids: Ids,
    /// Everybody's password.
    pub password: String,
    /// The bytes of a message's text, but never less than its id.
    pub size: usize,
    /// Unacknowledged messages of one user.
    pub window: usize,
    /// From one message of a user to the next; `None`: as soon as the window has room.
    pub interval: Option<Duration>,
    /// The most messages of one user.
    pub most: u32,
    /// A user tells what they have read before each so many of their messages; 0: never.
    pub seen_every: u32,
    /// When the run began.
    pub started: Instant,
}

impl Plan {
    /// The text of a message: its id, filled up.
    pub fn content(&self, key: Key) -> String {
        let mut text = self.ids.write(key);
        if text.len() < self.size {
            text.push(' ');
        }
        let filler = ('a'..='z').cycle();
        text.extend(filler.take(self.size.saturating_sub(text.len())));
        text
    }
}

/// A user of the run.
#[derive(Debug)]
pub struct User {
    /// Which of the run's users.
    pub index: u32,
    /// The login name.
    pub name: String,
    /// The server's id.
    pub id: String,
    /// With the newest token.
    account: Mutex<Account>,
}

impl User {
    /// A registered user.
    pub fn new(index: u32, name: String, account: Account) -> Self {
        Self { index, name, id: account.user_id.clone(), account: Mutex::new(account) }
    }

    /// With the newest token.
    pub fn account(&self) -> Account {
        self.account.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Logs in, for a new token.
    ///
    /// # Errors
    /// When that fails.
    pub async fn login(&self, target: &Target, password: &str) -> Result<(), CallError> {
        let account = Http::new(target).login(&self.name, password).await?;
        *self.account.lock().unwrap_or_else(PoisonError::into_inner) = account;
        Ok(())
    }
}

/// What a run is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// New messages are sent.
    Sending,
    /// None is begun any more; those that were must be acknowledged.
    Settling,
    /// Nothing is sent; every device asks for what it lacks, a last time.
    Final,
    /// The time is over.
    Over,
}

/// What can be told while it runs.
#[derive(Debug, Default)]
pub struct Progress {
    /// Acknowledged messages.
    pub acknowledged: AtomicU64,
    /// Cuts.
    pub cuts: AtomicU64,
    /// Open sessions.
    pub connected: AtomicUsize,
    /// Sending devices to which nothing is owed, since sending ended.
    pub settled: AtomicUsize,
}

/// One device.
pub struct Device {
    pub(super) plan: Arc<Plan>,
    pub(super) me: Arc<User>,
    pub(super) peer: Arc<User>,
    /// Whether it sends, or listens only.
    pub(super) sends: bool,
    pub(super) phase: watch::Receiver<Phase>,
    pub(super) progress: Arc<Progress>,
    pub(super) have: Have,
    pub(super) window: Window,
    pub(super) next_send: Instant,
    pub(super) session: u16,
    pub(super) backoff: Backoff,
    /// When the last frame before the cut came, until everything is there again.
    pub(super) gap_since: Option<Instant>,
    pub(super) record: Record,
    target: usize,
    settled: bool,
}

/// What a device leaves behind.
#[derive(Debug, Default)]
pub struct Record {
    /// The echoes of its messages.
    pub acknowledged: Vec<Acknowledged>,
    /// What it received.
    pub arrivals: Vec<Arrival>,
    /// Its counts.
    pub tally: Tally,
    /// Its messages without an answer.
    pub unanswered: Vec<Key>,
    /// The furthest read marks it was told of: its user's, and the peer's.
    pub marks: [u64; 2],
    /// Whether it was told at the end that it has everything.
    pub complete: bool,
}

/// How a session ended.
pub(super) enum End {
    /// It has everything, and nothing more will come.
    Complete,
    /// The time is over.
    Over,
    /// It was cut.
    Cut(Cut),
}

impl Device {
    /// A device of `me` that has nothing yet.
    pub fn new(
        plan: Arc<Plan>,
        [me, peer]: [Arc<User>; 2],
        sends: bool,
        phase: watch::Receiver<Phase>,
        progress: Arc<Progress>,
    ) -> Self {
        let target = me.index as usize + usize::from(!sends);
        // The users begin one after the other, so that they do not send in step.
        let stagger = plan.interval.unwrap_or_default().mul_f64(rand::random::<f64>());
        Self {
            window: Window::new(plan.window),
            next_send: plan.started + stagger,
            plan,
            me,
            peer,
            sends,
            phase,
            progress,
            have: Have::default(),
            session: 0,
            backoff: Backoff::default(),
            gap_since: None,
            record: Record::default(),
            target,
            settled: false,
        }
    }

    /// Runs until it has everything, or the time is over.
    pub async fn run(mut self) -> Record {
        while let Some(link) = self.connect().await {
            self.progress.connected.fetch_add(1, Ordering::Relaxed);
            let end = self.run_session(link).await;
            self.progress.connected.fetch_sub(1, Ordering::Relaxed);
            match end {
                End::Complete => {
                    self.record.complete = true;
                    break;
                }
                End::Over => break,
                End::Cut(cut) => self.cut(&cut).await,
            }
        }
        let user = self.me.index;
        self.record.unanswered = self.window.unanswered().map(|n| Key { user, n }).collect();
        self.record.tally.sent = self.window.begun().into();
        self.record
    }

    async fn cut(&mut self, cut: &Cut) {
        count(&mut self.record.tally.cuts, &cut.reason);
        self.progress.cuts.fetch_add(1, Ordering::Relaxed);
        self.window.cut(Instant::now());
        self.target = self.target.wrapping_add(1);
        if cut.code == Some(TOKEN_EXPIRED) {
            self.login().await;
        }
        self.wait((cut.code == Some(POLICY.0)).then_some(POLICY.1)).await;
    }

    /// Waits a while, shorter if the time is over.
    async fn wait(&mut self, at_least: Option<Duration>) {
        let wait = self.backoff.next(at_least, rand::random());
        let mut phase = self.phase.clone();
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = phase.wait_for(|phase| *phase == Phase::Over) => {}
        }
    }

    fn target(&self) -> &Target {
        self.plan.targets.nth(self.target)
    }

    /// A new session; `None` once the time is over.
    async fn connect(&mut self) -> Option<Link> {
        loop {
            self.note_settled();
            let mut phase = self.phase.clone();
            let account = self.me.account();
            let opened = tokio::select! {
                opened = socket::connect(self.target(), &account, TokenIn::Header) => opened,
                _ = phase.wait_for(|phase| *phase == Phase::Over) => return None,
            };
            let error = match opened {
                Ok(socket) => {
                    if self.session > 0 {
                        self.record.tally.reconnects += 1;
                    }
                    // 0 is no session's.
                    self.session = self.session.checked_add(1).unwrap_or(1);
                    return Some(Link::new(socket, Instant::now()));
                }
                Err(error) => error,
            };
            count(&mut self.record.tally.failed_connects, &error.kind());
            if error.refused().is_some_and(|refused| refused.status == 401) {
                self.login().await;
            }
            self.target = self.target.wrapping_add(1);
            self.wait(error.refused().and_then(|refused| refused.retry_after)).await;
        }
    }

    async fn login(&mut self) {
        if let Err(error) = self.me.login(self.target(), &self.plan.password).await {
            let kind = format!("login: {}", error.kind());
            count(&mut self.record.tally.failed_connects, &kind);
        }
    }

    /// Tells once that nothing is owed to it any more.
    pub(super) fn note_settled(&mut self) {
        let sending = *self.phase.borrow() == Phase::Sending;
        if self.sends && !self.settled && !sending && self.window.is_empty() {
            self.settled = true;
            self.progress.settled.fetch_add(1, Ordering::Relaxed);
        }
    }
}
