//! The way of one message to its lane: checked, looked up where that matters, judged.
//!
//! A message that is in the store has passed the chain, and what its hooks did is done. So a
//! message with an id is looked up first, if any hook would do anything: when it is a retry, its
//! original is the answer, and no hook is asked again, counts it again or refuses it.

use std::{sync::Arc, time::Instant};

use confab_plugin::{Context, Decision, Event, Message};

use super::{
    Dispatch,
    asker::Asker,
    in_flight::{Ending, Place},
    lane::{Job, failed},
};
use crate::{
    chain::{Passage, Refused},
    code::{Code, Refusal},
    store::{self, StoreError, Timestamp},
    values,
};

impl Dispatch {
    /// Takes a message to its lane, or answers it. Returns once its place in the order is fixed.
    pub(super) async fn message(
        &self,
        mut asker: Asker,
        cx: Context,
        to: &str,
        content: &str,
        started: Instant,
    ) {
        let message = match self.checked(&asker, &cx, to, content).await {
            Ok(message) => message,
            Err(refusal) => return asker.refuse(&refusal),
        };
        let event = Event::Message(message.clone());
        let mut passage = Passage::begin(self.chain(), cx, event, started);
        match self.judged(&mut asker, &mut passage, &message).await {
            Ok(None) => {
                let at = Timestamp::from(passage.context().received);
                self.lanes.send(Job::Message { asker, passage, at });
            }
            Ok(Some(original)) => self.recall(asker, passage, original),
            Err((decision, refused)) => {
                asker.turn_away(&decision, &refused);
                passage.finish(decision);
            }
        }
    }

    /// Sends a message through the chain, but one that is stored already: returns that.
    async fn judged(
        &self,
        asker: &mut Asker,
        passage: &mut Passage,
        message: &Message,
    ) -> Result<Option<store::Message>, (Decision, Refused)> {
        if let Some(id) = asker.client_id().filter(|_| passage.is_judged()).cloned() {
            self.take_place(asker, passage, message, &id).await?;
            let found = self.originals.find(message.from(), id).await;
            match found.map_err(refused)? {
                Some(original) if original.to == message.to() => return Ok(Some(original)),
                Some(_) => return Err(refused(StoreError::IdReused.into())),
                None => {}
            }
        }
        passage.judge().await?;
        self.still_good(passage)?;
        Ok(None)
    }

    /// The message, if it is one.
    async fn checked(
        &self,
        asker: &Asker,
        cx: &Context,
        to: &str,
        content: &str,
    ) -> Result<Message, Refusal> {
        values::check_content(content, self.max_content)?;
        if let Some(id) = asker.client_id() {
            values::check_client_id(id)?;
        }
        let peer = self.recipient(to).await?;
        let Some(from) = cx.user.as_ref().map(|user| user.id) else {
            return Err(Refusal::new(Code::Internal, "A message without a sender."));
        };
        Ok(Message::new(from, peer.user.id, content, asker.client_id().cloned()))
    }

    /// Waits until no message with this id is on its way. Unless it has been stored then, others
    /// with the same wait for this one from here on.
    ///
    /// # Errors
    /// What became of the same message that was on its way, if it was refused.
    async fn take_place(
        &self,
        asker: &mut Asker,
        passage: &mut Passage,
        message: &Message,
        id: &Arc<str>,
    ) -> Result<(), (Decision, Refused)> {
        loop {
            let earlier = match self.in_flight.enter(message, id) {
                Place::First(claim) => {
                    asker.tells(claim.told());
                    // Until the `after` hooks have run: those of a retry run later.
                    passage.keep(claim);
                    return Ok(());
                }
                Place::Behind(earlier) => earlier,
            };
            let is_same = earlier.is_like(message);
            match earlier.ending().await {
                Some(Ending::Stored) => return Ok(()),
                Some(Ending::Refused(decision, refused)) if is_same => {
                    return Err((decision, refused));
                }
                // Given up, or another message under the same id: in its place, then.
                Some(Ending::Refused(..)) | None => {}
            }
        }
    }

    /// Answers a retry with its original, past the `before` hooks; in its lane, if others may have
    /// to be told of it as well.
    fn recall(&self, asker: Asker, mut passage: Passage, original: store::Message) {
        if self.delivery.is_doubtful(&original) {
            return self.lanes.send(Job::Recalled { asker, passage, original });
        }
        let decision = self.delivery.known(asker, &mut passage, &original);
        passage.finish(decision);
    }

    /// Whether the message is one still, as the hooks left it.
    fn still_good(&self, passage: &Passage) -> Result<(), (Decision, Refused)> {
        let Event::Message(message) = passage.event() else { return Ok(()) };
        let Err(refusal) = values::check_content(message.content(), self.max_content) else {
            return Ok(());
        };
        // Only a hook can have made it so; of several, the last.
        let by = passage.changed_by().last().map(Arc::clone);
        tracing::warn!(
            plugin = by.as_deref(),
            error = %refusal.message,
            "a plugin changed a text to one that cannot be sent"
        );
        let message = "A plugin changed the text to one that cannot be sent.";
        let message = format!("{message} {}", refusal.message);
        let mut refusal = Refusal::new(Code::PluginFailed, message);
        refusal.plugin = by;
        Err(refused(refusal))
    }
}

/// What a refusal by the daemon itself means.
fn refused(refusal: Refusal) -> (Decision, Refused) {
    (failed(&refusal), Refused::Tell(refusal))
}
