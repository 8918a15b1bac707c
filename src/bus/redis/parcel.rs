//! What travels through Redis: a header of 18 bytes, and the frame's text as clients get it.
//!
//! | bytes | |
//! |---|---|
//! | 0 | version, 2 |
//! | 1 | kind: 0 a frame, 1 an ephemeral frame, 2 a loss |
//! | 2-9 | origin: the node that published, a random number of each start; big-endian |
//! | 10-17 | number: 1, 2, 3 … for each origin, in the order of publishing; big-endian |
//! | 18… | a frame: the trace id of its event, 16 bytes, and its JSON text; a loss: since when, milliseconds since 1970, 8 bytes |
//!
//! The session that is left out is not here: it is one of the origin's, where it was left out.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::{trace::Trace, wire::Frame};

const VERSION: u8 = 2;
const FRAME: u8 = 0;
const EPHEMERAL: u8 = 1;
const LOSS: u8 = 2;

/// The length of the header.
const HEADER: usize = 18;

/// The length of a trace id.
const TRACE: usize = 16;

/// What one node tells another about one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A frame for the user's sessions.
    Frame(Frame),
    /// The origin could not publish frames for this user that it had taken since then.
    Loss(SystemTime),
}

/// Content with where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// The node that published it.
    pub origin: u64,
    /// Its place among all that the origin published.
    pub number: u64,
    /// What it holds.
    pub content: Content,
}

/// The bytes are not a parcel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(
    /// Why not.
    pub &'static str,
);

impl Parcel {
    /// The bytes to publish.
    pub fn encode(origin: u64, number: u64, content: &Content) -> Vec<u8> {
        let (loss, trace);
        let (kind, trace, body) = match content {
            Content::Frame(frame) => {
                trace = frame.trace.to_bytes();
                let kind = frame.typing.map_or(FRAME, |_| EPHEMERAL);
                (kind, &trace[..], frame.text.as_bytes())
            }
            Content::Loss(since) => {
                let since = since.duration_since(UNIX_EPOCH).unwrap_or_default();
                loss = u64::try_from(since.as_millis()).unwrap_or(u64::MAX).to_be_bytes();
                (LOSS, &[][..], &loss[..])
            }
        };
        let mut bytes = Vec::with_capacity(HEADER + trace.len() + body.len());
        bytes.extend_from_slice(&[VERSION, kind]);
        bytes.extend_from_slice(&origin.to_be_bytes());
        bytes.extend_from_slice(&number.to_be_bytes());
        bytes.extend_from_slice(trace);
        bytes.extend_from_slice(body);
        bytes
    }

    /// Reads what arrived. A frame's text is not copied.
    ///
    /// # Errors
    /// When somebody else wrote it, or another version of confab.
    pub fn decode(bytes: Vec<u8>) -> Result<Self, Malformed> {
        let bytes = Bytes::from(bytes);
        let Some((header, body)) = bytes.split_first_chunk::<HEADER>() else {
            return Err(Malformed("too short"));
        };
        let (&[version, kind], numbers) = header.split_first_chunk().ok_or(Malformed("header"))?;
        let (origin, rest) = numbers.split_first_chunk::<8>().ok_or(Malformed("header"))?;
        let (number, _) = rest.split_first_chunk::<8>().ok_or(Malformed("header"))?;
        if version != VERSION {
            return Err(Malformed("of an unknown version"));
        }
        let content = match kind {
            FRAME | EPHEMERAL => {
                let (trace, body) = body.split_first_chunk().ok_or(Malformed("too short"))?;
                // Only objects are ever sent; the rest is the origin's to get right.
                if !matches!(body, [b'{', .., b'}']) {
                    return Err(Malformed("not a frame"));
                }
                let text = Utf8Bytes::try_from(bytes.slice(HEADER + TRACE..));
                let text = text.map_err(|_| Malformed("not UTF-8"))?;
                let frame = Frame::received(text, kind == EPHEMERAL);
                Content::Frame(frame.traced(Trace::from_bytes(*trace)))
            }
            LOSS => {
                let millis = body.try_into().map_err(|_| Malformed("not a time"))?;
                let since = Duration::from_millis(u64::from_be_bytes(millis));
                let since = UNIX_EPOCH.checked_add(since).ok_or(Malformed("not a time"))?;
                Content::Loss(since)
            }
            _ => return Err(Malformed("of an unknown kind")),
        };
        let (origin, number) = (u64::from_be_bytes(*origin), u64::from_be_bytes(*number));
        Ok(Self { origin, number, content })
    }
}

