//! Remembers messages that the store may have kept though their senders were told that it is away:
//! nobody else has been told of them.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use confab_plugin::UserId;

use crate::store::{Conversation, Message};

/// Those messages, by conversation.
///
/// Invariant: only the lane of a conversation changes what is kept of it, in the order in which it
/// publishes; so what is told of late has a `seq` above all that was published before.
pub struct Doubtful {
    most: usize,
    /// As many as `inner` has, to be seen without its lock.
    count: AtomicUsize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    conversations: HashMap<Conversation, Doubts>,
    /// The same, oldest first.
    order: BTreeMap<u64, Conversation>,
    begun: u64,
}

/// The messages of one conversation.
struct Doubts {
    number: u64,
    /// By their senders and the senders' ids.
    ids: HashSet<(UserId, Arc<str>)>,
    /// The `seq` of the last that was told of.
    told: u64,
}

impl Doubtful {
    /// Remembers at most `most` messages; beyond them, those of the oldest conversation are
    /// forgotten.
    pub fn new(most: usize) -> Self {
        Self { most, count: AtomicUsize::new(0), inner: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    /// A message was refused, and may be stored.
    pub fn add(&self, conversation: Conversation, from: UserId, id: &Arc<str>) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let doubts = inner.conversations.entry(conversation).or_insert_with(|| {
            inner.begun += 1;
            inner.order.insert(inner.begun, conversation);
            Doubts { number: inner.begun, ids: HashSet::new(), told: 0 }
        });
        if doubts.ids.insert((from, Arc::clone(id))) {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
        while self.count.load(Ordering::Relaxed) > self.most {
            let Some((_, &oldest)) = inner.order.first_key_value() else { break };
            self.remove(inner, oldest);
        }
    }

    fn remove(&self, inner: &mut Inner, conversation: Conversation) {
        if let Some(doubts) = inner.conversations.remove(&conversation) {
            inner.order.remove(&doubts.number);
            self.count.fetch_sub(doubts.ids.len(), Ordering::Relaxed);
        }
    }

    /// Whether this message is one of them.
    pub fn has(&self, message: &Message) -> bool {
        let Some(id) = message.client_id.as_ref().filter(|_| !self.is_empty()) else {
            return false;
        };
        let inner = self.lock();
        let doubts = inner.conversations.get(&message.conversation);
        doubts.is_some_and(|doubts| doubts.ids.contains(&(message.from, Arc::clone(id))))
    }

    /// A message that was sent again is in the store. Says whether others must be told of it now.
    pub fn settle(&self, message: &Message) -> bool {
        let Some(id) = message.client_id.as_ref().filter(|_| !self.is_empty()) else {
            return false;
        };
        let mut inner = self.lock();
        let Some(doubts) = inner.conversations.get_mut(&message.conversation) else {
            return false;
        };
        if !doubts.ids.remove(&(message.from, Arc::clone(id))) {
            return false;
        }
        self.count.fetch_sub(1, Ordering::Relaxed);
        let is_news = message.seq > doubts.told;
        doubts.told = doubts.told.max(message.seq);
        if doubts.ids.is_empty() {
            self.remove(&mut inner, message.conversation);
        }
        is_news
    }

    /// A new message of this conversation is published. What is missing before it, whoever gets it
    /// asks for.
    pub fn overtaken(&self, conversation: Conversation) {
        if !self.is_empty() {
            let mut inner = self.lock();
            self.remove(&mut inner, conversation);
        }
    }
}

#[cfg(test)]
mod tests {
    use confab_plugin::testkit::{ann, bob};

    use super::*;
    use crate::store::{ChangedBy, Timestamp};

    fn message(seq: u64, to: UserId) -> Message {
        Message {
            conversation: Conversation::between(ann(), to),
            seq,
            from: ann(),
            to,
            content: "hello".into(),
            client_id: Some(seq.to_string().into()),
            at: Timestamp::now(),
            changed_by: ChangedBy::default(),
        }
    }

    fn with(most: usize, messages: &[Message]) -> Doubtful {
        let doubtful = Doubtful::new(most);
        for message in messages.iter().chain(messages) {
            let id = message.client_id.as_ref().unwrap();
            doubtful.add(message.conversation, message.from, id);
        }
        assert!(doubtful.count.load(Ordering::Relaxed) <= most);
        doubtful
    }

    fn is_as_new(doubtful: &Doubtful) -> bool {
        let inner = doubtful.lock();
        doubtful.is_empty() && inner.conversations.is_empty() && inner.order.is_empty()
    }

    #[test]
    fn each_is_told_once_and_in_order() {
        let messages = [1, 2, 3, 4].map(|seq| message(seq, bob()));
        let doubtful = with(10, &messages[..3]);
        assert!(!doubtful.has(&messages[3]) && !doubtful.settle(&messages[3]), "never refused");
        assert!(doubtful.has(&messages[1]));
        assert!(doubtful.settle(&messages[1]));
        assert!(!doubtful.has(&messages[1]) && !doubtful.settle(&messages[1]), "once");
        assert!(!doubtful.settle(&messages[0]), "a later one has been told");
        assert!(doubtful.settle(&messages[2]));
        assert!(is_as_new(&doubtful));
    }

    #[test]
    fn a_new_message_overtakes_those_of_its_conversation() {
        let messages = [message(1, bob()), message(1, ann())];
        let doubtful = with(10, &messages);
        doubtful.overtaken(messages[0].conversation);
        assert_eq!(messages.each_ref().map(|message| doubtful.settle(message)), [false, true]);
        assert!(is_as_new(&doubtful));
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let messages = [message(1, bob()), message(2, bob()), message(1, ann())];
        let doubtful = with(2, &messages[..2]);
        let id = messages[2].client_id.as_ref().unwrap();
        doubtful.add(messages[2].conversation, ann(), id);
        assert_eq!(messages.each_ref().map(|message| doubtful.has(message)), [false, false, true]);
        doubtful.overtaken(messages[2].conversation);
        assert!(is_as_new(&doubtful));
        assert!(is_as_new(&with(0, &messages)));
    }
}
