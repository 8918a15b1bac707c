//! The answer that is owed to one message.

use std::sync::Arc;

use super::Session;
use crate::{
    code::{Code, Refusal},
    wire::Frame,
};

/// The right, and the duty, to answer one message of a session: its echo or an error.
///
/// Invariant: every ticket is answered exactly once; one that is dropped answers with the code
/// `internal`, so that no message waits for ever.
pub struct Ticket {
    session: Arc<Session>,
    number: u64,
    client_id: Option<Arc<str>>,
    answered: bool,
}

impl Ticket {
    /// Takes the next place in the order of the session's answers.
    pub fn take(session: &Arc<Session>, client_id: Option<Arc<str>>) -> Self {
        let number = session.outbox().owe();
        Self { session: Arc::clone(session), number, client_id, answered: false }
    }

    /// The session it belongs to.
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// The client's own id for the message.
    pub fn client_id(&self) -> Option<&Arc<str>> {
        self.client_id.as_ref()
    }

    /// Answers with the stored message's frame.
    pub fn echo(mut self, frame: Frame) {
        self.answer(Some(frame));
    }

    /// Answers with an error frame that carries the message's own id.
    pub fn refuse(mut self, refusal: &Refusal) {
        let frame = Frame::error(refusal, self.client_id.as_deref());
        self.answer(Some(frame));
    }

    /// Answers without a word.
    pub fn stay_silent(mut self) {
        self.answer(None);
    }

    fn answer(&mut self, frame: Option<Frame>) {
        self.answered = true;
        self.session.outbox().answer(self.number, frame);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.answered {
            let refusal = Refusal::new(Code::Internal, "This message was lost: send it again.");
            self.answer(Some(Frame::error(&refusal, self.client_id.as_deref())));
        }
    }
}
