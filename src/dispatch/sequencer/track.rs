//! How far one user has been brought in one conversation.

use std::collections::BTreeMap;

use confab_plugin::UserId;

use crate::{
    bus::{Deliver, Envelope, Way},
    store::Message,
    wire::Frame,
};

/// Frames that wait behind a hole; further ones are fetched from the store in their turn.
const MAX_HELD: usize = 256;

/// The frames of one conversation on their way to one user.
#[derive(Default)]
pub(super) struct Track {
    /// The next to be delivered, once it is known what the user has.
    next: Option<u64>,
    held: BTreeMap<u64, Envelope>,
    /// The latest that a frame has told of, whether it is held or not.
    newest: u64,
    /// There is a task that fetches what is missing.
    pub(super) filling: bool,
}

impl Track {
    /// Of a user who has all before this.
    pub(super) fn from(next: u64) -> Self {
        Self { next: Some(next), ..Self::default() }
    }

    /// The last that was delivered, if that is known.
    pub(super) fn delivered(&self) -> Option<u64> {
        self.next.map(|next| next - 1)
    }

    /// The first frame that is held while it is not known where to begin.
    pub(super) fn first_unplaced(&self) -> Option<u64> {
        let (first, _) = self.held.first_key_value()?;
        self.next.is_none().then_some(*first)
    }

    /// What comes next, if it is known to be missing.
    pub(super) fn missing(&self) -> Option<u64> {
        self.next.filter(|next| *next <= self.newest)
    }

    /// Whether a task is needed to go on.
    pub(super) fn is_stuck(&self) -> bool {
        self.missing().or(self.first_unplaced()).is_some()
    }

    /// The user has all before `next`, if nothing is known yet.
    pub(super) fn begin(&mut self, next: u64, hub: &dyn Deliver) {
        if self.next.is_none() {
            self.next = Some(next);
            self.held = self.held.split_off(&next);
            self.release(hub);
        }
    }

    /// Takes the frame of this `seq`; `false` for a copy.
    pub(super) fn frame(&mut self, seq: u64, envelope: Envelope, hub: &dyn Deliver) -> bool {
        if self.next.is_some_and(|next| seq < next) {
            return false;
        }
        self.newest = self.newest.max(seq);
        if self.next == Some(seq) || self.held.len() < MAX_HELD {
            self.held.insert(seq, envelope);
        }
        self.release(hub);
        true
    }

    /// Takes messages from the store, unless a frame of one is held: that one knows which session
    /// has it already.
    pub(super) fn messages(&mut self, user: UserId, messages: &[Message], hub: &dyn Deliver) {
        for message in messages {
            if self.next == Some(message.seq) && !self.held.contains_key(&message.seq) {
                let frame = Frame::message(message);
                let envelope = Envelope { to: user, except: None, frame, way: Way::Store };
                self.held.insert(message.seq, envelope);
            }
            self.release(hub);
        }
    }

    /// Leaves out what is missing before the next frame, or before all that were told of.
    pub(super) fn skip(&mut self, hub: &dyn Deliver) {
        let next = self.held.first_key_value().map_or(self.newest + 1, |(seq, _)| *seq);
        self.next = Some(next);
        self.release(hub);
    }

    /// Delivers what is next. Under the lock, so that nothing overtakes.
    fn release(&mut self, hub: &dyn Deliver) {
        while let Some(next) = &mut self.next
            && let Some(envelope) = self.held.remove(next)
        {
            *next += 1;
            hub.deliver(envelope);
        }
    }
}
