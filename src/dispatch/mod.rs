//! The way of one event: chain, store, bus.

mod asker;
mod bots;
mod delivery;
mod doubtful;
mod fair;
mod in_flight;
mod lane;
mod message;
mod meters;
mod originals;
mod rounds;
mod sequencer;
mod sync;
mod waiting;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use confab_plugin::{Context, Decision, Disconnect, Event, Seen, Typing, User, UserId};
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::{
    bus::{Bus, Envelope, Way},
    chain::{Chain, Passage, Refused},
    code::{Code, Refusal},
    config,
    directory::{Directory, Profile},
    hub::{AddError, CloseReason, Hub, Session, Ticket},
    rate::Seldom,
    store::{ChangeLimit, Store, Timestamp},
    wire::{ClientFrame, Frame},
};
use asker::Asker;
pub use bots::DispatchBots;
use delivery::Delivery;
use in_flight::InFlight;
use lane::{Job, Lanes};
pub use meters::{describe_metrics, describe_node_metrics};
use originals::Originals;
use rounds::Rounds;
pub use sequencer::Sequencer;

/// Takes events from sessions, and carries them out.
pub struct Dispatch {
    chain: ArcSwap<Chain>,
    store: Arc<dyn Store>,
    bus: Arc<dyn Bus>,
    hub: Arc<Hub>,
    directory: Arc<Directory>,
    /// Where several nodes deliver to the same users.
    sequencer: Option<Arc<Sequencer>>,
    lanes: Lanes,
    originals: Originals,
    in_flight: Arc<InFlight>,
    delivery: Arc<Delivery>,
    max_content: usize,
    sync: ChangeLimit,
}

/// What became of a frame, as far as the session's own limits are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// It was understood.
    Understood,
    /// It was not a frame that a client may send.
    Refused,
}

/// A session that has joined, and leaves unless it `stays`.
struct Joined<'a> {
    dispatch: &'a Dispatch,
    session: &'a Arc<Session>,
    stays: bool,
}

impl Drop for Joined<'_> {
    fn drop(&mut self) {
        if !self.stays {
            self.dispatch.leave(self.session);
        }
    }
}

impl Dispatch {
    /// A dispatcher over these parts; `sequencer` is what the bus delivers to, where there are
    /// several nodes. Its tasks run until [`close`](Self::close).
    pub fn new(
        chain: Arc<Chain>,
        store: Arc<dyn Store>,
        bus: Arc<dyn Bus>,
        hub: Arc<Hub>,
        directory: Arc<Directory>,
        sequencer: Option<Arc<Sequencer>>,
        limits: &config::Limits,
    ) -> Self {
        let rounds = match &sequencer {
            Some(sequencer) => Arc::clone(sequencer.rounds()),
            None => Arc::new(Rounds::new(store.lanes())),
        };
        // As many as may have waited for a store that is away.
        let delivery = Arc::new(Delivery::new(Arc::clone(&bus), limits.store_queue));
        Self {
            chain: ArcSwap::new(chain),
            lanes: Lanes::start(&store, &delivery, &rounds, limits),
            originals: Originals::start(Arc::clone(&store), limits.store_queue),
            in_flight: Arc::default(),
            delivery,
            store,
            bus,
            hub,
            directory,
            sequencer,
            max_content: limits.content.as_usize(),
            sync: ChangeLimit { messages: limits.sync_messages, bytes: limits.sync.as_usize() },
        }
    }

    /// The chain that new events begin with.
    pub fn chain(&self) -> Arc<Chain> {
        self.chain.load_full()
    }

    /// Lets new events begin with another chain. Events in flight end on the one they began with,
    /// which is returned.
    pub fn replace_chain(&self, chain: Arc<Chain>) -> Arc<Chain> {
        self.chain.swap(chain)
    }

    /// Sends an event of an HTTP call through the chain.
    ///
    /// # Errors
    /// The chain's refusal.
    pub async fn enter(&self, cx: Context, event: Event) -> Result<Passage, Refused> {
        Passage::enter(self.chain(), cx, event, Instant::now()).await
    }

