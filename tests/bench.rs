//! `confab bench` against a real daemon: its figures are those of the daemon's own metrics.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::{
    net::TcpListener,
    process::{Output, Stdio},
};

use serde_json::Value;
use support::{
    Daemon,
    daemon::confab,
    wait::{self, until},
};

/// A daemon whose limits are not what is measured.
const FREE: &str = "[limits]\nframe_rate = 0\nauth_rate = 0\n";

fn bench(arguments: &[&str]) -> Output {
    confab().arg("bench").args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// Runs it to its end, and reads the summary.
fn summary(daemon: &Daemon, arguments: &[&str]) -> Value {
    let (url, admin) = (daemon.url(""), format!("http://{}", daemon.admin_address()));
    let mut all = vec![&*url, "--admin", &*admin, "--json"];
    all.extend(arguments);
    let output = bench(&all);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn the_figures_are_those_of_the_daemon() {
    let daemon = Daemon::start(FREE);
    let short = ["--duration", "700ms", "--warmup", "200ms", "--window", "4"];
    let counts = ["--pairs", "3", "--users", "8", "--connect-sessions", "40", "--idle", "50"];
    let summary = summary(&daemon, &[&short[..], &counts[..]].concat());
    assert_eq!(summary["accounts"]["registered"], 8, "{summary}");
    for (phase, name) in [("connect", 40), ("idle_connect", 50)] {
        let connects = &summary[phase];
        assert_eq!(
            (&connects["opened"], &connects["latency"]["count"]),
            (&name.into(), &name.into())
        );
        assert_eq!(connects["failed"], serde_json::json!({}));
        assert!(number(&connects["per_second"]) > 0.0);
    }
    assert_eq!(
        (&summary["idle"]["sessions"], &summary["idle"]["source"]),
        (&50.into(), &"metrics".into())
    );
    assert!(number(&summary["idle"]["before_bytes"]) > 1e6);
    let mut acknowledged = 0.0;
    for name in ["saturation", "open_loop"] {
        let phase = &summary[name];
        let sent = number(&phase["sent"]);
        assert!(sent > 0.0, "{phase}");
        assert_eq!(number(&phase["acknowledged"]), sent, "{phase}");
        assert_eq!(number(&phase["delivered"]), sent, "{phase}");
        assert_eq!((&phase["unanswered"], &phase["not_understood"]), (&0.into(), &0.into()));
        assert_eq!(
            (&phase["refused"], &phase["sessions_ended"]),
            (&serde_json::json!({}), &serde_json::json!({}))
        );
        assert_eq!(phase["sessions"], 6);
        for latency in ["echo", "delivery"] {
            let latency = &phase[latency];
            let ascending = ["p50_us", "p90_us", "p99_us", "p999_us", "max_us"];
            let values: Vec<_> = ascending.iter().map(|name| number(&latency[name])).collect();
            assert!(values.is_sorted(), "{latency}");
            assert_eq!(values[0] > 0.0, number(&latency["count"]) > 0.0);
            assert!(number(&latency["count"]) <= sent);
        }
        acknowledged += sent;
    }
    assert_eq!(daemon.metric("confab_messages_accepted_total"), acknowledged);
    let half = number(&summary["saturation"]["acknowledged_per_second"]) / 2.0;
    // Numbers may differ in the last bit after they were written and read.
    let rate = number(&summary["open_loop"]["rate"]);
    assert!((rate / half.max(1.0) - 1.0).abs() < 1e-9, "{rate} is not half: {half}");
    assert_eq!(summary["interrupted"], false);
}

#[test]
fn a_rate_is_kept_and_accounts_are_used_again() {
    let daemon = Daemon::start(FREE);
    let arguments = ["--rate", "200", "--duration", "1s", "--warmup", "200ms", "--pairs", "2"];
    let arguments = [&arguments[..], &["--users", "4", "--connect-sessions", "0"]].concat();
    let first = summary(&daemon, &arguments);
    let second = summary(&daemon, &arguments);
    for summary in [&first, &second] {
        assert!(summary.get("saturation").is_none() && summary.get("connect").is_none());
        let phase = &summary["open_loop"];
        let sums = ["sent", "acknowledged", "delivered"].map(|name| number(&phase[name]));
        assert_eq!(sums, [240.0; 3], "{phase}");
        assert_eq!(phase["echo"]["count"], 200);
        assert_eq!(phase["delivery"]["count"], 200);
        assert_eq!(number(&phase["seconds"]), 1.0);
    }
    assert_eq!(first["accounts"]["registered"], 4);
    assert_eq!(second["accounts"]["logged_in"], 4);
    assert_eq!(daemon.metric("confab_messages_accepted_total"), 480.0);
}

#[test]
fn limits_that_are_hit_are_counted_and_named() {
    let daemon = Daemon::start("[limits]\nframe_burst = 20\nauth_burst = 3\nauth_rate = 20\n");
    // The first flush of a session is beyond the burst, however slow the disk is.
    let arguments = ["--duration", "1500ms", "--warmup", "0", "--pairs", "2", "--users", "4"];
    let window = ["--connect-sessions", "0", "--window", "60"];
    let summary = summary(&daemon, &[&arguments[..], &window].concat());
    let refused = number(&summary["saturation"]["refused"]["rate_limited"]);
    assert!(refused > 0.0, "{summary}");
    assert!(number(&summary["accounts"]["waited_seconds"]) >= 1.0, "{summary}");
    let hints = summary["hints"].to_string();
    assert!(hints.contains("limits.frame_rate = 0"), "{hints}");
    assert!(hints.contains("limits.auth_rate"), "{hints}");
    let sums = ["saturation", "open_loop"].map(|name| number(&summary[name]["acknowledged"]));
    assert_eq!(daemon.metric("confab_messages_accepted_total"), sums[0] + sums[1]);
}

#[tokio::test]
async fn an_interrupt_ends_it_with_what_there_was() {
    let daemon = Daemon::start(FREE);
    let child = confab()
        .args(["bench", &daemon.url(""), "--duration", "10m", "--pairs", "1", "--json"])
        .args(["--users", "2", "--connect-sessions", "4", "--warmup", "0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("messages are sent", async || {
        (daemon.metric("confab_messages_accepted_total") > 100.0).then_some(())
    })
    .await;
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let output = tokio::time::timeout(
        wait::DEADLINE,
        tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()),
    );
    let output = output.await.expect("it ends").unwrap();
    assert_eq!(output.status.code(), Some(0));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["interrupted"], true);
    let phase = &summary["saturation"];
    assert!(number(&phase["seconds"]) < 60.0 && number(&phase["acknowledged"]) > 100.0, "{phase}");
    assert!(summary.get("open_loop").is_none());
}

