//! What goes on beside the messages: sessions that come and go, logins, reads, typing, reloads.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tokio::task::JoinHandle;

use crate::support::{Client, Daemon, Http, client::Account};

/// The users of all of it.
const USERS: usize = 8;

/// What fills SQLite's page caches, 32 MiB of the writer and 4 MiB of each of its readers.
const FILL: (usize, usize) = (2800, 15_000);

/// How often each was done.
#[derive(Debug, Default)]
pub struct Counts {
    pub sessions: AtomicU64,
    pub logins: AtomicU64,
    pub reads: AtomicU64,
    pub marks: AtomicU64,
}

/// The work of one user: what it does in a row until it is told to stop.
struct Worker {
    address: String,
    me: Account,
    peer: Account,
    counts: Arc<Counts>,
    stop: Arc<AtomicBool>,
}

/// Starts all of it; each task ends once it is told to stop.
pub fn start(daemon: &Daemon, counts: &Arc<Counts>, stop: &Arc<AtomicBool>) -> Vec<JoinHandle<()>> {
    let users: Vec<_> = (0..USERS).map(|n| daemon.http().register(&format!("user{n}"))).collect();
    let worker = |n: usize| Worker {
        address: daemon.address().to_owned(),
        me: users[n].clone(),
        peer: users[n ^ 1].clone(),
        counts: Arc::clone(counts),
        stop: Arc::clone(stop),
    };
    vec![
        tokio::spawn(worker(0).come_and_go()),
        tokio::spawn(worker(1).come_and_go()),
        tokio::spawn(worker(2).log_in()),
        tokio::spawn(worker(4).read()),
        tokio::spawn(worker(6).type_and_see()),
    ]
}

/// Writes and reads so much that the caches are full: what grows afterwards is something else.
pub async fn fill_caches(daemon: &Daemon) {
    let (one, other) = (daemon.http().register("filler"), daemon.http().register("filled"));
    let mut client = Client::connect(daemon.address(), &one).await;
    let (messages, size) = FILL;
    let content = "warm up ".repeat(size / 8);
    for _ in 0..messages / 20 {
        for _ in 0..20 {
            let frame = json!({"event":"message","to":other.id,"content":content});
            client.feed(frame).await;
        }
        client.flush().await;
        for _ in 0..20 {
            client.next_event("message").await;
        }
    }
    client.close().await;
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (address, token) = (daemon.address().to_owned(), one.token.clone());
            let history = format!("/conversations/{}/messages?limit=100", other.id);
            tokio::task::spawn_blocking(move || {
                for page in 1..=8 {
                    let page = format!("{history}&before={}", page * 100);
                    Http::new(&address).get_json(&page, &token);
                }
            })
        })
        .collect();
    for reader in readers {
        reader.await.expect("all pages");
    }
}

impl Worker {
    async fn goes_on(&self, pause: Duration) -> bool {
        tokio::time::sleep(pause).await;
        !self.stop.load(Ordering::Relaxed)
    }

    /// Sessions, of which every third ends without a word.
    async fn come_and_go(self) {
        let mut turn = 0_u64;
        while self.goes_on(Duration::from_millis(50)).await {
            let mut client = Client::connect(&self.address, &self.me).await;
            client.send(json!({"event":"sync","have":{}})).await;
            client.next_event("sync").await;
            client.say(&self.peer.id, "hello again").await;
            client.next_event("message").await;
            if !turn.is_multiple_of(3) {
                client.close().await;
            }
            turn += 1;
            self.counts.sessions.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn log_in(self) {
        while self.goes_on(Duration::from_millis(200)).await {
            let (address, name) = (self.address.clone(), self.me.name.clone());
            let login = move || Http::new(&address).login(&name);
            tokio::task::spawn_blocking(login).await.expect("a login");
            self.counts.logins.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes a little, and reads histories and conversations from the beginning.
    async fn read(self) {
        let mut client = Client::connect(&self.address, &self.me).await;
        for n in 0..300 {
            client.feed(json!({"event":"message","to":self.peer.id,"content":n.to_string()})).await;
        }
        client.flush().await;
        while self.goes_on(Duration::from_millis(100)).await {
            let (address, token) = (self.address.clone(), self.me.token.clone());
            let history = format!("/conversations/{}/messages?after=0", self.peer.id);
            let read = move || {
                let http = Http::new(&address);
                http.get_json(&history, &token);
                http.get_json("/conversations", &token);
            };
            tokio::task::spawn_blocking(read).await.expect("pages");
            client.send(json!({"event":"sync","have":{}})).await;
            client.next_event("sync").await;
            self.counts.reads.fetch_add(1, Ordering::Relaxed);
        }
        client.close().await;
    }

    async fn type_and_see(self) {
        let mut mine = Client::connect(&self.address, &self.me).await;
        let mut theirs = Client::connect(&self.address, &self.peer).await;
        while self.goes_on(Duration::from_millis(50)).await {
            mine.send(json!({"event":"typing","to":self.peer.id})).await;
            theirs.next_event("typing").await;
            mine.say(&self.peer.id, "a word").await;
            let seq = theirs.next_event("message").await["seq"].clone();
            theirs.send(json!({"event":"seen","to":self.me.id,"upto":seq})).await;
            mine.next_event("seen").await;
            self.counts.marks.fetch_add(1, Ordering::Relaxed);
        }
        mine.close().await;
        theirs.close().await;
    }
}
