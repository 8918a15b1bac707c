//! What the client would be answered, and others told.

use confab_plugin::{Event, EventKind};
use serde_json::json;

use crate::{
    chain::Refused,
    cli::stage::{Ending, Played},
    code::Refusal,
    store::{Conversation, Message, Timestamp},
    wire::Frame,
};

/// One sentence, and the frame or the body, if there is one.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub sentence: String,
    pub body: Option<String>,
}

impl Answer {
    fn new(sentence: impl Into<String>, body: Option<String>) -> Self {
        Self { sentence: sentence.into(), body }
    }

    /// The answer to an event that was played.
    pub fn to(played: &Played) -> Self {
        let kind = played.came.kind();
        match &played.ending {
            Ending::Passed => Self::passed(played),
            _ if kind == EventKind::Disconnect => {
                Self::new("a refusal of a disconnect has no effect", None)
            }
            Ending::Denied(refusal) => Self::refused(kind, refusal, client_id(&played.came)),
            Ending::Dropped(by) => match kind {
                EventKind::Register | EventKind::Login | EventKind::Connect => {
                    Self::refused(kind, &Refused::Silently.into_refusal(), None)
                }
                _ => Self::new(format!("the client is not told that {by} dropped it"), None),
            },
        }
    }

    /// The answer to a frame that is refused before the chain.
    pub fn of_frame(refusal: &Refusal, id: Option<&str>) -> Self {
        let frame = Frame::error(refusal, id);
        Self::new("the client gets", Some(frame.text.to_string()))
    }

    fn refused(kind: EventKind, refusal: &Refusal, id: Option<&str>) -> Self {
        if matches!(kind, EventKind::Message | EventKind::Typing | EventKind::Seen) {
            return Self::of_frame(refusal, id);
        }
        let mut body = json!({ "code": refusal.code, "message": refusal.message });
        if let Some(plugin) = &refusal.plugin {
            body["plugin"] = json!(**plugin);
        }
        let mut sentence = format!("the client gets HTTP status {}", refusal.status);
        if let Some(seconds) = refusal.retry_after {
            sentence += &format!(" with Retry-After: {seconds}");
        }
        Self::new(sentence, Some(body.to_string()))
    }

    fn passed(played: &Played) -> Self {
        match &played.rehearsal.event {
            Event::Message(message) => {
                let stored = Message {
                    conversation: Conversation::between(message.from(), message.to()),
                    seq: 1,
                    from: message.from(),
                    to: message.to(),
                    content: message.shared_content(),
                    client_id: message.client_id().map(Into::into),
                    at: Timestamp::from(played.cx.received),
                    changed_by: played.rehearsal.changed_by.as_slice().into(),
                };
                let frame = Frame::message(&stored);
                Self::new(
                    "both sides get, but for ids, place and time",
                    Some(frame.text.to_string()),
                )
            }
            Event::Typing(typing) => {
                let frame = Frame::typing(typing.from(), typing.to(), typing.on());
                Self::new("the peer gets, but for the ids", Some(frame.text.to_string()))
            }
            Event::Seen(_) => Self::new("the peer is told, if the mark moves", None),
            Event::Register(_) => Self::new("the client gets a token, if the name is free", None),
            Event::Login(_) => Self::new("the client gets a token, if the password is right", None),
            Event::Connect(_) => Self::new("the session opens", None),
            _ => Self::new("nobody is told", None),
        }
    }
}

fn client_id(event: &Event) -> Option<&str> {
    match event {
        Event::Message(message) => message.client_id(),
        _ => None,
    }
}
