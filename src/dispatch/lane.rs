//! Carries admitted events to the store in batches, then answers and publishes them in order.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Instant};

use arc_swap::ArcSwap;
use confab_plugin::{Decision, Event, SessionId, UserId};
use futures_util::{FutureExt, future};
use metrics::{Counter, Histogram, counter, histogram};
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot,
};
use tokio_util::task::TaskTracker;

use super::{asker::Asker, report};
use crate::{
    bus::{Bus, Envelope},
    chain::Passage,
    code::{Code, Refusal},
    hub::Session,
    store::{Appended, Conversation, Marked, NewMark, NewMessage, Store, StoreError, Timestamp},
    wire::Frame,
};

/// The most events that a lane hands to the store at once.
const BATCH: usize = 1024;

/// An event that the chain let through and that must become durable.
pub enum Job {
    /// A message, and whom to answer.
    Message { asker: Asker, passage: Passage, at: Timestamp },
    /// A read mark, and whom to tell of an error.
    Seen { session: Arc<Session>, passage: Passage, at: Timestamp },
    /// Nothing: dropped once all before it is done.
    Flush(oneshot::Sender<()>),
}

/// Lanes to the store, as many as the backend likes.
///
/// Invariant: all events of one conversation take the same lane, and a lane finishes one batch
/// before it begins the next; so what is published of a conversation is in the order of `seq`.
pub struct Lanes {
    senders: ArcSwap<Vec<mpsc::Sender<Job>>>,
    tasks: TaskTracker,
}

impl Lanes {
    pub fn start(store: &Arc<dyn Store>, bus: &Arc<dyn Bus>, queue: usize) -> Self {
        let (count, tasks) = (store.lanes().max(1), TaskTracker::new());
        let senders = (0..count).map(|_| {
            let (sender, jobs) = mpsc::channel(queue.div_ceil(count));
            tasks.spawn(Lane::new(Arc::clone(store), Arc::clone(bus)).run(jobs));
            sender
        });
        Self { senders: ArcSwap::from_pointee(senders.collect()), tasks }
    }

    /// Hands a job to its lane; answers it with `overloaded` when too much waits there.
    pub fn send(&self, job: Job) {
        let senders = self.senders.load();
        if senders.is_empty() {
            job.refuse(&Refusal::new(Code::Unavailable, "The server is stopping."));
            return;
        }
        let lane = match job.conversation() {
            // The low bits of a ULID are random; either order of the two gives the same sum.
            Some(c) => c.first().as_u128().wrapping_add(c.second().as_u128()) as usize,
            None => 0,
        };
        if let Err(error) = senders[lane % senders.len()].try_send(job) {
            let (job, refusal) = match error {
                TrySendError::Full(job) => (
                    job,
                    Refusal::new(Code::Overloaded, "Too much waits to be stored: wait a little."),
                ),
                TrySendError::Closed(job) => {
                    (job, Refusal::new(Code::Unavailable, "The server is stopping."))
                }
            };
            job.refuse(&refusal);
        }
    }

    /// Waits until every job that was handed over before is done, and its `after` hooks too.
    pub async fn flush(&self) {
        let senders = self.senders.load_full();
        let flushes = senders.iter().map(async |sender| {
            let (flush, flushed) = oneshot::channel();
            if sender.send(Job::Flush(flush)).await.is_ok() {
                let _ = flushed.await;
            }
        });
        future::join_all(flushes).await;
    }

