//! What the host does for an entry: work in the background, and messages that a plugin sends.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{Context, HookError, UserId, Username};

/// The host, as one entry sees it: handed to [`Plugin::start`](crate::Plugin::start). Keep a
/// clone, or what was made from it.
#[derive(Clone)]
pub struct Host {
    entry: Arc<str>,
    rehearsal: bool,
    services: Arc<dyn Services>,
}

impl Host {
    /// A host for the entry of this name; what runs plugins makes it.
    pub fn new(entry: Arc<str>, services: Arc<dyn Services>) -> Self {
        Self { entry, rehearsal: false, services }
    }

    /// The same host for a rehearsal.
    #[must_use]
    pub fn rehearsing(mut self) -> Self {
        self.rehearsal = true;
        self
    }

    /// The entry's name.
    pub fn entry(&self) -> &Arc<str> {
        &self.entry
    }

    /// Whether nothing may be touched that others see, no file, no account, no network:
    /// `confab test` and `confab explain` try a chain out.
    ///
    /// In a rehearsal the host takes no work and sends no messages. `before` hooks run, and in
    /// `confab test` also `after` hooks, with made-up outcomes, so that a plugin that learns from
    /// what was accepted can be tested over several events; `stop` does not run. What `start`
    /// does not open in a rehearsal, no hook may use: keep it in an `Option` or a `OnceLock`, and
    /// let `before` answer without it, or return an error that says why it cannot.
    pub fn is_rehearsal(&self) -> bool {
        self.rehearsal
    }

    /// The entry's queue for work that takes time. Its bounds are the entry's `job_…` keys.
    /// Every call gives the same queue for the same `order`.
    pub fn background(&self, order: JobOrder) -> Background {
        Background(self.services.queue(order))
    }

    /// The account named `name`, under which the plugin sends messages. Made if it does not
    /// exist; nobody can log in to it. Returns at once: see [`Bot::id`].
    pub fn bot(&self, name: Username, display_name: Option<&str>) -> Bot {
        Bot(self.services.bot(name, display_name))
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("entry", &self.entry).finish_non_exhaustive()
    }
}

/// In which order an entry's jobs are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobOrder {
    /// Several at a time, up to the entry's `job_concurrency`: one that waits for its next
    /// attempt holds up no other.
    Any,
    /// One after the other, as they were pushed; the next waits until the one before is done or
    /// given up.
    Pushed,
}

/// Work that an entry has done in the background.
///
/// The host runs it up to `job_attempts` times, each for at most `job_timeout`, with a pause in
/// between that doubles from `job_backoff` to `job_max_backoff`. It counts what becomes of it in
/// `confab_plugin_jobs_total{plugin,result}`, and logs what it gives up.
#[async_trait]
pub trait Job: Send + 'static {
    /// Does the work; `attempt` counts from 1. Runs on the daemon's tokio runtime: never block,
    /// use `tokio::task::spawn_blocking` for files.
    ///
    /// # Errors
    /// Whether it is worth another attempt.
    async fn run(&mut self, attempt: u32) -> Result<(), JobError>;
}

/// Why an attempt failed.
#[derive(Debug)]
pub enum JobError {
    /// Another attempt may do.
    Retry(HookError),
    /// No attempt will do.
    GiveUp(HookError),
}

impl JobError {
    /// Another attempt may do.
    pub fn retry(why: impl Into<HookError>) -> Self {
        Self::Retry(why.into())
    }

    /// No attempt will do.
    pub fn give_up(why: impl Into<HookError>) -> Self {
        Self::GiveUp(why.into())
    }
}

/// The entry's queue is full, or the daemon is stopping. The host has counted the job as dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueFull;

impl fmt::Display for QueueFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the queue of background work is full")
    }
}

impl std::error::Error for QueueFull {}

/// An entry's queue for work that takes time. Cheap to clone.
#[derive(Clone)]
pub struct Background(Arc<dyn Queue>);

