//! Carries admitted events to the store in batches, and has them answered and published in order.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use confab_plugin::{Decision, Event, UserId};
use futures_util::{FutureExt, future};
use metrics::{Histogram, histogram};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::{
    asker::Asker,
    delivery::Delivery,
    fair::Amount,
    meters::{OVERLOADED, QUEUE_BYTES, QUEUE_EVENTS},
    report,
    rounds::Rounds,
    waiting::{Full, Waiting},
};
use crate::{
    chain::Passage,
    code::{Code, Refusal},
    config,
    hub::Session,
    store::{
        Appended, Conversation, Marked, Message, NewMark, NewMessage, Store, StoreError, Timestamp,
    },
    wire::Frame,
};

/// What a job takes beside its text, about: the event, who is to be answered, the client's id.
const OVERHEAD: usize = 1024;

/// An event that the chain let through and that must become durable.
pub enum Job {
    /// A message, and whom to answer.
    Message { asker: Asker, passage: Passage, at: Timestamp },
    /// A message that is stored, and whom to answer.
    Recalled { asker: Asker, passage: Passage, original: Message },
    /// A read mark, and whom to tell of an error.
    Seen { session: Arc<Session>, passage: Passage, at: Timestamp },
    /// Nothing: every copy is dropped once all before it is done.
    Flush(mpsc::Sender<()>),
}

/// Lanes to the store, as many as the backend likes.
///
/// Invariant: all events of one conversation take the same lane, and a lane finishes one batch
/// before it begins the next; so what is published of a conversation is in the order of `seq`.
/// A user's events of one conversation keep their order.
pub struct Lanes {
    waiting: Arc<Waiting<Job>>,
    rounds: Arc<Rounds>,
    tasks: TaskTracker,
}

impl Lanes {
    /// As many as there are `rounds`.
    pub fn start(
        store: &Arc<dyn Store>,
        delivery: &Arc<Delivery>,
        rounds: &Arc<Rounds>,
        limits: &config::Limits,
    ) -> Self {
        let (count, tasks) = (rounds.lanes(), TaskTracker::new());
        let bounds =
            Amount { count: limits.store_queue, bytes: limits.store_queue_bytes.as_usize() };
        let waiting = Arc::new(Waiting::new(count, bounds));
        for number in 0..count {
            let lane = Lane::new(Arc::clone(store), Arc::clone(delivery));
            tasks.spawn(lane.run(Arc::clone(&waiting), Arc::clone(rounds), number));
        }
        Self { waiting, rounds: Arc::clone(rounds), tasks }
    }

    /// Hands a job to its lane; answers it with `overloaded` when too much waits, of its user or
    /// in all.
    pub fn send(&self, job: Job) {
        let Some((from, to, text)) = job.parties() else { return };
        let lane = self.rounds.lane(Conversation::between(from, to));
        if let Err((job, why)) = self.waiting.push(lane, from, text + OVERHEAD, job) {
            let refusal = match why {
                Full::Overloaded(seconds) => {
                    OVERLOADED.increment(1);
                    let message = "Too much waits to be stored: wait a little.";
                    let mut refusal = Refusal::new(Code::Overloaded, message);
                    refusal.retry_after = Some(seconds);
                    refusal
                }
                Full::Closed => Refusal::new(Code::Unavailable, "The server is stopping."),
            };
            job.refuse(&refusal);
        }
    }

    /// Shows how much waits; before metrics are read.
    pub fn publish(&self) {
        let held = self.waiting.held();
        QUEUE_EVENTS.set(held.count as f64);
        QUEUE_BYTES.set(held.bytes as f64);
    }

    /// Waits until every job that was handed over before is done, and its `after` hooks too.
    pub async fn flush(&self) {
        let (flush, mut flushed) = mpsc::channel(1);
        self.waiting.mark(|| Job::Flush(flush.clone()));
        drop(flush);
        // Nobody sends: this is the end of the last copy.
        let _ = flushed.recv().await;
    }

    /// Waits until every lane has shown that it still turns, for which idle ones are woken. A round
    /// to the store may take `longest`.
    pub async fn turned(&self, longest: Duration) {
        let (flush, _flushed) = mpsc::channel(1);
        let turned = self.rounds.turned(longest);
        // Only then, so that no round is missed.
        let wake = async { self.waiting.mark(|| Job::Flush(flush.clone())) };
        tokio::join!(biased; turned, wake);
    }

