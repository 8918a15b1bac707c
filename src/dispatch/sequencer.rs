//! Puts what the nodes deliver back into the order of each conversation, and fetches from the
//! store what a bus has lost.
//!
//! Two nodes that store in one conversation publish independently, so their frames may cross; and
//! a bus that was away has lost some. The store has them all, in order.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use confab_plugin::UserId;
use tokio::{sync::Semaphore, time::sleep};

use super::{
    meters::{COPIES, HOLES},
    report,
    rounds::Rounds,
};
use crate::{
    bus::{Deliver, Envelope, Way},
    store::{Conversation, ConversationSummary, HistoryQuery, Message, Store, Timestamp},
    wire::{Frame, Place},
};

/// How long a frame may be late before it is fetched from the store. Longer than the bus takes
/// from node to node, shorter than people notice.
const PATIENCE: Duration = Duration::from_millis(100);

/// How often one hole is looked for in the store before it is left to the client's `sync`.
const TRIES: u32 = 50;

/// Frames that wait behind a hole; further ones are fetched from the store in their turn.
const MAX_HELD: usize = 256;

/// Conversations of one user that are followed; beyond it the quiet ones are forgotten.
const MAX_TRACKS: usize = 1024;

/// Messages fetched at once.
const PAGE: usize = 100;

/// How far the clocks of nodes may differ.
const SKEW: Duration = Duration::from_secs(5);

/// Users that are caught up at the same time.
const CATCHING_UP: usize = 16;

/// Users are spread over this many locks.
const SHARDS: usize = 64;

/// Delivers to the hub, in order.
///
/// Invariant: for each user and conversation, what reaches the hub has ascending `seq`, without
/// a copy; and without a hole, but where the store could not be read for a long time.
pub struct Sequencer {
    inner: Arc<Inner>,
}

struct Inner {
    hub: Arc<dyn Deliver>,
    store: Arc<dyn Store>,
    rounds: Arc<Rounds>,
    shards: [Mutex<HashMap<UserId, Followed>>; SHARDS],
    catching_up: Semaphore,
}

/// A user who is connected here.
#[derive(Default)]
struct Followed {
    /// Calls of `open` less calls of `close`, which may cross.
    opened: u32,
    tracks: HashMap<Conversation, Track>,
}

/// How far a user has been brought in one conversation.
struct Track {
    next: u64,
    held: BTreeMap<u64, Envelope>,
    filling: bool,
}

impl Sequencer {
    /// In front of `hub`, with `store` to fetch from.
    pub fn new(hub: Arc<dyn Deliver>, store: Arc<dyn Store>) -> Self {
        Self {
            inner: Arc::new(Inner {
                hub,
                rounds: Arc::new(Rounds::new(store.lanes())),
                store,
                shards: std::array::from_fn(|_| Mutex::default()),
                catching_up: Semaphore::new(CATCHING_UP),
            }),
        }
    }

    /// The rounds in which this node stores.
    pub(super) fn rounds(&self) -> &Arc<Rounds> {
        &self.inner.rounds
    }

    /// Begins to follow a user: a session of theirs opens here. Notes how far their latest
    /// conversations are, so that what is older than the session is not delivered to it. Undone
    /// when what it returns is dropped and not kept.
    pub async fn open(&self, user: UserId) -> Opening<'_> {
        let opened = {
            let mut shard = self.inner.lock(user);
            let followed = shard.entry(user).or_default();
            followed.opened += 1;
            followed.opened
        };
        let opening = Opening { sequencer: self, user, kept: false };
        // A store that does not answer costs a new session some copies, no more.
        if opened == 1
            && let Ok(page) = self.inner.store.conversations(user, None, PAGE).await
        {
            let recent = SystemTime::now().checked_sub(2 * SKEW).unwrap_or(UNIX_EPOCH);
            for last in page.conversations.iter().map(|summary| &summary.last_message) {
                if last.at >= Timestamp::from(recent) {
                    self.inner.follow(user, last.conversation, last.seq);
                }
            }
        }
        opening
    }

    /// Delivers what a user may have missed since that moment.
    pub fn catch_up(&self, user: UserId, since: SystemTime) {
        let since = Timestamp::from(since.checked_sub(SKEW).unwrap_or(UNIX_EPOCH));
        let inner = Arc::clone(&self.inner);
        tokio::spawn(async move { inner.catch_up(user, since).await });
    }

    /// A session of a user has closed here; forgets them with the last.
    pub fn close(&self, user: UserId) {
        let mut shard = self.inner.lock(user);
        if let Some(followed) = shard.get_mut(&user) {
            followed.opened = followed.opened.saturating_sub(1);
            if followed.opened == 0 {
                shard.remove(&user);
            }
        }
    }
}

