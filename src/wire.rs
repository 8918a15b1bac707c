//! The WebSocket frames: what clients may send, and what the server sends.

mod text;

use std::{borrow::Cow, collections::HashMap, fmt};

use confab_plugin::UserId;
use serde::{Deserialize, Serialize};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::{
    code::{Code, Refusal},
    store::{ChangedBy, Changes, Conversation, Mark, Message, Timestamp},
    trace::Trace,
};
use text::Text;

/// The longest id a client may give a frame, in characters.
pub const MAX_CLIENT_ID: usize = 64;

/// A frame on its way to clients: serialized once, shared by all who receive it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The JSON text.
    pub text: Utf8Bytes,
    /// Who types, if that is what it tells. It is worth nothing later: a newer one of theirs may
    /// take its place, and it may be left out for a slow client.
    pub typing: Option<UserId>,
    /// A message's place in its conversation.
    pub place: Option<Place>,
    /// The event that it tells of, for logs; none where it was fetched from the store.
    pub trace: Trace,
}

/// Where a message stands in its conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The conversation.
    pub conversation: Conversation,
    /// The message's place in it.
    pub seq: u64,
    /// The sender.
    pub from: UserId,
    /// When it was received.
    pub at: Timestamp,
}

impl Frame {
    fn new(frame: &ServerFrame<'_>) -> Self {
        // These types hold only strings, numbers and lists, which always serialize.
        let text = serde_json::to_string(frame).unwrap_or_default();
        Self { text: text.into(), typing: None, place: None, trace: Trace::NONE }
    }

    /// A frame that another node made; an ephemeral one is of typing.
    pub fn received(text: Utf8Bytes, ephemeral: bool) -> Self {
        #[derive(Deserialize)]
        struct Sender {
            from: UserId,
        }
        if ephemeral {
            let sender = serde_json::from_str::<Sender>(&text);
            // No user has this id.
            let typing = sender.map_or(UserId::from_u128(0), |sender| sender.from);
            return Self { text, typing: Some(typing), place: None, trace: Trace::NONE };
        }
        /// All of the frame but a message's place is ignored.
        #[derive(Deserialize)]
        struct Placed<'a> {
            #[serde(borrow)]
            conversation: &'a str,
            seq: u64,
            from: UserId,
            at: Timestamp,
        }
        let placed = serde_json::from_str::<Placed<'_>>(&text).ok();
        let place = placed.and_then(|Placed { conversation, seq, from, at }| {
            let (first, second) = conversation.split_once('_')?;
            let conversation = Conversation::between(first.parse().ok()?, second.parse().ok()?);
            Some(Place { conversation, seq, from, at })
        });
        Self { text, typing: None, place, trace: Trace::NONE }
    }

    /// The same, told of in logs as part of this event.
    pub fn traced(self, trace: Trace) -> Self {
        Self { trace, ..self }
    }

    /// A stored message: the sender's acknowledgement and the recipient's delivery.
    pub fn message(message: &Message) -> Self {
        let place = Place {
            conversation: message.conversation,
            seq: message.seq,
            from: message.from,
            at: message.at,
        };
        let frame = Self::new(&ServerFrame::Message(MessageBody::from(message)));
        Self { place: Some(place), ..frame }
    }

    /// Somebody starts or stops typing.
    pub fn typing(from: UserId, to: UserId, on: bool) -> Self {
        let frame = Self::new(&ServerFrame::Typing(TypingBody { from, to, on }));
        Self { typing: Some(from), ..frame }
    }

    /// Somebody has read messages.
    pub fn seen(mark: &Mark) -> Self {
        Self::new(&ServerFrame::Seen(SeenBody::from(mark)))
    }

    /// The answer to the `sync` with this id.
    pub fn sync(changes: &Changes, id: Option<&str>) -> Self {
        let body = SyncBody {
            messages: changes.messages.iter().map(MessageBody::from).collect(),
            seen: changes.marks.iter().map(SeenBody::from).collect(),
            complete: changes.complete,
            id,
        };
        Self::new(&ServerFrame::Sync(body))
    }

    /// A refused frame; `id` is its own.
    pub fn error(refusal: &Refusal, id: Option<&str>) -> Self {
        let body = ErrorBody {
            code: &refusal.code,
            message: &refusal.message,
            plugin: refusal.plugin.as_deref(),
            retry_after: refusal.retry_after,
            id,
        };
        Self::new(&ServerFrame::Error(body))
    }
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum ServerFrame<'a> {
    Message(MessageBody<'a>),
    Typing(TypingBody),
    Seen(SeenBody),
    Sync(SyncBody<'a>),
    Error(ErrorBody<'a>),
}

/// A message as clients are shown it, over WebSocket and HTTP.
#[derive(Serialize)]
pub struct MessageBody<'a> {
    conversation: Conversation,
    seq: u64,
    from: UserId,
    to: UserId,
    content: &'a str,
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "ChangedBy::is_empty")]
    changed_by: &'a ChangedBy,
}

