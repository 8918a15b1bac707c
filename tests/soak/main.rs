//! A soak: messages, sessions that come and go, logins, reads and reloads for a long time, while
//! memory stays flat, and no descriptor and no thread stays behind.
//!
//! `CONFAB_SOAK=20m cargo test --release --test soak -- --nocapture`: see docs/endurance.md.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[allow(dead_code)]
#[path = "../verify/judge.rs"]
mod judge;
#[path = "../verify/run.rs"]
mod run;
#[path = "../support/mod.rs"]
mod support;

mod load;
mod memory;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use judge::{all_kept, variable};
use load::Counts;
use memory::{Trend, descriptors, threads};
use run::Run;
use support::{Daemon, wait::until};

/// From this time on the slope is bounded: what is shorter shows the caches being filled.
const LONG: Duration = Duration::from_secs(600);

/// MiB an hour that memory may grow by in a long soak: docs/endurance.md says why.
const SLOPE: f64 = 8.0;

/// MiB that memory may grow by after the warm-up of a short soak: the allocator keeps some for
/// each thread, and the buffers of password hashes may come late.
const GROWTH: f64 = 24.0;

/// The descriptors of the four readers, which open when they are first needed.
const READERS: usize = 4 * 2;

/// Threads for blocking calls that never end: one look at changed accounts after the other wakes
/// them in turn, `auth.account_poll` apart, before their second without work is over.
const POLLING: usize = 4;

/// Without rates, and with this chain.
fn configuration(chain: &str) -> String {
    format!("{chain}\n{}", judge::LIMITS)
}

/// Two chains that let the load pass, with plugins that remember something of each user.
const CHAINS: [&str; 2] = [
    "[[plugins]]\nuse = \"metrics\"\n[[plugins]]\nuse = \"filter\"\n\
     options = { deny = [\"https?://\"] }\n[[plugins]]\nuse = \"ratelimit\"\nmode = \"shadow\"\n\
     [[plugins.options.rules]]\nper = \"user\"\nkinds = [\"message\"]\nevents = 5\nburst = 20\n",
    "[[plugins]]\nuse = \"spam\"\nmode = \"shadow\"\n[[plugins]]\nuse = \"metrics\"\n\
     [[plugins]]\nuse = \"log\"\n",
];

/// And one with which no reload succeeds.
const BROKEN: &str = "[[plugins]]\nuse = \"filter\"\noptions = { deny = [\"(\"] }\n";

/// How many reloads ended so.
fn reloads(daemon: &Daemon, result: &str) -> f64 {
    daemon.metric(&format!("confab_config_reloads_total{{result=\"{result}\"}}"))
}

/// Reloads until the time is over: the two chains in turn, and each fifth is broken.
async fn reload(daemon: &Daemon, end: Instant, pause: Duration) {
    let mut turn = 0;
    while Instant::now() < end {
        tokio::time::sleep(pause).await;
        let (chain, result) = match turn % 5 {
            4 => (BROKEN, "failure"),
            even_or_odd => (CHAINS[(even_or_odd + 1) % 2], "success"),
        };
        let before = reloads(daemon, result);
        daemon.configure(&configuration(chain));
        daemon.signal("HUP");
        until("the reload has ended", async || {
            (reloads(daemon, result) == before + 1.0).then_some(())
        })
        .await;
        turn += 1;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_stays_flat_and_nothing_stays_behind() {
    let time: confab_plugin::Duration =
        variable("CONFAB_SOAK", confab_plugin::Duration::from_secs(15));
    let time = time.0;
    let rate: u32 = variable("CONFAB_SOAK_RATE", 300);
    let daemon = Daemon::start(&configuration("plugins = []"));
    let id = daemon.id();
    let (base_descriptors, base_threads) = (descriptors(id), threads(id));
    load::fill_caches(&daemon).await;
    let (counts, stop) = (Arc::<Counts>::default(), Arc::<AtomicBool>::default());
    let samples = memory::watch(id, Arc::clone(&stop));
    let workers = load::start(&daemon, &counts, &stop);
    let rate = rate.to_string();
    let options = ["--rate", &rate, "--seen-every", "20", "--duration", "24h", "--settle", "2m"];
    let run = Run::start(&[daemon.url("")], &options);

    let pause = (time / 60).clamp(Duration::from_millis(250), Duration::from_secs(3));
    reload(&daemon, Instant::now() + time, pause).await;
    let under_load = (descriptors(id), threads(id));
    stop.store(true, Ordering::Relaxed);
    let trend = Trend::of(&samples.await.expect("samples"));
    for worker in workers {
        worker.await.expect("all that was done beside it succeeded");
    }
    let ended = tokio::task::spawn_blocking(|| run.end()).await.expect("it ended");
    println!(
        "{time:?}: {counts:?}, {} reloads, {} refused",
        reloads(&daemon, "success"),
        reloads(&daemon, "failure")
    );
    println!(
        "resident memory after the warm-up: {:.2} MiB/h; first {:.1}, last {:.1}, most {:.1} MiB",
        trend.slope, trend.first, trend.last, trend.most
    );
    until("no session is left", async || {
        (daemon.metric("confab_websocket_connections") == 0.0).then_some(())
    })
    .await;
    // Threads for blocking calls end after some seconds without one.
    until("no descriptor and no thread is left", async || {
        let (database, others) = descriptors(id);
        let back = database <= base_descriptors.0 + READERS
            && others <= base_descriptors.1
            && threads(id) <= base_threads + POLLING;
        if !back {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        back.then_some(())
    })
    .await;
    println!(
        "descriptors of the database and others {base_descriptors:?}, {:?}, {:?}; threads {base_threads}, {}, {}: at the start, \
         under load, after it",
        under_load.0,
        descriptors(id),
        under_load.1,
        threads(id)
    );
    all_kept("soak", &ended);
    if time >= LONG {
        assert!(trend.slope < SLOPE, "{trend:?}");
    }
    let growth = trend.most - trend.first;
    assert!(growth < GROWTH, "{growth} MiB more than after the warm-up: {trend:?}");
}
