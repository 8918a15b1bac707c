//! Looks messages up by their senders' ids: all that wait go to the store as one call.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Instant};

use confab_plugin::UserId;
use futures_util::FutureExt;
use metrics::{Histogram, histogram};
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot,
};

use super::report;
use crate::{
    code::{Code, Refusal},
    store::{Message, Store, StoreError},
};

/// The most ids that the store is asked for at once.
const BATCH: usize = 1024;

/// Asks the store, in batches.
pub struct Originals {
    asks: mpsc::Sender<Ask>,
}

struct Ask {
    key: (UserId, Arc<str>),
    answer: oneshot::Sender<Result<Option<Message>, StoreError>>,
}

impl Originals {
    /// Asks `store`, with at most `queue` asks that wait. Its task ends when it is dropped.
    pub fn start(store: Arc<dyn Store>, queue: usize) -> Self {
        let (asks, waiting) = mpsc::channel(queue.max(1));
        tokio::spawn(work(store, waiting));
        Self { asks }
    }

    /// The message that `from` has sent with this id.
    ///
    /// # Errors
    /// `overloaded`, `unavailable`, or `internal`.
    pub async fn find(&self, from: UserId, id: Arc<str>) -> Result<Option<Message>, Refusal> {
        let (answer, answered) = oneshot::channel();
        self.asks.try_send(Ask { key: (from, id), answer }).map_err(|error| match error {
            TrySendError::Full(_) => {
                Refusal::new(Code::Overloaded, "Too much waits for the store: wait a little.")
            }
            TrySendError::Closed(_) => Refusal::new(Code::Unavailable, "The server is stopping."),
        })?;
        match answered.await {
            Ok(found) => found.map_err(Refusal::from),
            Err(_) => Err(Refusal::new(Code::Internal, "This message was lost: send it again.")),
        }
    }
}

async fn work(store: Arc<dyn Store>, mut waiting: mpsc::Receiver<Ask>) {
    let seconds = histogram!("confab_store_operation_duration_seconds", "op" => "originals");
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        // Whoever left needs no answer.
        let asks: Vec<_> = batch.drain(..).filter(|ask: &Ask| !ask.answer.is_closed()).collect();
        // A defect in a store must not end the task: who asked is told `internal`.
        if AssertUnwindSafe(look_up(&*store, asks, &seconds)).catch_unwind().await.is_err() {
            tracing::error!("looking up messages panicked: this is a defect");
        }
    }
}

async fn look_up(store: &dyn Store, asks: Vec<Ask>, seconds: &Histogram) {
    if asks.is_empty() {
        return;
    }
    let (keys, answers): (Vec<_>, Vec<_>) =
        asks.into_iter().map(|ask| (ask.key, ask.answer)).unzip();
    let started = Instant::now();
    let found = store.originals(keys).await;
    seconds.record(started.elapsed().as_secs_f64());
    match found {
        Ok(found) => {
            for (answer, found) in answers.into_iter().zip(found) {
                // Fails when the asker has left.
                let _ = answer.send(Ok(found));
            }
        }
        Err(error) => {
            report("originals", &error);
            for answer in answers {
                let _ = answer.send(Err(error.clone()));
            }
        }
    }
}