/// A user is followed for a session that is about to open.
pub struct Opening<'a> {
    sequencer: &'a Sequencer,
    user: UserId,
    kept: bool,
}

impl Opening<'_> {
    /// The session is open; its end calls [`Sequencer::close`].
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.sequencer.close(self.user);
        }
    }
}

impl Deliver for Sequencer {
    fn deliver(&self, envelope: Envelope) {
        let Some(Place { conversation, seq, from, at }) = envelope.frame.place else {
            self.inner.hub.deliver(envelope);
            return;
        };
        // What this node stored itself came from a session here.
        if envelope.except.is_none() {
            self.inner.store.saw(conversation, from, seq, at);
        }
        let user = envelope.to;
        let mut shard = self.inner.lock(user);
        let Some(Followed { tracks, .. }) = shard.get_mut(&user) else { return };
        if tracks.len() >= MAX_TRACKS && !tracks.contains_key(&conversation) {
            tracks.retain(|_, track| track.filling);
        }
        let track = tracks.entry(conversation).or_insert_with(|| Track::from(seq));
        if seq < track.next {
            COPIES.increment(1);
            return;
        }
        if seq == track.next || track.held.len() < MAX_HELD {
            track.held.insert(seq, envelope);
        }
        track.release(&*self.inner.hub);
        if !track.held.is_empty() && !track.filling {
            track.filling = true;
            let inner = Arc::clone(&self.inner);
            tokio::spawn(async move { inner.fill(user, conversation).await });
        }
    }
}

impl Inner {
    fn lock(&self, user: UserId) -> MutexGuard<'_, HashMap<UserId, Followed>> {
        // The low bits of a ULID are random.
        let shard = &self.shards[(user.as_u128() % SHARDS as u128) as usize];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with a track; nothing when its user has left.
    fn with<T>(
        &self,
        user: UserId,
        conversation: Conversation,
        act: impl FnOnce(&mut Track) -> T,
    ) -> Option<T> {
        self.lock(user).get_mut(&user)?.tracks.get_mut(&conversation).map(act)
    }

    /// Fetches what is missing before the frames that are held.
    async fn fill(&self, user: UserId, conversation: Conversation) {
        let (mut hole, mut attempt) = (0, 0);
        while attempt < TRIES {
            sleep(PATIENCE).await;
            let next = self.with(user, conversation, |track| {
                track.filling = !track.held.is_empty();
                track.filling.then_some(track.next)
            });
            let Some(Some(next)) = next else { return };
            // While a bus is away, one hole follows the other for as long as people write.
            if next > hole {
                (hole, attempt) = (next, 0);
            }
            attempt += 1;
            if self.fetch(user, conversation, next - 1).await.is_err() {
                sleep(PATIENCE * attempt).await;
            }
        }
        // The store could not tell: go on after the hole, which the client's sync will close.
        HOLES.increment(1);
        self.with(user, conversation, |track| {
            track.filling = false;
            if let Some((&seq, _)) = track.held.first_key_value() {
                track.next = seq;
            }
            track.release(&*self.hub);
        });
    }

