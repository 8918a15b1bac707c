//! What a flood costs a bystander pair, in milliseconds; of one run, so that the two are of the
//! same machine in the same state.
//!
//! `CONFAB_FLOOD_SECONDS=20 cargo test --release --test overload figures -- --nocapture` on a quiet
//! machine gives the figures of docs/limits.md. The first row floods nobody and takes a processor
//! alone: on a virtual machine that is enough to make its disk slow, and `TMPDIR=/dev/shm` shows
//! what is left without a disk. By default it runs for a moment and bounds memory alone, and that
//! all messages come.

use std::time::{Duration, Instant};

use crate::{
    flood::{Flood, Kind},
    support::{Client, Daemon},
};

/// How often the bystander speaks.
const EVERY: Duration = Duration::from_millis(10);

/// What the daemon may take for a handful of sessions, in MiB: the sum in docs/limits.md, on two
/// cores.
const MEMORY: f64 = 64.0 + 256.0 + 144.0 + 38.0 + 25.0;

/// Round trips of a pair, from the moment when each was due: a delay delays no later one unseen.
async fn measure(xan: &mut Client, yve: &mut Client, time: Duration) -> Vec<Duration> {
    let mut waits = Vec::new();
    let started = Instant::now();
    let mut due = started;
    while started.elapsed() < time {
        tokio::time::sleep_until(due.into()).await;
        xan.say("@yve", "Shall we meet at seven, at the usual place?").await;
        yve.next_event("message").await;
        waits.push(due.elapsed());
        xan.next_event("message").await;
        due += EVERY;
    }
    waits
}

/// The most memory that the daemon has had so far, in MiB.
fn most_memory(daemon: &Daemon) -> f64 {
    let path = format!("/proc/{}/status", daemon.id());
    let status = std::fs::read_to_string(path).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") / 1024.0
}

/// How many events and frames the daemon has looked at so far. Pongs, and sessions over the rate,
/// are none.
fn taken(daemon: &Daemon) -> f64 {
    let metrics = daemon.metrics();
    let counts = ["confab_events_total{", "confab_frames_refused_total "];
    let of = |line: &&str| counts.iter().any(|count| line.starts_with(count));
    let values = metrics.lines().filter(of).filter_map(|line| line.rsplit_once(' '));
    values.map(|(_, value)| value.parse::<f64>().expect("a number")).sum()
}

fn percentile(waits: &[Duration], part: f64) -> f64 {
    waits[((waits.len() - 1) as f64 * part) as usize].as_secs_f64() * 1000.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures_of_floods() {
    let seconds = std::env::var("CONFAB_FLOOD_SECONDS").ok();
    let time = seconds
        .map_or(Duration::from_millis(100), |n| Duration::from_secs(n.parse().expect("a number")));
    let only = std::env::var("CONFAB_FLOOD_ONLY").unwrap_or_default();
    let rates = "auth_rate = 0\nframe_rate = 0\nconnect_rate = 0\n";
    println!(
        "{:28} {:>9} {:>9} {:>23} {:>16} {:>6} {:>7}",
        "flood", "sent/s", "taken/s", "undisturbed p50/p99 ms", "under it", "ratio", "MiB"
    );
    for (name, limits, kind) in [
        ("nothing, default limits", "", Kind::Nothing),
        ("messages, default limits", "", Kind::Messages(1)),
        ("messages by 8, default limits", "", Kind::Messages(8)),
        ("never reads, default limits", "", Kind::Unread),
        ("typing, default limits", "", Kind::Typing),
        ("pongs, default limits", "", Kind::Pongs),
        ("connects, default limits", "", Kind::Connects),
        ("logins, default limits", "", Kind::Logins),
        ("messages, no rates", rates, Kind::Messages(1)),
        ("messages by 8, no rates", rates, Kind::Messages(8)),
        ("never reads, no rates", rates, Kind::Unread),
        ("typing, no rates", rates, Kind::Typing),
        ("pongs, no rates", rates, Kind::Pongs),
        ("connects, no rates", rates, Kind::Connects),
        ("logins, no rates", rates, Kind::Logins),
    ] {
        if !name.contains(&only) {
            continue;
        }
        // Passwords cost what they do by default.
        let daemon = Daemon::start(&format!("[limits]\n{limits}[auth]\n"));
        let (mut xan, mut yve) = (daemon.client("xan").await, daemon.client("yve").await);
        let ann = daemon.http().register("ann");
        // Nobody reads what the flood sends to bob.
        daemon.http().register("bob");
        // Half before it and half after it: the machine has other things to do as well.
        let mut calm = measure(&mut xan, &mut yve, time / 2).await;
        let before = taken(&daemon);
        let (flood, started) = (Flood::start(&daemon, &ann, kind), Instant::now());
        let mut under = measure(&mut xan, &mut yve, time).await;
        let time_under = started.elapsed().as_secs_f64();
        let taken = taken(&daemon) - before - under.len() as f64;
        let sent = flood.end() as f64;
        let [sent, taken] = [sent, taken].map(|count| count / time_under);
        // What the flood has left behind is the flood's.
        measure(&mut xan, &mut yve, time / 4).await;
        calm.extend(measure(&mut xan, &mut yve, time / 2).await);
        calm.sort_unstable();
        under.sort_unstable();
        let [c50, c99] = [0.5, 0.99].map(|part| percentile(&calm, part));
        let [u50, u99] = [0.5, 0.99].map(|part| percentile(&under, part));
        let ratio = u99 / c99;
        let memory = most_memory(&daemon);
        println!(
            "{name:28} {sent:9.0} {taken:9.0} {c50:13.2} /{c99:8.2} {u50:6.2} /{u99:8.2} {ratio:6.2} {memory:7.1}"
        );
        assert!(memory < MEMORY, "{name}: {memory} MiB");
    }
}
