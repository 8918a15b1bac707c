//! `confab bench --verify`: a daemon that is killed again and again keeps every promise, and a
//! server that breaks one is found out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod support;
mod verify {
    pub mod liar;
    pub mod run;
}

use std::{fs, path::Path, time::Duration};

use support::Daemon;
use verify::{
    liar::{Liar, Lie},
    run::Run,
};

/// No rates: a run is impatient.
const LIMITS: &str = "[limits]\nframe_rate = 0\nauth_rate = 0\n[log]\nlevel = \"warn\"\n";

#[test]
fn a_daemon_that_is_killed_under_load_keeps_every_promise() {
    let mut daemon = Daemon::start(LIMITS);
    let options = ["--rate", "0", "--window", "32", "--seen-every", "20", "--duration", "10m"];
    let run = Run::start(&[daemon.url("")], &options);
    for _ in 0..3 {
        until_accepted(&daemon, 1000.0);
        daemon.restart(true);
    }
    until_accepted(&daemon, 1000.0);
    let (status, found) = run.end();
    println!("{found:#}");
    assert_eq!(counts(&found), [0; 4]);
    assert_eq!((status, &found["passed"]), (0, &true.into()));
    let number = |key: &str| found[key].as_u64().expect("a number");
    assert_eq!(number("unanswered"), 0);
    assert!(number("acknowledged") >= 4000);
    assert_eq!(number("acknowledged"), number("sent"));
    assert_eq!(number("kept"), number("sent"), "in the history");
    assert_eq!(number("reconnects"), 3 * 4 * 2, "each device, after each kill");
    assert!(number("resent") > 0, "some were on their way");
    assert!(found["longest_gap_seconds"].as_f64() > Some(0.0));
}

#[test]
fn a_daemon_whose_data_goes_back_in_time_loses_messages() {
    // Not `start`, which may keep its data elsewhere.
    let mut daemon = Daemon::start_node(&[
        ("CONFAB_AUTH__ARGON2_MEMORY", "8MiB"),
        ("CONFAB_AUTH__ARGON2_ITERATIONS", "1"),
        ("CONFAB_LIMITS__FRAME_RATE", "0"),
        ("RUST_LOG", "warn"),
    ]);
    let data = daemon.folder().join("confab-data");
    let old = daemon.folder().join("old");
    let run = Run::start(&[daemon.url("")], &["--rate", "0", "--duration", "10m"]);
    until_accepted(&daemon, 300.0);
    daemon.kill();
    copy(&data, &old);
    daemon.start_again();
    until_accepted(&daemon, 300.0);
    daemon.kill();
    fs::remove_dir_all(&data).expect("removed");
    copy(&old, &data);
    daemon.start_again();
    until_accepted(&daemon, 300.0);
    let (status, found) = run.end();
    let [lost, ..] = counts(&found);
    assert!(lost > 100, "{found:#}");
    assert_eq!((status, &found["passed"]), (1, &false.into()));
    let example = &found["lost"]["examples"][0];
    assert!(example["what"].as_str().expect("a text").contains("not in the history"), "{example}");
}

#[test]
fn a_server_that_swallows_a_message_and_says_it_is_complete_is_found_out() {
    let found = lied_to(Lie::Swallow);
    // One message, which neither device of one of the two receives.
    assert_eq!(counts(&found), [0, 0, 0, 2], "{found:#}");
    assert_eq!(found["missed"]["examples"][0]["seq"], serde_json::json!([7]));
}

#[test]
fn a_server_that_delivers_twice_is_found_out() {
    let found = lied_to(Lie::Repeat);
    assert_eq!(counts(&found), [0, 2, 0, 0], "{found:#}");
}

#[test]
fn a_server_that_changes_the_order_is_found_out() {
    let found = lied_to(Lie::Swap);
    assert_eq!(counts(&found), [0, 0, 2, 0], "{found:#}");
}

#[test]
fn a_server_that_never_answers_a_message_is_found_out() {
    let found = lied_to(Lie::Silence);
    assert_eq!(counts(&found), [0; 4], "{found:#}");
    assert_eq!(found["unanswered"], 1);
    assert_eq!(found["unanswered_ids"].as_array().map(Vec::len), Some(1));
}

/// What a run of one pair finds behind a proxy that lies to one of the two about message 7.
fn lied_to(lie: Lie) -> serde_json::Value {
    let daemon = Daemon::start(LIMITS);
    let liar = Liar::start(daemon.address(), lie);
    let url = format!("http://{}", liar.address());
    let options = ["--pairs", "1", "--rate", "100", "--settle", "5s", "--duration", "10m"];
    let run = Run::start(&[url], &options);
    until_accepted(&daemon, 40.0);
    let (status, found) = run.end();
    assert_eq!((status, &found["passed"]), (1, &false.into()), "{found:#}");
    found
}

/// Waits until the daemon has stored so many messages since it started.
fn until_accepted(daemon: &Daemon, messages: f64) {
    let started = std::time::Instant::now();
    while daemon.metric("confab_messages_accepted_total") < messages {
        assert!(started.elapsed() < support::wait::DEADLINE, "no messages:\n{}", daemon.log());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Lost, doubled, out of order, missed.
fn counts(found: &serde_json::Value) -> [u64; 4] {
    ["lost", "doubled", "out_of_order", "missed"]
        .map(|kind| found[kind]["count"].as_u64().expect("a count"))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for file in fs::read_dir(from).expect("a folder") {
        let file = file.expect("a file");
        fs::copy(file.path(), to.join(file.file_name())).expect("copied");
    }
}
