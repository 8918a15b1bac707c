//! The circumstances of an event: who acts, from where, when, and who caused it.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, PoisonError},
    time::{Instant, SystemTime},
};

use crate::{SessionId, UserId, Username};

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The permanent id.
    pub id: UserId,
    /// The login name.
    pub name: Username,
}

/// The circumstances of one event. The same for every hook of the chain.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Context {
    /// Who acts; `None` before a login or registration succeeded.
    pub user: Option<Arc<User>>,
    /// The session the event came from; `None` for HTTP calls and for events of plugins.
    pub session: Option<SessionId>,
    /// The client's address; [`Context::NOWHERE`] for events of plugins.
    pub address: IpAddr,
    /// When the daemon received the event, by the calendar. It can jump.
    pub received: SystemTime,
    /// The same moment on the clock that never jumps: for rates and pauses. Only differences to
    /// the `arrived` of other events mean something.
    pub arrived: Instant,
    /// The entry whose [`Bot`](crate::Bot) sent the event; `None` for events of clients.
    pub sent_by: Option<Arc<str>>,
    /// Which chain the event passes: 1 at the daemon's start, one more with each reload. The
    /// same in every hook that sees the event.
    pub generation: u64,
    notes: Option<Arc<Mutex<Vec<String>>>>,
}

impl Context {
    /// The address of an event that came over no connection.
    pub const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

    /// The circumstances of a client's event that arrives now.
    pub fn new(user: Option<Arc<User>>, session: Option<SessionId>, address: IpAddr) -> Self {
        Self {
            user,
            session,
            address,
            received: SystemTime::now(),
            arrived: Instant::now(),
            sent_by: None,
            generation: 0,
            notes: None,
        }
    }

    /// Says why a hook decides as it does. Only `confab explain` and `confab test` listen; in the
    /// running daemon `why` is not even called.
    pub fn note(&self, why: impl FnOnce() -> String) {
        if let Some(notes) = &self.notes {
            notes.lock().unwrap_or_else(PoisonError::into_inner).push(why());
        }
    }

    /// From here on, what hooks [`note`](Self::note) is kept.
    pub fn listen(&mut self) {
        self.notes = Some(Arc::default());
    }

    /// What was noted since the last call.
    pub fn take_notes(&self) -> Vec<String> {
        let take = |notes: &Arc<Mutex<Vec<String>>>| {
            std::mem::take(&mut *notes.lock().unwrap_or_else(PoisonError::into_inner))
        };
        self.notes.as_ref().map(take).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_kept_only_for_a_listener() {
        let mut cx = Context::new(None, None, Context::NOWHERE);
        cx.note(|| unreachable!("nobody listens"));
        assert!(cx.take_notes().is_empty());
        cx.listen();
        cx.note(|| "why".to_owned());
        assert_eq!(cx.clone().take_notes(), ["why"]);
        assert!(cx.take_notes().is_empty());
    }
}
