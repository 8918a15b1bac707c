//! The options: what is refused, and where.

use confab_plugin::{
    Manifest,
    testkit::{Kit, manual_faults},
};
use serde_json::{Value, json};

use super::{SECRET, with};
use crate::{Options, Webhook};

fn problems(options: Value) -> Vec<String> {
    let built = Kit::<Webhook>::new(options);
    built.err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

fn asking(more: Value) -> Value {
    with(json!({ "mode": "moderate", "url": "https://a.example/x" }), more)
}

#[test]
fn the_manual_is_complete() {
    assert_eq!(manual_faults::<Webhook>(), Vec::<String>::new());
}

#[test]
fn what_can_not_be_is_told_with_its_place() {
    for (more, place) in [
        (json!({ "url": "a.example" }), "url: "),
        (json!({ "url": "https://hunter2:hunter2@a.example" }), "url: "),
        (json!({ "secret": "hunter2" }), "secret: "),
        (json!({ "secret": "whsec_hunter2 hunter2 hunter2 hunter2" }), "secret: "),
        (json!({ "secret": SECRET, "secret_file": "/x" }), "secret_file: "),
        (json!({ "url": "http://a.example", "ca_file": "/x" }), "ca_file: "),
        (json!({ "outcomes": ["denied"] }), "outcomes: "),
        (json!({ "mode": "notify", "outcomes": [] }), "outcomes: "),
        (json!({ "mode": "notify", "concurrency": 5 }), "concurrency: "),
        (json!({ "concurrency": 0 }), "concurrency: "),
        (json!({ "concurrency": 10_001 }), "concurrency: "),
        (json!({ "connect_timeout": "0s" }), "connect_timeout: "),
        (json!({ "connect_timeout": "61s" }), "connect_timeout: "),
        (json!({ "max_answer": "1B" }), "max_answer: "),
        (json!({ "max_answer": "17MiB" }), "max_answer: "),
        (json!({ "mode": "ask" }), "`ask`"),
        (json!({ "secrets": "x" }), "`secrets`"),
        (json!({ "secret": 4711 }), "a text is wanted"),
        (json!({ "mode": "notify", "outcomes": ["refused"] }), "`refused`"),
    ] {
        let found = problems(asking(more.clone()));
        assert_eq!(found.len(), 1, "{more}: {found:?}");
        assert!(found[0].contains(place), "{more}: {found:?}");
        assert!(!found[0].contains("hunter2") && !found[0].contains("4711"), "{found:?}");
    }
    for good in [
        json!({}),
        json!({ "concurrency": 10_000, "connect_timeout": "1m", "max_answer": "16MiB" }),
        json!({ "secret": SECRET, "ca_file": "/x", "content": false, "address": true }),
        json!({ "mode": "notify", "outcomes": ["accepted", "denied", "dropped", "failed"] }),
    ] {
        assert_eq!(problems(asking(good)), Vec::<String>::new());
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let found = problems(asking(json!({
        "url": "ftp://a.example", "secret": "short", "concurrency": 0, "max_answer": "1B",
    })));
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(problems(json!({ "mode": "moderate" }))[0].contains("`url`"));
    assert!(problems(json!({ "url": "https://a.example" }))[0].contains("`mode`"));
}

#[test]
fn secrets_are_not_shown() {
    let options = asking(json!({ "secret": SECRET, "url": "https://a.example/hunter2" }));
    let options: Options = serde_json::from_value(options).unwrap();
    let shown = format!("{options:?}");
    assert!(shown.contains("[secret]"), "{shown}");
    assert!(!shown.contains(SECRET) && !shown.contains("hunter2"), "{shown}");
    let settings = options.check().unwrap_or_else(|problems| panic!("{problems:?}"));
    assert!(!format!("{:?}", settings.key).contains("secret of"));
}

#[test]
fn the_schema_knows_what_is_needed() {
    let schema = (Manifest::of::<Webhook>().schema)();
    assert_eq!(schema.get("required"), Some(&json!(["mode", "url"])));
    assert_eq!(schema.get("additionalProperties"), Some(&json!(false)));
}