#[test]
fn people_get_words() {
    let daemon = Daemon::start(FREE);
    let url = daemon.url("");
    let short = ["--duration", "200ms", "--warmup", "0", "--pairs", "1", "--users", "2"];
    let output = bench(&[&[&*url, "--connect-sessions", "4"], &short[..]].concat());
    let text = String::from_utf8_lossy(&output.stdout);
    for words in [
        "sessions/s",
        "saturation: 2 sessions",
        "messages/s acknowledged",
        "open loop: ",
        "p99.9",
        "delivery",
        "generator",
    ] {
        assert!(text.contains(words), "no \"{words}\" in:\n{text}");
    }
    let admin = format!("http://{}", daemon.admin_address());
    let output = bench(&[&*admin, "--pairs", "1", "--users", "2"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*output.stdout), (Some(1), &b""[..]), "{told}");
    assert!(told.contains("404"), "{told}");
}

#[test]
fn what_is_not_there_is_told() {
    // A port that was just free.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = bench(&[&format!("http://{port}")]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*output.stdout), (Some(1), &b""[..]), "{told}");
    for words in [&*format!("cannot connect to http://{port}"), "refused", "confab serve"] {
        assert!(told.contains(words), "{told}");
    }
}

#[test]
fn wrong_arguments_are_refused() {
    for (arguments, words) in [
        (&["http://chat.example/chat"][..], "only a host"),
        (&["--pairs", "3", "--users", "5"], "needs 6 users"),
        (&["http://127.0.0.1:1", "--idle", "10"], "--admin"),
        (&["--rate", "0"], "for --verify alone"),
        (&["--window", "0"], "from 1 on"),
        (&["--duration", "1 fortnight"], "such as 5s"),
        (&["--pairs", "0", "--connect-sessions", "0"], "nothing"),
    ] {
        let output = bench(arguments);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
        assert!(told.contains(words), "{arguments:?}: {told}");
    }
}