    /// Waits until every job is done. Later jobs are refused.
    pub async fn close(&self) {
        self.senders.store(Arc::default());
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Job {
    fn conversation(&self) -> Option<Conversation> {
        let (Job::Message { passage, .. } | Job::Seen { passage, .. }) = self else { return None };
        match passage.event() {
            Event::Message(message) => Some(Conversation::between(message.from(), message.to())),
            Event::Seen(seen) => Some(Conversation::between(seen.from(), seen.to())),
            _ => None,
        }
    }

    fn refuse(self, refusal: &Refusal) {
        let passage = match self {
            Job::Message { asker, passage, .. } => {
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

struct Lane {
    store: Arc<dyn Store>,
    bus: Arc<dyn Bus>,
    accepted: Counter,
    duplicates: Counter,
    append_seconds: Histogram,
    batch_size: Histogram,
}

impl Lane {
    fn new(store: Arc<dyn Store>, bus: Arc<dyn Bus>) -> Self {
        Self {
            store,
            bus,
            accepted: counter!("confab_messages_accepted_total"),
            duplicates: counter!("confab_messages_duplicate_total"),
            append_seconds: histogram!("confab_store_operation_duration_seconds", "op" => "append"),
            batch_size: histogram!("confab_store_batch_messages"),
        }
    }

    async fn run(self, mut jobs: mpsc::Receiver<Job>) {
        let mut batch = Vec::new();
        while jobs.recv_many(&mut batch, BATCH).await > 0 {
            let batch = std::mem::take(&mut batch);
            // A defect in a store must not end the lane: its tickets answer `internal`.
            if AssertUnwindSafe(self.carry_out(batch)).catch_unwind().await.is_err() {
                tracing::error!("storing a batch panicked: this is a defect");
            }
        }
    }

    async fn carry_out(&self, batch: Vec<Job>) {
        let (mut messages, mut marks) = (Vec::with_capacity(batch.len()), Vec::new());
        let (mut asked, mut readers) = (Vec::with_capacity(batch.len()), Vec::new());
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
                    asked.push((asker, passage));
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

        // Everybody is answered before any `after` hook takes its time.
        let mut finished = Vec::with_capacity(stored.len() + marked.len());
        for ((asker, passage), result) in asked.into_iter().zip(stored) {
            finished.push((passage, self.answer(asker, result)));
        }
        for ((session, passage), result) in readers.into_iter().zip(marked) {
            finished.push((passage, self.tell(&session, result)));
        }
        for (passage, decision) in finished {
            passage.finish(decision);
        }
    }

    async fn append(&self, messages: Vec<NewMessage>) -> Vec<Result<Appended, StoreError>> {
        if messages.is_empty() {
            return Vec::new();
        }
        self.batch_size.record(messages.len() as f64);
        let started = Instant::now();
        let stored = self.store.append(messages).await;
        self.append_seconds.record(started.elapsed().as_secs_f64());
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

    fn answer(&self, asker: Asker, result: Result<Appended, StoreError>) -> Decision {
        let Appended { message, new } = match result {
            Ok(appended) => appended,
            Err(error) => {
                let refusal = Refusal::from(error);
                asker.refuse(&refusal);
                return failed(&refusal);
            }
        };
        let frame = Frame::message(&message);
        let session = asker.session();
        asker.echo(frame.clone());
        if new {
            self.accepted.increment(1);
            self.publish(message.from, message.to, session, frame);
        } else {
            self.duplicates.increment(1);
        }
        Decision::Accepted { seq: Some(message.seq), duplicate: !new }
    }

    fn tell(&self, session: &Session, result: Result<Marked, StoreError>) -> Decision {
        let Marked { mark, moved } = match result {
            Ok(marked) => marked,
            Err(error) => {
                let refusal = Refusal::from(error);
                session.outbox().push(Frame::error(&refusal, None));
                return failed(&refusal);
            }
        };
        if moved {
            self.publish(mark.reader, mark.peer, Some(session.id()), Frame::seen(&mark));
        }
        Decision::Accepted { seq: Some(mark.upto), duplicate: !moved }
    }

    /// To the peer, and to the sender's other devices.
    fn publish(&self, from: UserId, to: UserId, except: Option<SessionId>, frame: Frame) {
        if from != to {
            self.bus.publish(Envelope { to, except, frame: frame.clone() });
        }
        self.bus.publish(Envelope { to: from, except, frame });
    }
}
