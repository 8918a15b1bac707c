//! What a running entry counts and logs, and that a rehearsal does neither.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
};

use confab_plugin::testkit::{Kit, events};
use metrics::with_local_recorder;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use serde_json::json;

use super::{message, now, passes};
use crate::{Spam, score::Signal};

/// The counters by signal, after `test`.
fn counted(test: impl FnOnce(&Kit<Spam>)) -> BTreeMap<String, u64> {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    with_local_recorder(&recorder, || test(&Kit::new(json!({})).unwrap()));
    let mut counts = BTreeMap::new();
    for (key, _, description, value) in snapshotter.snapshot().into_vec() {
        assert!(description.is_some());
        assert_eq!(key.key().name(), "confab_spam_signals_total");
        let labels: Vec<_> = key.key().labels().map(|l| (l.key(), l.value())).collect();
        let [("plugin", "spam"), ("signal", signal)] = labels[..] else {
            panic!("labels {labels:?}");
        };
        let DebugValue::Counter(count) = value else { panic!("{value:?}") };
        counts.insert(signal.to_owned(), count);
    }
    counts
}

/// The lines that are logged while `test` runs.
fn logged(test: impl FnOnce()) -> String {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .without_time()
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, test);
    let lines = lines.0.lock().unwrap().clone();
    String::from_utf8(lines).unwrap()
}

#[test]
fn signals_are_counted_by_name() {
    let counts = counted(|kit| {
        now(kit.start()).unwrap();
        assert!(passes(kit, &message(1, "http://a.example", "")));
        assert!(passes(kit, &message(2, "http://b.example aaaaaaaaaaaaaaaaaaaaaaaa", "")));
    });
    assert_eq!(counts.len(), Signal::ALL.len());
    for (signal, count) in counts {
        let expected = match &*signal {
            "first_link" => 2,
            "run" => 1,
            _ => 0,
        };
        assert_eq!(count, expected, "{signal}");
    }
}

#[test]
fn a_refusal_is_logged_without_the_content() {
    let secret = "SECRETS FOR EVERYBODY http://secret.example AAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let lines = logged(|| {
        let kit = Kit::<Spam>::new(json!({})).unwrap();
        now(kit.start()).unwrap();
        assert!(passes(&kit, &message(1, "hello", "")));
        assert!(!passes(&kit, &message(1, secret, "")));
    });
    assert_eq!(
        lines,
        " INFO confab::spam: a message was scored as spam plugin=\"spam\" \
         user=00000000000000000000000001 name=\"ann\" score=6 reasons=\"a link to somebody new (+2), \
         100% capitals (+2), one character 27 times in a row (+2)\"\n"
    );
    assert!(!lines.to_lowercase().contains("secret"));
}

#[test]
fn a_rehearsal_judges_and_leaves_no_trace() {
    let mut lines = String::new();
    let counts = counted(|kit| {
        lines = logged(|| {
            now(kit.rehearse()).unwrap();
            for _ in 0..3 {
                assert!(passes(kit, &message(1, "Buy these watches", "")));
            }
            assert!(!passes(kit, &message(1, "Buy these watches", "")));
        });
    });
    assert_eq!((counts, lines), (BTreeMap::new(), String::new()));
}

#[test]
fn other_events_pass() {
    let kit = Kit::<Spam>::new(json!({})).unwrap();
    for event in events() {
        assert!(passes(&kit, &event), "{}", event.kind());
    }
}
