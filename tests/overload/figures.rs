//! What a flood costs a bystander pair, in milliseconds; of one run, so that the two are of the
//! same machine in the same state.
//!
//! `CONFAB_FLOOD_SECONDS=20 cargo test --release --test overload figures -- --nocapture` on a quiet
//! machine gives the figures of the README. By default it runs for a moment and bounds nothing
//! but that all messages come.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::{io::AsyncWriteExt, task::JoinHandle};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    raw,
    support::{Client, Daemon, client::Account, client::PASSWORD},
};

/// How often the bystander speaks.
const EVERY: Duration = Duration::from_millis(20);

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
    waits.sort_unstable();
    waits
}

fn percentile(waits: &[Duration], part: f64) -> f64 {
    waits[((waits.len() - 1) as f64 * part) as usize].as_secs_f64() * 1000.0
}

/// Ends when it is told to.
type Flood = (Arc<AtomicBool>, Vec<JoinHandle<()>>);

fn spawn(count: usize, mut flood: impl FnMut(usize, Arc<AtomicBool>) -> JoinHandle<()>) -> Flood {
    let stop = Arc::new(AtomicBool::new(false));
    let tasks = (0..count).map(|n| flood(n, Arc::clone(&stop))).collect();
    (stop, tasks)
}

async fn messages(daemon: &Daemon, ann: &Account, count: usize, read: bool) -> Flood {
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(Some(Client::connect(daemon.address(), ann).await));
    }
    spawn(count, move |n, stop| {
        let mut client = clients[n].take().expect("one each");
        tokio::spawn(async move {
            let frame = json!({"event":"message","to":"@bob","content":"flood"}).to_string();
            let mut in_flight = 0;
            while !stop.load(Ordering::Relaxed) {
                // The system's buffers fill where nothing is read.
                let sent = client.try_send_raw(Message::text(frame.clone()));
                match tokio::time::timeout(Duration::from_millis(200), sent).await {
                    Ok(true) => in_flight += 1,
                    Ok(false) => return,
                    Err(_) => {}
                }
                while read && in_flight >= 64 {
                    if client.try_next().await.is_err() {
                        return;
                    }
                    in_flight -= 1;
                }
            }
        })
    })
}

async fn typing(daemon: &Daemon, ann: &Account) -> Flood {
    let mut client = Some(Client::connect(daemon.address(), ann).await);
    spawn(1, move |_, stop| {
        let mut client = client.take().expect("one");
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let frame = json!({"event":"typing","to":"@yve"}).to_string();
                if !client.try_send_raw(Message::text(frame)).await {
                    return;
                }
                tokio::task::yield_now().await;
            }
        })
    })
}

async fn pings(daemon: &Daemon, ann: &Account) -> Flood {
    let mut socket = Some(raw::session(daemon, ann).await);
    spawn(1, move |_, stop| {
        let mut socket = socket.take().expect("one");
        tokio::spawn(async move {
            let many = raw::empty(10, true).repeat(100);
            while !stop.load(Ordering::Relaxed) && socket.write_all(&many).await.is_ok() {
                tokio::task::yield_now().await;
            }
        })
    })
}

async fn connects(daemon: &Daemon, ann: &Account) -> Flood {
    let (address, ann) = (daemon.address().to_owned(), ann.clone());
    spawn(4, move |_, stop| {
        let (address, ann) = (address.clone(), ann.clone());
        tokio::spawn(async move {
            let path = format!("/ws/{}?token={}", ann.id, ann.token);
            while !stop.load(Ordering::Relaxed) {
                let _ = Client::try_connect(&address, &path, &[]).await;
            }
        })
    })
}

async fn logins(daemon: &Daemon) -> Flood {
    let address = daemon.address().to_owned();
    spawn(8, move |_, stop| {
        let url = format!("http://{address}/login");
        tokio::task::spawn_blocking(move || {
            let body = json!({"username":"nobody","password":PASSWORD});
            while !stop.load(Ordering::Relaxed) {
                let _ = ureq::post(&url).send_json(&body);
            }
        })
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures_of_floods() {
    let seconds = std::env::var("CONFAB_FLOOD_SECONDS").ok();
    let time = seconds
        .map_or(Duration::from_millis(300), |n| Duration::from_secs(n.parse().expect("a number")));
    let (real, open) = ("auth_rate = 0\n", "auth_rate = 0\nframe_rate = 0\nconnect_rate = 0\n");
    println!("flood                          undisturbed p50/p99 ms   under it p50/p99 ms   ratio");
    for (name, limits) in [
        ("messages, default limits", real),
        ("messages", open),
        ("messages, 8 sessions", open),
        ("messages, never read", open),
        ("typing to the bystander", real),
        ("typing, no limit", open),
        ("pongs, default limits", real),
        ("connects, default limits", real),
        ("logins, 8 at once", real),
    ] {
        // Passwords cost what they do by default.
        let daemon = Daemon::start(&format!("[limits]\n{limits}[auth]\n"));
        let (mut xan, mut yve) = (daemon.client("xan").await, daemon.client("yve").await);
        let ann = daemon.http().register("ann");
        // Nobody reads what the flood sends to bob.
        daemon.http().register("bob");
        let before = measure(&mut xan, &mut yve, time).await;
        let (stop, tasks) = match name {
            "messages, 8 sessions" => messages(&daemon, &ann, 8, true).await,
            "messages, never read" => messages(&daemon, &ann, 1, false).await,
            "typing to the bystander" | "typing, no limit" => typing(&daemon, &ann).await,
            "pongs, default limits" => pings(&daemon, &ann).await,
            "connects, default limits" => connects(&daemon, &ann).await,
            "logins, 8 at once" => logins(&daemon).await,
            _ => messages(&daemon, &ann, 1, true).await,
        };
        let under = measure(&mut xan, &mut yve, time).await;
        stop.store(true, Ordering::Relaxed);
        for task in tasks {
            task.abort();
        }
        let [b50, b99, u50, u99] = [
            percentile(&before, 0.5),
            percentile(&before, 0.99),
            percentile(&under, 0.5),
            percentile(&under, 0.99),
        ];
        println!("{name:30} {b50:10.2} /{b99:8.2} {u50:14.2} /{u99:8.2} {:12.2}", u99 / b99);
    }
}
