//! Puts what the nodes deliver back into the order of each conversation, and fetches from the
//! store what a bus has lost.
//!
//! Two nodes that store in one conversation publish independently, so their frames may cross; and
//! a bus that was away has lost some. The store has them all, in order.

mod track;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use confab_plugin::UserId;
use tokio::{sync::Semaphore, time::sleep};

use self::track::Track;
use super::{
    meters::{COPIES, HOLES},
    report,
    rounds::Rounds,
};
use crate::{
    bus::{Deliver, Envelope},
    store::{Conversation, ConversationSummary, HistoryQuery, Store, Timestamp},
    wire::Place,
};

/// How long a frame may be late before it is fetched from the store. Longer than the bus takes
/// from node to node, shorter than people notice.
const PATIENCE: Duration = Duration::from_millis(100);

/// How often one hole is looked for in the store before it is left to the client's `sync`.
const TRIES: u32 = 50;

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
struct Followed {
    /// Calls of `open` less calls of `close`, which may cross.
    opened: u32,
    /// Of a conversation that is not followed, they have what is older than this, and nothing else.
    since: Timestamp,
    tracks: HashMap<Conversation, Track>,
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
        let recent = before_now(2 * SKEW);
        let opened = {
            let mut shard = self.inner.lock(user);
            let followed = shard.entry(user).or_insert_with(|| Followed {
                opened: 0,
                since: recent,
                tracks: HashMap::new(),
            });
            followed.opened += 1;
            followed.opened
        };
        let opening = Opening { sequencer: self, user, kept: false };
        // A store that does not answer costs a new session some copies, no more.
        if opened == 1
            && let Ok(page) = self.inner.store.conversations(user, None, PAGE).await
        {
            for last in page.conversations.iter().map(|summary| &summary.last_message) {
                if last.at >= recent {
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
        let Some(Followed { tracks, since, .. }) = shard.get_mut(&user) else { return };
        if tracks.len() >= MAX_TRACKS && !tracks.contains_key(&conversation) {
            tracks.retain(|_, track| track.filling);
            *since = before_now(SKEW);
        }
        let track = tracks.entry(conversation).or_insert_with(|| match seq {
            1 => Track::from(1),
            _ => Track::default(),
        });
        if !track.frame(seq, envelope, &*self.inner.hub) {
            COPIES.increment(1);
            return;
        }
        if track.is_stuck() && !track.filling {
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

    /// Fetches what is missing of what frames have told of.
    async fn fill(&self, user: UserId, conversation: Conversation) {
        self.begin(user, conversation).await;
        let missing = || {
            self.with(user, conversation, |track| {
                let missing = track.missing();
                track.filling = missing.is_some();
                missing
            })
            .flatten()
        };
        let (mut hole, mut attempt) = (0, 0);
        while missing().is_some() {
            sleep(PATIENCE).await;
            let Some(next) = missing() else { return };
            // While a bus is away, one hole follows the other for as long as people write.
            if next > hole {
                (hole, attempt) = (next, 0);
            }
            attempt += 1;
            if attempt > TRIES {
                // The store could not tell: go on after the hole, which the client's sync will
                // close.
                HOLES.increment(1);
                self.with(user, conversation, |track| track.skip(&*self.hub));
            } else if self.fetch(user, conversation, next - 1).await.is_err() {
                sleep(PATIENCE * attempt).await;
            }
        }
    }

    /// Finds out where a conversation begins that was not followed: the frame that has come may
    /// have overtaken another.
    async fn begin(&self, user: UserId, conversation: Conversation) {
        for attempt in 1..=TRIES {
            let first = self.with(user, conversation, |track| track.first_unplaced()).flatten();
            let since = self.lock(user).get(&user).map(|followed| followed.since);
            let (Some(first), Some(since)) = (first, since) else { return };
            if let Ok(after) = self.last_before(conversation, Some(first), since).await {
                self.with(user, conversation, |track| track.begin(after + 1, &*self.hub));
                return;
            }
            sleep(PATIENCE * attempt).await;
        }
        HOLES.increment(1);
        self.with(user, conversation, |track| track.skip(&*self.hub));
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
                track.messages(user, &page.messages, &*self.hub);
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
                let known = self.with(user, conversation, |track| track.delivered()).flatten();
                let after = match known {
                    Some(after) => after,
                    None => self.last_before(conversation, None, since).await?,
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
                let track = followed.tracks.entry(conversation).or_default();
                track.begin(after + 1, &*self.hub);
                true
            }
            None => false,
        }
    }

    /// The last message before that moment, and before that `seq`; 0 for none.
    async fn last_before(
        &self,
        conversation: Conversation,
        mut before: Option<u64>,
        since: Timestamp,
    ) -> Result<u64, ()> {
        // As a rule the last is old enough.
        let mut limit = 1;
        loop {
            let query = HistoryQuery { before, after: None, limit };
            limit = PAGE;
            let page = self.store.history(conversation, query).await.map_err(|error| {
                report("history", &error);
            })?;
            if let Some(older) = page.messages.iter().rev().find(|message| message.at < since) {
                return Ok(older.seq);
            }
            match page.messages.first() {
                Some(first) if page.more => before = Some(first.seq),
                Some(_) => return Ok(0),
                None => return Ok(before.map_or(0, |before| before - 1)),
            }
        }
    }
}

/// The moment this long ago.
fn before_now(time: Duration) -> Timestamp {
    Timestamp::from(SystemTime::now().checked_sub(time).unwrap_or(UNIX_EPOCH))
}

#[cfg(test)]
mod tests;