    /// Opens a session, once the chain let its `connect` event through.
    ///
    /// # Errors
    /// When the hub does not take it.
    pub async fn connect(&self, session: &Arc<Session>) -> Result<(), AddError> {
        let user = session.user().id;
        // Before the hub knows the session, so that nothing is delivered past the sequencer.
        let opening = match &self.sequencer {
            Some(sequencer) => Some(sequencer.open(user).await),
            None => None,
        };
        if self.hub.add(session)? {
            self.bus.subscribe(user);
        }
        if let Some(opening) = opening {
            opening.keep();
        }
        // The client may hang up, and drop this future, before the answer is there.
        let mut joined = Joined { dispatch: self, session, stays: false };
        // Once more, now that whatever ends the user's sessions would end this one.
        let error = match self.directory.by_id(user).await {
            Ok(Some(profile)) if profile.standing.admits(session.epoch()).is_ok() => {
                joined.stays = true;
                return Ok(());
            }
            Ok(_) => AddError::Ended,
            Err(error) => {
                report("find_account", &error);
                AddError::Unavailable
            }
        };
        Err(error)
    }

    fn leave(&self, session: &Arc<Session>) {
        let user = session.user().id;
        if self.hub.remove(session) {
            self.bus.unsubscribe(user);
        }
        if let Some(sequencer) = &self.sequencer {
            sequencer.close(user);
        }
    }

    /// Closes a session.
    pub async fn disconnect(&self, session: &Arc<Session>, reason: CloseReason) {
        self.hub.count_closed(reason);
        self.leave(session);
        let event = Event::Disconnect(Disconnect::new(reason.as_str()));
        if let Ok(passage) = self.enter(session.context(), event).await {
            passage.finish(Decision::Accepted { seq: None, duplicate: false });
        }
    }

    /// Catches up from the store whoever the bus may have missed something for. Runs for ever.
    pub async fn catch_up(&self) {
        let Some(sequencer) = &self.sequencer else { return };
        loop {
            for missed in self.bus.missed().await {
                sequencer.catch_up(missed.user, missed.since);
            }
        }
    }

    /// Carries out one frame of a session. Returns once the frame's place in the order is
    /// fixed; a message's answer comes when it is stored.
    pub async fn receive(&self, session: &Arc<Session>, text: &Utf8Bytes) -> Received {
        let started = Instant::now();
        let result = match ClientFrame::parse(text) {
            Ok(ClientFrame::Message { to, content, id }) => {
                let ticket = Ticket::take(session, id.map(|id| Arc::from(&*id)));
                let (asker, cx) = (Asker::session_with(ticket), session.context());
                self.message(asker, cx, &to, &content, started).await;
                return Received::Understood;
            }
            Ok(ClientFrame::Typing { to, on }) => self.typing(session, &to, on, started).await,
            Ok(ClientFrame::Seen { to, upto }) => self.seen(session, &to, upto, started).await,
            Ok(ClientFrame::Sync { have, between, id }) => {
                self.sync(session, have, between, id.as_deref()).await;
                return Received::Understood;
            }
            Err(error) => {
                let id = error.id.as_deref();
                session.outbox().push(Frame::error(&error.refusal, id));
                return Received::Refused;
            }
        };
        if let Err(refusal) = result {
            session.outbox().push(Frame::error(&refusal, None));
        }
        Received::Understood
    }

    /// Sends a message of the plugin entry `entry` under the account of `user`. Returns once it
    /// is stored, or silently dropped.
    ///
    /// # Errors
    /// The refusal.
    pub async fn send_for(
        &self,
        user: &Arc<User>,
        entry: &Arc<str>,
        to: UserId,
        content: &str,
        client_id: Arc<str>,
    ) -> Result<(), Refusal> {
        let mut cx = Context::new(Some(Arc::clone(user)), None, Context::NOWHERE);
        cx.sent_by = Some(Arc::clone(entry));
        let (answer, answered) = oneshot::channel();
        let asker = Asker::bot(client_id, answer);
        self.message(asker, cx, &to.to_string(), content, Instant::now()).await;
        let lost = |_| Err(Refusal::new(Code::Internal, "This message was lost: send it again."));
        answered.await.unwrap_or_else(lost)
    }

