//! What callers hand to the writer: a change, and where its answer goes.

use std::time::Instant;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::heads::Heads;
use crate::store::StoreError;

/// What a change works on: the open transaction, and what is remembered of conversations.
pub(super) struct Work<'a> {
    /// The connection, inside the group's transaction.
    pub(super) db: &'a Connection,
    /// The newest message of each conversation.
    pub(super) heads: &'a mut Heads,
    /// Whether the last group was committed.
    pub(super) healthy: bool,
}

/// How a change of kind `I` is made. An error fails the whole group.
pub(super) type Run<I, O> = fn(&mut Work<'_>, &I) -> rusqlite::Result<O>;

/// One caller's change.
pub(super) trait Job: Send {
    /// How many changes it counts for.
    fn size(&self) -> usize;
    /// When its caller stops waiting.
    fn deadline(&self) -> Instant;
    /// Makes the change, inside the group's transaction.
    fn run(&mut self, work: &mut Work<'_>) -> rusqlite::Result<()>;
    /// The group was committed: tells the caller what came of it.
    fn committed(self: Box<Self>);
    /// Nothing was stored: tells the caller.
    fn refused(self: Box<Self>, why: &str);
}

/// A change that is made by a plain function.
pub(super) struct Change<I, O> {
    input: I,
    size: usize,
    deadline: Instant,
    run: Run<I, O>,
    output: Option<O>,
    caller: oneshot::Sender<Result<O, StoreError>>,
}

impl<I, O> Change<I, O> {
    /// A change, and where its answer will arrive.
    pub(super) fn new(
        input: I,
        size: usize,
        deadline: Instant,
        run: Run<I, O>,
    ) -> (Self, oneshot::Receiver<Result<O, StoreError>>) {
        let (caller, answer) = oneshot::channel();
        let change = Self { input, size, deadline, run, output: None, caller };
        (change, answer)
    }
}

impl<I: Send, O: Send> Job for Change<I, O> {
    fn size(&self) -> usize {
        self.size
    }

    fn deadline(&self) -> Instant {
        self.deadline
    }

    fn run(&mut self, work: &mut Work<'_>) -> rusqlite::Result<()> {
        self.output = Some((self.run)(work, &self.input)?);
        Ok(())
    }

    // A caller that no longer waits is nobody's loss: the change stands.
    fn committed(self: Box<Self>) {
        if let Some(output) = self.output {
            let _ = self.caller.send(Ok(output));
        }
    }

    fn refused(self: Box<Self>, why: &str) {
        let _ = self.caller.send(Err(StoreError::Unavailable(why.to_owned())));
    }
}
