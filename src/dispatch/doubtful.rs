//! Remembers messages that the store may have kept though their senders were told that it is away:
//! nobody else has been told of them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use confab_plugin::UserId;

use crate::store::{Conversation, Message, Timestamp};

/// How long a conversation's messages are remembered after the first of them: clients that are
/// told to try again do so within seconds.
const MEMORY: Duration = Duration::from_secs(600);

/// Those messages, by conversation.
///
/// Invariant: only the lane of a conversation adds to, settles or overtakes what is kept of it, in
/// the order in which it publishes.
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
    since: Instant,
    /// By their senders and the senders' ids: when they were refused first.
    refused: HashMap<(UserId, Arc<str>), Timestamp>,
    /// The last `seq` that others were told of since then.
    told: u64,
}

/// What a message that was sent again and is stored is to those who have not sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// They know it.
    Known,
    /// They have been told of a later one, so that they know of the hole, and ask for it.
    Overtaken,
    /// They are to be told.
    News,
}

impl Doubtful {
    /// Remembers at most `most` messages. Beyond them, further ones are not: those in doubt are the
    /// first that a store refuses when it goes away.
    pub fn new(most: usize) -> Self {
        Self { most, count: AtomicUsize::new(0), inner: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// A message that came at `at` was refused, and may be stored.
    pub fn add(&self, conversation: Conversation, from: UserId, id: &Arc<str>, at: Timestamp) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        self.forget_old(inner);
        if self.count() >= self.most {
            return;
        }
        let doubts = inner.conversations.entry(conversation).or_insert_with(|| {
            inner.begun += 1;
            inner.order.insert(inner.begun, conversation);
            let (number, since) = (inner.begun, Instant::now());
            Doubts { number, since, refused: HashMap::new(), told: 0 }
        });
        doubts.refused.entry((from, Arc::clone(id))).or_insert_with(|| {
            self.count.fetch_add(1, Ordering::Relaxed);
            at
        });
    }

    fn forget_old(&self, inner: &mut Inner) {
        while let Some((_, &oldest)) = inner.order.first_key_value()
            && inner.conversations.get(&oldest).is_none_or(|it| it.since.elapsed() > MEMORY)
        {
            inner.order.pop_first();
            if let Some(doubts) = inner.conversations.remove(&oldest) {
                self.count.fetch_sub(doubts.refused.len(), Ordering::Relaxed);
            }
        }
    }

    /// Whether this message is one of them.
    pub fn has(&self, message: &Message) -> bool {
        let Some(id) = message.client_id.as_ref().filter(|_| self.count() > 0) else {
            return false;
        };
        let inner = self.lock();
        let doubts = inner.conversations.get(&message.conversation);
        doubts.is_some_and(|doubts| doubts.refused.contains_key(&(message.from, Arc::clone(id))))
    }

    /// A message that was sent again is in the store. It is one of them no longer.
    pub fn settle(&self, message: &Message) -> Standing {
        let Some(id) = message.client_id.as_ref().filter(|_| self.count() > 0) else {
            return Standing::Known;
        };
        let mut inner = self.lock();
        let Some(doubts) = inner.conversations.get_mut(&message.conversation) else {
            return Standing::Known;
        };
        let is_latest = message.seq > doubts.told;
        doubts.told = doubts.told.max(message.seq);
        let key = (message.from, Arc::clone(id));
        match self.remove(&mut inner, message.conversation, &key) {
            None => Standing::Known,
            // What was refused was itself a retry of it: others were told before.
            Some(refused) if message.at < refused => Standing::Known,
            Some(_) if is_latest => Standing::News,
            Some(_) => Standing::Overtaken,
        }
    }

    /// Forgets one, and its conversation with the last. Returns when it was refused first.
    fn remove(
        &self,
        inner: &mut Inner,
        conversation: Conversation,
        key: &(UserId, Arc<str>),
    ) -> Option<Timestamp> {
        let doubts = inner.conversations.get_mut(&conversation)?;
        let refused = doubts.refused.remove(key)?;
        self.count.fetch_sub(1, Ordering::Relaxed);
        if doubts.refused.is_empty() {
            inner.order.remove(&doubts.number);
            inner.conversations.remove(&conversation);
        }
        Some(refused)
    }

    /// Others are told of this message, which is new.
    pub fn overtaken(&self, by: &Message) {
        if self.count() == 0 {
            return;
        }
        let mut inner = self.lock();
        self.forget_old(&mut inner);
        if let Some(id) = &by.client_id {
            self.remove(&mut inner, by.conversation, &(by.from, Arc::clone(id)));
        }
        if let Some(doubts) = inner.conversations.get_mut(&by.conversation) {
            doubts.told = doubts.told.max(by.seq);
        }
    }
}

#[cfg(test)]
mod tests {
    use confab_plugin::testkit::{ann, bob};

