//! How far one user has been brought in one conversation.

use std::collections::BTreeMap;

use confab_plugin::UserId;

use crate::{
    bus::{Deliver, Envelope, Way},
    store::{Message, Timestamp},
    wire::Frame,
};

/// How much later than another a message may be sent whose frame overtakes the other's, in
/// milliseconds: what is looked for is not what a session of the user may have from a `sync`.
const SKEW: i64 = super::SKEW.as_millis() as i64;

/// Frames that wait behind a hole; further ones are fetched from the store in their turn.
const MAX_HELD: usize = 256;

/// The frames of one conversation on their way to one user.
///
/// Invariant: what is delivered has ascending `seq`, and every frame is delivered that is above
/// what was delivered before it came.
pub(super) struct Track {
    next: Next,
    held: BTreeMap<u64, Envelope>,
    /// The latest `seq` that a frame has told of, whether it is held or not.
    newest: u64,
    /// When the latest message was sent.
    latest: Timestamp,
    /// There is a task that fetches what is missing.
    pub(super) filling: bool,
}

/// What comes next.
#[derive(Clone, Copy, Debug)]
enum Next {
    /// This `seq`.
    Is(u64),
    /// It is not known yet: the user has what is older than this.
    Since(Timestamp),
    /// Nothing is known yet, and somebody is about to tell.
    Unknown,
}

impl Track {
    /// Of a user who has all before this.
    pub(super) fn from(next: u64) -> Self {
        Self::new(Next::Is(next))
    }

    /// Of a user who has what is older than `since`.
    pub(super) fn unplaced(since: Timestamp) -> Self {
        Self::new(Next::Since(since))
    }

    /// Of a user of whom it is about to be told.
    pub(super) fn waiting() -> Self {
        Self::new(Next::Unknown)
    }

    /// The user has what is older than `since`, if nothing was known yet.
    pub(super) fn look_back(&mut self, since: Timestamp) {
        if let Next::Unknown = self.next {
            self.next = Next::Since(since);
        }
    }

    fn new(next: Next) -> Self {
        let latest = Timestamp(i64::MIN);
        Self { next, held: BTreeMap::new(), newest: 0, latest, filling: false }
    }

    /// When the latest message was sent.
    pub(super) fn latest(&self) -> Timestamp {
        self.latest
    }

    /// The last that was delivered, if that is known.
    pub(super) fn delivered(&self) -> Option<u64> {
        match self.next {
            Next::Is(next) => Some(next.saturating_sub(1)),
            Next::Since(_) | Next::Unknown => None,
        }
    }

    /// While it is not known where to begin: the first frame that is held, and the moment before
    /// which nothing can be missing.
    pub(super) fn first_unplaced(&self) -> Option<(u64, Timestamp)> {
        let Next::Since(since) = self.next else { return None };
        let (first, envelope) = self.held.first_key_value()?;
        // No frame is so late that it is overtaken by one that was sent much later.
        let at = envelope.frame.place.map_or(since, |place| place.at);
        Some((*first, since.max(Timestamp(at.0.saturating_sub(SKEW)))))
    }

    /// What comes next, if it is known to be missing.
    pub(super) fn missing(&self) -> Option<u64> {
        match self.next {
            Next::Is(next) if next <= self.newest => Some(next),
            _ => None,
        }
    }

    /// Whether a task is needed to go on, and there is none. From now on there is.
    pub(super) fn begins_filling(&mut self) -> bool {
        let is_stuck = self.missing().is_some() || self.first_unplaced().is_some();
        let begins = is_stuck && !self.filling;
        self.filling |= begins;
        begins
    }

    /// Begins with the first frame that is held, if nothing was known yet.
    pub(super) fn begin_with_first(&mut self, hub: &dyn Deliver) {
        if let Some(first) = self.held.keys().next().copied() {
            self.begin(first, hub);
        }
    }

    /// The user has all before `next`, or before the first frame that is held; if nothing was known
    /// yet.
    pub(super) fn begin(&mut self, next: u64, hub: &dyn Deliver) {
        if let Next::Since(_) | Next::Unknown = self.next {
            let first = self.held.keys().next().copied();
            self.next = Next::Is(first.map_or(next, |first| first.min(next)));
            self.release(hub);
        }
    }

    /// Takes a frame; `false` for a copy.
    pub(super) fn frame(
        &mut self,
        (seq, at): (u64, Timestamp),
        envelope: Envelope,
        hub: &dyn Deliver,
    ) -> bool {
        let is_next = match self.next {
            Next::Is(next) if seq < next => return false,
            Next::Is(next) => seq == next,
            Next::Since(_) | Next::Unknown => false,
        };
        self.newest = self.newest.max(seq);
        self.latest = self.latest.max(at);
        if is_next || self.held.len() < MAX_HELD {
            self.held.insert(seq, envelope);
        }
        self.release(hub);
        true
    }

    /// Takes messages from the store, unless a frame of one is held: that one knows which session
    /// has it already.
    pub(super) fn messages(&mut self, user: UserId, messages: &[Message], hub: &dyn Deliver) {
        for message in messages {
            if matches!(self.next, Next::Is(next) if next == message.seq)
                && !self.held.contains_key(&message.seq)
            {
                self.latest = self.latest.max(message.at);
                let frame = Frame::message(message);
                let envelope = Envelope { to: user, except: None, frame, way: Way::Store };
                self.held.insert(message.seq, envelope);
            }
            self.release(hub);
        }
    }

    /// Leaves out what is missing before the next frame, or before all that were told of.
    pub(super) fn skip(&mut self, hub: &dyn Deliver) {
        if let Next::Is(next) = self.next {
            let to = self.held.keys().next().map_or(self.newest + 1, |first| *first);
            self.next = Next::Is(next.max(to));
            self.release(hub);
        }
    }

    /// Delivers what is next. Under the lock, so that nothing overtakes.
    fn release(&mut self, hub: &dyn Deliver) {
        while let Next::Is(next) = &mut self.next
            && let Some(envelope) = self.held.remove(next)
        {
            *next += 1;
            hub.deliver(envelope);
        }
    }
}
