//! When file descriptors run out: who is connected chats on, and the daemon takes others when it
//! can.

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Client, Daemon, wait::until};

/// One address may have them all.
const CONFIG: &str = "[limits]\nframe_rate = 0\nauth_rate = 0\nkeep_alive = \"1h\"\n\
                      request_timeout = \"5m\"\nidle_timeout = \"30m\"\n";

/// How long the trouble is watched.
const WATCH: Duration = Duration::from_secs(3);

/// A user and a session, on this many descriptors at most.
struct Scene {
    daemon: Daemon,
    ann: Client,
    bob: Client,
}

impl Scene {
    async fn start() -> Self {
        let daemon = Daemon::start_with(CONFIG, None, &[]);
        let (ann, bob) = (daemon.client("ann").await, daemon.client("bob").await);
        Self { daemon, ann, bob }
    }

    /// What those who are connected do, works.
    async fn chat(&mut self) {
        let Self { ann, bob, .. } = self;
        ann.say("@bob", "still there?").await;
        let seq = ann.next_event("message").await["seq"].clone();
        assert_eq!(bob.next_event("message").await["seq"], seq);
        bob.send(json!({"event":"seen","to":ann.id()})).await;
        assert_eq!(ann.next_event("seen").await["upto"], seq);
        bob.send(json!({"event":"sync","have":{}})).await;
        let sync = bob.next_event("sync").await;
        assert!(sync["messages"][0]["seq"] == 1, "the store can be read: {sync}");
    }

    fn open_descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.daemon.id())).expect("a process").count()
    }

    /// The processor time that the daemon has used.
    fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.daemon.id())).expect("stat");
        // After the name, which is in parentheses: utime and stime are the fields 14 and 15.
        let fields: Vec<_> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
        let ticks: u64 = fields[11..=12].iter().map(|it| it.parse::<u64>().expect("ticks")).sum();
        // A tick is 10 ms on every Linux that programs see.
        Duration::from_millis(ticks * 10)
    }

    fn limit(&self, descriptors: usize) {
        let (id, limit) = (self.daemon.id().to_string(), format!("--nofile={descriptors}:4096"));
        let limited = Command::new("prlimit").args(["--pid", &id, &limit]).status();
        assert!(limited.expect("prlimit runs").success());
    }

    /// Watches that the daemon neither spins nor fills its log while nobody can connect.
    async fn watch(&mut self) -> (Duration, usize) {
        let (used, lines) = (self.processor_time(), self.daemon.log().lines().count());
        let started = Instant::now();
        while started.elapsed() < WATCH {
            tokio::time::sleep(WATCH / 20).await;
        }
        let used = self.processor_time() - used;
        let lines = self.daemon.log().lines().count() - lines;
        assert!(used < WATCH / 10, "{used:?} of processor time in {WATCH:?}");
        assert!(lines < 5, "{lines} lines in the log");
        self.chat().await;
        (used, lines)
    }
}

/// Connections that ask nothing.
async fn crowd(daemon: &Daemon, count: usize) -> Vec<TcpStream> {
    let mut crowd = Vec::new();
    for _ in 0..count {
        let connecting = TcpStream::connect(daemon.address());
        let connected = tokio::time::timeout(Duration::from_secs(5), connecting).await;
        crowd.extend(connected.into_iter().flatten());
    }
    crowd
}

/// Whether a new connection is answered within a moment.
async fn is_served(daemon: &Daemon) -> bool {
    let asking = async {
        let mut socket = TcpStream::connect(daemon.address()).await.ok()?;
        socket.write_all(b"GET /users/me HTTP/1.1\r\nHost: x\r\n\r\n").await.ok()?;
        socket.read_u8().await.ok()
    };
    matches!(tokio::time::timeout(Duration::from_millis(500), asking).await, Ok(Some(_)))
}

/// The daemon starts with few: it takes fewer connections, so that the store, the log and the
/// admin listener never go without.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_low_limit_leaves_room_for_all_but_connections() {
    let daemon = Daemon::start_limited(256, CONFIG);
    let (ann, bob) = (daemon.client("ann").await, daemon.client("bob").await);
    let mut scene = Scene { daemon, ann, bob };
    let crowd = crowd(&scene.daemon, 300).await;
    until("new connections wait", async || (!is_served(&scene.daemon).await).then_some(())).await;
    let (used, lines) = scene.watch().await;
    assert!(scene.open_descriptors() < 256, "some are left");
    assert_eq!(scene.daemon.admin().get("/readyz", None).0, 200);
    let reloaded = scene.daemon.admin().post("/reload", "text/plain", "").0;
    assert_eq!(reloaded, 200, "a reload opens files");
    assert_eq!(scene.daemon.metric("confab_connections_failed_total"), 0.0);
    drop(crowd);
    until("there is room again", async || is_served(&scene.daemon).await.then_some(())).await;
    scene.chat().await;
    println!("256 descriptors: {used:?} of processor time, {lines} lines logged in {WATCH:?}");
}

/// What is left is taken away while it runs, as by another part of the process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_any_left_those_who_are_connected_chat_on() {
    let mut scene = Scene::start().await;
    scene.chat().await;
    let crowd = crowd(&scene.daemon, 50).await;
    scene.limit(scene.open_descriptors());
    let late = self::crowd(&scene.daemon, 20).await;
    until("accepting fails", async || {
        scene.daemon.log().contains("could not be accepted").then_some(())
    })
    .await;
    assert!(!is_served(&scene.daemon).await);
    let (used, lines) = scene.watch().await;
    drop(crowd);
    until("there is room again", async || is_served(&scene.daemon).await.then_some(())).await;
    scene.limit(4096);
    let mut eve = scene.daemon.client("eve").await;
    eve.say("@ann", "at last").await;
    assert_eq!(scene.ann.next_event("message").await["content"], "at last");
    scene.chat().await;
    drop(late);
    println!("no descriptor: {used:?} of processor time, {lines} lines logged in {WATCH:?}");
}
