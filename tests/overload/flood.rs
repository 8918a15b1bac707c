//! Clients that send as much as they can, and come back when they are shut out.
//!
//! They run on threads of their own, of the lowest priority: a flood comes from other machines, so
//! what it delays must be the daemon's doing and not for want of a processor that the flood's own
//! making takes. What the daemon and a bystander leave of the machine is theirs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    raw,
    support::{Daemon, client::Account, client::PASSWORD},
};

/// How long to wait before knocking again where nobody opens.
const PAUSE: Duration = Duration::from_millis(5);

/// What is sent without end.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Messages to bob, over so many sessions.
    Messages(usize),
    /// The same over one session, of which nothing is read.
    Unread,
    /// Typing to yve, on and off.
    Typing,
    /// Pongs, which ask for no answer.
    Pongs,
    /// Sessions, by four at once.
    Connects,
    /// Logins with a wrong password, by eight at once.
    Logins,
}

/// A flood that goes on until it is dropped.
pub struct Flood {
    state: Arc<State>,
    threads: Vec<JoinHandle<()>>,
}

struct State {
    address: String,
    account: Account,
    over: AtomicBool,
    sent: AtomicU64,
}

impl Flood {
    /// A flood by `account`.
    pub fn start(daemon: &Daemon, account: &Account, kind: Kind) -> Self {
        let state = Arc::new(State {
            address: daemon.address().to_owned(),
            account: account.clone(),
            over: AtomicBool::new(false),
            sent: AtomicU64::new(0),
        });
        let count = match kind {
            Kind::Logins => 8,
            _ => 1,
        };
        let thread = |_| {
            let state = Arc::clone(&state);
            let run = move || {
                // On Linux a thread has a priority of its own.
                rustix::process::nice(19).expect("nice");
                match kind {
                    Kind::Logins => state.log_in(),
                    _ => state.flood(kind),
                }
            };
            std::thread::Builder::new().name("flood".into()).spawn(run).expect("a thread")
        };
        let threads = (0..count).map(thread).collect();
        Self { state, threads }
    }

    /// How many frames, requests or connections the daemon's system has taken so far.
    pub fn sent(&self) -> u64 {
        self.state.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() && !std::thread::panicking() {
                panic!("a flood failed");
            }
        }
    }
}

impl State {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn count(&self, sent: usize) {
        self.sent.fetch_add(sent as u64, Ordering::Relaxed);
    }

    fn log_in(&self) {
        let (url, body) = (format!("http://{}/login", self.address), PASSWORD.to_uppercase());
        let body = json!({"username":"nobody","password":body});
        while !self.is_over() {
            let _ = ureq::post(&url).send_json(&body);
            self.count(1);
        }
    }

    /// Several floods on this thread.
    fn flood(self: Arc<Self>, kind: Kind) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let typing = |on| raw::text(&json!({"event":"typing","to":"@yve","on":on}).to_string());
        let message =
            raw::text(&json!({"event":"message","to":"@bob","content":"flood"}).to_string());
        let (count, frames, number, reads) = match kind {
            Kind::Messages(count) => (count, message.repeat(32), 32, true),
            Kind::Unread => (1, message.repeat(32), 32, false),
            Kind::Typing => (1, [typing(true), typing(false)].concat().repeat(16), 32, true),
            Kind::Pongs => (1, raw::empty(10, true).repeat(100), 100, true),
            Kind::Connects | Kind::Logins => (4, Vec::new(), 0, false),
        };
        runtime.block_on(async {
            let frames: Arc<[u8]> = frames.into();
            for _ in 0..count {
                let (state, frames) = (Arc::clone(&self), Arc::clone(&frames));
                tokio::spawn(async move { state.come_back(&frames, number, reads).await });
            }
            while !self.is_over() {
                tokio::time::sleep(PAUSE).await;
            }
        });
        runtime.shutdown_background();
    }

    async fn come_back(&self, frames: &[u8], number: usize, reads: bool) {
        loop {
            match raw::open(&self.address, &self.account, reads).await {
                Ok(Some(stream)) if number > 0 => self.send(stream, frames, number, reads).await,
                Ok(_) if number > 0 => tokio::time::sleep(PAUSE).await,
                Ok(_) => self.count(1),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Until the session is closed.
    async fn send(&self, stream: TcpStream, frames: &[u8], number: usize, reads: bool) {
        let (mut answers, mut stream) = stream.into_split();
        let read = async {
            let mut chunk = vec![0; 64 * 1024];
            while reads && answers.read(&mut chunk).await.is_ok_and(|count| count > 0) {}
            if !reads {
                std::future::pending::<()>().await;
            }
        };
        let write = async {
            while stream.write_all(frames).await.is_ok() {
                self.count(number);
                // What is written at once would leave nobody else a turn.
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = read => {}
            () = write => {}
        }
    }
}
