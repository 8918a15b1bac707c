//! The frames of the public protocol: messages as they are sent, and what is measured of those
//! that arrive.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Deserializer, de};
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// What fills a text beyond its stamp.
const FILLER: &str = " confab bench: a message of a length that was asked for";

/// What a message carries through the server, as its `id` and as the beginning of its text: so
/// that whoever receives it knows when it was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The run: ids are remembered by the server, and accounts are used again.
    pub run: u32,
    /// The message's number among those of its sender.
    pub number: u32,
    /// When it was due, in nanoseconds since the beginning of the run; at most 48 bits.
    pub due: u64,
}

impl Stamp {
    /// The length of its text: two numbers of 8 hexadecimal digits and one of 12.
    pub const LENGTH: usize = 28;

    /// Reads the stamp that a text begins with.
    pub fn read(text: &str) -> Option<Self> {
        let part = |from: usize, to: usize| u64::from_str_radix(text.get(from..to)?, 16).ok();
        Some(Self {
            run: u32::try_from(part(0, 8)?).ok()?,
            number: u32::try_from(part(8, 16)?).ok()?,
            due: part(16, Self::LENGTH)?,
        })
    }

    fn write(self, text: &mut String) {
        let mut digits = |number: u64, count: u32| {
            for place in (0..count).rev() {
                // A nibble is below 16.
                text.extend(char::from_digit((number >> (4 * place)) as u32 & 0xf, 16));
            }
        };
        digits(self.run.into(), 8);
        digits(self.number.into(), 8);
        digits(self.due, 12);
    }
}

/// Makes the messages of one sender: all but the stamp is there beforehand.
#[derive(Debug)]
pub struct Template {
    head: String,
    middle: &'static str,
    /// How much of the stamp the text has room for.
    stamped: usize,
    tail: String,
    length: usize,
}

impl Template {
    /// Messages to the user `to` whose text has `size` bytes, one at least.
    pub fn new(to: &str, size: usize) -> Self {
        let size = size.max(1);
        let stamped = size.min(Stamp::LENGTH);
        let filler = FILLER.chars().cycle().take(size - stamped);
        let to = serde_json::to_string(to).unwrap_or_default();
        let head = format!(r#"{{"event":"message","to":{to},"id":""#);
        let middle = r#"","content":""#;
        let tail = format!(r#"{}"}}"#, filler.collect::<String>());
        let length = head.len() + Stamp::LENGTH + middle.len() + stamped + tail.len();
        Self { head, middle, stamped, tail, length }
    }

    /// The message with this stamp.
    pub fn message(&self, stamp: Stamp) -> Utf8Bytes {
        let mut text = String::with_capacity(self.length);
        text += &self.head;
        stamp.write(&mut text);
        text += self.middle;
        let from = self.head.len();
        // All of it is ASCII but perhaps the recipient, before it.
        text.extend_from_within(from..from + self.stamped);
        text += &self.tail;
        text.into()
    }
}

/// A frame that arrived. What a server leaves out is empty.
#[derive(Debug, Deserialize)]
pub struct Incoming<'a> {
    /// The kind.
    #[serde(borrow)]
    pub event: Text<'a>,
    /// The sender of a message.
    #[serde(borrow, default)]
    pub from: Option<Text<'a>>,
    /// The sender's own id of a message, or that of the refused frame.
    #[serde(borrow, default)]
    pub id: Option<Text<'a>>,
    /// The text of a message.
    #[serde(borrow, default)]
    pub content: Option<Text<'a>>,
    /// Why a frame was refused.
    #[serde(borrow, default)]
    pub code: Option<Text<'a>>,
    /// When a refused frame may be tried again, in seconds.
    #[serde(default)]
    pub retry_after: Option<u32>,
}

impl<'a> Incoming<'a> {
    /// Reads a frame; `None` when it is not the protocol's.
    pub fn read(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The stamp: of the `id`, or of the text where the server keeps no ids.
    pub fn stamp(&self) -> Option<Stamp> {
        let of = |text: &Option<Text<'_>>| Stamp::read(&text.as_ref()?.0);
        of(&self.id).or_else(|| of(&self.content))
    }
}

/// A text that borrows from the frame unless it holds escapes.
#[derive(Debug, PartialEq, Eq)]
pub struct Text<'a>(pub Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp { run: 0xdead_beef, number: 7, due: 123_456_789_012 };

    #[test]
    fn a_message_has_its_size_and_its_stamp() {
        for size in [1, 12, Stamp::LENGTH, 64, 1000] {
            let text = Template::new("01m8", size).message(STAMP);
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(value["content"].as_str().unwrap().len(), size);
            assert_eq!(value["to"], "01m8");
            assert_eq!(Stamp::read(value["id"].as_str().unwrap()), Some(STAMP));
            assert_eq!(Incoming::read(&text).unwrap().stamp(), Some(STAMP));
        }
    }

    #[test]
    fn without_an_id_the_text_tells() {
        let text = Template::new("01m8", 64).message(STAMP);
        let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
        value.as_object_mut().unwrap().remove("id");
        let text = value.to_string();
        let frame = Incoming::read(&text).unwrap();
        assert_eq!(frame.stamp(), Some(STAMP));
        let other = Incoming::read(r#"{"event":"message","from":"a","content":"hello","x":[1]}"#);
        assert_eq!(other.unwrap().stamp(), None);
        assert!(Incoming::read("[]").is_none());
    }
}
