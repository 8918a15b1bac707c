//! Frames as the protocol writes them, and texts that are none.

use super::*;

fn refused(text: &str) -> (String, Option<String>) {
    let error = ClientFrame::parse(text).unwrap_err();
    (error.refusal.code.into_owned(), error.id)
}

#[test]
fn the_four_frames_are_read() {
    let frame = ClientFrame::parse(r#"{"event":"message","to":"@bob","content":"a\nb"}"#);
    let Ok(ClientFrame::Message { to, content, id: None }) = frame else { panic!("{frame:?}") };
    assert!(matches!(to, Cow::Borrowed("@bob")));
    assert_eq!(content, "a\nb");
    assert_eq!(
        ClientFrame::parse(r#"{"to":"x","event":"typing"}"#),
        Ok(ClientFrame::Typing { to: "x".into(), on: true })
    );
    assert_eq!(
        ClientFrame::parse(r#"{"event":"seen","to":"x","upto":7}"#),
        Ok(ClientFrame::Seen { to: "x".into(), upto: Some(7) })
    );
    let have = HashMap::from([("x".into(), 3)]);
    let sync = ClientFrame::Sync { have, between: [None, None], id: None };
    for text in [
        r#"{"event":"sync","have":{"x":3}}"#,
        r#"{"event":"sync","have":{"x":3},"between":[null,null]}"#,
    ] {
        assert_eq!(ClientFrame::parse(text), Ok(sync.clone()), "{text}");
    }
    assert_eq!(
        ClientFrame::parse(r#"{"event":"sync","have":{},"between":["a",null],"id":"s1"}"#),
        Ok(ClientFrame::Sync {
            have: HashMap::new(),
            between: [Some("a".into()), None],
            id: Some("s1".into())
        })
    );
}

#[test]
fn what_is_wrong_is_told_with_the_frames_id() {
    for (text, code) in [
        ("", "malformed"),
        ("{", "malformed"),
        ("[]", "malformed"),
        ("null", "malformed"),
        (r#"["message","x","y",null,null,null,null]"#, "malformed"),
        ("{}", "malformed"),
        (r#"{"event":"message"}"#, "malformed"),
        (r#"{"event":"message","to":"x"}"#, "malformed"),
        (r#"{"event":"message","to":1,"content":"y"}"#, "malformed"),
        (r#"{"event":"message","to":{"$ne":null},"content":"y"}"#, "malformed"),
        (r#"{"event":"message","to":"x","to":"z","content":"y"}"#, "malformed"),
        (r#"{"event":"message","to":"x","content":"y","extra":1}"#, "malformed"),
        (r#"{"event":"message","to":"x","content":"y","on":true}"#, "malformed"),
        (r#"{"event":"typing","to":"x","on":"yes"}"#, "malformed"),
        (r#"{"event":"seen","to":"x","upto":-1}"#, "malformed"),
        (r#"{"event":"seen","to":"x","upto":1.5}"#, "malformed"),
        (r#"{"event":"sync"}"#, "malformed"),
        (r#"{"event":"sync","have":[]}"#, "malformed"),
        (r#"{"event":"sync","have":{},"between":"a"}"#, "malformed"),
        (r#"{"event":"sync","have":{},"between":[]}"#, "malformed"),
        (r#"{"event":"sync","have":{},"between":["a"]}"#, "malformed"),
        (r#"{"event":"sync","have":{},"between":["a","b","c"]}"#, "malformed"),
        (r#"{"event":"sync","have":{},"between":[1,2]}"#, "malformed"),
        (r#"{"event":"sync","between":[null,null]}"#, "malformed"),
        (r#"{"event":"seen","to":"x","between":[null,null]}"#, "malformed"),
        (r#"{"event":"message","to":"x","content":"\ud800"}"#, "malformed"),
        (r#"{"event":"shout","to":"x"}"#, "unknown_event"),
    ] {
        assert_eq!(refused(text), (code.to_owned(), None), "{text}");
    }
    let (code, id) = refused(r#"{"event":"message","to":1,"id":"m1"}"#);
    assert_eq!((code.as_str(), id.as_deref()), ("malformed", Some("m1")));
}

#[test]
fn a_message_is_written_as_the_protocol_says() {
    let (a, b) = (UserId::from_u128(1), UserId::from_u128(2));
    let message = Message {
        conversation: Conversation::between(b, a),
        seq: 7,
        from: b,
        to: a,
        content: "hi \"you\"\n".into(),
        client_id: None,
        at: Timestamp(1_700_000_000_123),
        changed_by: ChangedBy::default(),
    };
    assert_eq!(
        &*Frame::message(&message).text,
        r#"{"event":"message","conversation":"00000000000000000000000001_00000000000000000000000002","seq":7,"from":"00000000000000000000000002","to":"00000000000000000000000001","content":"hi \"you\"\n","at":"2023-11-14T22:13:20.123Z"}"#
    );
}

#[test]
fn what_changed_a_message_is_told_only_if_something_did() {
    let (a, b) = (UserId::from_u128(1), UserId::from_u128(2));
    let plain = Message {
        conversation: Conversation::between(a, b),
        seq: 1,
        from: a,
        to: b,
        content: "hi".into(),
        client_id: Some("m1".into()),
        at: Timestamp(0),
        changed_by: ChangedBy::default(),
    };
    let changed = Message { changed_by: ChangedBy::of(["words", "no-links"]), ..plain.clone() };
    let body = |message: &Message| serde_json::to_string(&MessageBody::from(message)).unwrap();
    assert!(body(&plain).ends_with(r#""id":"m1"}"#), "{}", body(&plain));
    let end = r#""id":"m1","changed_by":["words","no-links"]}"#;
    assert!(Frame::message(&changed).text.ends_with(end));
    assert!(body(&changed).ends_with(end));
    let changes = Changes { messages: vec![plain, changed], marks: Vec::new(), complete: true };
    let sync: serde_json::Value = serde_json::from_str(&Frame::sync(&changes, None).text).unwrap();
    assert_eq!(sync["messages"][0].get("changed_by"), None);
    assert_eq!(sync["messages"][1]["changed_by"], serde_json::json!(["words", "no-links"]));
    assert_eq!(sync.get("id"), None);
    let sync = Frame::sync(&Changes::default(), Some("s1"));
    let text = r#"{"event":"sync","messages":[],"seen":[],"complete":false,"id":"s1"}"#;
    assert_eq!(&*sync.text, text);
}

#[test]
fn a_message_keeps_its_place_on_the_way_between_nodes() {
    let (a, b) = (UserId::from_u128(1), UserId::from_u128(2));
    let message = Message {
        conversation: Conversation::between(a, b),
        seq: u64::MAX,
        from: a,
        to: b,
        content: "{\"seq\":1}".into(),
        client_id: Some("x".into()),
        at: Timestamp(0),
        changed_by: ChangedBy::of(["words"]),
    };
    let sent = Frame::message(&message);
    assert_eq!(Frame::received(sent.text.clone(), false), sent);
    assert_eq!(Frame::received("{}".into(), false).place, None);
    let typing = Frame::typing(a, b, true);
    assert_eq!(Frame::received(typing.text.clone(), true), typing);
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in ".{0,200}") {
        let _ = ClientFrame::parse(&text);
    }

    #[test]
    fn every_text_survives_as_content(content in ".{0,200}", id in "[!-~]{1,64}") {
        let frame = serde_json::json!({"event":"message","to":"x","content":content,"id":id});
        let text = frame.to_string();
        let parsed = ClientFrame::parse(&text);
        proptest::prop_assert_eq!(parsed, Ok(ClientFrame::Message {
            to: "x".into(), content: content.into(), id: Some(id.into()),
        }));
    }
}
