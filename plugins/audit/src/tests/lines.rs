//! What a line says of an event.

use std::os::unix::fs::PermissionsExt as _;

use confab_plugin::{
    Context, Event, Message, Outcome,
    testkit::{ann, bob, decisions, events, message},
};
use serde_json::json;

use super::*;

#[tokio::test]
async fn a_line_says_who_what_and_how_it_ended() {
    let place = Place::new();
    let kit = place.started(&json!({})).await;
    let sent = Event::Message(Message::new(ann(), bob(), "né", Some("c-1".into())));
    for decision in decisions() {
        let mut outcome = Outcome::new(decision, std::time::Duration::from_millis(1));
        outcome.changed_by = vec!["mask".into(), "links".into()];
        kit.outcome(&sent, &outcome);
    }
    work(&kit).await;
    let common = json!({
        "at": "1970-01-01T00:00:00.000Z", "entry": "audit", "kind": "message", "user": "ann",
        "user_id": ann(), "session": "0000000000000007", "address": "127.0.0.1",
        "to": bob(), "id": "c-1", "size": 3, "changed_by": ["mask", "links"], "generation": 1,
    });
    let own = [
        json!({"decision": "accepted", "seq": 3}),
        json!({"decision": "denied", "by": "guard", "code": "refused"}),
        json!({"decision": "dropped", "by": "guard"}),
        json!({"decision": "failed", "code": "unavailable"}),
    ];
    let lines = place.lines();
    assert_eq!(lines.len(), 5);
    for (n, (line, own)) in lines.iter().skip(1).zip(own).enumerate() {
        let mut expected = common.clone();
        for (key, value) in own.as_object().unwrap() {
            expected[key] = value.clone();
        }
        for (key, value) in [("n", json!(n + 2)), ("prev", lines[n]["hash"].clone())] {
            expected[key] = value;
        }
        expected["hash"] = line["hash"].clone();
        assert_eq!(*line, expected);
    }
    let first = &lines[0];
    assert_eq!((&first["n"], &first["kind"]), (&json!(1), &json!("opened")));
    assert_eq!((&first["prev"], &first["seal"]), (&json!("0".repeat(64)), &json!("sha256")));
}

#[tokio::test]
async fn every_kind_of_event_has_its_own_fields() {
    let place = Place::new();
    let kit = place.started(&json!({})).await;
    for event in events() {
        kit.after(&event, accepted());
    }
    work(&kit).await;
    let lines = place.lines();
    assert_eq!(lines.len(), 8);
    for (line, own) in lines.iter().skip(1).zip([
        json!({"kind": "register", "user": "ann", "display_name": "Ann"}),
        json!({"kind": "login", "user": "ann"}),
        json!({"kind": "connect", "user_agent": "testkit/1"}),
        json!({"kind": "message", "size": 5}),
        json!({"kind": "typing", "on": true, "to": bob()}),
        json!({"kind": "seen", "upto": 3, "to": bob()}),
        json!({"kind": "disconnect", "reason": "client"}),
    ]) {
        for (key, value) in own.as_object().unwrap() {
            assert_eq!(&line[key], value, "{key} of {line}");
        }
    }
}

#[tokio::test]
async fn the_content_is_kept_whole_and_only_when_asked() {
    const EVIL: &str = "a \"secret\"\n\u{1b}[2J\u{9b}\u{202e}\u{e0041}😀\\";
    for (options, kept) in [(json!({}), false), (json!({"content": true}), true)] {
        let place = Place::new();
        let kit = place.started(&options).await;
        kit.after(&message(EVIL), accepted());
        work(&kit).await;
        let text = fs::read_to_string(place.log()).unwrap();
        assert_eq!(text.contains("secret"), kept);
        let harmful = |c: char| c.is_control() || matches!(c, '\u{202e}' | '\u{e0041}');
        assert!(!text.lines().any(|line| line.contains(harmful)), "{text:?}");
        let line = &place.lines()[1];
        assert_eq!(line["size"], EVIL.len());
        assert_eq!(line.get("content"), kept.then(|| json!(EVIL)).as_ref());
        assert!(place.verify(&[]).is_ok());
    }
}

#[tokio::test]
async fn addresses_retries_and_events_of_plugins() {
    let place = Place::new();
    let mut kit = place.started(&json!({"address": false})).await;
    kit.after(&message("x"), Decision::Accepted { seq: Some(1), duplicate: true });
    work(&kit).await;
    kit.stop().await;
    drop(kit);
    kit = place.started(&json!({})).await;
    let cx = kit.context_mut();
    (cx.sent_by, cx.address, cx.session) = (Some("bot".into()), Context::NOWHERE, None);
    kit.after(&message("x"), accepted());
    work(&kit).await;
    let lines = place.lines();
    assert_eq!((&lines[1]["duplicate"], lines[1].get("address")), (&json!(true), None));
    assert_eq!((&lines[3]["sent_by"], lines[3].get("address")), (&json!("bot"), None));
    assert_eq!(lines[3].get("session"), None);
}

#[tokio::test]
async fn files_are_the_daemons_alone() {
    let place = Place::new();
    let log = place.path("a/b/audit.jsonl");
    let kit = place.started(&json!({"path": log})).await;
    write(&kit, 1).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&place.path("a")), mode(&place.path("a/b"))), (0o700, 0o700));
    assert_eq!((mode(&log), mode(&place.path("a/b/audit.jsonl.lock"))), (0o600, 0o600));
}

#[tokio::test]
async fn a_rehearsal_touches_nothing() {
    let place = Place::new();
    let kit = place.kit(&json!({"key_file": place.path("missing")}));
    kit.rehearse().await.unwrap();
    kit.after(&message("x"), accepted());
    kit.stop().await;
    assert_eq!((kit.jobs(), fs::read_dir(place.0.path()).unwrap().count()), (0, 0));
}
