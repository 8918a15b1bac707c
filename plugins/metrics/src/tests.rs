//! The meter from the outside, against a recorder that can be read.

use std::{collections::BTreeMap, task};

use confab_plugin::{
    Decision, EventKind,
    testkit::{Kit, decisions, events, manual_faults, message},
};
use metrics::with_local_recorder;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use serde_json::{Value, json};

use crate::{Metrics, handles::MAX_REFUSALS};

/// Runs `test` with an entry of these options and a recorder of its own.
fn measured(options: Value, test: impl FnOnce(&Kit<Metrics>)) -> BTreeMap<String, DebugValue> {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let kit = Kit::<Metrics>::new(options).unwrap();
    with_local_recorder(&recorder, || {
        let start = std::pin::pin!(kit.start());
        let ready = start.poll(&mut task::Context::from_waker(task::Waker::noop()));
        assert!(matches!(ready, task::Poll::Ready(Ok(()))));
        test(&kit);
    });
    read(&snapshotter)
}

/// The metrics as `name{label=value,…}`, without those that stand at 0.
fn read(snapshotter: &Snapshotter) -> BTreeMap<String, DebugValue> {
    let mut all = BTreeMap::new();
    for (key, unit, description, value) in snapshotter.snapshot().into_vec() {
        assert!(unit.is_some() && description.is_some(), "{key:?} is described");
        let (_, key) = key.into_parts();
        let labels: Vec<String> =
            key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let silent = match &value {
            DebugValue::Histogram(samples) => samples.is_empty(),
            value => *value == DebugValue::Counter(0),
        };
        if !silent {
            all.insert(format!("{}{{{}}}", key.name(), labels.join(",")), value);
        }
    }
    all
}

#[test]
fn each_event_is_counted_by_kind_and_outcome() {
    let all = measured(json!({}), |kit| {
        for (place, event) in events().into_iter().enumerate() {
            for (times, decision) in decisions().into_iter().enumerate() {
                for _ in 0..=place + times {
                    kit.after(&event, decision.clone());
                }
            }
        }
    });
    for (place, kind) in EventKind::ALL.into_iter().enumerate() {
        for (times, outcome) in Decision::WORDS.into_iter().enumerate() {
            let times = place + times + 1;
            let labels = format!("{{kind={kind},outcome={outcome}}}");
            let count = DebugValue::Counter(times as u64);
            assert_eq!(all[&format!("confab_events_total{labels}")], count, "{labels}");
            let seconds = vec![0.001.into(); times];
            assert_eq!(
                all[&format!("confab_event_duration_seconds{labels}")],
                DebugValue::Histogram(seconds),
                "{labels}"
            );
        }
        for (labels, count) in
            [("guard,code=refused", 2), ("guard,code=dropped", 3), (",code=unavailable", 4)]
        {
            let name = format!("confab_events_refused_total{{kind={kind},by={labels}}}");
            assert_eq!(all[&name], DebugValue::Counter(count + place as u64), "{name}");
        }
    }
    assert_eq!(all.len(), 7 * (4 + 4 + 3) + 1);
}

#[test]
fn only_new_messages_are_measured() {
    let all = measured(json!({}), |kit| {
        let accepted = |duplicate| Decision::Accepted { seq: Some(1), duplicate };
        kit.after(&message("hello"), accepted(false));
        kit.after(&message("hello"), accepted(true));
        kit.after(&message("né"), accepted(false));
        for decision in decisions().into_iter().skip(1) {
            kit.after(&message("refused"), decision);
        }
    });
    let sizes = DebugValue::Histogram(vec![5.0.into(), 3.0.into()]);
    assert_eq!(all["confab_message_content_bytes{}"], sizes);
}

#[test]
fn options_switch_metrics_off() {
    let off = json!({"durations": false, "content_size": false, "refusals": false});
    let all = measured(off, |kit| {
        for decision in decisions() {
            kit.after(&message("hello"), decision);
        }
    });
    assert_eq!(all.len(), 4);
    assert!(all.keys().all(|name| name.starts_with("confab_events_total{")));
}

#[test]
fn made_up_codes_do_not_fill_the_memory() {
    let all = measured(json!({}), |kit| {
        for n in 0..MAX_REFUSALS + 10 {
            for _ in 0..2 {
                let by = "guard".into();
                let code = format!("code_{n}").into();
                kit.after(&message("x"), Decision::Denied { by, code });
            }
        }
    });
    let refused = |name: &&String| name.starts_with("confab_events_refused_total");
    assert_eq!(all.keys().filter(refused).count(), MAX_REFUSALS + 1);
    let other = "confab_events_refused_total{kind=message,by=other,code=other}";
    assert_eq!(all[other], DebugValue::Counter(20));
}

#[test]
fn an_event_before_the_start_is_not_lost() {
    let recorder = DebuggingRecorder::new();
    let kit = Kit::<Metrics>::new(json!({})).unwrap();
    with_local_recorder(&recorder, || {
        kit.after(&message("x"), decisions()[3].clone());
    });
    let all = read(&recorder.snapshotter());
    assert_eq!(all["confab_events_total{kind=message,outcome=failed}"], DebugValue::Counter(1));
}

#[test]
fn the_manual_is_complete() {
    assert_eq!(manual_faults::<Metrics>(), Vec::<String>::new());
    for metric in
        ["events_total", "events_refused_total", "event_duration_seconds", "message_content_bytes"]
    {
        assert!(
            <Metrics as confab_plugin::Definition>::MANUAL.contains(&format!("`confab_{metric}`"))
        );
    }
}