impl<'a> From<&'a Message> for MessageBody<'a> {
    fn from(message: &'a Message) -> Self {
        Self {
            conversation: message.conversation,
            seq: message.seq,
            from: message.from,
            to: message.to,
            content: &message.content,
            at: message.at,
            id: message.client_id.as_deref(),
            changed_by: &message.changed_by,
        }
    }
}

#[derive(Serialize)]
struct TypingBody {
    from: UserId,
    to: UserId,
    on: bool,
}

#[derive(Serialize)]
struct SeenBody {
    from: UserId,
    to: UserId,
    upto: u64,
    at: Timestamp,
}

impl From<&Mark> for SeenBody {
    fn from(mark: &Mark) -> Self {
        Self { from: mark.reader, to: mark.peer, upto: mark.upto, at: mark.at }
    }
}

#[derive(Serialize)]
struct SyncBody<'a> {
    messages: Vec<MessageBody<'a>>,
    seen: Vec<SeenBody>,
    complete: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
}

/// A frame from a client: well formed, its values not yet checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientFrame<'a> {
    /// Send a message.
    Message {
        /// The recipient, as written.
        to: Cow<'a, str>,
        /// The text.
        content: Cow<'a, str>,
        /// The client's own id for it.
        id: Option<Cow<'a, str>>,
    },
    /// Tell somebody that one types.
    Typing {
        /// The peer, as written.
        to: Cow<'a, str>,
        /// Whether typing began or ended.
        on: bool,
    },
    /// Tell somebody that one has read.
    Seen {
        /// The peer, as written.
        to: Cow<'a, str>,
        /// Up to which message; `None` for the newest.
        upto: Option<u64>,
    },
    /// Ask for what one lacks.
    Sync {
        /// For each peer, as written, the last message one has.
        have: HashMap<Cow<'a, str>, u64>,
        /// Only about peers from the first of these ids on and before the second, as written.
        between: [Option<Cow<'a, str>>; 2],
        /// The client's own id for the question.
        id: Option<Cow<'a, str>>,
    },
}

/// A frame that could not be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameError {
    /// What the client is told.
    pub refusal: Refusal,
    /// The frame's own id, where one could be found.
    pub id: Option<String>,
}

impl<'a> ClientFrame<'a> {
    /// Reads one frame. Unknown, missing and repeated fields are errors, so that a client's
    /// mistake is told and not swallowed.
    ///
    /// # Errors
    /// What is wrong, in words for the client's author.
    pub fn parse(text: &'a str) -> Result<Self, FrameError> {
        // A derived struct would also be read from an array of its fields.
        if !text.trim_start().starts_with('{') {
            return Err(FrameError::new(text, Code::Malformed, "a frame is a JSON object"));
        }
        let raw: RawFrame<'a> = serde_json::from_str(text)
            .map_err(|error| FrameError::new(text, Code::Malformed, error))?;
        raw.check().map_err(|(code, message)| FrameError::new(text, code, message))
    }
}

