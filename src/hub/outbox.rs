//! What waits to be sent to one session: bounded in frames and in bytes.

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_util::task::AtomicWaker;

use super::{Backlog, CloseReason, meters::EPHEMERAL_DROPPED, typing::Typing};
use crate::{config, wire::Frame};

/// The queue of one session, filled from anywhere and emptied by the session's task.
///
/// Invariant: the answers to the session's own messages leave in the order in which the
/// messages arrived, whichever of them is stored first; and what is delivered after an echo in the
/// same conversation leaves after it, so that a conversation's `seq` ascends. It waits for no other
/// answer: an echo that is still to come has a higher `seq`.
pub struct Outbox {
    inner: Mutex<Inner>,
    waker: AtomicWaker,
    max_frames: usize,
    max_bytes: usize,
    max_in_flight: usize,
    typing_interval: Duration,
    backlog: Arc<Backlog>,
}

/// The part of an outbox that typing may fill, so that a flood of it never takes the place of what
/// must not be lost, nor much of its time.
const EPHEMERAL_PART: usize = 4;

/// What a frame takes beside its text.
const FRAME: usize = size_of::<Frame>();

/// A session is slow when it has not taken what waits for this long.
const SLOW: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Inner {
    frames: VecDeque<Frame>,
    bytes: usize,
    /// What waits of typing, among those.
    typing: Typing,
    /// The bytes of the frames that the session's task took, and is writing.
    writing: usize,
    /// The answers owed to the session's own messages, oldest first.
    owed: VecDeque<Owed>,
    /// How many answers have left `owed` so far.
    answered: u64,
    /// How many answers in `owed` are known, and wait for an older one; and their bytes.
    known: usize,
    known_bytes: usize,
    /// The frames, and their bytes, that wait behind those.
    behind: (usize, usize),
    closing: Option<CloseReason>,
    /// When the session's task took frames last, or when the first came to an empty outbox.
    /// `None` while nothing waits and nothing is being written.
    since: Option<Instant>,
    /// What the backlog of all outboxes knows of this one.
    counted: usize,
}

/// The answer owed to one of the session's own messages.
#[derive(Default)]
struct Owed {
    /// `None` while it is not known. An inner `None` is an answer that is not told.
    answer: Option<Option<Frame>>,
    /// What was delivered after it was known.
    behind: Vec<Frame>,
}

impl Owed {
    /// Whether its answer is known, and stands before `later` in one conversation; what has no
    /// place of its own waits for every known answer.
    fn comes_before(&self, later: &Frame) -> bool {
        let conversation = |frame: &Frame| frame.place.map(|place| place.conversation);
        match (&self.answer, conversation(later)) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(answer), later) => answer.as_ref().and_then(conversation) == later,
        }
    }
}

/// What the session's task has to do.
#[derive(Debug)]
pub struct Outbound {
    /// Frames to write, in order.
    pub frames: VecDeque<Frame>,
    /// Close the session after these, for this reason.
    pub closing: Option<CloseReason>,
    /// How many messages are still on their way to the store.
    pub in_flight: usize,
}

