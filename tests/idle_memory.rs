//! Promise 8: an idle session costs little. Measured from outside, as the growth of the daemon's
//! resident memory at its default configuration.
//!
//! `CONFAB_IDLE_SESSIONS=5000 cargo test --release --test idle_memory -- --nocapture` prints the
//! figure of the README.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod support;

use support::{Client, Daemon};

/// The most that an idle session may cost, in bytes.
const LIMIT: f64 = 10.0 * 1024.0;

/// What `limits.sessions_per_user` is by default.
const EACH: usize = 16;

#[tokio::test]
async fn an_idle_session_costs_less_than_ten_kib() {
    let wanted = std::env::var("CONFAB_IDLE_SESSIONS").ok();
    let wanted: usize = wanted.map_or(1000, |n| n.parse().expect("a number"));
    // Registering so many at once is not what is measured.
    let daemon = Daemon::start("[limits]\nauth_rate = 0\n");
    let accounts: Vec<_> =
        (0..wanted.div_ceil(EACH)).map(|n| daemon.http().register(&format!("user{n}"))).collect();
    // A first session of each kind of memory that is paid once.
    let mut sessions = vec![Client::connect(daemon.address(), &accounts[0]).await];
    sessions[0].say("@user0", "warm").await;
    sessions[0].next().await;
    let before = daemon.metric("process_resident_memory_bytes");
    for n in 1..wanted {
        sessions.push(Client::connect(daemon.address(), &accounts[n / EACH]).await);
    }
    assert_eq!(daemon.metric("confab_websocket_connections"), wanted as f64);
    let after = daemon.metric("process_resident_memory_bytes");
    let each = (after - before) / (wanted - 1) as f64;
    println!("{wanted} idle sessions: {each:.0} bytes each ({:.1} KiB)", each / 1024.0);
    assert!(each < LIMIT, "{each:.0} bytes for an idle session");
}
