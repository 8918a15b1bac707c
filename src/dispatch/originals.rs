//! Looks messages up by their senders' ids: all that wait go to the store as one call.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use confab_plugin::UserId;
use futures_util::FutureExt;
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

/// The longest for which a store that was slow to fail is not asked again.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

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

/// Why and until when the store is not asked. Each session waits for its answer before its next
/// message, so that a store which takes seconds to fail would be waited for once for each.
struct Away {
    error: StoreError,
    until: Instant,
}

async fn work(store: Arc<dyn Store>, mut waiting: mpsc::Receiver<Ask>) {
    let mut batch = Vec::new();
    let mut away: Option<Away> = None;
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        // Whoever left needs no answer.
        let asks = batch.drain(..).filter(|ask: &Ask| !ask.answer.is_closed());
        let (keys, answers): (Vec<_>, Vec<_>) = asks.map(|ask| (ask.key, ask.answer)).unzip();
        if keys.is_empty() {
            continue;
        }
        let started = Instant::now();
        if let Some(Away { error, .. }) = away.as_ref().filter(|away| started < away.until) {
            answer(answers, Err(error.clone()));
            continue;
        }
        // A defect in a store must not end the task: who asked is told `internal`.
        let asked = AssertUnwindSafe(store.originals(keys)).catch_unwind().await;
        let took = started.elapsed();
        let Ok(found) = asked else {
            tracing::error!("looking up messages panicked: this is a defect");
            continue;
        };
        away = found.as_ref().err().map(|error| {
            report("originals", error);
            Away { error: error.clone(), until: started + took + took.min(LONGEST_PAUSE) }
        });
        answer(answers, found);
    }
}

type Answers = Vec<oneshot::Sender<Result<Option<Message>, StoreError>>>;

/// Tells each asker; one that has left is not told.
fn answer(answers: Answers, found: Result<Vec<Option<Message>>, StoreError>) {
    match found {
        Ok(found) => {
            for (answer, found) in answers.into_iter().zip(found) {
                let _ = answer.send(Ok(found));
            }
        }
        Err(error) => {
            for answer in answers {
                let _ = answer.send(Err(error.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use confab_plugin::testkit::{ann, bob};

    use super::*;
    use crate::{
        config,
        store::{ChangedBy, NewMessage, Timestamp, sqlite::SqliteStore},
    };

    fn new(id: &Arc<str>) -> NewMessage {
        NewMessage {
            from: ann(),
            to: bob(),
            content: "hello".into(),
            client_id: Some(Arc::clone(id)),
            at: Timestamp::now(),
            changed_by: ChangedBy::default(),
        }
    }

    #[tokio::test]
    async fn many_are_found_and_a_store_that_is_away_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let config = config::Store { path: folder.path().to_owned(), ..config::Store::default() };
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&config, 100).unwrap());
        let ids: Vec<Arc<str>> = (0..200).map(|n| n.to_string().into()).collect();
        store.append(ids.iter().map(new).collect()).await;
        let originals = Originals::start(Arc::clone(&store), 1000);
        let found = ids.iter().map(|id| originals.find(ann(), Arc::clone(id)));
        for (found, id) in futures_util::future::join_all(found).await.into_iter().zip(&ids) {
            assert_eq!(found.unwrap().unwrap().client_id.as_ref(), Some(id));
        }
        assert_eq!(originals.find(bob(), "1".into()).await, Ok(None));
        store.close().await;
        let refusal = originals.find(ann(), "1".into()).await.unwrap_err();
        assert_eq!(refusal.code, Code::Unavailable.as_str());
    }

    #[tokio::test]
    async fn what_waits_is_bounded_and_who_leaves_is_not_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let config = config::Store { path: folder.path().to_owned(), ..config::Store::default() };
        let store = Arc::new(SqliteStore::open(&config, 100).unwrap());
        let originals = Originals::start(store, 2);
        // On one thread, the task has not had its turn.
        let mut asks: Vec<_> =
            (0..3).map(|n| Box::pin(originals.find(ann(), n.to_string().into()))).collect();
        for ask in &mut asks[..2] {
            assert!(futures_util::poll!(ask.as_mut()).is_pending());
        }
        let over = asks.pop().unwrap().await.unwrap_err();
        assert_eq!(over.code, Code::Overloaded.as_str());
        drop(asks);
        assert_eq!(
            originals.find(ann(), "4".into()).await.map_err(|refusal| refusal.code),
            Err(Code::Overloaded.as_str().into())
        );
        tokio::task::yield_now().await;
        assert_eq!(originals.find(ann(), "4".into()).await, Ok(None));
    }
}
