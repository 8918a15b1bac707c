//! Frames: from clients, and from other nodes.

use confab::{
    code::Code,
    wire::{ClientFrame, Frame, MAX_CLIENT_ID, client_id_of},
};
use serde_json::{Map, Value, json};

/// Any text is a frame, or refused with a code and the frame's id; a frame that was read is read
/// the same when it is written again.
pub fn run(data: &[u8]) {
    // The socket has refused what is not UTF-8.
    let Ok(text) = std::str::from_utf8(data) else { return };
    let id = client_id_of(text);
    assert!(id.as_ref().is_none_or(|id| id.chars().count() <= MAX_CLIENT_ID));
    match ClientFrame::parse(text) {
        Ok(frame) => {
            let written = write(&frame);
            assert_eq!(ClientFrame::parse(&written).as_ref(), Ok(&frame), "{written}");
            if let ClientFrame::Message { id: Some(own), .. } = &frame
                && own.chars().count() <= MAX_CLIENT_ID
            {
                assert_eq!(id.as_deref(), Some(&**own));
            }
        }
        Err(error) => {
            assert_eq!(error.id, id);
            let codes = [Code::Malformed, Code::UnknownEvent].map(Code::as_str);
            assert!(codes.contains(&&*error.refusal.code), "{}", error.refusal.code);
            let told = Frame::error(&error.refusal, error.id.as_deref());
            // Escaped, each byte may take six.
            assert!(told.text.len() <= 12 * text.len() + 512, "{}", told.text.len());
            let told: Value = serde_json::from_str(&told.text).expect("an error frame is JSON");
            assert_eq!(told["event"], "error");
            assert_eq!(told.get("id").and_then(Value::as_str), id.as_deref());
        }
    }
    let frame = Frame::received(text.to_owned().into(), false);
    if let Some(place) = frame.place {
        assert!(place.conversation.first() <= place.conversation.second());
    }
    assert_eq!(Frame::received(text.to_owned().into(), true).place, None);
    assert_eq!(frame.text.as_str(), text);
}

fn write(frame: &ClientFrame<'_>) -> String {
    let value = match frame {
        ClientFrame::Message { to, content, id: None } => {
            json!({"event": "message", "to": to, "content": content})
        }
        ClientFrame::Message { to, content, id } => {
            json!({"event": "message", "to": to, "content": content, "id": id})
        }
        ClientFrame::Typing { to, on } => json!({"event": "typing", "to": to, "on": on}),
        ClientFrame::Seen { to, upto: None } => json!({"event": "seen", "to": to}),
        ClientFrame::Seen { to, upto } => json!({"event": "seen", "to": to, "upto": upto}),
        ClientFrame::Sync { have, between, id } => {
            let have: Map<String, Value> =
                have.iter().map(|(peer, seq)| (peer.to_string(), (*seq).into())).collect();
            let mut frame = json!({"event": "sync", "have": have});
            if between.iter().any(Option::is_some) {
                frame["between"] = json!(between);
            }
            if let Some(id) = id {
                frame["id"] = json!(id);
            }
            frame
        }
    };
    value.to_string()
}