    /// Delivers all that the store has after `after`.
    async fn fetch(
        &self,
        user: UserId,
        conversation: Conversation,
        mut after: u64,
    ) -> Result<(), ()> {
        loop {
            let query = HistoryQuery { after: Some(after), before: None, limit: PAGE };
            let page = self.store.history(conversation, query).await.map_err(|error| {
                report("history", &error);
            })?;
            let Some(last) = page.messages.last() else { return Ok(()) };
            // What this node has just stored itself is about to go to its sender, as the echo.
            // Only the frame that comes with it tells which session that is.
            self.rounds.answered(conversation).await;
            after = last.seq;
            self.with(user, conversation, |track| {
                for message in &page.messages {
                    track.take(user, message);
                    track.release(&*self.hub);
                }
            });
            if !page.more {
                return Ok(());
            }
        }
    }

    /// Delivers what the bus may have lost since then, to one user.
    async fn catch_up(&self, user: UserId, since: Timestamp) {
        let Ok(_turn) = self.catching_up.acquire().await else { return };
        for attempt in 1..=TRIES {
            if self.try_catch_up(user, since).await.is_ok() {
                return;
            }
            sleep(PATIENCE * attempt).await;
        }
        HOLES.increment(1);
    }

    async fn try_catch_up(&self, user: UserId, since: Timestamp) -> Result<(), ()> {
        let mut cursor = None;
        loop {
            let page = self.store.conversations(user, cursor, PAGE).await.map_err(|error| {
                report("conversations", &error);
            })?;
            // They are in the order of what was promised them, which a store may have kept for
            // some and not for others: one that is older says nothing of the next.
            let newer = |summary: &&ConversationSummary| summary.last_message.at >= since;
            let mut found = false;
            for summary in page.conversations.iter().filter(newer) {
                found = true;
                let conversation = summary.last_message.conversation;
                let known = self.with(user, conversation, |track| track.next - 1);
                let after = match known {
                    Some(after) => after,
                    None => self.last_before(conversation, since).await?,
                };
                if !self.follow(user, conversation, after) {
                    return Ok(());
                }
                self.fetch(user, conversation, after).await?;
            }
            cursor = page.next;
            if cursor.is_none() || !found {
                return Ok(());
            }
        }
    }

    /// Follows a conversation from after this message on; `false` when the user has left.
    fn follow(&self, user: UserId, conversation: Conversation, after: u64) -> bool {
        match self.lock(user).get_mut(&user) {
            Some(followed) => {
                followed.tracks.entry(conversation).or_insert_with(|| Track::from(after + 1));
                true
            }
            None => false,
        }
    }

    /// The last message before that moment, 0 for none.
    async fn last_before(&self, conversation: Conversation, since: Timestamp) -> Result<u64, ()> {
        let mut before = None;
        loop {
            let query = HistoryQuery { before, after: None, limit: PAGE };
            let page = self.store.history(conversation, query).await.map_err(|error| {
                report("history", &error);
            })?;
            if let Some(older) = page.messages.iter().rev().find(|message| message.at < since) {
                return Ok(older.seq);
            }
            match page.messages.first() {
                Some(first) if page.more => before = Some(first.seq),
                _ => return Ok(0),
            }
        }
    }
}

impl Track {
    fn from(next: u64) -> Self {
        Self { next, held: BTreeMap::new(), filling: false }
    }

    /// A message from the store, unless a frame of it is held: that one knows which session has
    /// it already.
    fn take(&mut self, user: UserId, message: &Message) {
        if message.seq == self.next && !self.held.contains_key(&message.seq) {
            let frame = Frame::message(message);
            let envelope = Envelope { to: user, except: None, frame, way: Way::Store };
            self.held.insert(message.seq, envelope);
        }
    }

    /// Delivers what is next. Under the lock, so that nothing overtakes.
    fn release(&mut self, hub: &dyn Deliver) {
        while let Some(envelope) = self.held.remove(&self.next) {
            self.next += 1;
            hub.deliver(envelope);
        }
    }
}

#[cfg(test)]
mod tests;
