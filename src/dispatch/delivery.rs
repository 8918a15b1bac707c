//! What follows once it is known what became of an event: its sender's answer, and its way to
//! everybody else.

use std::sync::Arc;

use confab_plugin::{Decision, Event, SessionId, UserId};
use metrics::{Counter, counter};

use super::{asker::Asker, doubtful::Doubtful, lane::failed};
use crate::{
    bus::{Bus, Envelope, Way},
    code::Refusal,
    hub::Session,
    store::{Appended, Conversation, Marked, Message, StoreError},
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

    /// A message is in the store. Its sender gets the echo; everybody else gets the message, unless
    /// it is a retry of one that they were told of. For a message that is new, or
    /// [owed](Self::owes), this is for the lane of its conversation alone.
    pub fn stored(&self, asker: Asker, appended: &Appended, trace: Trace) -> Decision {
        let Appended { message, new } = appended;
        let is_news = if *new {
            self.doubtful.overtaken(message.conversation);
            true
        } else {
            self.doubtful.settle(message)
        };
        let counted = if is_news { &self.accepted } else { &self.duplicates };
        counted.increment(1);
        let frame = Frame::message(message).traced(trace);
        let session = asker.session();
        asker.echo(frame.clone());
        if is_news {
            self.publish(message.from, message.to, session, frame);
        }
        Decision::Accepted { seq: Some(message.seq), duplicate: !is_news }
    }

    /// Whether others are still to be told of this message, when it is sent again.
    pub fn owes(&self, message: &Message) -> bool {
        self.doubtful.has(message)
    }

    /// A message could not be stored, as far as is known.
    pub fn not_stored(&self, asker: Asker, event: &Event, error: StoreError) -> Decision {
        if let (Event::Message(message), StoreError::Unavailable(_)) = (event, &error)
            && let Some(id) = asker.client_id()
        {
            let conversation = Conversation::between(message.from(), message.to());
            self.doubtful.add(conversation, message.from(), id);
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
