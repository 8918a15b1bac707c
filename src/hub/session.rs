//! One connected device of a user.

use std::{net::IpAddr, sync::Arc};

use confab_plugin::{Context, SessionId, User};

use super::{Backlog, Outbox};
use crate::config;

/// A session: who, from where, and what waits to be sent there.
pub struct Session {
    id: SessionId,
    user: Arc<User>,
    epoch: u64,
    address: IpAddr,
    outbox: Outbox,
}

impl Session {
    /// A session with a new random id, by a token of this epoch; what waits for it counts for
    /// `backlog`.
    pub fn new(
        user: Arc<User>,
        epoch: u64,
        address: IpAddr,
        limits: &config::Limits,
        backlog: &Arc<Backlog>,
    ) -> Self {
        let outbox = Outbox::new(limits, backlog);
        Self { id: SessionId(rand::random()), user, epoch, address, outbox }
    }

    /// Its id, unique over all nodes.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Whose it is.
    pub fn user(&self) -> &Arc<User> {
        &self.user
    }

    /// The epoch of its user's account that its token is of.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The client's address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// What waits to be sent.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// The circumstances of an event that arrives on this session now.
    pub fn context(&self) -> Context {
        Context::new(Some(Arc::clone(&self.user)), Some(self.id), self.address)
    }
}

/// Why a session is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The client closed it, or the connection is gone.
    Client,
    /// The daemon is stopping.
    GoingAway,
    /// The client keeps breaking the rules.
    Policy,
    /// The client broke the WebSocket protocol itself.
    Protocol,
    /// A text frame was not UTF-8.
    InvalidText,
    /// A frame was larger than `limits.frame`.
    TooBig,
    /// The client did not read fast enough.
    SlowClient,
    /// The client sent nothing for `limits.idle_timeout`.
    Idle,
    /// The token has expired.
    TokenExpired,
    /// The user's sessions were ended: the account was disabled or deleted, has a new password, or
    /// its user asked for it.
    Ended,
    /// The session's task panicked: a defect.
    Failed,
}

impl CloseReason {
    /// Every reason.
    pub const ALL: [Self; 11] = [
        Self::Client,
        Self::GoingAway,
        Self::Policy,
        Self::Protocol,
        Self::InvalidText,
        Self::TooBig,
        Self::SlowClient,
        Self::Idle,
        Self::TokenExpired,
        Self::Ended,
        Self::Failed,
    ];

    /// The WebSocket close code (RFC 6455 section 7.4, and our own from 4000).
    pub const fn code(self) -> u16 {
        match self {
            CloseReason::Client => 1000,
            CloseReason::GoingAway => 1001,
            CloseReason::Protocol => 1002,
            CloseReason::InvalidText => 1007,
            CloseReason::Policy | CloseReason::Idle => 1008,
            CloseReason::TooBig => 1009,
            CloseReason::Failed => 1011,
            CloseReason::SlowClient => 1013,
            CloseReason::TokenExpired => 4401,
            CloseReason::Ended => 4403,
        }
    }

    /// Whether the session gets nothing more than its close frame, and that without waiting for
    /// what is under way: it is too slow for it, or has no right to it.
    pub const fn is_abrupt(self) -> bool {
        matches!(self, CloseReason::SlowClient | CloseReason::Ended)
    }

    /// The label in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            CloseReason::Client => "client",
            CloseReason::GoingAway => "going_away",
            CloseReason::Policy => "policy",
            CloseReason::Protocol => "protocol",
            CloseReason::InvalidText => "invalid_text",
            CloseReason::TooBig => "too_big",
            CloseReason::SlowClient => "slow_client",
            CloseReason::Idle => "idle",
            CloseReason::TokenExpired => "token_expired",
            CloseReason::Ended => "session_ended",
            CloseReason::Failed => "failed",
        }
    }

    /// What the close frame says to people.
    pub const fn message(self) -> &'static str {
        match self {
            CloseReason::Client => "",
            CloseReason::GoingAway => "the server is going away: reconnect",
            CloseReason::Policy => "too many refused frames",
            CloseReason::Protocol => "not the WebSocket protocol",
            CloseReason::InvalidText => "a text frame was not UTF-8",
            CloseReason::TooBig => "a frame was too big",
            CloseReason::SlowClient => "you read too slowly: reconnect and sync",
            CloseReason::Idle => "nothing was heard from you",
            CloseReason::TokenExpired => "the token has expired: log in again",
            CloseReason::Ended => "your sessions were ended: log in again",
            CloseReason::Failed => "the server failed",
        }
    }
}
