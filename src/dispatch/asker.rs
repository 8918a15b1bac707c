//! Who sent a message, and how they learn what became of it.

use std::sync::Arc;

use confab_plugin::SessionId;
use tokio::sync::oneshot;

use crate::{code::Refusal, hub::Ticket, wire::Frame};

/// The sender of one message, who is owed an answer.
pub enum Asker {
    /// A client's session.
    Session(Ticket),
    /// A plugin's bot.
    Bot {
        /// By which a retry is known.
        client_id: Arc<str>,
        /// Takes the answer; closed without one, the message is lost.
        answer: oneshot::Sender<Result<(), Refusal>>,
    },
}

impl Asker {
    /// The sender's own id for the message.
    pub fn client_id(&self) -> Option<&Arc<str>> {
        match self {
            Asker::Session(ticket) => ticket.client_id(),
            Asker::Bot { client_id, .. } => Some(client_id),
        }
    }

    /// The session that gets the echo, and no copy.
    pub fn session(&self) -> Option<SessionId> {
        match self {
            Asker::Session(ticket) => Some(ticket.session().id()),
            Asker::Bot { .. } => None,
        }
    }

    /// It was stored.
    pub fn echo(self, frame: Frame) {
        match self {
            Asker::Session(ticket) => ticket.echo(frame),
            Asker::Bot { answer, .. } => reply(answer, Ok(())),
        }
    }

    /// It was refused.
    pub fn refuse(self, refusal: &Refusal) {
        match self {
            Asker::Session(ticket) => ticket.refuse(refusal),
            Asker::Bot { answer, .. } => reply(answer, Err(refusal.clone())),
        }
    }

    /// It was dropped, and the sender is not told.
    pub fn stay_silent(self) {
        match self {
            Asker::Session(ticket) => ticket.stay_silent(),
            Asker::Bot { answer, .. } => reply(answer, Ok(())),
        }
    }
}

fn reply(answer: oneshot::Sender<Result<(), Refusal>>, result: Result<(), Refusal>) {
    // A job that ran out of time no longer listens; its next attempt uses the same id.
    let _ = answer.send(result);
}
