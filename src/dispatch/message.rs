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
    wire::Frame,
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
        let passage = Passage::begin(self.chain(), cx, event, started);
        if let Some(id) = asker.client_id().filter(|_| passage.is_judged()).cloned() {
            match self.original(&mut asker, &message, &id).await {
                Ok(None) => {}
                Ok(Some(original)) => return self.recall(asker, passage, &message, original),
                Err((decision, refused)) => {
                    asker.turn_away(decision.clone(), refused);
                    return passage.finish(decision);
                }
            }
        }
        match passage.judge().await.and_then(|passage| self.still_good(passage)) {
            Ok(passage) => {
                let at = Timestamp::from(passage.context().received);
                self.lanes.send(Job::Message { asker, passage, at });
            }
            Err((decision, refused)) => asker.turn_away(decision, refused),
        }
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
        let peer = self.find(to).await?;
        let Some(from) = cx.user.as_ref().map(|user| user.id) else {
            return Err(Refusal::new(Code::Internal, "A message without a sender."));
        };
        Ok(Message::new(from, peer.user.id, content, asker.client_id().cloned()))
    }

    /// The stored message that this one is a retry of. If there is none, the asker holds the
    /// claim to its id: others with the same wait until it is answered.
    ///
    /// # Errors
    /// What became of the same message that was on its way already, if it was not stored; or why
    /// it could not be looked up.
    async fn original(
        &self,
        asker: &mut Asker,
        message: &Message,
        id: &Arc<str>,
    ) -> Result<Option<store::Message>, (Decision, Refused)> {
        loop {
            match self.in_flight.enter(message, id) {
                Place::First(claim) => {
                    asker.hold(claim);
                    break;
                }
                Place::Behind(earlier) => {
                    let is_same = earlier.is_like(message);
                    match earlier.ending().await {
                        Some(Ending::Stored) => break,
                        Some(Ending::Refused(decision, refused)) if is_same => {
                            return Err((decision, refused));
                        }
                        // Given up, or another message under the same id: in its place, then.
                        Some(Ending::Refused(..)) | None => {}
                    }
                }
            }
        }
        let found = self.originals.find(message.from(), Arc::clone(id)).await;
        found.map_err(|refusal| (failed(&refusal), Refused::Tell(refusal)))
    }

    /// Answers a retry with its original, past the `before` hooks.
    fn recall(
        &self,
        asker: Asker,
        mut passage: Passage,
        message: &Message,
        original: store::Message,
    ) {
        if original.to != message.to() {
            let refusal = Refusal::from(StoreError::IdReused);
            asker.refuse(&refusal);
            return passage.finish(failed(&refusal));
        }
        self.duplicates.increment(1);
        let (seq, frame) = (original.seq, Frame::message(&original));
        let changed_by = original.changed_by.iter().map(Arc::from).collect();
        let store::Message { from, to, content, client_id, .. } = original;
        passage.recall(Event::Message(Message::new(from, to, content, client_id)), changed_by);
        asker.echo(frame);
        passage.finish(Decision::Accepted { seq: Some(seq), duplicate: true });
    }

    /// Whether the message is one still, as the hooks left it.
    fn still_good(&self, passage: Passage) -> Result<Passage, (Decision, Refused)> {
        let Event::Message(message) = passage.event() else { return Ok(passage) };
        let Err(refusal) = values::check_content(message.content(), self.max_content) else {
            return Ok(passage);
        };
        // Only a hook can have made it so; of several, the last.
        let by = passage.changed_by().last().map(Arc::clone);
        tracing::warn!(
            plugin = by.as_deref(),
            error = %refusal.message,
            "a plugin changed a text to one that cannot be sent"
        );
        let decision = Decision::Failed { code: Code::PluginFailed.as_str() };
        passage.finish(decision.clone());
        let message = "A plugin changed the text to one that cannot be sent.";
        let message = format!("{message} {}", refusal.message);
        let mut refusal = Refusal::new(Code::PluginFailed, message);
        refusal.plugin = by;
        Err((decision, Refused::Tell(refusal)))
    }
}
