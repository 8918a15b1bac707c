//! The frames of the public protocol, as a client reads and writes them.

use std::{borrow::Cow, time::Duration};

use serde::{Deserialize, Serialize, de::IgnoredAny};

/// A message as the server shows it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Message<'a> {
    /// Its place in the conversation.
    pub seq: u64,
    /// The sender's id.
    #[serde(borrow)]
    pub from: Cow<'a, str>,
    /// The recipient's id.
    #[serde(borrow)]
    pub to: Cow<'a, str>,
    /// The text.
    #[serde(borrow)]
    pub content: Cow<'a, str>,
    /// The sender's own id for it.
    #[serde(borrow, default)]
    pub id: Option<Cow<'a, str>>,
    /// Whether a plugin of the server changed it.
    #[serde(default, rename = "changed_by", deserialize_with = "is_there")]
    pub changed: bool,
}

fn is_there<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Option::<IgnoredAny>::deserialize(deserializer).map(|value| value.is_some())
}

/// Up to where somebody has read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Mark<'a> {
    /// The reader's id.
    #[serde(borrow)]
    pub from: Cow<'a, str>,
    /// Whose messages were read.
    #[serde(borrow)]
    pub to: Cow<'a, str>,
    /// The last that was read.
    pub upto: u64,
}

/// The answer to `sync`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Page<'a> {
    /// What the client lacked.
    #[serde(borrow)]
    pub messages: Vec<Message<'a>>,
    /// The read marks.
    #[serde(borrow, default)]
    pub seen: Vec<Mark<'a>>,
    /// Whether nothing was left out.
    pub complete: bool,
}

/// A refused frame.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Refusal<'a> {
    /// The stable code.
    #[serde(borrow)]
    pub code: Cow<'a, str>,
    /// The `id` of the refused frame.
    #[serde(borrow, default)]
    pub id: Option<Cow<'a, str>>,
    /// After how many seconds it makes sense to try again.
    #[serde(default)]
    pub retry_after: Option<u64>,
}

impl Refusal<'_> {
    /// How long to wait before the same is sent again with the same id; `None` when that would
    /// be refused again.
    pub fn wait(&self) -> Option<Duration> {
        const AT_ONCE: Duration = Duration::from_millis(500);
        let passing = ["unavailable", "overloaded", "rate_limited", "plugin_failed", "internal"];
        match self.retry_after {
            Some(seconds) => Some(Duration::from_secs(seconds)),
            None => passing.contains(&&*self.code).then_some(AT_ONCE),
        }
    }
}

/// A frame from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// An acknowledgement or a delivery.
    Message(Message<'a>),
    /// A read mark moved.
    Seen(Mark<'a>),
    /// The answer to `sync`.
    Sync(Page<'a>),
    /// Something was refused.
    Error(Refusal<'a>),
    /// What a client of this kind has no use for.
    Other,
}

impl<'a> Incoming<'a> {
    /// Reads a frame.
    ///
    /// # Errors
    /// What is not understood.
    pub fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Kind<'a> {
            #[serde(borrow)]
            event: Cow<'a, str>,
        }
        let Kind { event } = serde_json::from_str(text)?;
        Ok(match &*event {
            "message" => Self::Message(serde_json::from_str(text)?),
            "seen" => Self::Seen(serde_json::from_str(text)?),
            "sync" => Self::Sync(serde_json::from_str(text)?),
            "error" => Self::Error(serde_json::from_str(text)?),
            _ => Self::Other,
        })
    }
}

/// A frame to the server.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Outgoing<'a> {
    /// Send a message.
    Message {
        /// The recipient.
        to: &'a str,
        /// The text.
        content: &'a str,
        /// The sender's own id for it.
        id: &'a str,
    },
    /// Tell that one has read.
    Seen {
        /// Whose messages.
        to: &'a str,
        /// Up to which.
        upto: u64,
    },
    /// Ask for what one lacks.
    Sync {
        /// For the peer, up to which message one has everything.
        have: std::collections::BTreeMap<&'a str, u64>,
    },
}

impl Outgoing<'_> {
    /// The frame's text.
    pub fn text(&self) -> String {
        // Strings, numbers and a map of them always serialize.
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_frame_is_read() {
        let text = r#"{"event":"message","conversation":"a_b","seq":3,"from":"a","to":"b",
            "content":"\"hi\"","at":"2026-01-01T00:00:00.000Z","id":"r-0-1","changed_by":["x"]}"#;
        let Ok(Incoming::Message(message)) = Incoming::parse(text) else { panic!("{text}") };
        assert_eq!((message.seq, &*message.content, message.changed), (3, "\"hi\"", true));
        assert_eq!(message.id.as_deref(), Some("r-0-1"));

        let text = r#"{"event":"sync","messages":[{"conversation":"a_b","seq":1,"from":"a",
            "to":"b","content":"x","at":""}],"seen":[{"from":"b","to":"a","upto":1,"at":""}],
            "complete":false}"#;
        let Ok(Incoming::Sync(page)) = Incoming::parse(text) else { panic!("{text}") };
        assert_eq!((page.messages.len(), page.seen[0].upto, page.complete), (1, 1, false));
        assert!(!page.messages[0].changed);

        assert_eq!(Incoming::parse(r#"{"event":"typing","from":"a"}"#).ok(), Some(Incoming::Other));
        assert!(Incoming::parse(r#"{"event":"message"}"#).is_err());
        assert!(Incoming::parse("no").is_err());
    }

    #[test]
    fn what_passes_is_tried_again() {
        let wait = |text: &str| match Incoming::parse(text) {
            Ok(Incoming::Error(refusal)) => refusal.wait().map(|wait| wait.as_millis()),
            other => panic!("{other:?}"),
        };
        let error = |rest: &str| format!(r#"{{"event":"error","message":"m",{rest}}}"#);
        assert_eq!(wait(&error(r#""code":"overloaded","retry_after":2"#)), Some(2000));
        assert_eq!(wait(&error(r#""code":"internal""#)), Some(500));
        assert_eq!(wait(&error(r#""code":"own_code","retry_after":1"#)), Some(1000));
        assert_eq!(wait(&error(r#""code":"content_too_long""#)), None);
    }

    #[test]
    fn frames_are_written_as_the_protocol_says() {
        let message = Outgoing::Message { to: "b", content: "x\n", id: "i" }.text();
        assert_eq!(message, r#"{"event":"message","to":"b","content":"x\n","id":"i"}"#);
        let sync = Outgoing::Sync { have: [("b", 7)].into() }.text();
        assert_eq!(sync, r#"{"event":"sync","have":{"b":7}}"#);
        let seen = Outgoing::Seen { to: "b", upto: 2 }.text();
        assert_eq!(seen, r#"{"event":"seen","to":"b","upto":2}"#);
    }
}
