//! What follows once it is known what became of an event: its sender's answer, and its way to
//! everybody else.

use std::sync::Arc;

use confab_plugin::{self as plugin, Decision, Event, SessionId, UserId};
use metrics::{Counter, counter};

use super::{
    asker::Asker,
    doubtful::{Doubtful, Standing},
    lane::failed,
};
use crate::{
    bus::{Bus, Envelope, Way},
    chain::Passage,
    code::Refusal,
    hub::Session,
    store::{Appended, Conversation, Marked, Message, StoreError, Timestamp},
    trace::Trace,
    wire::Frame,
};

/// Answers and publishes.
pub struct Delivery {
    bus: Arc<dyn Bus>,
    doubtful: Doubtful,
    accepted: Counter,
    duplicates: Counter,
}

impl Delivery {
    /// Over this bus. Of messages that failed while the store was away, remembers at most
    /// `doubtful`.
    pub fn new(bus: Arc<dyn Bus>, doubtful: usize) -> Self {
        Self {
            bus,
            doubtful: Doubtful::new(doubtful),
            accepted: counter!("confab_messages_accepted_total"),
            duplicates: counter!("confab_messages_duplicate_total"),
        }
    }

    /// A message is in the store, for the lane of its conversation to tell of. Its sender gets the
    /// echo; everybody else gets the message, unless they know it, or have been told of a later
    /// one.
    pub fn stored(&self, asker: Asker, passage: &mut Passage, appended: &Appended) -> Decision {
        let Appended { message, new } = appended;
        let standing = if *new {
            self.doubtful.overtaken(message);
            Standing::News
        } else {
            recall(passage, message);
            self.doubtful.settle(message)
        };
        if standing == Standing::Known {
            return self.echo(asker, passage, message);
        }
        self.accepted.increment(1);
        let frame = Frame::message(message).traced(passage.trace());
        let session = asker.session();
        asker.echo(frame.clone());
        if standing == Standing::News {
            self.publish(message.from, message.to, session, frame);
        }
        Decision::Accepted { seq: Some(message.seq), duplicate: false }
    }

    /// A retry of a message that everybody has been told of: its sender gets the echo.
    pub fn known(&self, asker: Asker, passage: &mut Passage, message: &Message) -> Decision {
        recall(passage, message);
        self.echo(asker, passage, message)
    }

    fn echo(&self, asker: Asker, passage: &Passage, message: &Message) -> Decision {
        self.duplicates.increment(1);
        asker.echo(Frame::message(message).traced(passage.trace()));
        Decision::Accepted { seq: Some(message.seq), duplicate: true }
    }

    /// Whether it must be [told of](Self::stored) when this stored message is sent again, because
    /// it was refused.
    pub fn is_doubtful(&self, message: &Message) -> bool {
        self.doubtful.has(message)
    }

    /// A message that came at `at` could not be stored, as far as is known.
    pub fn not_stored(
        &self,
        asker: Asker,
        event: &Event,
        at: Timestamp,
        error: StoreError,
    ) -> Decision {
        if let (Event::Message(message), StoreError::Unavailable(_)) = (event, &error)
            && let Some(id) = asker.client_id()
        {
            let conversation = Conversation::between(message.from(), message.to());
            self.doubtful.add(conversation, message.from(), id, at);
        }
        let refusal = Refusal::from(error);
        asker.refuse(&refusal);
        failed(&refusal)
    }

    /// What became of a read mark. Its reader hears of failures alone.
    pub fn marked(
        &self,
        session: &Session,
        result: Result<Marked, StoreError>,
        trace: Trace,
    ) -> Decision {
        let Marked { mark, moved } = match result {
            Ok(marked) => marked,
            Err(error) => {
                let refusal = Refusal::from(error);
                session.outbox().push(Frame::error(&refusal, None));
                return failed(&refusal);
            }
        };
        if moved {
            let frame = Frame::seen(&mark).traced(trace);
            self.publish(mark.reader, mark.peer, Some(session.id()), frame);
        }
        Decision::Accepted { seq: Some(mark.upto), duplicate: !moved }
    }

    /// To the peer, and to the sender's other devices.
    fn publish(&self, from: UserId, to: UserId, except: Option<SessionId>, frame: Frame) {
        let way = Way::Local;
        if from != to {
            self.bus.publish(Envelope { to, except, frame: frame.clone(), way });
        }
        self.bus.publish(Envelope { to: from, except, frame, way });
    }
}

/// Makes the event what is stored: the hooks that follow are not to hear of the retry's own text.
fn recall(passage: &mut Passage, original: &Message) {
    let Message { from, to, content, client_id, .. } = original;
    let message = plugin::Message::new(*from, *to, Arc::clone(content), client_id.clone());
    let changed_by = original.changed_by.iter().map(Arc::from).collect();
    passage.recall(Event::Message(message), changed_by);
}
