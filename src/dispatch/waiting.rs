//! What waits for the store, shared by those who send and the lanes that carry it there.

use std::{
    future::poll_fn,
    sync::{Mutex, MutexGuard, PoisonError},
    task::Poll,
    time::{Duration, Instant},
};

use confab_plugin::UserId;
use futures_util::task::AtomicWaker;

use super::fair::{Amount, FairQueue, Portions};

/// A lane takes at most so much at once.
const BATCH: Amount = Amount { count: 4096, bytes: 8 * 1024 * 1024 };

/// Of which one user's part is at most this, while others send: their next message waits for it.
/// So many rows cost less than the wait for the disk that they share.
const SHARE: Amount = Amount { count: 16, bytes: 256 * 1024 };

/// And at most this while nobody else does.
const ALONE: Amount = Amount { count: 256, bytes: 1024 * 1024 };

/// For how many batches it is remembered that others send: a second or more.
const MEMORY: u64 = 1000;

/// The longest wait that a client is told, in seconds.
const LONGEST: u32 = 30;

/// How often the pace is taken anew.
const SPAN: Duration = Duration::from_secs(1);

/// A fair queue that lanes wait at.
pub struct Waiting<T> {
    inner: Mutex<Inner<T>>,
    wakers: Box<[AtomicWaker]>,
}

struct Inner<T> {
    queue: FairQueue<UserId, T>,
    pace: Pace,
    closed: bool,
}

/// Why a job was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// Too much waits already. It makes sense to try again after so many seconds.
    Overloaded(u32),
    /// No more is taken.
    Closed,
}

/// A batch on its way to the store; dropped when it is done with.
pub struct Taken<'a, T> {
    waiting: &'a Waiting<T>,
    lane: usize,
    /// How many batches there were, with it.
    number: u64,
    shares: Vec<(UserId, Amount)>,
}

impl<T> Waiting<T> {
    /// An empty queue of so many lanes, that holds at most `bounds`.
    pub fn new(lanes: usize, bounds: Amount) -> Self {
        let portions = Portions { batch: BATCH, share: SHARE, alone: ALONE, memory: MEMORY };
        let queue = FairQueue::new(lanes, bounds, portions);
        Self {
            inner: Mutex::new(Inner { queue, pace: Pace::new(Instant::now()), closed: false }),
            wakers: (0..lanes).map(|_| AtomicWaker::new()).collect(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much is held: what waits, and what is on its way to the store.
    pub fn held(&self) -> Amount {
        self.lock().queue.held()
    }

    /// Adds a job of a user.
    ///
    /// # Errors
    /// Gives it back, and says why.
    pub fn push(&self, lane: usize, user: UserId, bytes: usize, job: T) -> Result<(), (T, Full)> {
        let mut inner = self.lock();
        if inner.closed {
            return Err((job, Full::Closed));
        }
        if inner.queue.held().count == 0 {
            inner.pace = Pace::new(Instant::now());
        }
        if let Err(job) = inner.queue.push(lane, user, bytes, job) {
            let wait = inner.pace.wait_for(inner.queue.held().count, Instant::now());
            return Err((job, Full::Overloaded(wait)));
        }
        drop(inner);
        self.wakers[lane].wake();
        Ok(())
    }

    /// Adds marks behind all that waits in every lane.
    pub fn mark(&self, mut make: impl FnMut() -> T) {
        let mut inner = self.lock();
        if inner.closed {
            return;
        }
        for lane in 0..self.wakers.len() {
            // No user has this id.
            inner.queue.mark(lane, UserId::from_u128(0), &mut make);
        }
        drop(inner);
        self.wakers.iter().for_each(AtomicWaker::wake);
    }

    /// Takes no more.
    pub fn close(&self) {
        self.lock().closed = true;
        self.wakers.iter().for_each(AtomicWaker::wake);
    }

    /// Waits for a batch, and adds its jobs to `batch`. `None` when it is closed and nothing is
    /// left. Only the lane's own task may call this.
    pub async fn next(&self, lane: usize, batch: &mut Vec<T>) -> Option<Taken<'_, T>> {
        poll_fn(|cx| {
            // The second look is for what came before the waker was known.
            for registered in [false, true] {
                let mut inner = self.lock();
                let before = batch.len();
                let shares = inner.queue.take(lane, batch);
                if batch.len() > before {
                    let number = inner.queue.batches();
                    return Poll::Ready(Some(Taken { waiting: self, lane, number, shares }));
                }
                if inner.closed {
                    return Poll::Ready(None);
                }
                drop(inner);
                if !registered {
                    self.wakers[lane].register(cx.waker());
                }
            }
            Poll::Pending
        })
        .await
    }
}

impl<T> Taken<'_, T> {
    /// Adds what has waited in the lane for longer than this batch took: where the store hangs, it
    /// has waited as long as anybody should.
    pub fn take_older(&mut self) -> Vec<T> {
        let mut jobs = Vec::new();
        let older = self.waiting.lock().queue.take_older(self.lane, self.number, &mut jobs);
        self.shares.extend(older);
        jobs
    }
}

impl<T> Drop for Taken<'_, T> {
    fn drop(&mut self) {
        let mut inner = self.waiting.lock();
        inner.queue.release(&self.shares);
        let done = self.shares.iter().map(|(_, amount)| amount.count).sum();
        inner.pace.note(done, Instant::now());
    }
}

/// How fast jobs get done while there are any.
struct Pace {
    since: Instant,
    done: usize,
    /// The span before.
    last: (usize, Duration),
}

impl Pace {
    fn new(now: Instant) -> Self {
        Self { since: now, done: 0, last: (0, Duration::ZERO) }
    }

    fn note(&mut self, done: usize, now: Instant) {
        self.done += done;
        let passed = now.saturating_duration_since(self.since);
        if passed >= SPAN {
            *self = Self { since: now, done: 0, last: (self.done, passed) };
        }
    }

    /// In how many seconds so many will be done, if it goes on like this: from 1 to [`LONGEST`].
    fn wait_for(&self, count: usize, now: Instant) -> u32 {
        let done = self.last.0 + self.done;
        let time = self.last.1 + now.saturating_duration_since(self.since);
        match done {
            // It has only just begun.
            0 if time < SPAN => 1,
            0 => LONGEST,
            done => {
                let seconds = time.as_secs_f64() * count as f64 / done as f64;
                (seconds.ceil() as u32).clamp(1, LONGEST)
            }
        }
    }
}

#[cfg(test)]
#[path = "waiting_tests.rs"]
mod tests;
