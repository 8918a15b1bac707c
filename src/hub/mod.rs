//! The connection manager: who is connected here, with which sessions.

mod backlog;
mod meters;
mod outbox;
mod session;
mod ticket;
mod typing;

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use confab_plugin::UserId;
use tokio_util::task::TaskTracker;

use crate::{
    bus::{Deliver, Envelope},
    config,
    store::Standing,
    trace::{self, Kind, Span},
};
pub use backlog::Backlog;
use meters::Meters;
pub use meters::{describe_metrics, time_written, write_times};
pub use outbox::{Outbound, Outbox};
pub use session::{CloseReason, Session};
pub use ticket::Ticket;

/// Users are spread over this many locks, so that deliveries rarely meet.
const SHARDS: usize = 64;

/// All sessions of this node.
///
/// Invariant: a session is in the hub exactly while its task may still write to its socket, and
/// every such task is in the tracker, so that `drain` waits for all of them.
pub struct Hub {
    shards: [RwLock<HashMap<UserId, Vec<Arc<Session>>>>; SHARDS],
    sessions_per_user: usize,
    tracker: TaskTracker,
    draining: AtomicBool,
    count: AtomicUsize,
    backlog: Arc<Backlog>,
    meters: Meters,
}

/// Why a session could not be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddError {
    /// The user has `limits.sessions_per_user` sessions here already.
    TooManySessions,
    /// The daemon is stopping.
    Draining,
    /// The user's sessions were ended while this one opened.
    Ended,
    /// The store does not say whether they were.
    Unavailable,
}

impl Hub {
    /// A hub without sessions.
    pub fn new(limits: &config::Limits) -> Self {
        Self {
            shards: std::array::from_fn(|_| RwLock::default()),
            sessions_per_user: limits.sessions_per_user,
            tracker: TaskTracker::new(),
            draining: AtomicBool::new(false),
            count: AtomicUsize::new(0),
            backlog: Arc::new(Backlog::new(limits)),
            meters: Meters::new(),
        }
    }

    fn shard(&self, user: UserId) -> &RwLock<HashMap<UserId, Vec<Arc<Session>>>> {
        // The low bits of a ULID are random.
        &self.shards[(user.as_u128() % SHARDS as u128) as usize]
    }

    /// Adds a session; says whether it is its user's first here.
    ///
    /// # Errors
    /// When the user has too many, or the daemon is stopping.
    pub fn add(&self, session: &Arc<Session>) -> Result<bool, AddError> {
        let user = session.user().id;
        let mut shard = self.shard(user).write().unwrap_or_else(PoisonError::into_inner);
        // Checked under the lock that `drain` takes, so that no session slips past it.
        if self.draining.load(Ordering::Acquire) {
            return Err(AddError::Draining);
        }
        let sessions = shard.entry(user).or_default();
        if sessions.len() >= self.sessions_per_user {
            return Err(AddError::TooManySessions);
        }
        sessions.push(Arc::clone(session));
        let first = sessions.len() == 1;
        drop(shard);
        self.count.fetch_add(1, Ordering::Relaxed);
        self.meters.connections.increment(1);
        Ok(first)
    }

    /// Removes a session; says whether it was its user's last here.
    pub fn remove(&self, session: &Session) -> bool {
        let user = session.user().id;
        let mut shard = self.shard(user).write().unwrap_or_else(PoisonError::into_inner);
        let Some(sessions) = shard.get_mut(&user) else {
            return false;
        };
        let before = sessions.len();
        sessions.retain(|other| other.id() != session.id());
        let removed = before - sessions.len();
        let last = sessions.is_empty();
        if last {
            shard.remove(&user);
        }
        drop(shard);
        self.count.fetch_sub(removed, Ordering::Relaxed);
        self.meters.connections.decrement(removed as f64);
        last && removed > 0
    }

    /// Ends those sessions of a user that an account of this standing does not admit.
    pub fn end(&self, user: UserId, standing: &Standing) {
        let shard = self.shard(user).read().unwrap_or_else(PoisonError::into_inner);
        for session in shard.get(&user).into_iter().flatten() {
            if standing.admits(session.epoch()).is_err() {
                session.outbox().close(CloseReason::Ended);
            }
        }
    }

    /// Whoever has a session here.
    pub fn users(&self) -> Vec<UserId> {
        let mut users = Vec::new();
        for shard in &self.shards {
            users.extend(shard.read().unwrap_or_else(PoisonError::into_inner).keys());
        }
        users
    }

    /// How many sessions are open here.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether no session is open here.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Counts a session that has ended.
    pub fn count_closed(&self, reason: CloseReason) {
        self.meters.closed(reason);
    }

    /// What waits in all outboxes of this node.
    pub fn backlog(&self) -> &Arc<Backlog> {
        &self.backlog
    }

    /// Whether the daemon is stopping.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// The tracker that every session's task belongs to.
    pub fn tracker(&self) -> &TaskTracker {
        &self.tracker
    }

    /// Closes every session with 1001, waits until each has sent what it owes, at most for
    /// `grace`. Returns how many were cut off.
    pub async fn drain(&self, grace: Duration) -> usize {
        self.draining.store(true, Ordering::Release);
        for shard in &self.shards {
            let shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            for session in shard.values().flatten() {
                session.outbox().close(CloseReason::GoingAway);
            }
        }
        self.tracker.close();
        match tokio::time::timeout(grace, self.tracker.wait()).await {
            Ok(()) => 0,
            Err(_) => self.tracker.len(),
        }
    }
}

impl Deliver for Hub {
    fn deliver(&self, envelope: Envelope) {
        let shard = self.shard(envelope.to).read().unwrap_or_else(PoisonError::into_inner);
        let Some(sessions) = shard.get(&envelope.to) else {
            return;
        };
        let mut delivered = 0;
        for session in sessions {
            if envelope.except != Some(session.id()) {
                session.outbox().push(envelope.frame.clone());
                delivered += 1;
            }
        }
        tracing::debug!(trace = %envelope.frame.trace, to = %envelope.to, sessions = delivered, "delivered");
        if delivered > 0 {
            trace::export(envelope.frame.trace, || Span {
                id: trace::random(),
                parent: Some(envelope.frame.trace.root()),
                name: "deliver".into(),
                kind: Kind::Consumer,
                took: Duration::ZERO,
                failed: false,
                attributes: vec![("confab.sessions", delivered.into())],
            });
        }
        if envelope.frame.typing.is_none() {
            self.meters.delivered(envelope.way, delivered);
        }
    }
}
