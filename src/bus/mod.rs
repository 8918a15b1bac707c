//! How events reach the sessions of a user, wherever they are connected: the trait, and its
//! backends.
//!
//! Invariant: nothing outside this module names Redis.

pub mod local;
pub mod redis;

use std::time::SystemTime;

use async_trait::async_trait;
use confab_plugin::{SessionId, UserId};

use crate::wire::Frame;

/// A frame for all sessions of one user.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// Whose sessions.
    pub to: UserId,
    /// The session that has it already: the sender's own.
    pub except: Option<SessionId>,
    /// What they get.
    pub frame: Frame,
    /// How it came to this node.
    pub way: Way,
}

/// How a frame came to the node that delivers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From this node itself.
    Local,
    /// From another node, over the bus.
    Bus,
    /// From the store, because the bus lost it.
    Store,
}

impl Way {
    /// Every way.
    pub const ALL: [Self; 3] = [Self::Local, Self::Bus, Self::Store];

    /// The label in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Way::Local => "local",
            Way::Bus => "bus",
            Way::Store => "store",
        }
    }
}

/// A user of this node who may have missed what other nodes published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed {
    /// Who.
    pub user: UserId,
    /// Since when, by the clock of the node that noticed. What was published earlier has arrived;
    /// it may have been received by its node earlier still.
    pub since: SystemTime,
}

/// Takes what the bus brings for users who are connected to this node. The hub is one.
pub trait Deliver: Send + Sync + 'static {
    /// Hands the frame to the user's sessions here. Called in the order of publishing for each
    /// user; must not block: a bus may call it where it reads its socket.
    fn deliver(&self, envelope: Envelope);
}

/// Carries events between the nodes. Delivery is at most once, in the order of publishing for
/// each user and publishing node; what a bus loses is in the store. One conformance suite (`tests/bus.rs`) holds for every backend.
#[async_trait]
pub trait Bus: Send + Sync + 'static {
    /// Sends to all sessions of a user, on every node, this one included. Never waits: what
    /// cannot be taken now is dropped and counted.
    fn publish(&self, envelope: Envelope);

    /// The first session of this user has opened here: bring what is published to them. Each call
    /// has its [`unsubscribe`](Self::unsubscribe); calls of sessions that open and close at the
    /// same time may come in either order.
    fn subscribe(&self, user: UserId);

    /// The last session of this user here has closed.
    fn unsubscribe(&self, user: UserId);

    /// Waits for users of this node who may have missed something that other nodes published, and
    /// whose messages arrive again: after an outage, or between their `subscribe` and the moment it
    /// took effect. Each is told of once, with the earliest moment. Pending for ever on a bus that
    /// misses nothing. For one caller; may be cancelled.
    async fn missed(&self) -> Vec<Missed> {
        std::future::pending().await
    }

    /// Sends what waits and releases the backend.
    async fn close(&self);
}
