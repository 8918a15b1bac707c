//! Who sent a message, and how they learn what became of it.

use std::sync::Arc;

use confab_plugin::{Decision, SessionId};
use tokio::sync::oneshot;

use super::{
    in_flight::{Ending, Told},
    lane::failed,
};
use crate::{chain::Refused, code::Refusal, hub::Ticket, wire::Frame};

/// The sender of one message, who is owed an answer; and whoever sends the same one meanwhile.
pub struct Asker {
    who: Who,
    told: Option<Told>,
}

enum Who {
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
    /// A client's session.
    pub fn session_with(ticket: Ticket) -> Self {
        Self { who: Who::Session(ticket), told: None }
    }

    /// A plugin's bot, with the id by which a retry is known. `answer` takes what became of the
    /// message; closed without a word, the message is lost.
    pub fn bot(client_id: Arc<str>, answer: oneshot::Sender<Result<(), Refusal>>) -> Self {
        Self { who: Who::Bot { client_id, answer }, told: None }
    }

    /// Has those who sent the same meanwhile learn of the answer too.
    pub fn tells(&mut self, told: Told) {
        self.told = Some(told);
    }

    /// The sender's own id for the message.
    pub fn client_id(&self) -> Option<&Arc<str>> {
        match &self.who {
            Who::Session(ticket) => ticket.client_id(),
            Who::Bot { client_id, .. } => Some(client_id),
        }
    }

    /// The session that gets the echo, and no copy.
    pub fn session(&self) -> Option<SessionId> {
        match &self.who {
            Who::Session(ticket) => Some(ticket.session().id()),
            Who::Bot { .. } => None,
        }
    }

    /// It was stored.
    pub fn echo(self, frame: Frame) {
        if let Some(told) = &self.told {
            told.tell(Ending::Stored);
        }
        match self.who {
            Who::Session(ticket) => ticket.echo(frame),
            Who::Bot { answer, .. } => reply(answer, Ok(())),
        }
    }

    /// The daemon refused it, or could not store it.
    pub fn refuse(self, refusal: &Refusal) {
        self.turn_away(&failed(refusal), &Refused::Tell(refusal.clone()));
    }

    /// It was refused.
    pub fn turn_away(self, decision: &Decision, refused: &Refused) {
        if let Some(told) = &self.told {
            told.tell(Ending::Refused(decision.clone(), refused.clone()));
        }
        match (self.who, refused) {
            (Who::Session(ticket), Refused::Tell(refusal)) => ticket.refuse(refusal),
            (Who::Session(ticket), Refused::Silently) => ticket.stay_silent(),
            (Who::Bot { answer, .. }, Refused::Tell(refusal)) => {
                reply(answer, Err(refusal.clone()));
            }
            (Who::Bot { answer, .. }, Refused::Silently) => reply(answer, Ok(())),
        }
    }
}

fn reply(answer: oneshot::Sender<Result<(), Refusal>>, result: Result<(), Refusal>) {
    // A job that ran out of time no longer listens; its next attempt uses the same id.
    let _ = answer.send(result);
}
