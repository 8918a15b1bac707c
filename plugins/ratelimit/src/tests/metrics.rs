//! The limiter's own metrics, against a recorder that can be read.

use std::collections::BTreeMap;

use metrics::with_local_recorder;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use serde_json::{Value, json};

use super::{kit, message, now, passes, user};

/// The metrics as `name{label=value,…}`, with what was added since the last call.
fn read(snapshotter: &Snapshotter) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for (key, unit, description, value) in snapshotter.snapshot().into_vec() {
        assert!(unit.is_some() && description.is_some(), "{key:?} is described");
        let (_, key) = key.into_parts();
        let labels: Vec<String> =
            key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let value = match value {
            DebugValue::Counter(count) => json!(count),
            DebugValue::Gauge(value) => json!(value.0),
            DebugValue::Histogram(_) => unreachable!(),
        };
        all.insert(format!("{}{{{}}}", key.name(), labels.join(",")), value);
    }
    all
}

#[test]
fn keys_evictions_and_refusals_are_counted() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let limiter = kit(json!({"max_keys": 2, "rules": [
        {"per": "all", "events": 5, "every": "1h"},
        {"per": "user", "events": 2, "every": "1h"},
    ]}));
    let counted = |keys: f64, evictions: u64, all: u64, user: u64| {
        let expected = [
            ("confab_ratelimit_evictions_total{plugin=ratelimit}".to_owned(), json!(evictions)),
            ("confab_ratelimit_keys{plugin=ratelimit}".to_owned(), json!(keys)),
            ("confab_ratelimit_refusals_total{plugin=ratelimit,rule=0}".to_owned(), json!(all)),
            ("confab_ratelimit_refusals_total{plugin=ratelimit,rule=1}".to_owned(), json!(user)),
        ];
        assert_eq!(read(&snapshotter), BTreeMap::from(expected));
    };
    with_local_recorder(&recorder, || {
        let send = |n| passes(limiter.plugin(), &user(n), &message("x"));
        now(limiter.start()).unwrap();
        counted(0.0, 0, 0, 0);
        assert!(send(1) && send(1) && !send(1));
        counted(2.0, 0, 0, 1);
        assert!(send(2));
        counted(1.0, 0, 0, 0);
        // Takes over the bucket of user 2, in which one token is missing.
        assert!(send(3));
        counted(0.0, 1, 0, 0);
        assert!(!send(3) && !send(1));
        counted(0.0, 0, 0, 2);
        now(limiter.stop());
        counted(-3.0, 0, 0, 0);
    });
}

#[test]
fn a_rehearsal_counts_nothing_that_others_see() {
    let recorder = DebuggingRecorder::new();
    let limiter = kit(json!({"rules": [{"per": "user", "events": 1}]}));
    with_local_recorder(&recorder, || {
        now(limiter.rehearse()).unwrap();
        assert!(passes(limiter.plugin(), &user(1), &message("x")));
        assert!(!passes(limiter.plugin(), &user(1), &message("x")));
        now(limiter.stop());
    });
    assert!(read(&recorder.snapshotter()).is_empty());
}
