//! Puts what the nodes deliver back into the order of each conversation, and fetches from the
//! store what a bus has lost.
//!
//! Two nodes that store in one conversation publish independently, so their frames may cross; and
//! a bus that was away has lost some. The store has them all, in order.

mod followed;
mod track;

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use confab_plugin::UserId;
use tokio::{
    sync::Semaphore,
    time::{sleep, timeout},
};

use self::followed::{Course, Taken, Users, before_now};
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

/// Messages fetched at once.
const PAGE: usize = 100;

/// How far the clocks of nodes may differ.
const SKEW: Duration = Duration::from_secs(5);

/// Users that are caught up at the same time.
const CATCHING_UP: usize = 16;

/// Conversations whose begin is looked up at the same time.
const LOOKING_UP: usize = 16;

/// How long the first frame of a conversation may wait for what comes before it, and a session
/// for its user's conversations of late. Then the frame is delivered, and the client's `sync`
/// closes the hole, if there is one.
const LOOK_UP: Duration = Duration::from_millis(500);

/// Delivers to the hub, in order.
///
/// Invariant: for each user and conversation, what reaches the hub has ascending `seq`, without
/// a copy; and without a hole, but where the store could not be read for a long time. Of a user
/// with more conversations than are followed, one that was forgotten may repeat its last messages.
pub struct Sequencer {
    inner: Arc<Inner>,
}

struct Inner {
    hub: Arc<dyn Deliver>,
    store: Arc<dyn Store>,
    rounds: Arc<Rounds>,
    users: Users,
    catching_up: Semaphore,
    looking_up: Semaphore,
}

impl Sequencer {
    /// In front of `hub`, with `store` to fetch from.
    pub fn new(hub: Arc<dyn Deliver>, store: Arc<dyn Store>) -> Self {
        Self {
            inner: Arc::new(Inner {
                hub,
                rounds: Arc::new(Rounds::new(store.lanes())),
                store,
                users: Users::new(),
                catching_up: Semaphore::new(CATCHING_UP),
                looking_up: Semaphore::new(LOOKING_UP),
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
        let visit = self.inner.users.open(user);
        let opening = Opening { sequencer: self, user, kept: false };
        if let Some(visit) = visit {
            // However this ends.
            let mut settling = Settling { inner: &self.inner, user, visit, since: None };
            let latest = timeout(LOOK_UP, self.inner.follow_latest(user));
            settling.since = latest.await.ok().flatten();
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
        self.inner.users.close(user);
    }
}

/// Lets the frames go that came while a user's first session opened.
struct Settling<'a> {
    inner: &'a Arc<Inner>,
    user: UserId,
    visit: u64,
    since: Option<Timestamp>,
}

impl Drop for Settling<'_> {
    fn drop(&mut self) {
        let Self { inner, user, visit, since } = self;
        let stuck = inner.users.settle((*user, *visit), *since, &*inner.hub);
        stuck.into_iter().for_each(|course| inner.start_filling(course));
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
        let Some(place) = envelope.frame.place else {
            self.inner.hub.deliver(envelope);
            return;
        };
        let Place { conversation, seq, from, at } = place;
        // What this node stored itself came from a session here.
        if envelope.except.is_none() {
            self.inner.store.saw(conversation, from, seq, at);
        }
        match self.inner.users.take(&place, envelope, &*self.inner.hub) {
            Taken::Gone | Taken::Kept => {}
            Taken::Copy => COPIES.increment(1),
            Taken::Stuck(course) => self.inner.start_filling(course),
        }
    }
}

/// Whoever fills a track says so in it, and when it is done; this does when it panics.
struct Filling<'a>(&'a Users, Course);

impl Drop for Filling<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.with(self.1, |track| track.filling = false);
        }
    }
}

impl Inner {
    /// Follows the conversations of late of a user whose first session opens. Returns since when the
    /// user has nothing of others, if that is known.
    async fn follow_latest(&self, user: UserId) -> Option<Timestamp> {
        let recent = before_now(2 * SKEW);
        let page = self.store.conversations(user, None, PAGE).await.ok()?;
        let last = page.conversations.iter().map(|summary| &summary.last_message);
        let latest: Vec<_> = last.filter(|last| last.at >= recent).collect();
        for last in &latest {
            let course = self.users.course(user, last.conversation)?;
            self.users.follow(course, last.seq, &*self.hub);
        }
        (latest.len() < PAGE).then_some(recent)
    }

    fn start_filling(self: &Arc<Self>, course: Course) {
        let inner = Arc::clone(self);
        tokio::spawn(async move { inner.fill(course).await });
    }

    /// Fetches what is missing of what frames have told of.
    async fn fill(&self, course: Course) {
        let Self { users, hub, .. } = self;
        let _filling = Filling(users, course);
        self.begin(course).await;
        let missing = || {
            let missing = users.with(course, |track| {
                let missing = track.missing();
                track.filling = missing.is_some();
                missing
            });
            missing.flatten()
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
                users.with(course, |track| track.skip(&**hub));
            } else if self.fetch(course, next - 1).await.is_err() {
                sleep(PATIENCE * attempt).await;
            }
        }
    }

    /// Finds out where a conversation begins that was not followed: the frame that has come may
    /// have overtaken another.
    async fn begin(&self, course: Course) {
        let unplaced = self.users.with(course, |track| track.first_unplaced());
        let Some((first, since)) = unplaced.flatten() else { return };
        let look_up = async {
            let _turn = self.looking_up.acquire().await.map_err(|_| ())?;
            self.right_before(course.conversation, first, since).await
        };
        let after = match timeout(LOOK_UP, look_up).await {
            Ok(Ok(after)) => after,
            Ok(Err(())) | Err(_) => first.saturating_sub(1),
        };
        self.users.with(course, |track| track.begin(after + 1, &*self.hub));
    }

    /// The last message before `first` that was sent before that moment; or if that is further back
    /// than anybody's frames can be late, one that is far enough.
    async fn right_before(
        &self,
        conversation: Conversation,
        first: u64,
        since: Timestamp,
    ) -> Result<u64, ()> {
        let mut reached = first;
        // As a rule the last one is old enough.
        for limit in [1, PAGE] {
            let query = HistoryQuery { before: Some(first), after: None, limit };
            let page = self.store.history(conversation, query).await.map_err(|error| {
                report("history", &error);
            })?;
            if let Some(older) = page.messages.iter().rev().find(|message| message.at < since) {
                return Ok(older.seq);
            }
            reached = page.messages.first().map_or(first, |earliest| earliest.seq);
        }
        Ok(reached.saturating_sub(1))
    }

    /// Delivers all that the store has after `after`.
    async fn fetch(&self, course: Course, mut after: u64) -> Result<(), ()> {
        let conversation = course.conversation;
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
            self.users.with(course, |track| {
                track.messages(course.user, &page.messages, &*self.hub);
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
                let Some(course) = self.users.course(user, conversation) else { return Ok(()) };
                let known = self.users.with(course, |track| track.delivered()).flatten();
                let after = match known {
                    Some(after) => after,
                    None => self.last_before(conversation, since).await?,
                };
                if !self.users.follow(course, after, &*self.hub) {
                    return Ok(());
                }
                self.fetch(course, after).await?;
            }
            cursor = page.next;
            if cursor.is_none() || !found {
                return Ok(());
            }
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

#[cfg(test)]
mod tests;
