//! What a flood's process does: it sends as much as it can, and comes back when it is shut out.

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
    flood::{Kind, Order},
    raw,
    support::client::PASSWORD,
};

/// How long to wait before knocking again where nobody opens.
const PAUSE: Duration = Duration::from_millis(5);

/// A flood that goes on until it is ended.
pub struct Flooding {
    state: Arc<State>,
    thread: JoinHandle<()>,
}

struct State {
    order: Order,
    over: AtomicBool,
    sent: AtomicU64,
}

impl Flooding {
    /// Begins, on one thread: a flood from elsewhere takes no more of this machine.
    pub fn start(order: Order) -> Self {
        let state = State { order, over: AtomicBool::new(false), sent: AtomicU64::new(0) };
        let state = Arc::new(state);
        let flooding = Arc::clone(&state);
        Self { state, thread: std::thread::spawn(move || flooding.flood()) }
    }

    /// How many frames, requests or connections the daemon's system has taken so far.
    pub fn sent(&self) -> u64 {
        self.state.sent.load(Ordering::Relaxed)
    }

    /// Ends it; how many it were in all.
    pub fn end(self) -> u64 {
        self.state.over.store(true, Ordering::Relaxed);
        self.thread.join().expect("a flood that goes on");
        self.state.sent.load(Ordering::Relaxed)
    }
}

impl State {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn count(&self, sent: usize) {
        self.sent.fetch_add(sent as u64, Ordering::Relaxed);
    }

    /// Several floods on this thread.
    fn flood(self: Arc<Self>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let typing = |on| raw::text(&json!({"event":"typing","to":"@yve","on":on}).to_string());
        let message =
            raw::text(&json!({"event":"message","to":"@bob","content":"flood"}).to_string());
        let (count, frames, number, reads) = match self.order.kind {
            Kind::Messages(count) => (count, message.repeat(32), 32, true),
            Kind::Unread => (1, message.repeat(32), 32, false),
            Kind::Typing => (1, [typing(true), typing(false)].concat().repeat(16), 32, true),
            Kind::Pongs => (1, raw::empty(10, true).repeat(100), 100, true),
            Kind::Connects => (4, Vec::new(), 0, false),
            Kind::Logins => (8, Vec::new(), 0, false),
            Kind::Nothing => (1, Vec::new(), 0, false),
        };
        runtime.block_on(async {
            let frames: Arc<[u8]> = frames.into();
            for _ in 0..count {
                let (state, frames) = (Arc::clone(&self), Arc::clone(&frames));
                tokio::spawn(async move {
                    match state.order.kind {
                        Kind::Logins => state.log_in().await,
                        Kind::Nothing => state.compute().await,
                        _ => state.come_back(&frames, number, reads).await,
                    }
                });
            }
            while !self.is_over() {
                tokio::time::sleep(PAUSE).await;
            }
        });
        runtime.shutdown_background();
    }

    async fn log_in(&self) {
        let password = PASSWORD.to_uppercase();
        loop {
            match raw::log_in(&self.order.address, "nobody", &password).await {
                Ok(()) => self.count(1),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    async fn compute(&self) {
        loop {
            let sum: u64 = std::hint::black_box((0..100_000).sum());
            self.count(usize::from(sum > 0));
            tokio::task::yield_now().await;
        }
    }

    async fn come_back(&self, frames: &[u8], number: usize, reads: bool) {
        loop {
            match raw::open(&self.order.address, &self.order.account, reads).await {
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
