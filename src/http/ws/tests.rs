//! The bounds of what is written to a session.

use confab_plugin::{ByteSize, UserId};

use super::*;
use crate::{
    store::{ChangedBy, Changes, Conversation, Mark, Message},
    wire::{Frame, MAX_CLIENT_ID},
};

/// The largest answer that there can be: all that fits into a question is named, and of as many
/// conversations that are not, one message each is told, of the widest characters.
fn largest(limits: &config::Limits, text: usize) -> Frame {
    let (ann, at) = (UserId::from_u128(u128::MAX), Timestamp(i64::MAX));
    let label = "x".repeat(ChangedBy::MOST_LABEL);
    let message = |n: usize| Message {
        conversation: Conversation::between(ann, UserId::from_u128(n as u128)),
        seq: u64::MAX,
        from: ann,
        to: UserId::from_u128(n as u128),
        content: "\"".repeat(if n == 0 { text } else { 0 }).into(),
        client_id: Some("\u{10ffff}".repeat(MAX_CLIENT_ID).into()),
        at,
        changed_by: ChangedBy::of(vec![&*label; ChangedBy::MOST]),
    };
    let messages: Vec<_> = (0..limits.sync_messages).map(message).collect();
    let mark =
        |n: usize| Mark { reader: ann, peer: UserId::from_u128(n as u128), upto: u64::MAX, at };
    let named = limits.frame.as_usize() / NAMED;
    let marks = (0..2 * (named + limits.sync_messages)).map(mark).collect();
    let id = "\u{10ffff}".repeat(MAX_CLIENT_ID);
    Frame::sync(&Changes { messages, marks, complete: true }, Some(&id))
}

#[test]
fn the_largest_answer_fits_into_the_write_buffer() {
    for (sync, content, sync_messages) in [(64, 16, 256), (1, 60, 1), (1, 1, 10_000)] {
        let limits = config::Limits {
            sync: ByteSize::kib(sync),
            content: ByteSize::kib(content),
            sync_messages,
            ..config::Limits::default()
        };
        let text = limits.sync.as_usize().max(limits.content.as_usize());
        let (is, bound) = (largest(&limits, text).text.len(), largest_frame(&limits));
        assert!(is <= bound, "{is} bytes, and the bound is {bound}");
        assert!(is * 5 / 4 > bound, "{bound} bytes are far more than {is}");
    }
}
