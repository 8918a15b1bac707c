//! The messages that are on their way through the chain to the store on this node, by their
//! senders' ids: one that arrives a second time meanwhile waits for what becomes of the first.

use std::{
    collections::{HashMap, hash_map},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use confab_plugin::{Decision, Message, UserId};
use tokio::sync::watch;

use crate::chain::Refused;

/// Senders are spread over this many locks.
const SHARDS: usize = 64;

type Key = (UserId, Arc<str>);
type Shard = HashMap<Key, Arrival>;

/// What is on its way.
///
/// Invariant: of the messages with one sender and id, at most one is between its look-up and the
/// end of its `after` hooks; an entry is there exactly as long as its [`Claim`], so there are never
/// more than messages in flight.
pub struct InFlight {
    shards: [Mutex<Shard>; SHARDS],
}

/// What became of a message.
#[derive(Clone, Debug)]
pub enum Ending {
    /// It is in the store.
    Stored,
    /// It was refused, by whom, and this is what its sender was told.
    Refused(Decision, Refused),
}

/// What a message meets when it enters.
pub enum Place {
    /// Nobody else: it is the first.
    First(Claim),
    /// One with the same id.
    Behind(Arrival),
}

/// A message that has arrived before.
#[derive(Clone)]
pub struct Arrival {
    message: Message,
    ending: watch::Receiver<Option<Ending>>,
}

impl Default for InFlight {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl InFlight {
    /// Enters a message that has this id.
    pub fn enter(self: &Arc<Self>, message: &Message, id: &Arc<str>) -> Place {
        let key = (message.from(), Arc::clone(id));
        match self.lock(key.0).entry(key) {
            hash_map::Entry::Occupied(earlier) => Place::Behind(earlier.get().clone()),
            hash_map::Entry::Vacant(place) => {
                let (ended, ending) = watch::channel(None);
                let key = place.key().clone();
                place.insert(Arrival { message: message.clone(), ending });
                Place::First(Claim { table: Arc::clone(self), key, ended, told: Told::default() })
            }
        }
    }

    fn lock(&self, sender: UserId) -> MutexGuard<'_, Shard> {
        // The low bits of a ULID are random.
        let shard = &self.shards[(sender.as_u128() % SHARDS as u128) as usize];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap().len()).sum()
    }
}

impl Arrival {
    /// Whether it is the same message: an answer to it is one to the other too. A sender may
    /// have used the id for something else.
    pub fn is_like(&self, message: &Message) -> bool {
        self.message == *message
    }

    /// Waits for what becomes of it; `None` when it was given up, and another may take its place.
    pub async fn ending(mut self) -> Option<Ending> {
        self.ending.wait_for(Option::is_some).await.ok()?.clone()
    }
}

/// A message's place among what is on its way. When it is dropped, the place is free, and those
/// who wait learn what was told, or that nothing was.
pub struct Claim {
    table: Arc<InFlight>,
    key: Key,
    ended: watch::Sender<Option<Ending>>,
    told: Told,
}

/// What became of a message, once that is known.
#[derive(Clone, Default)]
pub struct Told(Arc<OnceLock<Ending>>);

impl Told {
    /// Tells, once.
    pub fn tell(&self, ending: Ending) {
        // It has one answer.
        let _ = self.0.set(ending);
    }
}

impl Claim {
    /// By which to tell what became of the message.
    pub fn told(&self) -> Told {
        self.told.clone()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.table.lock(self.key.0).remove(&self.key);
        // Only now, so that nobody who learns of it finds the place taken.
        if let Some(ending) = self.told.0.get() {
            self.ended.send_replace(Some(ending.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use confab_plugin::testkit::{ann, bob};

    use super::*;

    fn message(content: &str) -> Message {
        Message::new(ann(), bob(), content, Some("id".into()))
    }

    fn enter(table: &Arc<InFlight>, content: &str) -> Place {
        table.enter(&message(content), &"id".into())
    }

    #[tokio::test]
    async fn who_comes_second_learns_of_the_first() {
        let table = Arc::new(InFlight::default());
        let Place::First(claim) = enter(&table, "hello") else { panic!("nobody is there") };
        let Place::Behind(one) = enter(&table, "hello") else { panic!("somebody is there") };
        let Place::Behind(two) = enter(&table, "other") else { panic!("somebody is there") };
        assert!(one.is_like(&message("hello")) && !two.is_like(&message("other")));
        let mut waits = Box::pin(one.ending());
        assert!(futures_util::poll!(waits.as_mut()).is_pending());
        claim.told().tell(Ending::Stored);
        assert!(futures_util::poll!(waits.as_mut()).is_pending(), "its hooks have yet to run");
        drop(claim);
        assert!(matches!(waits.await, Some(Ending::Stored)));
        assert!(matches!(two.ending().await, Some(Ending::Stored)));
        assert_eq!(table.len(), 0);
    }

    #[tokio::test]
    async fn a_place_that_is_given_up_is_free() {
        let table = Arc::new(InFlight::default());
        let Place::First(claim) = enter(&table, "hello") else { panic!("nobody is there") };
        let Place::Behind(behind) = enter(&table, "hello") else { panic!("somebody is there") };
        drop(claim);
        assert!(behind.ending().await.is_none());
        let Place::First(_claim) = enter(&table, "hello") else { panic!("nobody is there") };
        assert_eq!(table.len(), 1);
        let other = Message::new(bob(), ann(), "hello", Some("id".into()));
        assert!(matches!(table.enter(&other, &"id".into()), Place::First(_)), "his own id");
    }
}
