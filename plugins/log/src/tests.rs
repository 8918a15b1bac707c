//! The log from the outside, against `tracing`'s own text and JSON writers.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use confab_plugin::{
    Connect, Decision, Event, Message, Outcome, Problem, Register,
    testkit::{Kit, ann, bob, decisions, events, manual_faults, message},
};
use serde_json::{Value, json};
use tracing_subscriber::filter::LevelFilter;

use crate::Log;

/// Collects what is written.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// An entry of these options, whose routine lines are heard unless they say otherwise.
fn kit(mut options: Value) -> Kit<Log> {
    let given = options.as_object_mut().unwrap();
    given.entry("routine").or_insert(json!("info"));
    Kit::new(options).unwrap()
}

/// The JSON lines that an entry of these options writes while `test` runs.
fn lines(options: Value, test: impl FnOnce(&Kit<Log>)) -> Vec<Value> {
    let (sink, kit) = (Sink::default(), kit(options));
    let writer = sink.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || test(&kit));
    sink.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The text lines, likewise.
fn text(options: Value, test: impl FnOnce(&Kit<Log>)) -> String {
    let (sink, kit) = (Sink::default(), kit(options));
    let writer = sink.clone();
    let subscriber =
        tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, || test(&kit));
    sink.text()
}

fn accepted() -> Decision {
    decisions()[0].clone()
}

#[test]
fn a_line_says_who_what_and_how_it_ended() {
    let lines = lines(json!({}), |kit| {
        let id = Some("c-1".into());
        let sent = Event::Message(Message::new(ann(), bob(), "né", id));
        for decision in decisions() {
            kit.after(&sent, decision);
        }
    });
    let common = json!({
        "kind": "message", "user": "ann", "user_id": ann().to_string(), "to": bob().to_string(),
        "session": "0000000000000007", "address": "127.0.0.1", "size": 3, "elapsed_ms": 1.0,
        "id": "c-1", "generation": 1,
    });
    let own = [
        json!({"message": "message accepted", "decision": "accepted", "seq": 3}),
        json!({"message": "message denied", "decision": "denied", "by": "guard", "code": "refused"}),
        json!({"message": "message dropped", "decision": "dropped", "by": "guard"}),
        json!({"message": "message failed", "decision": "failed", "code": "unavailable"}),
    ];
    assert_eq!(lines.len(), 4);
    for (line, own) in lines.iter().zip(own) {
        assert_eq!((&line["level"], &line["target"]), (&json!("INFO"), &json!("confab::events")));
        let mut expected = common.clone();
        for (key, value) in own.as_object().unwrap() {
            expected[key] = value.clone();
        }
        assert_eq!(line["fields"], expected);
    }
}

#[test]
fn every_kind_of_event_has_its_own_fields() {
    let lines = lines(json!({}), |kit| {
        for event in events() {
            kit.after(&event, accepted());
        }
    });
    for (line, own) in lines.iter().zip([
        json!({"kind": "register", "user": "ann", "display_name": "Ann"}),
        json!({"kind": "login", "user": "ann"}),
        json!({"kind": "connect", "user_agent": "testkit/1"}),
        json!({"kind": "message", "size": 5}),
        json!({"kind": "typing", "on": true, "to": bob().to_string()}),
        json!({"kind": "seen", "upto": 3, "to": bob().to_string()}),
        json!({"kind": "disconnect", "reason": "client"}),
    ]) {
        for (key, value) in own.as_object().unwrap() {
            assert_eq!(&line["fields"][key], value, "{key} of {line}");
        }
    }
    assert_eq!(lines.len(), 7);
}

#[test]
fn the_content_is_logged_only_when_asked() {
    let secret = |kit: &Kit<Log>| {
        for decision in decisions() {
            kit.after(&message("a secret that is long"), decision);
        }
    };
    assert!(!text(json!({}), secret).contains("secret"));
    let content = |options| lines(options, secret)[1]["fields"]["content"].clone();
    assert_eq!(content(json!({"content": true})), "a secret that is long");
    assert_eq!(content(json!({"content": true, "content_limit": 8})), "a secret…");
    let long = "x".repeat(257);
    let cut = lines(json!({"content": true}), |kit| {
        kit.after(&message(&long), accepted());
    });
    assert_eq!(cut[0]["fields"]["content"], format!("{}…", "x".repeat(256)));
}

