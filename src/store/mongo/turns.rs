//! One change to a conversation at a time on this node; what waits goes together.
//!
//! Other nodes are met by the database's own rules. But calls of one node would only stand in
//! each other's way: instead the first becomes a task that carries out what came meanwhile, as
//! one insert and one update. The task goes on when its callers have gone.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use super::{Shared, append::Item, connect::Space};
use crate::store::{Appended, Conversation, Marked, NewMark, StoreError};

/// The answers to a part of a batch, in its order.
pub(super) type Answers<T> = Vec<Result<T, StoreError>>;

/// A change to a conversation, and who waits for it.
pub(super) enum Job {
    Append(Vec<Item>, oneshot::Sender<Answers<Appended>>),
    Mark(Vec<NewMark>, oneshot::Sender<Answers<Marked>>),
}

/// The conversations that are being changed, each with what waits there.
///
/// Invariant: a conversation has an entry for as long as its task runs.
#[derive(Default)]
pub(super) struct Turns {
    waiting: Mutex<HashMap<Conversation, Vec<Job>>>,
    tasks: TaskTracker,
}

impl Turns {
    fn waiting(&self) -> MutexGuard<'_, HashMap<Conversation, Vec<Job>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What waits, or else the end of the turn.
    fn next(&self, conversation: Conversation) -> Option<Vec<Job>> {
        let mut waiting = self.waiting();
        let jobs = waiting.get_mut(&conversation)?;
        if jobs.is_empty() {
            waiting.remove(&conversation);
            return None;
        }
        Some(std::mem::take(jobs))
    }

    /// Waits until all has been carried out that was to be.
    pub(super) async fn close(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Has a change carried out.
pub(super) fn take(shared: &Arc<Shared>, space: &Arc<Space>, conversation: Conversation, job: Job) {
    match shared.turns.waiting().entry(conversation) {
        Entry::Occupied(mut jobs) => {
            jobs.get_mut().push(job);
            return;
        }
        Entry::Vacant(none) => {
            none.insert(vec![job]);
        }
    }
    let turn = Turn { shared: Arc::clone(shared), conversation, ended: false };
    shared.turns.tasks.spawn(turn.run(Arc::clone(space)));
}

struct Turn {
    shared: Arc<Shared>,
    conversation: Conversation,
    ended: bool,
}

impl Turn {
    async fn run(mut self, space: Arc<Space>) {
        while let Some(jobs) = self.shared.turns.next(self.conversation) {
            let (mut items, mut senders) = (Vec::new(), Vec::new());
            let (mut marks, mut readers) = (Vec::new(), Vec::new());
            for job in jobs {
                match job {
                    // Who has gone was told that it is not stored: keep that true where we can.
                    Job::Append(_, answer) if answer.is_closed() => {}
                    Job::Mark(_, answer) if answer.is_closed() => {}
                    Job::Append(mut more, answer) => {
                        senders.push((more.len(), answer));
                        items.append(&mut more);
                    }
                    Job::Mark(mut more, answer) => {
                        readers.push((more.len(), answer));
                        marks.append(&mut more);
                    }
                }
            }
            if !items.is_empty() {
                let answers = self.shared.append_round(&space, self.conversation, items).await;
                hand_out(answers, senders);
            }
            if !marks.is_empty() {
                let answers = self.shared.mark_round(&space, self.conversation, marks).await;
                hand_out(answers, readers);
            }
        }
        self.ended = true;
    }
}

fn hand_out<T>(mut answers: Answers<T>, waiting: Vec<(usize, oneshot::Sender<Answers<T>>)>) {
    for (count, sender) in waiting {
        let rest = answers.split_off(count.min(answers.len()));
        // Fails when nobody waits any more.
        let _ = sender.send(std::mem::replace(&mut answers, rest));
    }
}

impl Drop for Turn {
    /// After a panic, the conversation must not be stuck; who waits is told by the dropped job.
    fn drop(&mut self) {
        if !self.ended {
            self.shared.turns.waiting().remove(&self.conversation);
        }
    }
}
