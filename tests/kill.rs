//! Promises 1 to 4 through `kill -9`: a daemon that dies again and again under load, at any
//! moment, loses nothing. On MongoDB and Redis there are two nodes, which die in turn.
//!
//! `CONFAB_KILLS=30 cargo test --release --test kill -- --nocapture`: see docs/endurance.md.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod support;
#[allow(dead_code)]
mod verify {
    pub mod judge;
    pub mod run;
}

use std::time::{Duration, Instant};

use support::{Daemon, wait::DEADLINE};
use verify::{
    judge::{LIMITS, accepted, all_kept, number, variable},
    run::Run,
};

/// Pairs of the run; each has four devices.
const PAIRS: u64 = 4;

/// How many messages the next to die stores before it does, after the kill before.
fn moment(kill: usize) -> f64 {
    match kill % 3 {
        // All clients have long been back.
        0 => 1500.0,
        // The first ones are back and send, others connect or ask for what they missed.
        1 => 1.0,
        // Anywhere between: a step of a multiplicative congruence.
        _ => 1.0 + (kill * 7919 % 400) as f64,
    }
}

#[test]
fn every_promise_is_kept_by_a_daemon_that_is_killed_again_and_again() {
    let kills: usize = variable("CONFAB_KILLS", 3);
    let mut nodes = vec![Daemon::start(LIMITS)];
    nodes.extend(nodes[0].another_node());
    let urls: Vec<_> = nodes.iter().map(|node| node.url("")).collect();
    let pairs = PAIRS.to_string();
    let options = ["--pairs", &pairs, "--rate", "0", "--window", "32", "--seen-every", "20"];
    let run = Run::start(&urls, &[&options[..], &["--duration", "24h"]].concat());
    let mut amid_reconnects = 0;
    let mut down: Option<usize> = None;
    for kill in 0..kills {
        let next = until_stored(&nodes, down, moment(kill));
        amid_reconnects += usize::from(sessions(&nodes[next]) < (PAIRS * 4) as f64);
        nodes[next].kill();
        if let Some(other) = down.take() {
            nodes[other].start_again();
        }
        // The other node dies while the clients of this one come to it.
        if nodes.len() > 1 && kill + 1 < kills && moment(kill + 1) <= 1.0 {
            down = Some(next);
        } else {
            nodes[next].start_again();
        }
    }
    until_stored(&nodes, None, 500.0);
    let ended = run.end();
    let backend = if nodes.len() > 1 { "two nodes" } else { "embedded" };
    println!("{amid_reconnects} of {kills} kills while clients were still coming back");
    all_kept(&format!("{kills} kills, {backend}"), &ended);
    assert!(number(&ended.1, "reconnects") >= kills as u64, "{:#}", ended.1);
    if nodes.len() == 1 {
        assert_eq!(number(&ended.1, "overtaken"), 0, "one node delivers all in one order");
    }
    assert!(number(&ended.1, "resent") > 0, "some were on their way");
}

/// Waits until one of the nodes that run has stored so many more messages: which one. That is where
/// the clients are, so the nodes die in turn.
fn until_stored(nodes: &[Daemon], down: Option<usize>, messages: f64) -> usize {
    let running: Vec<_> = (0..nodes.len()).filter(|n| Some(*n) != down).collect();
    let enough = running.iter().map(|n| (*n, accepted(&nodes[*n]) + messages)).collect::<Vec<_>>();
    let started = Instant::now();
    loop {
        if let Some((node, _)) = enough.iter().find(|(n, enough)| accepted(&nodes[*n]) >= *enough) {
            return *node;
        }
        assert!(started.elapsed() < DEADLINE, "no messages");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn sessions(node: &Daemon) -> f64 {
    node.metric("confab_websocket_connections")
}