#[test]
fn no_client_can_forge_a_line() {
    const EVIL: &str = "x\n2026-01-01 INFO confab::events: message accepted user=\"root\"\r\u{1b}[2J\u{7f}\u{9b}1m\u{85}\u{2028}\u{202e}";
    let all = |kit: &Kit<Log>| {
        let evil = || Some(EVIL.into());
        kit.after(&Event::Message(Message::new(ann(), bob(), EVIL, evil())), accepted());
        kit.after(&Event::Connect(Connect::new(evil())), accepted());
        let name = "ann".parse().unwrap();
        kit.after(&Event::Register(Register::new(name, evil())), accepted());
        let (by, code) = ("guard".into(), EVIL.into());
        kit.after(&message("x"), Decision::Denied { by, code });
    };
    let written = text(json!({"content": true}), all);
    assert_eq!(written.matches('\n').count(), 4, "{written}");
    assert_eq!(written.lines().count(), 4);
    let harmful = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{2028}' | '\u{202e}');
    assert!(!written.contains(harmful), "{written:?}");
    assert!(!written.contains(" user=\"root\""), "{written}");
    assert_eq!(written.matches("u{1b}").count(), 5, "{written}");

    let lines = lines(json!({"content": true}), all);
    assert_eq!(lines.len(), 4);
    for (line, field) in lines.iter().zip(["content", "user_agent", "display_name", "code"]) {
        let value = line["fields"][field].as_str().unwrap();
        assert!(!value.contains(harmful) && !value.contains('\n'), "{value:?}");
        assert!(value.contains("\\u{1b}"), "{value:?}");
    }
}

#[test]
fn only_the_outcomes_asked_for_are_logged() {
    let lines = lines(json!({"only": ["denied", "failed"], "level": "warn"}), |kit| {
        for decision in decisions() {
            kit.after(&message("x"), decision);
        }
    });
    let decided: Vec<_> = lines.iter().map(|line| &line["fields"]["decision"]).collect();
    assert_eq!(decided, ["denied", "failed"]);
}

#[test]
fn lines_have_the_level_asked_for() {
    for level in ["error", "warn", "info", "debug", "trace"] {
        let lines = lines(json!({"level": level, "routine": "trace"}), |kit| {
            kit.after(&message("x"), decisions()[1].clone());
            kit.after(&events()[0], accepted());
            for event in &events()[3..6] {
                kit.after(event, accepted());
            }
        });
        let levels: Vec<_> = lines.iter().map(|line| line["level"].as_str().unwrap()).collect();
        let level = level.to_uppercase();
        assert_eq!(levels, [&*level, &*level, "TRACE", "TRACE", "TRACE"]);
    }
    // tracing's own default filter ends at info.
    let hidden = text(json!({"routine": "debug"}), |kit| {
        kit.after(&message("x"), accepted());
    });
    assert_eq!(hidden, "");
}

#[test]
fn retries_and_addresses() {
    let lines = lines(json!({"address": false}), |kit| {
        kit.after(&message("x"), Decision::Accepted { seq: Some(1), duplicate: true });
        kit.after(&message("x"), Decision::Accepted { seq: Some(2), duplicate: false });
    });
    assert_eq!(lines[0]["fields"]["duplicate"], true);
    assert_eq!(lines[1]["fields"]["duplicate"], Value::Null);
    assert_eq!(lines[0]["fields"]["address"], Value::Null);
}

#[test]
fn who_changed_an_event_and_which_plugin_sent_it() {
    let (sink, mut kit) = (Sink::default(), Kit::<Log>::new(json!({})).unwrap());
    let cx = kit.context_mut();
    (cx.sent_by, cx.session, cx.generation) = (Some("greeter".into()), None, 7);
    let mut outcome = Outcome::new(accepted(), Duration::from_millis(1));
    outcome.changed_by = vec!["mask".into(), "links".into()];
    let writer = sink.clone();
    let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, || kit.outcome(&message("x"), &outcome));
    let line: Value = serde_json::from_str(&sink.text()).unwrap();
    let fields = &line["fields"];
    assert_eq!((&fields["sent_by"], &fields["generation"]), (&json!("greeter"), &json!(7)));
    assert_eq!(fields["changed_by"], "mask,links");
    assert_eq!((fields.get("session"), fields.get("address")), (None, None));
}

#[test]
fn bad_options_are_told_at_once() {
    let told = |options| {
        let problems = Kit::<Log>::new(options).err().unwrap_or_default();
        problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
    };
    let both = told(json!({"only": [], "content_limit": 0}));
    assert!(both.contains("only: logs nothing") && both.contains("content_limit: give"), "{both}");
    assert!(told(json!({"content_limit": 65_537})).contains("65536"));
    assert!(told(json!({"level": "loud"})).contains("unknown variant `loud`"));
    assert!(told(json!({"contents": true})).contains("unknown field `contents`"));
}

#[test]
fn the_manual_is_complete() {
    assert_eq!(manual_faults::<Log>(), Vec::<String>::new());
}