    /// Waits until every job is done. Later jobs are refused.
    pub async fn close(&self) {
        self.waiting.close();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Job {
    /// Who sends it, to whom, and the bytes of its text; nothing for what is no event.
    fn parties(&self) -> Option<(UserId, UserId, usize)> {
        let (Job::Message { passage, .. }
        | Job::Recalled { passage, .. }
        | Job::Seen { passage, .. }) = self
        else {
            return None;
        };
        match passage.event() {
            Event::Message(message) => {
                Some((message.from(), message.to(), message.content().len()))
            }
            Event::Seen(seen) => Some((seen.from(), seen.to(), 0)),
            _ => None,
        }
    }

    fn refuse(self, refusal: &Refusal) {
        let passage = match self {
            Job::Message { asker, passage, .. } | Job::Recalled { asker, passage, .. } => {
                asker.refuse(refusal);
                passage
            }
            Job::Seen { session, passage, .. } => {
                session.outbox().push(Frame::error(refusal, None));
                passage
            }
            Job::Flush(_) => return,
        };
        passage.finish(failed(refusal));
    }
}

/// What the `after` hooks are told of a refusal by the daemon itself.
pub fn failed(refusal: &Refusal) -> Decision {
    let code = Code::ALL.iter().find(|code| code.as_str() == refusal.code);
    Decision::Failed { code: code.unwrap_or(&Code::Internal).as_str() }
}

/// The store's error, when it is away: nothing of a batch was stored.
fn outage(
    stored: &[Result<Appended, StoreError>],
    marked: &[Result<Marked, StoreError>],
) -> Option<StoreError> {
    let stored = stored.iter().map(|result| result.as_ref().err());
    let marked = marked.iter().map(|result| result.as_ref().err());
    let mut found = None;
    for error in stored.chain(marked) {
        match error {
            Some(StoreError::Unavailable(_)) => found = error,
            _ => return None,
        }
    }
    found.cloned()
}

struct Lane {
    store: Arc<dyn Store>,
    delivery: Arc<Delivery>,
    batch_size: Histogram,
}

impl Lane {
    fn new(store: Arc<dyn Store>, delivery: Arc<Delivery>) -> Self {
        Self { store, delivery, batch_size: histogram!("confab_store_batch_messages") }
    }

    async fn run(self, waiting: Arc<Waiting<Job>>, rounds: Arc<Rounds>, number: usize) {
        let mut batch = Vec::new();
        while let Some(mut taken) = waiting.next(number, &mut batch).await {
            let batch = std::mem::take(&mut batch);
            let round = rounds.begin(number);
            match AssertUnwindSafe(self.carry_out(batch)).catch_unwind().await {
                Ok(None) => {}
                // Batch by batch, each with its own timeout, the rest would wait too long.
                Ok(Some(why)) => {
                    let refusal = Refusal::from(why);
                    taken.take_older().into_iter().for_each(|job| job.refuse(&refusal));
                }
                // A defect in a store must not end the lane: its tickets answer `internal`.
                Err(_) => tracing::error!("storing a batch panicked: this is a defect"),
            }
            drop(round);
            drop(taken);
        }
    }

    /// Says why, when the store could do nothing of it.
    async fn carry_out(&self, batch: Vec<Job>) -> Option<StoreError> {
        let (mut messages, mut marks) = (Vec::with_capacity(batch.len()), Vec::new());
        let (mut asked, mut readers) = (Vec::with_capacity(batch.len()), Vec::new());
        let mut recalled = Vec::new();
        // Dropped at the end.
        let mut flushes = Vec::new();
        for job in batch {
            match job {
                Job::Message { asker, passage, at } => {
                    let Event::Message(message) = passage.event() else {
                        continue;
                    };
                    messages.push(NewMessage {
                        from: message.from(),
                        to: message.to(),
                        content: message.shared_content(),
                        client_id: asker.client_id().cloned(),
                        at,
                        changed_by: passage.changed_by().into(),
                    });
                    asked.push((asker, passage, at));
                }
                // What is stored now comes after it.
                Job::Recalled { asker, mut passage, original } => {
                    let appended = Appended { message: original, new: false };
                    let decision = self.delivery.stored(asker, &mut passage, &appended);
                    recalled.push((passage, decision));
                }
                Job::Seen { session, passage, at } => {
                    let Event::Seen(seen) = passage.event() else {
                        continue;
                    };
                    marks.push(NewMark {
                        reader: seen.from(),
                        peer: seen.to(),
                        upto: seen.upto(),
                        at,
                    });
                    readers.push((session, passage));
                }
                Job::Flush(flush) => flushes.push(flush),
            }
        }
        let (stored, marked) = future::join(self.append(messages), self.mark(marks)).await;

        let outage = outage(&stored, &marked);

        // Everybody is answered before any `after` hook takes its time.
        let mut finished = recalled;
        finished.reserve(stored.len() + marked.len());
        for ((asker, mut passage, at), result) in asked.into_iter().zip(stored) {
            let decision = match result {
                Ok(appended) => self.delivery.stored(asker, &mut passage, &appended),
                Err(error) => self.delivery.not_stored(asker, passage.event(), at, error),
            };
            finished.push((passage, decision));
        }
        for ((session, passage), result) in readers.into_iter().zip(marked) {
            let decision = self.delivery.marked(&session, result, passage.trace());
            finished.push((passage, decision));
        }
        for (passage, decision) in finished {
            passage.finish(decision);
        }
        outage
    }

    async fn append(&self, messages: Vec<NewMessage>) -> Vec<Result<Appended, StoreError>> {
        if messages.is_empty() {
            return Vec::new();
        }
        self.batch_size.record(messages.len() as f64);
        let stored = self.store.append(messages).await;
        if let Some(error) = stored.iter().find_map(|result| result.as_ref().err()) {
            report("append", error);
        }
        stored
    }

    async fn mark(&self, marks: Vec<NewMark>) -> Vec<Result<Marked, StoreError>> {
        if marks.is_empty() {
            return Vec::new();
        }
        let marked = self.store.mark_seen(marks).await;
        if let Some(error) = marked.iter().find_map(|result| result.as_ref().err()) {
            report("mark_seen", error);
        }
        marked
    }
}