impl FrameError {
    fn new(text: &str, code: Code, message: impl fmt::Display) -> Self {
        Self { refusal: Refusal::new(code, message.to_string()), id: client_id_of(text) }
    }
}

/// The client's own id of a frame that is refused unread, if it can be found.
pub fn client_id_of(text: &str) -> Option<String> {
    /// All of a frame but its id is ignored.
    #[derive(Deserialize)]
    struct Id {
        id: String,
    }
    let found = serde_json::from_str::<Id>(text).ok()?;
    (found.id.chars().count() <= MAX_CLIENT_ID).then_some(found.id)
}

/// All fields of all frames: one flat struct parses several times faster than a tagged enum.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFrame<'a> {
    #[serde(borrow)]
    event: Text<'a>,
    #[serde(borrow, default)]
    to: Option<Text<'a>>,
    #[serde(borrow, default)]
    content: Option<Text<'a>>,
    #[serde(borrow, default)]
    id: Option<Text<'a>>,
    #[serde(default)]
    on: Option<bool>,
    #[serde(default)]
    upto: Option<u64>,
    #[serde(borrow, default)]
    have: Option<HashMap<Text<'a>, u64>>,
    #[serde(borrow, default)]
    between: Option<[Option<Text<'a>>; 2]>,
}

impl<'a> RawFrame<'a> {
    fn check(self) -> Result<ClientFrame<'a>, (Code, String)> {
        let event = self.event.0;
        let (to, content, have) = (self.to.map(|t| t.0), self.content.map(|t| t.0), self.have);
        let extra = |fields: &[(&str, bool)]| match fields.iter().find(|(_, given)| *given) {
            Some((name, _)) => Err((Code::Malformed, format!("{event}: unknown field `{name}`"))),
            None => Ok(()),
        };
        let missing = |name: &str| (Code::Malformed, format!("{event}: missing field `{name}`"));
        let given = (to.is_some(), content.is_some(), self.id.is_some());
        match &*event {
            "message" => {
                extra(&[
                    ("on", self.on.is_some()),
                    ("upto", self.upto.is_some()),
                    ("have", have.is_some()),
                    ("between", self.between.is_some()),
                ])?;
                Ok(ClientFrame::Message {
                    to: to.ok_or_else(|| missing("to"))?,
                    content: content.ok_or_else(|| missing("content"))?,
                    id: self.id.map(|t| t.0),
                })
            }
            "typing" => {
                extra(&[
                    ("content", given.1),
                    ("id", given.2),
                    ("upto", self.upto.is_some()),
                    ("have", have.is_some()),
                    ("between", self.between.is_some()),
                ])?;
                let to = to.ok_or_else(|| missing("to"))?;
                Ok(ClientFrame::Typing { to, on: self.on.unwrap_or(true) })
            }
            "seen" => {
                extra(&[
                    ("content", given.1),
                    ("id", given.2),
                    ("on", self.on.is_some()),
                    ("have", have.is_some()),
                    ("between", self.between.is_some()),
                ])?;
                let to = to.ok_or_else(|| missing("to"))?;
                Ok(ClientFrame::Seen { to, upto: self.upto })
            }
            "sync" => {
                extra(&[
                    ("to", given.0),
                    ("content", given.1),
                    ("on", self.on.is_some()),
                    ("upto", self.upto.is_some()),
                ])?;
                let have = have.ok_or_else(|| missing("have"))?;
                let have = have.into_iter().map(|(peer, seq)| (peer.0, seq)).collect();
                let between = self.between.unwrap_or_default().map(|end| end.map(|t| t.0));
                Ok(ClientFrame::Sync { have, between, id: self.id.map(|t| t.0) })
            }
            _ => Err((
                Code::UnknownEvent,
                "the event is none of message, typing, seen, sync".to_owned(),
            )),
        }
    }
}

#[cfg(test)]
mod tests;
