//! Ready, reloading, stopping, and the line of status.

use crate::{
    manager::{Manager, value},
    support::Daemon,
};

/// A daemon that this manager runs.
pub fn start(manager: &Manager, toml: &str, more: &[(&str, &str)]) -> Daemon {
    let variables = manager.variables();
    let mut all: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    all.extend_from_slice(more);
    Daemon::start_with(toml, None, &all)
}

#[tokio::test]
async fn the_manager_is_told_of_every_state() {
    let manager = Manager::new();
    let mut daemon = start(&manager, "[server]\ndrain_grace = \"40s\"\n", &[]);
    let ready = manager.told("READY=1");
    let status = format!("listening on {}; 0 sessions", daemon.address());
    assert_eq!(value(&ready, "STATUS"), status);
    let _ann = daemon.client("ann").await;
    let status = format!("listening on {}; 1 session", daemon.address());
    assert_eq!(value(&manager.told("STATUS=listening on"), "STATUS"), status);

    daemon.signal("HUP");
    let reloading = manager.told("RELOADING=1");
    assert!(value(&reloading, "MONOTONIC_USEC").parse::<u64>().unwrap() > 0);
    assert_eq!(value(&manager.told("READY=1"), "STATUS"), status);

    daemon.configure("[server]\nlisen = \"127.0.0.1:1\"\n");
    daemon.signal("HUP");
    manager.told("RELOADING=1");
    let failed = manager.told("READY=1");
    let status = value(&failed, "STATUS");
    assert!(status.contains("; not reloaded: "), "{status}");
    assert!(status.contains("confab.toml:2:1: unknown key \"lisen\""), "{status}");

    daemon.configure("");
    daemon.signal("HUP");
    manager.told("RELOADING=1");
    assert!(!value(&manager.told("READY=1"), "STATUS").contains("not reloaded"));

    daemon.signal("TERM");
    let stopping = manager.told("STOPPING=1");
    assert_eq!(value(&stopping, "STATUS"), "stopping; 1 session to close");
    let more: u64 = value(&stopping, "EXTEND_TIMEOUT_USEC").parse().unwrap();
    assert!(more >= 40_000_000, "no less than the grace: {more}");
    drop(_ann);
    assert!(daemon.ended().success());
}
