//! Who is connected here, and how far each has been brought in their conversations.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use confab_plugin::UserId;

use super::{SKEW, track::Track};
use crate::{
    bus::{Deliver, Envelope},
    store::{Conversation, Timestamp},
    wire::Place,
};

/// Conversations of one user that are followed; beyond it those without a frame of late are
/// forgotten, and all without a hole if that is not enough.
pub(super) const MAX_TRACKS: usize = 1024;

/// Users are spread over this many locks.
const SHARDS: usize = 64;

/// The users who are connected here.
pub(super) struct Users {
    shards: [Mutex<HashMap<UserId, Followed>>; SHARDS],
    visits: AtomicU64,
}

/// A user who is connected here.
struct Followed {
    /// Calls of `open` less calls of `close`, which may cross.
    opened: u32,
    /// Differs whenever they have left and come again.
    visit: u64,
    /// What is known of conversations that are not followed.
    others: Others,
    tracks: HashMap<Conversation, Track>,
}

/// What a user has of the conversations that are not followed.
#[derive(Clone, Copy, Debug)]
enum Others {
    /// That is being found out: frames wait.
    Unknown,
    /// What is older than this, and nothing else.
    Since(Timestamp),
    /// Nobody knows: they begin with the first frame.
    Anything,
}

/// One conversation of a user, until they leave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Course {
    pub(super) user: UserId,
    pub(super) conversation: Conversation,
    visit: u64,
}

/// What became of a frame.
#[derive(Debug)]
pub(super) enum Taken {
    /// Nothing: the user is not here.
    Gone,
    /// Nothing: the user has it.
    Copy,
    /// It is delivered, or will be.
    Kept,
    /// The same; and somebody has to see to what is missing before it.
    Stuck(Course),
}

impl Users {
    pub(super) fn new() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()), visits: AtomicU64::new(0) }
    }

    fn lock(&self, user: UserId) -> MutexGuard<'_, HashMap<UserId, Followed>> {
        // The low bits of a ULID are random.
        let shard = &self.shards[(user.as_u128() % SHARDS as u128) as usize];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session opens. If it is its user's first here, which visit that begins: frames wait until
    /// somebody says what the user [has](Self::settle).
    pub(super) fn open(&self, user: UserId) -> Option<u64> {
        let mut shard = self.lock(user);
        let followed = shard.entry(user).or_insert_with(|| Followed {
            opened: 0,
            visit: self.visits.fetch_add(1, Ordering::Relaxed),
            others: Others::Unknown,
            tracks: HashMap::new(),
        });
        followed.opened += 1;
        (followed.opened == 1).then_some(followed.visit)
    }

    /// Of conversations that are not followed by now, a user has what is older than `since`, or
    /// nobody knows what. Returns those of which frames wait.
    pub(super) fn settle(
        &self,
        (user, visit): (UserId, u64),
        since: Option<Timestamp>,
        hub: &dyn Deliver,
    ) -> Vec<Course> {
        let mut shard = self.lock(user);
        let followed = shard.get_mut(&user).filter(|it| it.visit == visit);
        let Some(followed) = followed else { return Vec::new() };
        followed.others = since.map_or(Others::Anything, Others::Since);
        let mut stuck = Vec::new();
        for (&conversation, track) in &mut followed.tracks {
            match since {
                Some(since) => track.look_back(since),
                None => track.begin_with_first(hub),
            }
            if track.begins_filling() {
                stuck.push(Course { user, conversation, visit });
            }
        }
        stuck
    }

    /// A session has closed.
    pub(super) fn close(&self, user: UserId) {
        let mut shard = self.lock(user);
        if let Some(followed) = shard.get_mut(&user) {
            followed.opened = followed.opened.saturating_sub(1);
            if followed.opened == 0 {
                shard.remove(&user);
            }
        }
    }

    /// A conversation of a user who is here.
    pub(super) fn course(&self, user: UserId, conversation: Conversation) -> Option<Course> {
        let visit = self.lock(user).get(&user)?.visit;
        Some(Course { user, conversation, visit })
    }

    /// Does something with a track; nothing when its user has left, or it was forgotten.
    pub(super) fn with<T>(&self, course: Course, act: impl FnOnce(&mut Track) -> T) -> Option<T> {
        let mut shard = self.lock(course.user);
        let followed = shard.get_mut(&course.user).filter(|it| it.visit == course.visit)?;
        followed.tracks.get_mut(&course.conversation).map(act)
    }

    /// Follows a conversation from after this message on, if it was not followed; `false` when the
    /// user has left.
    pub(super) fn follow(&self, course: Course, after: u64, hub: &dyn Deliver) -> bool {
        let mut shard = self.lock(course.user);
        let followed = shard.get_mut(&course.user).filter(|it| it.visit == course.visit);
        let Some(followed) = followed else { return false };
        match followed.tracks.entry(course.conversation) {
            Entry::Occupied(mut track) => track.get_mut().begin(after + 1, hub),
            Entry::Vacant(place) => {
                place.insert(Track::from(after + 1));
            }
        }
        true
    }

    /// Takes a frame.
    pub(super) fn take(&self, place: &Place, envelope: Envelope, hub: &dyn Deliver) -> Taken {
        let (user, conversation) = (envelope.to, place.conversation);
        let mut shard = self.lock(user);
        let Some(followed) = shard.get_mut(&user) else { return Taken::Gone };
        let visit = followed.visit;
        let track = followed.track(conversation, place.seq);
        if !track.frame((place.seq, place.at), envelope, hub) {
            return Taken::Copy;
        }
        if track.begins_filling() {
            return Taken::Stuck(Course { user, conversation, visit });
        }
        Taken::Kept
    }

    #[cfg(test)]
    pub(super) fn tracks(&self, user: UserId) -> usize {
        self.lock(user).get(&user).map_or(0, |followed| followed.tracks.len())
    }
}

impl Followed {
    /// The track of a conversation of which the frame `seq` has come.
    fn track(&mut self, conversation: Conversation, seq: u64) -> &mut Track {
        if self.tracks.len() >= MAX_TRACKS && !self.tracks.contains_key(&conversation) {
            let since = before_now(SKEW);
            self.tracks.retain(|_, track| track.filling || track.latest() >= since);
            if self.tracks.len() >= MAX_TRACKS {
                self.tracks.retain(|_, track| track.filling);
            }
            if let Others::Since(before) = &mut self.others {
                *before = since.max(*before);
            }
        }
        self.tracks.entry(conversation).or_insert_with(|| match self.others {
            _ if seq <= 1 => Track::from(seq),
            Others::Unknown => Track::waiting(),
            Others::Since(since) => Track::unplaced(since),
            Others::Anything => Track::from(seq),
        })
    }
}

/// The moment this long ago.
pub(super) fn before_now(time: Duration) -> Timestamp {
    Timestamp::from(SystemTime::now().checked_sub(time).unwrap_or(UNIX_EPOCH))
}