impl Background {
    /// Hands a job over. Never waits.
    ///
    /// # Errors
    /// When the queue is full. The job is gone, and counted.
    pub fn push(&self, job: impl Job) -> Result<(), QueueFull> {
        self.0.push(Box::new(job))
    }

    /// How many jobs wait, without those that run: a job may leave a costly step, such as
    /// flushing a file, to the last of several.
    pub fn waiting(&self) -> usize {
        self.0.waiting()
    }
}

/// An account under which a plugin sends messages. Cheap to clone.
#[derive(Clone)]
pub struct Bot(Arc<dyn BotAccount>);

/// A bot's message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The account was not yet found or made; see the log.
    NotReady,
    /// The event that caused it was itself sent by a plugin: one message of a person causes one
    /// round of answers, so plugins can never keep each other busy.
    Loop,
    /// The entry's queue of background work is full. Counted.
    QueueFull,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SendError::NotReady => "the bot's account is not ready",
            SendError::Loop => "a plugin's message causes no other",
            SendError::QueueFull => "the queue of background work is full",
        })
    }
}

impl std::error::Error for SendError {}

impl Bot {
    /// The account's id; `None` until the host has found or made it.
    pub fn id(&self) -> Option<UserId> {
        self.0.id()
    }

    /// Sends `content` to `to` because of the event that `cause` belongs to. Never waits: the
    /// message goes through the chain (with [`Context::sent_by`]), the store and the bus in the
    /// background, like a client's.
    ///
    /// `id`, at most 64 characters, makes it safe to try again, as for clients: derive it from
    /// what caused the message. It stands for this message among all that the account sends, so
    /// entries with one account must not have the same ids.
    ///
    /// An attempt that failed for now (no store, too much at once, a plugin that failed or said
    /// when to try again) is made again within the entry's `job_…` keys. Each passes the chain
    /// anew, as a client's does.
    ///
    /// # Errors
    /// When it was not taken.
    pub fn send(
        &self,
        cause: &Context,
        to: UserId,
        content: impl Into<Arc<str>>,
        id: Option<Arc<str>>,
    ) -> Result<(), SendError> {
        if cause.sent_by.is_some() {
            return Err(SendError::Loop);
        }
        self.0.send(to, content.into(), id)
    }
}

/// What a host does for one entry. For hosts, not for plugins.
pub trait Services: Send + Sync {
    /// See [`Host::background`].
    fn queue(&self, order: JobOrder) -> Arc<dyn Queue>;
    /// See [`Host::bot`].
    fn bot(&self, name: Username, display_name: Option<&str>) -> Arc<dyn BotAccount>;
}

/// Where an entry's jobs wait. For hosts, not for plugins.
pub trait Queue: Send + Sync {
    /// See [`Background::push`].
    ///
    /// # Errors
    /// See there.
    fn push(&self, job: Box<dyn Job>) -> Result<(), QueueFull>;
    /// See [`Background::waiting`].
    fn waiting(&self) -> usize;
}

/// A bot's account. For hosts, not for plugins.
pub trait BotAccount: Send + Sync {
    /// See [`Bot::id`].
    fn id(&self) -> Option<UserId>;
    /// See [`Bot::send`]; the cause was checked.
    ///
    /// # Errors
    /// See there.
    fn send(&self, to: UserId, content: Arc<str>, id: Option<Arc<str>>) -> Result<(), SendError>;
}

/// The pause before attempt `attempt + 1`: `first`, doubled with each attempt, at most `most`.
pub fn backoff(attempt: u32, first: Duration, most: Duration) -> Duration {
    let doubled = 2u32.checked_pow(attempt.saturating_sub(1)).map(|by| first.saturating_mul(by));
    doubled.unwrap_or(most).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_its_bound() {
        let pause = |attempt| backoff(attempt, Duration::from_secs(1), Duration::from_secs(30));
        let seconds: Vec<u64> = (1..8).map(|attempt| pause(attempt).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(pause(u32::MAX), Duration::from_secs(30));
    }
}
