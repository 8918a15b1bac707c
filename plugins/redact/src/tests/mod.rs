//! The masker from the outside, as the daemon runs it.

mod cards;
mod emails;
mod ibans;
mod options;
mod phones;
mod property;

use confab_plugin::{
    Verdict,
    testkit::{Kit, events, register},
};
use serde_json::{Value, json};

use crate::Redact;

fn kit(options: Value) -> Kit<Redact> {
    Kit::new(options).unwrap()
}

/// An entry that masks this alone.
fn only(what: &str) -> Kit<Redact> {
    kit(json!({"what": [what]}))
}

/// Runs a hook that never waits.
fn now<F: Future>(future: F) -> F::Output {
    use std::task::{Context, Poll, Waker};
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the masker waited"),
    }
}

/// The content after masking.
fn masked(kit: &Kit<Redact>, text: &str) -> String {
    let run = now(kit.message(text)).unwrap();
    assert_eq!(run.verdict, Verdict::Pass);
    run.content().to_owned()
}

fn becomes(kit: &Kit<Redact>, pairs: &[(&str, &str)]) {
    for (text, expected) in pairs {
        assert_eq!(masked(kit, text), *expected, "{text:?}");
        assert_eq!(masked(kit, expected), *expected, "{text:?}, once more");
    }
}

fn stays(kit: &Kit<Redact>, texts: &[&str]) {
    let changed: Vec<_> =
        texts.iter().map(|text| (*text, masked(kit, text))).filter(|(a, b)| a != b).collect();
    assert!(changed.is_empty(), "{changed:#?}");
}

#[test]
fn all_kinds_at_once() {
    becomes(
        &kit(json!({})),
        &[
            (
                "Ann <ann@example.com>, +49 30 1234567, 4111-1111-1111-1111, \
                 DE89 3704 0044 0532 0130 00.",
                "Ann <••••>, ••••, •••• 1111, ••••.",
            ),
            ("4111111111111111@example.com", "••••"),
            ("Nothing in here, not even 12 of it.", "Nothing in here, not even 12 of it."),
        ],
    );
}

#[test]
fn a_message_without_a_match_keeps_its_very_content() {
    use confab_plugin::{Event, testkit::message};
    let before = message("nöthing, 4111 1111 1111 1112");
    let run = now(kit(json!({})).before(before.clone())).unwrap();
    match (before, run.event) {
        (Event::Message(before), Event::Message(after)) => {
            assert!(std::sync::Arc::ptr_eq(&before.shared_content(), &after.shared_content()));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn display_names_are_masked_and_nothing_else_changes() {
    let kit = kit(json!({}));
    let name = |name| register("ann", name).unwrap();
    let run = |event| now(kit.before(event)).unwrap().event;
    assert_eq!(run(name(Some("Ann +49 171 1234567"))), name(Some("Ann ••••")));
    assert_eq!(run(name(Some("Ann"))), name(Some("Ann")));
    assert_eq!(run(name(None)), name(None));
    for event in events() {
        assert_eq!(run(event.clone()), event);
    }
}

#[test]
fn it_explains_itself() {
    let mut kit = kit(json!({}));
    kit.context_mut().listen();
    masked(&kit, "a@b.de c@d.de +49 30 1234567");
    assert_eq!(
        kit.context_mut().take_notes(),
        ["masks 2 of the kind emails", "masks 1 of the kind phones"]
    );
}

#[test]
fn what_was_masked_is_counted() {
    use metrics_util::debugging::{DebugValue, DebuggingRecorder};
    for rehearsal in [false, true] {
        let recorder = DebuggingRecorder::new();
        metrics::with_local_recorder(&recorder, || {
            let kit = kit(json!({"what": ["cards", "emails"]}));
            now(async { if rehearsal { kit.rehearse().await } else { kit.start().await } })
                .unwrap();
            masked(&kit, "a@b.de c@d.de 4111 1111 1111 1111 +49 30 1234567");
        });
        let all = recorder.snapshotter().snapshot().into_vec();
        let counted: Vec<_> = all
            .into_iter()
            .map(|(key, _, _, value)| {
                let (_, key) = key.into_parts();
                let labels = key.labels().map(|label| label.value().to_owned());
                (key.name().to_owned(), labels.collect::<Vec<_>>().join(","), value)
            })
            .collect();
        let name = || "confab_redact_masked_total".to_owned();
        let mut expected = vec![
            (name(), "redact,emails".to_owned(), DebugValue::Counter(2)),
            (name(), "redact,cards".to_owned(), DebugValue::Counter(1)),
        ];
        if rehearsal {
            expected.clear();
        }
        assert_eq!(counted, expected);
    }
}
