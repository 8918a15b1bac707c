//! The sessions of one node, as far as a bus knows them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};

use confab::{
    bus::{Bus, Deliver, Envelope, Missed},
    wire::Frame,
};
use confab_plugin::{SessionId, UserId};
use tokio::sync::Notify;

use super::super::wait::DEADLINE;

/// Keeps what is delivered to each session, and what a bus brought at all.
#[derive(Default)]
pub struct Here {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    sessions: HashMap<UserId, HashMap<SessionId, Vec<Frame>>>,
    brought: Vec<(UserId, Frame)>,
    missed: Vec<Missed>,
}

impl Deliver for Here {
    fn deliver(&self, envelope: Envelope) {
        let mut state = self.state.lock().unwrap();
        state.brought.push((envelope.to, envelope.frame.clone()));
        for (session, inbox) in state.sessions.get_mut(&envelope.to).into_iter().flatten() {
            if envelope.except != Some(*session) {
                inbox.push(envelope.frame.clone());
            }
        }
        drop(state);
        self.changed.notify_waiters();
    }
}

impl Here {
    /// A node without sessions.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Opens a session and tells the bus, as the dispatcher does.
    pub fn open(&self, bus: &dyn Bus, user: UserId, session: SessionId) {
        let mut state = self.state.lock().unwrap();
        let sessions = state.sessions.entry(user).or_default();
        sessions.insert(session, Vec::new());
        let first = sessions.len() == 1;
        drop(state);
        if first {
            bus.subscribe(user);
        }
    }

    /// Closes a session and tells the bus.
    pub fn close(&self, bus: &dyn Bus, user: UserId, session: SessionId) {
        let mut state = self.state.lock().unwrap();
        let sessions = state.sessions.get_mut(&user).expect("a session");
        sessions.remove(&session).expect("the session");
        let last = sessions.is_empty();
        if last {
            state.sessions.remove(&user);
        }
        drop(state);
        if last {
            bus.unsubscribe(user);
        }
    }

    /// What a session has got.
    pub fn inbox(&self, user: UserId, session: SessionId) -> Vec<Frame> {
        self.state.lock().unwrap().sessions[&user][&session].clone()
    }

    /// The texts that a session has got.
    pub fn texts(&self, user: UserId, session: SessionId) -> Vec<String> {
        self.inbox(user, session).iter().map(|frame| frame.text.to_string()).collect()
    }

    /// How often the bus brought something for a user, who need not be here.
    pub fn brought(&self, user: UserId) -> usize {
        self.state.lock().unwrap().brought.iter().filter(|(to, _)| *to == user).count()
    }

    /// Notes what a bus says was missed, for as long as there is that bus.
    pub fn watch(self: &Arc<Self>, bus: &Arc<impl Bus>) {
        let (here, bus) = (Arc::clone(self), Arc::downgrade(bus));
        tokio::spawn(async move {
            while let Some(bus) = bus.upgrade() {
                // Lets go of the bus now and then, so that a dropped one ends.
                let wait = Duration::from_millis(100);
                if let Ok(missed) = tokio::time::timeout(wait, bus.missed()).await {
                    here.state.lock().unwrap().missed.extend(missed);
                    here.changed.notify_waiters();
                }
            }
        });
    }

    /// What was missed so far; it is forgotten.
    pub fn take_missed(&self) -> Vec<Missed> {
        std::mem::take(&mut self.state.lock().unwrap().missed)
    }

    /// Waits until this user is said to have missed something; forgets it, and says since when.
    pub async fn missed(&self, user: UserId) -> SystemTime {
        let started = Instant::now();
        loop {
            let changed = self.changed.notified();
            let found = {
                let missed = &mut self.state.lock().unwrap().missed;
                let of_user = missed.extract_if(.., |missed| missed.user == user);
                of_user.map(|missed| missed.since).min()
            };
            if let Some(since) = found {
                return since;
            }
            let left = DEADLINE.saturating_sub(started.elapsed());
            let waited = tokio::time::timeout(left, changed).await;
            assert!(waited.is_ok(), "waited in vain until the messages of {user} arrive");
        }
    }

    /// Waits until a session has got so many frames.
    pub async fn wait_for(&self, user: UserId, session: SessionId, count: usize) {
        let started = Instant::now();
        loop {
            let changed = self.changed.notified();
            let got = self.inbox(user, session).len();
            if got >= count {
                return;
            }
            let left = DEADLINE.saturating_sub(started.elapsed());
            let waited = tokio::time::timeout(left, changed).await;
            assert!(waited.is_ok(), "{got} of {count} frames arrived");
        }
    }
}
