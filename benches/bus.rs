//! How much the Redis bus carries between two nodes: `cargo bench --bench bus`, with
//! CONFAB_TEST_REDIS_URL naming a Redis.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use confab::{
    bus::{Bus, Deliver, Envelope, Way, redis::RedisBus},
    config,
    wire::Frame,
};
use confab_plugin::{ByteSize, UserId};
use tokio::sync::Notify;

const COUNT: usize = 500_000;
const USERS: usize = 100;
const ROUNDS: usize = 5000;

/// Frames on their way at the same time: less than makes Redis cut off a slow subscriber.
const WINDOW: usize = 20_000;

/// Counts what arrives.
#[derive(Default)]
struct Counter(AtomicUsize, Notify);

impl Deliver for Counter {
    fn deliver(&self, _: Envelope) {
        self.0.fetch_add(1, Ordering::Relaxed);
        self.1.notify_one();
    }
}

impl Counter {
    async fn reach(&self, count: usize) {
        while self.0.load(Ordering::Relaxed) < count {
            self.1.notified().await;
        }
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(run());
}

async fn run() {
    let url = std::env::var("CONFAB_TEST_REDIS_URL").expect("CONFAB_TEST_REDIS_URL");
    let config = config::Redis {
        url: Some(url.into()),
        prefix: format!("bench-{}", UserId::generate()),
        queue: COUNT,
        queue_bytes: ByteSize::mib(4096),
        ..config::Redis::default()
    };
    let (here, there) = (Arc::new(Counter::default()), Arc::new(Counter::default()));
    let a = RedisBus::start(&config, Arc::clone(&here) as _).unwrap();
    let b = RedisBus::start(&config, Arc::clone(&there) as _).unwrap();
    let users: Vec<UserId> = (0..USERS).map(|_| UserId::generate()).collect();
    for user in &users {
        b.subscribe(*user);
    }
    let mut settled = 0;
    while settled < USERS {
        settled += b.missed().await.len();
    }
    let frame = Frame::received(format!("{{\"{}\"}}", "x".repeat(250)).into(), false);
    let envelope = |n: usize| Envelope {
        to: users[n % USERS],
        except: None,
        frame: frame.clone(),
        way: Way::Local,
    };

    let mut times = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let started = Instant::now();
        a.publish(envelope(round));
        there.reach(round + 1).await;
        times.push(started.elapsed());
    }
    times.sort();
    let at = |part: usize| times[(ROUNDS - 1) * part / 100];
    println!("one frame, publish to deliver: p50 {:?}, p99 {:?}", at(50), at(99));

    let started = Instant::now();
    for number in 0..COUNT {
        if number % 1000 == 0 {
            there.reach((ROUNDS + number).saturating_sub(WINDOW)).await;
        }
        a.publish(envelope(number));
    }
    there.reach(ROUNDS + COUNT).await;
    let rate = COUNT as f64 / started.elapsed().as_secs_f64();
    println!("{COUNT} frames of 254 bytes: {rate:.0}/s");
    a.close().await;
    b.close().await;
}
