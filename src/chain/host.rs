//! What the host does for an entry besides running its hooks.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use confab_plugin::{
    Job, JobOrder, QueueFull, SendError, UserId, Username,
    host::{BotAccount, Queue, Services},
};

use super::background::{JobLimits, JobQueue};
use crate::config::PluginEntry;

/// Where bots come from: somebody who knows accounts and can send messages.
pub trait Bots: Send + Sync {
    /// The bot of this name, for the entry `entry`. It sends by jobs in `queue`. Returns at once.
    fn bot(
        &self,
        entry: &Arc<str>,
        name: Username,
        display_name: Option<&str>,
        queue: Arc<dyn Queue>,
    ) -> Arc<dyn BotAccount>;
}

/// What the host does for one entry.
pub struct EntryServices {
    entry: Arc<str>,
    limits: JobLimits,
    bots: Arc<dyn Bots>,
    any: OnceLock<Arc<JobQueue>>,
    pushed: OnceLock<Arc<JobQueue>>,
    has_bots: AtomicBool,
    closed: AtomicBool,
}

impl EntryServices {
    pub fn new(entry: &Arc<str>, config: &PluginEntry, bots: Arc<dyn Bots>) -> Self {
        Self {
            entry: Arc::clone(entry),
            limits: JobLimits::of(config),
            bots,
            any: OnceLock::new(),
            pushed: OnceLock::new(),
            has_bots: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        }
    }

    /// Whether it has a bot, whose messages are jobs.
    pub fn has_bots(&self) -> bool {
        self.has_bots.load(Ordering::SeqCst)
    }

    /// Takes no more jobs, and waits for those that were taken; but once. Those that fail now are
    /// not tried again.
    pub async fn close(&self) {
        if self.closed.swap(true, Ordering::SeqCst) {
            return;
        }
        for queue in [&self.any, &self.pushed] {
            if let Some(queue) = queue.get() {
                queue.close().await;
            }
        }
    }
}

impl Services for EntryServices {
    fn queue(&self, order: JobOrder) -> Arc<dyn Queue> {
        let queue = match order {
            JobOrder::Any => &self.any,
            JobOrder::Pushed => &self.pushed,
        };
        let queue = queue.get_or_init(|| JobQueue::start(&self.entry, &self.limits, order));
        Arc::clone(queue) as _
    }

    fn bot(&self, name: Username, display_name: Option<&str>) -> Arc<dyn BotAccount> {
        self.has_bots.store(true, Ordering::SeqCst);
        self.bots.bot(&self.entry, name, display_name, self.queue(JobOrder::Any))
    }
}

/// A host without accounts, and for a rehearsal a host that takes no work either.
#[derive(Clone, Copy, Debug)]
pub struct NoBots;

impl Bots for NoBots {
    fn bot(
        &self,
        _entry: &Arc<str>,
        _name: Username,
        _display_name: Option<&str>,
        _queue: Arc<dyn Queue>,
    ) -> Arc<dyn BotAccount> {
        Arc::new(NoBots)
    }
}

impl Services for NoBots {
    fn queue(&self, _order: JobOrder) -> Arc<dyn Queue> {
        Arc::new(NoBots)
    }

    fn bot(&self, _name: Username, _display_name: Option<&str>) -> Arc<dyn BotAccount> {
        Arc::new(NoBots)
    }
}

impl Queue for NoBots {
    fn push(&self, _job: Box<dyn Job>) -> Result<(), QueueFull> {
        Err(QueueFull)
    }

    fn waiting(&self) -> usize {
        0
    }
}

impl BotAccount for NoBots {
    fn id(&self) -> Option<UserId> {
        None
    }

    fn send(&self, _: UserId, _: Arc<str>, _: Option<Arc<str>>) -> Result<(), SendError> {
        Err(SendError::NotReady)
    }
}