    use super::*;
    use crate::store::ChangedBy;

    /// The message `seq` from Ann, of the moment `seq`.
    fn message(seq: u64, to: UserId) -> Message {
        Message {
            conversation: Conversation::between(ann(), to),
            seq,
            from: ann(),
            to,
            content: "hello".into(),
            client_id: Some(seq.to_string().into()),
            at: Timestamp(i64::try_from(seq).unwrap()),
            changed_by: ChangedBy::default(),
        }
    }

    fn refuse(doubtful: &Doubtful, message: &Message, at: Timestamp) {
        let id = message.client_id.as_ref().unwrap();
        doubtful.add(message.conversation, message.from, id, at);
        doubtful.add(message.conversation, message.from, id, Timestamp(at.0 + 1000));
    }

    fn with(most: usize, messages: &[Message]) -> Doubtful {
        let doubtful = Doubtful::new(most);
        messages.iter().for_each(|message| refuse(&doubtful, message, message.at));
        assert!(doubtful.count() <= most);
        doubtful
    }

    fn is_as_new(doubtful: &Doubtful) -> bool {
        let inner = doubtful.lock();
        doubtful.count() == 0 && inner.conversations.is_empty() && inner.order.is_empty()
    }

    #[test]
    fn each_is_news_once_and_in_order() {
        let messages = [1, 2, 3, 4].map(|seq| message(seq, bob()));
        let doubtful = with(10, &messages[..3]);
        assert!(!doubtful.has(&messages[3]));
        assert!(doubtful.has(&messages[1]));
        assert_eq!(doubtful.settle(&messages[1]), Standing::News);
        assert!(!doubtful.has(&messages[1]));
        assert_eq!(doubtful.settle(&messages[1]), Standing::Known, "once");
        assert_eq!(doubtful.settle(&messages[0]), Standing::Overtaken);
        assert_eq!(doubtful.settle(&messages[3]), Standing::Known, "never refused");
        assert_eq!(doubtful.settle(&messages[2]), Standing::Overtaken, "they have one after it");
        assert!(is_as_new(&doubtful));
    }

    #[test]
    fn a_new_message_overtakes_those_of_its_conversation() {
        let messages = [message(1, bob()), message(2, bob()), message(1, ann())];
        let doubtful = with(10, &messages);
        // It was not stored, and is now.
        doubtful.overtaken(&messages[1]);
        refuse(&doubtful, &messages[0], messages[0].at);
        let found = messages.each_ref().map(|message| doubtful.settle(message));
        assert_eq!(found, [Standing::Overtaken, Standing::Known, Standing::News]);
        assert!(is_as_new(&doubtful));
    }

    #[test]
    fn a_retry_of_what_was_told_before_is_no_news() {
        let told = message(5, bob());
        let doubtful = Doubtful::new(10);
        refuse(&doubtful, &told, Timestamp(6));
        assert_eq!(doubtful.settle(&told), Standing::Known);
        assert!(is_as_new(&doubtful));
    }

    #[test]
    fn the_first_are_remembered_for_a_while() {
        let messages = [message(1, bob()), message(2, bob()), message(1, ann())];
        let doubtful = with(2, &messages);
        assert_eq!(messages.each_ref().map(|message| doubtful.has(message)), [true, true, false]);
        for doubts in doubtful.lock().conversations.values_mut() {
            doubts.since -= MEMORY;
        }
        doubtful.overtaken(&messages[2]);
        assert!(is_as_new(&doubtful));
        assert!(is_as_new(&with(0, &messages)));
    }
}