impl Outbox {
    /// An empty outbox with these bounds, which counts for `backlog`.
    pub fn new(limits: &config::Limits, backlog: &Arc<Backlog>) -> Self {
        Self {
            inner: Mutex::default(),
            waker: AtomicWaker::new(),
            max_frames: limits.outbox_frames,
            max_bytes: limits.outbox.as_usize(),
            max_in_flight: limits.in_flight,
            typing_interval: limits.typing_interval.0,
            backlog: Arc::clone(backlog),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a frame. On overflow typing goes first; then the session is closed with
    /// [`CloseReason::SlowClient`], and its `sync` will bring what was left out.
    pub fn push(&self, frame: Frame) {
        self.change(|inner| inner.push(frame, self));
    }

    /// Closes the session; what is queued is still sent, unless the reason is abrupt. The first
    /// reason stays, but for such a one.
    pub fn close(&self, reason: CloseReason) {
        self.change(|inner| inner.close(reason));
    }

    /// Takes the next place in the order of the answers; says its number.
    pub(super) fn owe(&self) -> u64 {
        let mut inner = self.lock();
        inner.owed.push_back(Owed::default());
        inner.answered + inner.owed.len() as u64 - 1
    }

    /// Queues the answer of that number, when its turn comes; `None` is an answer that is not told.
    pub(super) fn answer(&self, number: u64, frame: Option<Frame>) {
        self.change(|inner| inner.answer(number, frame, self));
        // Room for another message is something to do as well.
        self.waker.wake();
    }

    /// Makes a change, and wakes the session's task if there is now something to do.
    fn change(&self, change: impl FnOnce(&mut Inner)) {
        let mut inner = self.lock();
        let typing = inner.typing.len();
        change(&mut inner);
        inner.count(&self.backlog);
        // It knows of typing that waits when the first does.
        let typing = typing == 0 && inner.typing.len() > 0;
        let wake = typing || !inner.frames.is_empty() || inner.closing.is_some();
        drop(inner);
        if wake {
            self.waker.wake();
        }
    }

    /// Whether another message may be taken from the socket.
    pub fn has_room(&self) -> bool {
        let inner = self.lock();
        inner.owed.len() < self.max_in_flight && inner.closing.is_none()
    }

    /// Takes all that is queued; pending while there is nothing to do before
    /// [`typing_due`](Self::typing_due), which wakes nobody. What was taken before is written by
    /// now. Only the session's own task may call this.
    pub fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Outbound> {
        self.waker.register(cx.waker());
        let mut inner = self.lock();
        if inner.frames.is_empty() && inner.closing.is_none() && !inner.typing.is_due() {
            inner.written(&self.backlog);
            return Poll::Pending;
        }
        Poll::Ready(inner.take(self))
    }

    /// Like [`poll_take`](Self::poll_take), for a session that is closing: pending until there
    /// is a frame, or nothing is in flight any more.
    pub fn poll_rest(&self, cx: &mut Context<'_>) -> Poll<Outbound> {
        self.waker.register(cx.waker());
        let mut inner = self.lock();
        if inner.frames.is_empty() && !inner.owed.is_empty() {
            inner.written(&self.backlog);
            return Poll::Pending;
        }
        Poll::Ready(inner.take(self))
    }

    /// When typing that waits is to be sent, if nothing else is before.
    pub fn typing_due(&self) -> Option<Instant> {
        self.lock().typing.due()
    }

    /// Pending until the session was given up. Only the session's own task may call this.
    pub fn poll_given_up(&self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        self.waker.register(cx.waker());
        match self.closing() {
            Some(reason) if reason.is_abrupt() => Poll::Ready(reason),
            _ => Poll::Pending,
        }
    }

    /// Why the session is being closed, if it is.
    pub fn closing(&self) -> Option<CloseReason> {
        self.lock().closing
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.backlog.change(inner.counted, 0);
    }
}

impl Inner {
    /// Tells the backlog of all outboxes how much this one holds.
    fn count(&mut self, backlog: &Backlog) {
        let frames = self.frames.len() + self.typing.len() + self.behind.0 + self.known;
        let bytes = self.bytes + self.typing.bytes() + self.behind.1 + self.known_bytes;
        let held = bytes + self.writing + FRAME * frames;
        backlog.change(mem::replace(&mut self.counted, held), held);
    }

    fn written(&mut self, backlog: &Backlog) {
        self.since = None;
        if self.writing > 0 {
            self.writing = 0;
            self.count(backlog);
        }
    }

    fn take(&mut self, bounds: &Outbox) -> Outbound {
        let now = Instant::now();
        self.since = Some(now);
        self.writing = mem::take(&mut self.bytes) + self.typing.bytes();
        let frames =
            self.typing.take_among(mem::take(&mut self.frames), now, bounds.typing_interval);
        self.writing += FRAME * frames.len();
        let outbound = Outbound { frames, closing: self.closing, in_flight: self.owed.len() };
        self.count(&bounds.backlog);
        outbound
    }

    fn push(&mut self, frame: Frame, bounds: &Outbox) {
        if !self.make_room(&frame, bounds) {
            return;
        }
        if let Some(sender) = frame.typing {
            self.since.get_or_insert_with(Instant::now);
            if self.typing.queue(sender, self.frames.len(), frame) {
                bounds.backlog.replaced();
            }
        } else if self.known > 0
            && let Some(owed) = self.owed.iter_mut().rfind(|owed| owed.comes_before(&frame))
        {
            self.behind.0 += 1;
            self.behind.1 += frame.text.len();
            owed.behind.push(frame);
        } else {
            self.queue(frame);
        }
    }

    fn queue(&mut self, frame: Frame) {
        self.since.get_or_insert_with(Instant::now);
        self.bytes += frame.text.len();
        self.frames.push_back(frame);
    }

    /// Whether the frame may be queued; if not, it is left out, or the session is given up.
    fn make_room(&mut self, frame: &Frame, bounds: &Outbox) -> bool {
        if self.is_given_up() {
            return false;
        }
        let part = if frame.typing.is_some() { EPHEMERAL_PART } else { 1 };
        let (max_frames, max_bytes) = (bounds.max_frames, bounds.max_bytes);
        let slow = self.since.is_some_and(|since| since.elapsed() >= SLOW);
        let max_bytes = max_bytes.min(bounds.backlog.allowance(slow)) / part;
        let over = |inner: &Inner| {
            let frames = inner.frames.len() + inner.typing.len() + inner.behind.0;
            let bytes = inner.bytes + inner.typing.bytes() + inner.behind.1;
            let bytes = bytes + inner.writing + frame.text.len();
            // A single frame larger than the bound (a page of `sync`) goes to an empty outbox.
            frames > 0 && (frames >= max_frames / part || bytes > max_bytes)
        };
        // In the place of an older one it takes none.
        let replaces = frame.typing.is_some_and(|sender| self.typing.holds(sender));
        if !replaces && over(self) {
            if frame.typing.is_some() {
                EPHEMERAL_DROPPED.increment(1);
                return false;
            }
            let dropped = self.typing.clear();
            EPHEMERAL_DROPPED.increment(dropped as u64);
            if over(self) {
                self.close(CloseReason::SlowClient);
                return false;
            }
        }
        true
    }

    fn is_given_up(&self) -> bool {
        self.closing.is_some_and(CloseReason::is_abrupt)
    }

    fn close(&mut self, reason: CloseReason) {
        if self.is_given_up() || self.closing.is_some() && !reason.is_abrupt() {
            return;
        }
        self.closing = Some(reason);
        if reason.is_abrupt() {
            self.frames = VecDeque::new();
            self.bytes = 0;
            self.typing.clear();
            self.behind = (0, 0);
            self.known_bytes = 0;
            for owed in &mut self.owed {
                owed.behind = Vec::new();
                // An answer that is not told.
                owed.answer = owed.answer.take().map(|_| None);
            }
        }
    }

    fn answer(&mut self, number: u64, answer: Option<Frame>, bounds: &Outbox) {
        let place = number.checked_sub(self.answered).and_then(|n| usize::try_from(n).ok());
        let answer = answer.filter(|_| !self.is_given_up());
        if let Some(owed) = place.and_then(|place| self.owed.get_mut(place)) {
            self.known_bytes += length(&answer);
            owed.answer = Some(answer);
            self.known += 1;
        }
        while self.owed.front().is_some_and(|owed| owed.answer.is_some()) {
            let Some(owed) = self.owed.pop_front() else { break };
            self.answered += 1;
            self.known -= 1;
            let answer = owed.answer.flatten();
            self.known_bytes -= length(&answer);
            self.behind.0 -= owed.behind.len();
            self.behind.1 -= owed.behind.iter().map(|frame| frame.text.len()).sum::<usize>();
            for frame in answer.into_iter().chain(owed.behind) {
                if self.make_room(&frame, bounds) {
                    self.queue(frame);
                }
            }
        }
    }
}

/// The bytes of an answer.
fn length(answer: &Option<Frame>) -> usize {
    answer.as_ref().map_or(0, |frame| frame.text.len())
}

#[cfg(test)]
mod tests;
