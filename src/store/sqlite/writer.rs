//! The one thread that changes the database: it takes all that waits and commits it as one
//! transaction, so that one wait for the disk serves them all.

use std::{fs::File, sync::Arc, thread::JoinHandle, time::Instant};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, watch};

use super::{
    checkpoint::Checkpoints,
    heads::Heads,
    job::{Job, Work},
    open::one_line,
};
use crate::turns::Turns;

/// What the writer is asked for.
pub(super) enum Request {
    /// A change.
    Change(Box<dyn Job>),
    /// A round without a change, to show that the thread turns.
    Turn,
    /// To finish what waits and end.
    Close,
}

/// The thread's state.
pub(super) struct Writer {
    /// The connection that writes.
    pub(super) db: Connection,
    /// The thread that moves the log.
    pub(super) checkpoints: Checkpoints,
    /// The most changes in a transaction.
    pub(super) batch: usize,
    /// Held until the database is closed.
    pub(super) lock: Option<File>,
    /// Dropped when all is closed.
    pub(super) closed: watch::Sender<()>,
    /// Its rounds: one for each group.
    pub(super) turns: Arc<Turns>,
}

impl Writer {
    /// Starts the thread. It ends by [`Request::Close`], or when nobody can ask any more.
    pub(super) fn start(
        self,
        requests: mpsc::Receiver<Request>,
    ) -> std::io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name("store-writer".into()).spawn(move || self.run(requests))
    }

    fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut heads = Heads::new();
        let mut healthy = true;
        let mut carried = None;
        while let Some(first) = carried.take().or_else(|| next(&mut requests, &self.turns)) {
            let _round = self.turns.begin();
            let group = gather(first, &mut requests, &mut carried, self.batch);
            let before = self.db.total_changes();
            match commit(&mut self.db, &mut heads, healthy, group) {
                // Only what was written shows that the disk takes it.
                Ok(()) if !healthy && self.db.total_changes() > before => {
                    healthy = true;
                    tracing::info!("the store works again");
                }
                Ok(()) => {}
                Err(why) => {
                    if healthy {
                        tracing::error!(%why, "the store cannot commit");
                    }
                    healthy = false;
                }
            }
            self.checkpoints.tend(&self.db);
        }
        // The last connection to close moves the log's rest into the database.
        self.checkpoints.stop();
        if let Err((_, error)) = self.db.close() {
            tracing::warn!(%error, "closing the database failed");
        }
        drop(self.lock);
        drop(self.closed);
    }
}

fn next(requests: &mut mpsc::Receiver<Request>, turns: &Turns) -> Option<Box<dyn Job>> {
    loop {
        match requests.blocking_recv()? {
            Request::Change(job) => return Some(job),
            Request::Turn => drop(turns.begin()),
            // What is in the queue already is still received.
            Request::Close => requests.close(),
        }
    }
}

/// All that waits, up to `batch` changes; what would be too much is carried to the next group.
fn gather(
    first: Box<dyn Job>,
    requests: &mut mpsc::Receiver<Request>,
    carried: &mut Option<Box<dyn Job>>,
    batch: usize,
) -> Vec<Box<dyn Job>> {
    let mut size = first.size();
    let mut group = vec![first];
    while size < batch {
        match requests.try_recv() {
            Ok(Request::Change(job)) if size + job.size() > batch => {
                *carried = Some(job);
                break;
            }
            Ok(Request::Change(job)) => {
                size += job.size();
                group.push(job);
            }
            // This group is its round.
            Ok(Request::Turn) => {}
            Ok(Request::Close) => requests.close(),
            Err(_) => break,
        }
    }
    group
}

/// Makes a group's changes durable and answers their callers, or refuses them all.
fn commit(
    db: &mut Connection,
    heads: &mut Heads,
    healthy: bool,
    mut group: Vec<Box<dyn Job>>,
) -> Result<(), String> {
    refuse_late(&mut group);
    if group.is_empty() {
        return Ok(());
    }
    match transact(db, heads, healthy, &mut group) {
        Ok(()) => {
            heads.committed();
            for job in group {
                job.committed();
            }
            Ok(())
        }
        Err(error) => {
            heads.rolled_back();
            let why = one_line(&error);
            for job in group {
                job.refused(&why);
            }
            Err(why)
        }
    }
}

/// Refuses what nobody waits for any more, rather than store what its caller was told is not.
fn refuse_late(group: &mut Vec<Box<dyn Job>>) {
    let now = Instant::now();
    for late in group.extract_if(.., |job| job.deadline() <= now) {
        late.refused("it waited too long");
    }
}

/// Dropping the transaction without a commit rolls it back.
fn transact(
    db: &mut Connection,
    heads: &mut Heads,
    healthy: bool,
    group: &mut Vec<Box<dyn Job>>,
) -> rusqlite::Result<()> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another program may have held the database for long.
    refuse_late(group);
    let mut work = Work { db: &transaction, heads, healthy };
    for job in group {
        job.run(&mut work)?;
    }
    heads.write(&transaction)?;
    transaction.commit()
}
