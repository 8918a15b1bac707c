//! The body of a request, of each kind of event.

use std::time::{Duration, SystemTime};

use confab_plugin::{
    Context, Decision, Event, Message, Outcome,
    testkit::{ann, bob, context, decisions, events},
};
use serde_json::{Value, json};

use super::with;
use crate::payload::{Parts, body};

const ALL: Parts = Parts { content: true, address: true };

fn read(parts: Parts, cx: &Context, event: &Event, decision: Option<Decision>) -> Value {
    let outcome = decision.map(|decision| Outcome::new(decision, Duration::from_millis(1)));
    let body = body("01j", "guard", parts, (cx, event), outcome.as_ref()).unwrap();
    serde_json::from_slice(&body).unwrap()
}

#[test]
fn every_kind_has_the_same_frame_and_its_own_details() {
    let (ann, bob) = (ann().to_string(), bob().to_string());
    let details = [
        json!({ "username": "ann", "display_name": "Ann" }),
        json!({ "username": "ann" }),
        json!({ "user_agent": "testkit/1" }),
        json!({ "from": ann, "to": bob, "content": "hello" }),
        json!({ "from": ann, "to": bob, "on": true }),
        json!({ "from": ann, "to": bob, "upto": 3 }),
        json!({ "reason": "client" }),
    ];
    for (event, details) in events().into_iter().zip(details) {
        let kind = event.kind().as_str();
        let expected = json!({
            "id": "01j",
            "entry": "guard",
            "kind": kind,
            "at": "1970-01-01T00:00:00.000Z",
            "user": { "id": ann, "name": "ann" },
            "session": "0000000000000007",
            "address": "127.0.0.1",
            kind: details,
        });
        assert_eq!(read(ALL, &context(), &event, None), expected);
    }
}

#[test]
fn outcomes_say_who_decided() {
    let expected = [
        json!({ "decision": "accepted", "changed_by": [] }),
        json!({ "decision": "denied", "by": "guard", "code": "refused", "changed_by": [] }),
        json!({ "decision": "dropped", "by": "guard", "changed_by": [] }),
        json!({ "decision": "failed", "code": "unavailable", "changed_by": [] }),
    ];
    for (decision, expected) in decisions().into_iter().zip(expected) {
        for event in events() {
            let kind = event.kind().as_str();
            let accepted = decision.as_str() == "accepted";
            let read = read(ALL, &context(), &event, Some(decision.clone()));
            assert_eq!(read["outcome"], expected);
            let seq = json!(3);
            assert_eq!(read[kind].get("seq"), Some(&seq).filter(|_| accepted && kind == "message"));
        }
    }
}

#[test]
fn only_what_the_operator_wants_and_what_there_is_is_sent() {
    let event = Event::Message(Message::new(ann(), bob(), "hello", Some("c-1".into())));
    let none = Parts { content: false, address: false };
    let read_one = |parts, cx: &Context| read(parts, cx, &event, None);
    let sent = read_one(none, &context());
    let (ann, bob) = (ann().to_string(), bob().to_string());
    assert_eq!(sent["message"], json!({ "from": ann, "to": bob, "client_id": "c-1" }));
    assert_eq!(sent.get("address"), None);

    let mut nobody = Context::new(None, None, Context::NOWHERE);
    nobody.received = SystemTime::UNIX_EPOCH + Duration::from_millis(1_614_265_330_007);
    nobody.sent_by = Some("autoreply".into());
    let message = with(sent["message"].clone(), json!({ "content": "hello" }));
    let expected = json!({
        "id": "01j",
        "entry": "guard",
        "kind": "message",
        "at": "2021-02-25T15:02:10.007Z",
        "sent_by": "autoreply",
        "message": message,
    });
    assert_eq!(read_one(ALL, &nobody), expected);
}