#[cfg(test)]
mod tests {
    use confab_plugin::UserId;
    use proptest::prelude::*;

    use super::*;
    use crate::store::{ChangedBy, Conversation, Message, Timestamp};

    fn frame(text: &str, ephemeral: bool) -> Content {
        Content::Frame(Frame::received(text.to_owned().into(), ephemeral))
    }

    #[test]
    fn the_bytes_are_as_documented() {
        let Content::Frame(frame) = frame("{}", true) else { unreachable!() };
        let frame = Content::Frame(frame.traced(Trace::from_bytes(*b"0123456789abcdef")));
        let bytes = Parcel::encode(0x0102_0304_0506_0708, 9, &frame);
        let header = b"\x02\x01\x01\x02\x03\x04\x05\x06\x07\x08\0\0\0\0\0\0\0\x09";
        assert_eq!(bytes, [&header[..], b"0123456789abcdef{}"].concat());
        let since = UNIX_EPOCH + Duration::from_millis(258);
        let bytes = Parcel::encode(0, 1, &Content::Loss(since));
        assert_eq!(bytes[..2], [2, 2]);
        assert_eq!(bytes[18..], [0, 0, 0, 0, 0, 0, 1, 2]);
    }

    #[test]
    fn the_text_is_not_copied() {
        let bytes = Parcel::encode(1, 2, &frame("{\"event\":\"typing\"}", true));
        let text = bytes[HEADER + TRACE..].as_ptr();
        let Ok(Parcel { content: Content::Frame(frame), .. }) = Parcel::decode(bytes) else {
            panic!("not a frame");
        };
        assert_eq!(frame.text.as_bytes().as_ptr(), text);
    }

    #[test]
    fn a_message_arrives_as_it_was_written() {
        let (a, b) = (UserId::from_u128(1), UserId::from_u128(2));
        let message = Message {
            conversation: Conversation::between(a, b),
            seq: 3,
            from: b,
            to: a,
            content: "hi".into(),
            client_id: Some("m1".into()),
            at: Timestamp(5),
            changed_by: ChangedBy::of(["words", "no-links"]),
        };
        let content = Content::Frame(Frame::message(&message));
        let bytes = Parcel::encode(1, 2, &content);
        assert_eq!(Parcel::decode(bytes), Ok(Parcel { origin: 1, number: 2, content }));
    }

    #[test]
    fn what_others_write_is_refused() {
        let good = Parcel::encode(1, 2, &frame("{}", false));
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            Parcel::decode(bytes).unwrap_err().0
        };
        assert_eq!(with(0, 1), "of an unknown version");
        assert_eq!(with(1, 3), "of an unknown kind");
        assert_eq!(with(1, 2), "not a time");
        assert_eq!(with(34, b'['), "not a frame");
        let refused = |bytes: &[u8]| Parcel::decode(bytes.to_vec()).unwrap_err().0;
        assert_eq!(refused(b""), "too short");
        assert_eq!(refused(b"hello"), "too short");
        assert_eq!(refused(&good[..18]), "too short");
        assert_eq!(refused(&good[..34]), "not a frame");
        assert_eq!(refused(&[&good[..35], b"\xff}"].concat()), "not UTF-8");
        assert_eq!(refused(br#"{"event":"typing","from":"a"}"#), "of an unknown version");
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            origin: u64, number: u64, inner in ".{0,300}", ephemeral: bool, millis in 0..u64::MAX / 2,
        ) {
            let since = UNIX_EPOCH + Duration::from_millis(millis);
            for content in [frame(&format!("{{{inner}}}"), ephemeral), Content::Loss(since)] {
                let bytes = Parcel::encode(origin, number, &content);
                prop_assert_eq!(Parcel::decode(bytes), Ok(Parcel { origin, number, content }));
            }
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = Parcel::decode(bytes);
        }

        #[test]
        fn no_bytes_after_a_good_start_make_the_decoder_panic(
            kind in 0u8..4, rest in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let bytes = [&[VERSION, kind], &rest[..]].concat();
            if let Ok(parcel) = Parcel::decode(bytes.clone()) {
                let again = Parcel::encode(parcel.origin, parcel.number, &parcel.content);
                prop_assert_eq!(again, bytes);
            }
        }
    }
}
