//! Spans for a collector; and one that is not there, or never answers, harms nothing.

use std::time::Instant;

use serde_json::Value;

use crate::support::{
    Daemon,
    endpoint::{Endpoint, Mood},
    wait::DEADLINE,
};

fn config(endpoint: &str, more: &str) -> String {
    let endpoint = endpoint.trim_end_matches('/');
    format!(
        "[limits]\nauth_rate = 0\nframe_rate = 0\n[telemetry.otlp]\nendpoint = \"{endpoint}\"\n{more}"
    )
}

/// The spans that the collector has read.
fn spans(collector: &Endpoint) -> Vec<Value> {
    let mut spans = Vec::new();
    for body in collector.bodies() {
        let body: Value = serde_json::from_str(&body).expect("JSON");
        let resource = &body["resourceSpans"][0];
        let service = &resource["resource"]["attributes"][0];
        assert_eq!(service["value"]["stringValue"], "confab", "{body}");
        spans.extend(resource["scopeSpans"][0]["spans"].as_array().expect("spans").clone());
    }
    spans
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_gets_spans_of_requests_and_events() {
    let collector = Endpoint::start(Mood::Well).await;
    let mut daemon = Daemon::start(&config(&collector.url(), ""));
    let mut ann = daemon.client("ann").await;
    let mut bob = daemon.client("bob").await;
    ann.say(bob.id(), "hello").await;
    bob.next_event("message").await;
    assert!(daemon.stop().success());
    let spans = spans(&collector);
    let find = |name: &str, kind: u64| {
        let found = spans.iter().find(|span| span["name"] == name && span["kind"] == kind);
        found.unwrap_or_else(|| panic!("no {name}: {spans:#?}"))
    };
    let (message, deliver) = (find("message", 2), find("deliver", 5));
    assert_eq!(deliver["traceId"], message["traceId"]);
    assert_eq!(deliver["parentSpanId"], message["spanId"]);
    assert_eq!(message["parentSpanId"], Value::Null);
    assert_eq!(message["attributes"][0]["value"]["stringValue"], "accepted");
    let nanos = |span: &Value, key: &str| span[key].as_str().unwrap().parse::<u128>().unwrap();
    assert!(nanos(message, "startTimeUnixNano") < nanos(message, "endTimeUnixNano"));
    let (request, register) = (find("POST", 2), find("register", 1));
    assert_eq!(register["traceId"], request["traceId"]);
    assert_eq!(register["parentSpanId"], request["spanId"]);
    for span in &spans {
        assert_eq!(span["traceId"].as_str().map(str::len), Some(32), "{span}");
        assert_eq!(span["spanId"].as_str().map(str::len), Some(16), "{span}");
    }
    assert!(!collector.bodies().concat().contains("hello"), "no text of a message leaves");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_in_trouble_harms_nothing() {
    let hanging = Endpoint::start(Mood::Hangs).await;
    let failing = Endpoint::start(Mood::Fails).await;
    let gone = Endpoint::nobody().await;
    for (endpoint, hangs) in [(hanging.url(), true), (failing.url(), false), (gone, false)] {
        let mut daemon = Daemon::start(&config(&endpoint, "queue = 16\ntimeout = \"1s\"\n"));
        let mut ann = daemon.client("ann").await;
        let bob = daemon.http().register("bob");
        let spans =
            |result: &str| daemon.metric(&format!("confab_spans_total{{result=\"{result}\"}}"));
        let (mut number, deadline) = (0, Instant::now() + DEADLINE);
        // While one request hangs, no more than 16 wait.
        while spans("failed") == 0.0 || hangs && spans("dropped") == 0.0 {
            assert!(Instant::now() < deadline, "{endpoint}: {}", daemon.log());
            for _ in 0..50 {
                number += 1;
                ann.say(&bob.id, "hello").await;
                assert_eq!(ann.next_event("message").await["seq"], number, "{endpoint}");
            }
        }
        assert_eq!(spans("exported"), 0.0);
        assert!(daemon.stop().success());
        let told = daemon.log().matches("takes no spans").count();
        assert_eq!(told, 1, "{}", daemon.log());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_traces_some_are_sent() {
    let collector = Endpoint::start(Mood::Well).await;
    let mut daemon = Daemon::start(&config(&collector.url(), "one_in = 1000000\n"));
    let mut ann = daemon.client("ann").await;
    let bob = daemon.http().register("bob");
    for _ in 0..20 {
        ann.say(&bob.id, "hello").await;
        ann.next_event("message").await;
    }
    assert!(daemon.stop().success());
    assert!(spans(&collector).len() < 5, "{:#?}", spans(&collector));
}