    async fn typing(
        &self,
        session: &Arc<Session>,
        to: &str,
        on: bool,
        started: Instant,
    ) -> Result<(), Refusal> {
        let (from, peer) = (session.user().id, self.recipient(to).await?.user.id);
        let event = Event::Typing(Typing::new(from, peer, on));
        match Passage::enter(self.chain(), session.context(), event, started).await {
            Ok(passage) => {
                let frame = Frame::typing(from, peer, on).traced(passage.trace());
                let except = Some(session.id());
                self.bus.publish(Envelope { to: peer, except, frame, way: Way::Local });
                passage.finish(Decision::Accepted { seq: None, duplicate: false });
                Ok(())
            }
            Err(Refused::Tell(refusal)) => Err(refusal),
            Err(Refused::Silently) => Ok(()),
        }
    }

    async fn seen(
        &self,
        session: &Arc<Session>,
        to: &str,
        upto: Option<u64>,
        started: Instant,
    ) -> Result<(), Refusal> {
        let (from, peer) = (session.user().id, self.find(to).await?.user.id);
        let event = Event::Seen(Seen::new(from, peer, upto));
        match Passage::enter(self.chain(), session.context(), event, started).await {
            Ok(passage) => {
                let at = Timestamp::from(passage.context().received);
                self.lanes.send(Job::Seen { session: Arc::clone(session), passage, at });
                Ok(())
            }
            Err(Refused::Tell(refusal)) => Err(refusal),
            Err(Refused::Silently) => Ok(()),
        }
    }

    /// The user that a client names.
    ///
    /// # Errors
    /// `unknown_user`, or `unavailable`.
    pub async fn find(&self, text: &str) -> Result<Arc<Profile>, Refusal> {
        match self.directory.find(text).await {
            Ok(Some(profile)) => Ok(profile),
            Ok(None) => Err(Refusal::new(
                Code::UnknownUser,
                "There is no such user: write @username or a user id.",
            )),
            Err(error) => {
                report("find_account", &error);
                Err(error.into())
            }
        }
    }

    /// The user that a client wants to reach.
    ///
    /// # Errors
    /// As [`find`](Self::find), and `user_deleted`.
    async fn recipient(&self, text: &str) -> Result<Arc<Profile>, Refusal> {
        let profile = self.find(text).await?;
        if profile.standing.deleted.is_some() {
            let message = "This account is deleted: nobody would read it.";
            return Err(Refusal::new(Code::UserDeleted, message));
        }
        Ok(profile)
    }

    /// Hands over what is counted here and in the chain; before metrics are read, and now and then.
    pub fn publish(&self) {
        self.chain().publish();
        self.lanes.publish();
        meters::OUTBOX_BYTES.set(self.hub.backlog().bytes() as f64);
    }

    /// Waits until everything that was taken so far is stored and answered, and the `after` hooks
    /// have seen it.
    pub async fn flush(&self) {
        self.lanes.flush().await;
    }

    /// Waits until every lane to the store has shown that it still turns; one round may take
    /// `longest`, so that an outage of the store is none of the lane. For the watchdog.
    pub async fn turned(&self, longest: Duration) {
        self.lanes.turned(longest).await;
    }

    /// Waits until everything that was taken is stored and answered. The callers of
    /// [`receive`](Self::receive) must have ended.
    pub async fn close(&self) {
        self.lanes.close().await;
    }
}

/// How often the log says that the store does not answer: an outage meets every batch.
const TELL: Duration = Duration::from_secs(10);

static TROUBLE: Seldom = Seldom::new(TELL);

/// Logs now and then what a store could not do. What it says may name hosts and
/// files: it is for the operator alone.
pub fn report(op: &'static str, error: &crate::store::StoreError) {
    if let crate::store::StoreError::Unavailable(why) = error
        && let Some(untold) = TROUBLE.due(Instant::now())
    {
        tracing::error!(op, error = %why.escape_debug(), untold, "the store did not answer");
    }
}
