//! The store as one would write it without a disk: plain vectors, read from end to end.

use std::collections::HashMap;

use confab::store::{
    Appended, Conversation, ConversationSummary, Mark, Marked, Message, NewMark, NewMessage,
    StoreError,
};
use confab_plugin::UserId;

/// Everything that a store of messages knows.
#[derive(Debug, Default)]
pub struct Model {
    messages: Vec<Message>,
    marks: HashMap<(UserId, UserId), Mark>,
}

impl Model {
    pub fn append(&mut self, new: NewMessage) -> Result<Appended, StoreError> {
        let conversation = Conversation::between(new.from, new.to);
        let original = self
            .messages
            .iter()
            .find(|m| m.from == new.from && m.client_id == new.client_id && m.client_id.is_some());
        match original {
            Some(message) if message.conversation == conversation => {
                return Ok(Appended { message: message.clone(), new: false });
            }
            Some(_) => return Err(StoreError::IdReused),
            None => {}
        }
        let last = self.history(conversation).pop();
        let message = Message {
            conversation,
            seq: last.as_ref().map_or(1, |last| last.seq + 1),
            from: new.from,
            to: new.to,
            content: new.content,
            client_id: new.client_id,
            at: last.map_or(new.at, |last| last.at.max(new.at)),
            changed_by: new.changed_by,
        };
        self.messages.push(message.clone());
        Ok(Appended { message, new: true })
    }

    pub fn mark(&mut self, new: NewMark) -> Marked {
        let NewMark { reader, peer, upto, at } = new;
        let last = self.history(Conversation::between(reader, peer)).pop().map_or(0, |m| m.seq);
        let upto = upto.unwrap_or(last).min(last);
        let old = self.marks.get(&(reader, peer)).copied();
        let old = old.unwrap_or(Mark { reader, peer, upto: 0, at });
        if upto <= old.upto {
            return Marked { mark: old, moved: false };
        }
        let mark = Mark { reader, peer, upto, at };
        self.marks.insert((reader, peer), mark);
        Marked { mark, moved: true }
    }

    pub fn history(&self, conversation: Conversation) -> Vec<Message> {
        self.messages.iter().filter(|m| m.conversation == conversation).cloned().collect()
    }

    pub fn conversations(&self, user: UserId, bound: u64) -> Vec<ConversationSummary> {
        let mut peers: Vec<_> = self
            .messages
            .iter()
            .filter(|m| m.from == user || m.to == user)
            .map(|m| if m.from == user { m.to } else { m.from })
            .collect();
        peers.sort_unstable();
        peers.dedup();
        let mut list: Vec<_> = peers
            .into_iter()
            .map(|peer| {
                let mut messages = self.history(Conversation::between(user, peer));
                let mark = |reader, peer| self.marks.get(&(reader, peer)).map_or(0, |m| m.upto);
                let seen = mark(user, peer);
                let unread = messages.iter().filter(|m| m.from != user && m.seq > seen).count();
                ConversationSummary {
                    peer,
                    unread: u64::try_from(unread).unwrap().min(bound),
                    seen,
                    seen_by_peer: mark(peer, user),
                    last_message: messages.pop().unwrap(),
                }
            })
            .collect();
        list.sort_by_key(|c| std::cmp::Reverse((c.last_message.at, c.peer)));
        list
    }

    /// How far the user's conversations are.
    pub fn newest(&self, user: UserId) -> HashMap<UserId, u64> {
        let list = self.conversations(user, 0);
        list.into_iter().map(|c| (c.peer, c.last_message.seq)).collect()
    }

    /// Both sides' marks of these conversations, in an order of their own.
    pub fn marks(&self, user: UserId, peers: &[UserId]) -> Vec<Mark> {
        let of = |mark: &Mark| {
            (mark.reader == user && peers.contains(&mark.peer))
                || (mark.peer == user && peers.contains(&mark.reader))
        };
        sorted(self.marks.values().copied().filter(of).collect())
    }
}

/// Marks in an order of their own.
pub fn sorted(mut marks: Vec<Mark>) -> Vec<Mark> {
    marks.sort_by_key(|mark| (mark.reader, mark.peer));
    marks
}
