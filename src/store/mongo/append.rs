//! Appending to one conversation: optimistic, in one ordered insert.
//!
//! 1. A message whose id was known before is looked up: a retry gets the original.
//! 2. `conversations` is told how far the messages will go, so that a crash after the insert
//!    cannot leave a message that nobody is told of. It may then say too much, never too little;
//!    the messages decide.
//! 3. The messages are inserted as `seq` = newest known + 1, + 2, … in one ordered insert, which
//!    ends at the first that meets a unique index: another node was faster, or it is a retry
//!    after all. Then the newest message and the ids are looked up, and the rest is tried again.
//!
//! What an ordered insert left before its end is a prefix, so there never is a gap.

use std::{collections::HashMap, sync::Arc};

use confab_plugin::UserId;
use futures_util::future;
use mongodb::{
    bson::{Document, doc},
    options::WriteConcern,
};
use tokio::time::{Instant, timeout_at};

use super::{
    Shared,
    claims::Claim,
    connect::{Space, durable},
    documents::{count, date, new_message},
    errors::{DUPLICATE_KEY, INVALID_DOCUMENT, Stopped, unavailable},
    heads::{Head, newest},
    meters::seq_conflict,
    originals::{self, Originals},
    pause::Pause,
    turns::Answers,
};
use crate::store::{Appended, Conversation, Message, NewMessage, StoreError, Timestamp};

/// A document has at most 16 MiB; what is left is for the fields beside the text.
const MAX_CONTENT: usize = 16 * 1024 * 1024 - 4096;

/// How much further than needed `conversations` is told after a lost race, so that the next
/// attempt need not wait for that again.
const AHEAD: i64 = 8;

/// A message to be stored, and what is known of its id.
pub(super) struct Item {
    pub new: NewMessage,
    pub claim: Claim,
}

type Answer = Result<Appended, StoreError>;

impl Shared {
    /// Stores messages of one conversation in their order, and answers for each. The caller sees
    /// to it that no other round of the conversation runs on this node.
    pub(super) async fn append_round(
        &self,
        space: &Space,
        conversation: Conversation,
        items: Vec<Item>,
    ) -> Answers<Appended> {
        let deadline = Instant::now() + space.timeout;
        let mut round = Round::new(self, space, conversation, &items);
        let failed = match timeout_at(deadline, round.run()).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error),
            Err(_) => Some(StoreError::Unavailable("no answer in time".to_owned())),
        };
        if failed.is_some() {
            // It may have been stored after all, or the database be another one now.
            self.heads.forget(conversation);
        }
        round.finish(failed)
    }
}

/// One round of appending.
struct Round<'a> {
    shared: &'a Shared,
    space: &'a Space,
    conversation: Conversation,
    items: &'a [Item],
    answers: Vec<Option<Answer>>,
    /// Those that are the same message as an earlier one.
    repeats: Vec<(usize, usize)>,
    /// Those without an answer, in order.
    pending: Vec<usize>,
    /// How far `conversations` is known to go.
    promised: (i64, Timestamp),
}

impl<'a> Round<'a> {
    fn new(
        shared: &'a Shared,
        space: &'a Space,
        conversation: Conversation,
        items: &'a [Item],
    ) -> Self {
        let mut round = Self {
            shared,
            space,
            conversation,
            items,
            answers: vec![None; items.len()],
            repeats: Vec::new(),
            pending: Vec::new(),
            promised: (0, Timestamp(i64::MIN)),
        };
        let mut seen: HashMap<(UserId, &str), usize> = HashMap::new();
        for (index, Item { new, .. }) in items.iter().enumerate() {
            if new.content.len() > MAX_CONTENT {
                let why = "the text is larger than a document of MongoDB".to_owned();
                round.answer(index, Err(StoreError::Unavailable(why)));
                continue;
            }
            if let Some(id) = new.client_id.as_deref()
                && let Some(first) = seen.insert((new.from, id), index)
            {
                seen.insert((new.from, id), first);
                round.repeats.push((index, first));
                continue;
            }
            round.pending.push(index);
        }
        round
    }

    fn answer(&mut self, index: usize, answer: Answer) {
        if let Some(place) = self.answers.get_mut(index) {
            *place = Some(answer);
        }
    }

    async fn run(&mut self) -> Result<(), StoreError> {
        let known: Vec<usize> = self.pending_with(|item| item.claim == Claim::Known);
        let originals = originals(self.space, self.conversation, self.items, &known).await?;
        self.resolve(&originals);
        if self.pending.is_empty() {
            return Ok(());
        }
        let mut head = self.shared.heads.find(self.space, self.conversation).await?;
        let mut pause = Pause::of_a_race();
        while !self.pending.is_empty() {
            self.promise(head.seq, 0).await?;
            let (heads, messages, documents) = self.number(head);
            let inserted = self.space.messages(self.conversation).insert_many(documents).await;
            let stopped = match &inserted {
                Ok(_) => None,
                Err(error) => Some(Stopped::of(error).ok_or_else(|| unavailable(error.clone()))?),
            };
            let done = stopped.as_ref().map_or(messages.len(), |stopped| stopped.at);
            if let Some(last) = done.checked_sub(1).and_then(|last| heads.get(last)) {
                head = *last;
                self.shared.heads.set(self.conversation, head);
            }
            let stored: Vec<usize> = self.pending.drain(..done.min(self.pending.len())).collect();
            for (index, message) in stored.into_iter().zip(messages) {
                self.answer(index, Ok(Appended { message, new: true }));
            }
            let Some(stopped) = stopped else {
                continue;
            };
            match stopped.code {
                DUPLICATE_KEY => {
                    let learnt = self.learn(&mut head).await?;
                    if !learnt && done == 0 {
                        pause.wait().await;
                    }
                }
                // This one message's own fault.
                INVALID_DOCUMENT if !self.pending.is_empty() => {
                    let index = self.pending.remove(0);
                    self.answer(index, Err(stopped.why));
                }
                _ => return Err(stopped.why),
            }
        }
        Ok(())
    }

