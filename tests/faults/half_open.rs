//! Promise 8 when clients vanish without a word: no packet says that they are gone.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    network::{Cut, Network},
    support::{Client, Daemon, wait::until},
};

/// Short times, and room for 64 KiB in each outbox.
const CONFIG: &str = "[limits]\nping_interval = \"1s\"\nidle_timeout = \"8s\"\n\
                      write_timeout = \"2s\"\noutbox = \"128KiB\"\nsync = \"64KiB\"\n\
                      frame_rate = 0\nauth_rate = 0\n";

/// How many vanish at once.
const GHOSTS: usize = 40;

/// What the daemon may keep in all their outboxes: what waits, and what is being written.
const OUTBOXES: f64 = (GHOSTS * 128 * 1024) as f64;

/// By how much its memory may grow: that, the pages of the database that SQLite's writer keeps
/// (32 MiB at most), and some room.
const MEMORY: f64 = OUTBOXES + 32.0 * 1024.0 * 1024.0 + 16e6;

const OPEN: &str = "confab_websocket_connections";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_vanishes_is_noticed_and_misses_nothing() {
    let network = Network::new(1);
    let listen = format!("{}:0", network.near(0));
    let daemon = Daemon::start_with(CONFIG, None, &[("CONFAB_SERVER__LISTEN", &listen)]);
    // All before the first session: nobody answers its pings meanwhile.
    let register = |number| daemon.http().register(&format!("ghost{number}"));
    let accounts: Vec<_> = (0..GHOSTS).map(register).collect();
    let mut ann = daemon.client("ann").await;
    let mut yve = daemon.client("yve").await;
    let mut ghosts = Vec::new();
    for account in &accounts {
        let stream = network.connect(daemon.address().parse().expect("an address"));
        ghosts.push(Client::over(stream.expect("connected"), account).await);
    }
    assert_eq!(daemon.metric(OPEN), (GHOSTS + 2) as f64);
    let before = daemon.metric("process_resident_memory_bytes");

    network.cut(0, Cut::Both);
    let cut = Instant::now();
    let (content, mut told, mut most, mut slowest) =
        ("x".repeat(10_000), 0, before, Duration::ZERO);
    let mut waiting = 0.0_f64;
    let noticed = until("all are noticed", async || {
        for number in 0..GHOSTS {
            let started = Instant::now();
            ann.say(&format!("@ghost{number}"), &content).await;
            ann.next_event("message").await;
            slowest = slowest.max(started.elapsed());
        }
        told += 1;
        yve.say("@ann", "still there?").await;
        yve.next_event("message").await;
        ann.next_event("message").await;
        most = most.max(daemon.metric("process_resident_memory_bytes"));
        waiting = waiting.max(daemon.metric("confab_outbox_bytes"));
        (daemon.metric(OPEN) == 2.0).then(|| cut.elapsed())
    })
    .await;
    // What is not even acknowledged by the kernel there is not written for ever.
    assert!(noticed < Duration::from_secs(25), "{noticed:?}");
    let grown = most - before;
    assert!(grown < MEMORY, "{grown} bytes");
    assert!(waiting < OUTBOXES, "{waiting} bytes");
    let reasons = ["idle", "slow_client"].map(|reason| {
        daemon.metric(&format!("confab_websocket_closed_total{{reason=\"{reason}\"}}"))
    });
    assert_eq!(reasons.iter().sum::<f64>(), GHOSTS as f64);
    let descriptors = daemon.metric("process_open_fds");
    assert!(descriptors < 60.0, "{descriptors} descriptors are open");

    network.mend(0);
    for ghost in ghosts {
        let stream = network.connect(daemon.address().parse().expect("an address"));
        let mut ghost = Client::over(stream.expect("connected"), &ghost.account).await;
        let mut have = 0;
        loop {
            ghost.send(json!({"event":"sync","have":{"@ann":have}})).await;
            let sync = ghost.next_event("sync").await;
            for message in sync["messages"].as_array().expect("a list") {
                have += 1;
                assert_eq!(message["seq"], have);
            }
            if sync["complete"] == true {
                break;
            }
        }
        assert_eq!(have, told, "sync closes the hole");
    }
    println!(
        "{GHOSTS} clients vanished under load: all noticed after {noticed:.1?} ({} idle, {} slow), \
         {:.1} MB more at most, slowest echo beside {slowest:.0?}; {told} messages to each, none \
         missed",
        reasons[0],
        reasons[1],
        grown / 1e6
    );
}

/// Says nothing more, and still reads: to the daemon it is gone, and nothing of it stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_closes_one_half_is_let_go() {
    let daemon = Daemon::start_with("", None, &[]);
    let ann = daemon.http().register("ann");
    let request = ann.upgrade();
    for half_a_frame in [&b""[..], &[0x81, 0xfe, 0x10, 0x00, 1, 2, 3, 4, b'{']] {
        let mut socket = TcpStream::connect(daemon.address()).await.expect("connected");
        socket.write_all(request.as_bytes()).await.expect("written");
        until("the session is open", async || (daemon.metric(OPEN) == 1.0).then_some(())).await;
        socket.write_all(half_a_frame).await.expect("written");
        socket.shutdown().await.expect("one half is closed");
        let mut rest = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(10), socket.read_to_end(&mut rest));
        let _ = read.await.expect("the daemon closes the other half");
        until("the session is gone", async || (daemon.metric(OPEN) == 0.0).then_some(())).await;
    }
}
