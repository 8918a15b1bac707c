//! A whole run: users, devices, sending, settling, the last question, the comparison.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    super::{error::CallError, http::Http, load::count},
    backoff::Backoff,
    device::{Device, Phase, Plan, Progress, Record, Targets, User},
    findings::{EXAMPLES, Findings},
    history,
    ledger::{Conversation, Ids, View},
    marks::Marks,
    report::{Report, Settings},
};

/// The most messages of a run, so that its memory is bounded: about 2 GiB.
const MOST_MESSAGES: u32 = 10_000_000;

/// Registrations, and conversations to compare, at the same time.
const AT_ONCE: usize = 4;

/// How long registering may take to begin to succeed.
const PATIENCE: Duration = Duration::from_secs(60);

/// What to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// The servers, which share one store.
    pub targets: Targets,
    /// Pairs of users; both send to each other. At least 1.
    pub pairs: u32,
    /// Unacknowledged messages of one user. At least 1.
    pub window: usize,
    /// Messages a second, of all users together; 0 means as fast as the echoes come.
    pub rate: f64,
    /// The bytes of a message's text.
    pub size: usize,
    /// How long new messages are begun.
    pub duration: Duration,
    /// How long what was begun may take to be acknowledged, and then every device to have
    /// everything: each at most this.
    pub settle: Duration,
    /// Whether each user has a second device, which listens.
    pub listeners: bool,
    /// A user tells what they have read before each so many of their messages; 0: never.
    pub seen_every: u32,
    /// Whether the server is several nodes, also behind one target.
    pub several_nodes: bool,
}

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub struct Status {
    /// What it is about.
    pub phase: Phase,
    /// Since it began to send.
    pub elapsed: Duration,
    /// Acknowledged messages.
    pub acknowledged: u64,
    /// Cuts so far.
    pub cuts: u64,
    /// Open sessions.
    pub connected: usize,
}

/// Runs it. Sending ends early when `stop` is cancelled; what was sent is settled and compared all
/// the same. `watch` is told about twice a second how far it is.
///
/// # Errors
/// When the users cannot be registered: nothing was verified.
pub async fn run(
    options: &Options,
    stop: &CancellationToken,
    watch: &mut dyn FnMut(Status),
) -> Result<Report, CallError> {
    let mut plan = plan(options);
    let users = register(&plan, options.pairs).await?;
    plan.started = Instant::now();
    let plan = Arc::new(plan);
    let (phase, phases) = watch::channel(Phase::Sending);
    let progress = Arc::new(Progress::default());
    let mut devices = JoinSet::new();
    let kinds = if options.listeners { vec![true, false] } else { vec![true] };
    for (place, me) in users.iter().enumerate() {
        let Some(peer) = users.get(place ^ 1) else { continue };
        for sends in &kinds {
            let both = [me, peer].map(Arc::clone);
            let device =
                Device::new(Arc::clone(&plan), both, *sends, phases.clone(), progress.clone());
            let sends = *sends;
            devices.spawn(async move { (place, sends, device.run().await) });
        }
    }

    let mut clock = Clock { phase, progress, started: plan.started, watch };
    let sending = options.duration;
    clock.until(Phase::Sending, sending, |_| stop.is_cancelled()).await;
    clock.until(Phase::Settling, options.settle, |settled| settled >= users.len()).await;
    let mut records = clock.collect(&mut devices, options.settle).await;
    records.sort_unstable_by_key(|(place, sends, _)| (*place, !*sends));
    compare(options, &plan, &users, records).await
}

fn plan(options: &Options) -> Plan {
    let users = options.pairs.max(1).saturating_mul(2);
    let interval = f64::from(users) / options.rate;
    let valid = options.rate > 0.0 && interval.is_finite();
    let run = format!("v{:08x}", rand::random::<u32>());
    Plan {
        targets: options.targets.clone(),
        ids: Ids::new(run),
        password: format!("{:032x}", rand::random::<u128>()),
        size: options.size,
        window: options.window,
        // A day is as good as never, and can be added to any moment.
        interval: valid.then(|| Duration::from_secs_f64(interval.min(86_400.0))),
        most: (MOST_MESSAGES / users).max(1),
        seen_every: options.seen_every,
        started: Instant::now(),
    }
}

/// Makes the users; two that follow each other are a pair.
async fn register(plan: &Plan, pairs: u32) -> Result<Vec<Arc<User>>, CallError> {
    let users = 0..pairs.max(1).saturating_mul(2);
    stream::iter(users.map(|index| register_one(plan, index))).buffered(AT_ONCE).try_collect().await
}

async fn register_one(plan: &Plan, index: u32) -> Result<Arc<User>, CallError> {
    let (name, mut backoff) = (plan.ids.user(index), Backoff::default());
    let (since, mut target) = (Instant::now(), index as usize);
    loop {
        let mut http = Http::new(plan.targets.nth(target));
        let mut made = http.register(&name, &plan.password).await;
        // An attempt before may have succeeded unheard.
        if made.as_ref().is_err_and(|error| error.has_code("username_taken")) {
            made = http.login(&name, &plan.password).await;
        }
        let error = match made {
            Ok(account) => return Ok(Arc::new(User::new(index, name, account))),
            Err(error) => error,
        };
        let passing = error.refused().is_none_or(|no| no.status >= 500 || no.status == 429);
        let asked = error.refused().and_then(|refused| refused.retry_after);
        let limited = error.refused().is_some_and(|refused| refused.status == 429);
        // Who asks to wait is there, and will have us in time.
        if !passing || (!limited && since.elapsed() > PATIENCE) {
            return Err(error);
        }
        target = target.wrapping_add(1);
        tokio::time::sleep(backoff.next(asked, rand::random())).await;
    }
}