    /// After a lost race: where the conversation is now, and what was stored of ours. Says
    /// whether anything is new.
    async fn learn(&mut self, head: &mut Head) -> Result<bool, StoreError> {
        seq_conflict();
        let with_id = self.pending_with(|item| item.new.client_id.is_some());
        let (space, conversation, items) = (self.space, self.conversation, self.items);
        let (newest, originals, promised) = future::join3(
            newest(space, conversation),
            originals(space, conversation, items, &with_id),
            self.promise(head.seq, AHEAD),
        )
        .await;
        promised?;
        let (newest, originals) = (newest?, originals?);
        let resolved = self.resolve(&originals);
        let moved = newest.seq != head.seq;
        *head = newest;
        self.shared.heads.set(conversation, newest);
        Ok(moved || resolved)
    }

    fn pending_with(&self, wanted: impl Fn(&Item) -> bool) -> Vec<usize> {
        let wanted = |index: &usize| self.items.get(*index).is_some_and(&wanted);
        self.pending.iter().copied().filter(wanted).collect()
    }

    /// Answers those that are stored; says whether there were any.
    fn resolve(&mut self, originals: &Originals) -> bool {
        let before = self.pending.len();
        for index in std::mem::take(&mut self.pending) {
            let original = self.items.get(index).and_then(|item| {
                let id = item.new.client_id.clone()?;
                originals.get(&(item.new.from, id))
            });
            match original {
                Some(message) => {
                    let answer = Appended { message: message.clone(), new: false };
                    self.answer(index, Ok(answer));
                }
                None => self.pending.push(index),
            }
        }
        self.pending.len() < before
    }

    /// Tells `conversations` how far the pending messages will go beyond `seq`, and `ahead`.
    async fn promise(&mut self, seq: i64, ahead: i64) -> Result<(), StoreError> {
        let times = self.pending.iter().filter_map(|index| self.items.get(*index));
        let Some(at) = times.map(|item| item.new.at).max() else {
            return Ok(());
        };
        let upto = seq + i64::try_from(self.pending.len()).unwrap_or(0);
        if upto <= self.promised.0 && at <= self.promised.1 {
            return Ok(());
        }
        let concern = if seq == 0 { durable() } else { self.space.followed() };
        promise(self.space, self.conversation, upto + ahead, at, concern).await?;
        self.promised = (upto + ahead, at);
        Ok(())
    }

    /// The pending messages as they are to be stored, each with the head it makes.
    fn number(&self, mut head: Head) -> (Vec<Head>, Vec<Message>, Vec<Document>) {
        let (mut heads, mut messages, mut documents) = (Vec::new(), Vec::new(), Vec::new());
        for item in self.pending.iter().filter_map(|index| self.items.get(*index)) {
            let new = &item.new;
            head = Head {
                seq: head.seq + 1,
                at: new.at.max(head.at),
                by_first: head.by_first + i64::from(new.from == self.conversation.first()),
            };
            documents.push(new_message(self.space.layout, head.seq, head.at, head.by_first, new));
            messages.push(Message {
                conversation: self.conversation,
                seq: count(head.seq),
                from: new.from,
                to: new.to,
                content: Arc::clone(&new.content),
                client_id: new.client_id.clone(),
                at: head.at,
                changed_by: new.changed_by.clone(),
            });
            heads.push(head);
        }
        (heads, messages, documents)
    }

    /// The answers; those that are missing failed for this reason.
    fn finish(mut self, failed: Option<StoreError>) -> Answers<Appended> {
        let failed = failed.unwrap_or_else(|| StoreError::Unavailable("not stored".to_owned()));
        for (index, first) in std::mem::take(&mut self.repeats) {
            let answer = self.answers.get(first).cloned().flatten();
            let answer = answer.map(|answer| {
                answer.map(|Appended { message, .. }| Appended { message, new: false })
            });
            if let Some(answer) = answer {
                self.answer(index, answer);
            }
        }
        let answers = self.answers.into_iter();
        answers.map(|answer| answer.unwrap_or_else(|| Err(failed.clone()))).collect()
    }
}

/// Tells `conversations` that there may be messages up to a `seq`. Makes the conversation's
/// document if there is none.
pub(super) async fn promise(
    space: &Space,
    conversation: Conversation,
    upto: i64,
    at: Timestamp,
    concern: WriteConcern,
) -> Result<(), StoreError> {
    let users = [conversation.first().to_string(), conversation.second().to_string()];
    let change = doc! {
        "$max": { "last_seq": upto, "last_at": date(at) },
        "$setOnInsert": { "users": users.to_vec() },
    };
    let conversations = space.conversations();
    let update = conversations
        .update_one(doc! { "_id": conversation.to_string() }, change)
        .upsert(true)
        .write_concern(concern);
    update.await.map(|_| ()).map_err(unavailable)
}

/// Of some messages, those that are stored, by sender and id.
async fn originals(
    space: &Space,
    conversation: Conversation,
    items: &[Item],
    wanted: &[usize],
) -> Result<Originals, StoreError> {
    let items = wanted.iter().filter_map(|index| items.get(*index));
    let ids = items.filter_map(|item| Some((item.new.from, item.new.client_id.as_deref()?)));
    originals::in_conversation(space, conversation, ids).await
}
