//! What waits of typing for one session: of each sender the newest, and in all not too often.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use confab_plugin::UserId;

use crate::wire::Frame;

/// The typing frames of one outbox.
///
/// Invariant: there is at most one of a sender. A newer one takes its place, but not in the order:
/// it says what is true after all that was queued before it.
#[derive(Default)]
pub struct Typing {
    /// By sender, with the number of other frames that go before.
    waiting: HashMap<UserId, (usize, Frame)>,
    bytes: usize,
    /// Not before then, while there is nothing else to send.
    pub(super) due: Option<Instant>,
}

impl Typing {
    /// Queues a frame of `sender` behind so many others; says whether an older one gave way.
    pub fn queue(&mut self, sender: UserId, behind: usize, frame: Frame) -> bool {
        self.bytes += frame.text.len();
        let older = self.waiting.insert(sender, (behind, frame));
        self.bytes -= older.as_ref().map_or(0, |(_, older)| older.text.len());
        older.is_some()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The bytes of their texts.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether one of `sender` waits.
    pub fn holds(&self, sender: UserId) -> bool {
        self.waiting.contains_key(&sender)
    }

    /// When what waits is to be sent, even by itself; `None` when nothing waits.
    pub fn due(&self) -> Option<Instant> {
        let soonest = || self.due.unwrap_or_else(Instant::now);
        (!self.waiting.is_empty()).then(soonest)
    }

    /// Whether something waits that is to be sent now.
    pub fn is_due(&self) -> bool {
        !self.waiting.is_empty() && self.due.is_none_or(|due| due <= Instant::now())
    }

    /// Leaves all out; says how many there were.
    pub fn clear(&mut self) -> usize {
        self.bytes = 0;
        std::mem::take(&mut self.waiting).len()
    }

    /// Takes all that waits, into its places among the other frames. What comes after `now` waits
    /// for `interval`, unless something else is sent: each frame costs the one who gets it a wake-up.
    pub fn take_among(
        &mut self,
        others: VecDeque<Frame>,
        now: Instant,
        interval: Duration,
    ) -> VecDeque<Frame> {
        if self.waiting.is_empty() {
            return others;
        }
        self.due = Some(now + interval);
        self.bytes = 0;
        let mut typing: Vec<_> = std::mem::take(&mut self.waiting).into_values().collect();
        typing.sort_by_key(|(behind, _)| *behind);
        let mut typing = typing.into_iter().peekable();
        let mut frames = VecDeque::with_capacity(others.len() + typing.len());
        for (place, other) in others.into_iter().enumerate() {
            while let Some((_, frame)) = typing.next_if(|(behind, _)| *behind <= place) {
                frames.push_back(frame);
            }
            frames.push_back(other);
        }
        frames.extend(typing.map(|(_, frame)| frame));
        frames
    }
}