/// Leads the devices from phase to phase, and tells how far they are.
struct Clock<'a> {
    phase: watch::Sender<Phase>,
    progress: Arc<Progress>,
    started: Instant,
    watch: &'a mut dyn FnMut(Status),
}

impl Clock<'_> {
    /// Enters a phase, and stays until it is done, given how many have settled, or `limit` is
    /// over.
    async fn until(&mut self, phase: Phase, limit: Duration, done: impl Fn(usize) -> bool) {
        self.phase.send_replace(phase);
        let end = Instant::now() + limit;
        let mut told = Instant::now();
        while Instant::now() < end && !done(self.progress.settled.load(Ordering::Relaxed)) {
            let tick = Duration::from_millis(20).min(end.saturating_duration_since(Instant::now()));
            tokio::time::sleep(tick).await;
            if told.elapsed() >= Duration::from_millis(500) {
                told = Instant::now();
                self.tell(phase);
            }
        }
        self.tell(phase);
    }

    fn tell(&mut self, phase: Phase) {
        (self.watch)(Status {
            phase,
            elapsed: self.started.elapsed(),
            acknowledged: self.progress.acknowledged.load(Ordering::Relaxed),
            cuts: self.progress.cuts.load(Ordering::Relaxed),
            connected: self.progress.connected.load(Ordering::Relaxed),
        });
    }

    /// The last question, and what the devices leave behind.
    async fn collect(&mut self, devices: &mut JoinSet<Left>, limit: Duration) -> Vec<Left> {
        self.phase.send_replace(Phase::Final);
        self.tell(Phase::Final);
        let mut records = Vec::with_capacity(devices.len());
        let end = tokio::time::Instant::now() + limit;
        loop {
            match tokio::time::timeout_at(end, devices.join_next()).await {
                Ok(Some(Ok(record))) => records.push(record),
                // A device that panicked is missing in the report, and fails it.
                Ok(Some(Err(_))) => {}
                Ok(None) => return records,
                Err(_) => break,
            }
        }
        self.phase.send_replace(Phase::Over);
        while let Some(joined) = devices.join_next().await {
            records.extend(joined.ok());
        }
        records
    }
}

/// Whose device, whether it sent, and what it leaves behind.
type Left = (usize, bool, Record);

/// Compares conversation by conversation, so that the memory of one history is enough.
async fn compare(
    options: &Options,
    plan: &Plan,
    users: &[Arc<User>],
    records: Vec<Left>,
) -> Result<Report, CallError> {
    let devices = users.len() * if options.listeners { 2 } else { 1 };
    let mut report = Report::new(Settings::of(options, devices), plan.started.elapsed());
    report.incomplete_devices = devices.saturating_sub(records.len()) as u64;
    let mut pairs: Vec<Conversation> = Vec::new();
    let mut told: Vec<Vec<[u64; 2]>> = Vec::new();
    for (place, sends, record) in records {
        let pair = place / 2;
        pairs.resize_with(pairs.len().max(pair + 1), Conversation::default);
        told.resize_with(pairs.len(), Vec::new);
        report.tally.add(&record.tally);
        report.incomplete_devices += u64::from(!record.complete);
        report.unanswered += record.unanswered.len() as u64;
        let room = EXAMPLES.saturating_sub(report.unanswered_ids.len());
        let ids = record.unanswered.iter().take(room).map(|key| plan.ids.write(*key));
        report.unanswered_ids.extend(ids);
        let (Some(conversation), Some(told)) = (pairs.get_mut(pair), told.get_mut(pair)) else {
            continue;
        };
        let [mine, theirs] = record.marks;
        told.push(if place % 2 == 0 { [mine, theirs] } else { [theirs, mine] });
        conversation.acknowledged.extend(record.acknowledged);
        let device = if sends { "first" } else { "second" };
        let name = format!("{}'s {device} device", plan.ids.user(place as u32));
        conversation.views.push(View { name, arrivals: record.arrivals });
    }

    let both = users.chunks_exact(2).zip(pairs).zip(told);
    let compared = stream::iter(both.map(|((users, mut conversation), told)| async move {
        let [ann, bob] = users else { return Ok(None) };
        conversation.several_nodes = options.several_nodes;
        conversation.name = format!("{}_{}", (&ann.id).min(&bob.id), (&ann.id).max(&bob.id));
        let first = history::read(plan, ann, bob).await?;
        let second = history::read(plan, bob, ann).await?;
        let mut findings = Findings::default();
        super::compare::compare(&conversation, [&first, &second], &plan.ids, &mut findings);
        let foreign = first.iter().filter(|entry| entry.key.is_foreign()).count() as u64;
        let marks = if plan.seen_every > 0 {
            let kept = history::marks(plan, ann, bob).await?;
            let [theirs, mine] = history::marks(plan, bob, ann).await?;
            Marks::compare(&conversation.name, &told, [kept, [mine, theirs]])
        } else {
            Marks::default()
        };
        Ok::<_, CallError>(Some((findings, foreign, marks, first.len() as u64)))
    }));
    let mut compared = compared.buffered(AT_ONCE);
    while let Some(result) = compared.next().await {
        match result {
            Ok(Some((findings, foreign, marks, kept))) => {
                report.findings.add(findings);
                report.read_marks.add(marks);
                report.foreign += foreign;
                report.kept += kept;
            }
            Ok(None) => {}
            Err(error) => {
                report.unread_histories += 1;
                count(&mut report.tally.failed_connects, &format!("history: {error}"));
            }
        }
    }
    report.judge();
    Ok(report)
}
