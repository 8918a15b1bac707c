//! The watchdog on the real daemon: beats while it works, also when MongoDB does not, and none
//! while it is stopped. What else makes it silent is shown beside the code.

use std::time::{Duration, Instant};

use crate::{manager::Manager, mongod::Mongod, support::Daemon, told::start};

/// Beats come twice in this time.
const TIME: Duration = Duration::from_secs(1);

fn watched(manager: &Manager, more: &[(&str, &str)]) -> Daemon {
    let all = [&[("WATCHDOG_USEC", "1000000")], more].concat();
    start(manager, "", &all)
}

/// Whether the manager would have waited in vain.
fn expires(manager: &Manager, time: Duration) -> bool {
    let until = Instant::now() + time;
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        match manager.within(left.max(Duration::from_millis(1))) {
            Some(message) if message.contains("WATCHDOG=1") => return false,
            _ => {}
        }
    }
    true
}

#[tokio::test]
async fn a_daemon_that_works_beats_and_a_stopped_one_does_not() {
    let manager = Manager::new();
    let daemon = watched(&manager, &[]);
    manager.told("READY=1");
    let mut ann = daemon.client("ann").await;
    for _ in 0..6 {
        ann.say("@ann", "on we go").await;
        ann.next().await;
        // Ten times what it may take, for a machine that is busy.
        assert!(!expires(&manager, 10 * TIME));
    }
    daemon.signal("STOP");
    manager.forget();
    assert!(expires(&manager, 3 * TIME));
    daemon.signal("CONT");
    manager.told("WATCHDOG=1");
}

#[tokio::test]
async fn an_outage_of_mongodb_is_none_of_the_daemon() {
    let (manager, mongod) = (Manager::new(), Mongod::replica_set().await);
    let uri = mongod.uri();
    let daemon = watched(
        &manager,
        &[("MONGO_URI", &uri), ("SECRET_KEY", "q8Zk2vW5xY7bN1mC4dF6gH9jK3lP0rT8sU5wX2yZ")],
    );
    let mut ann = daemon.client("ann").await;
    ann.say("@ann", "before").await;
    ann.next_event("message").await;
    mongod.stop();
    ann.say("@ann", "meanwhile").await;
    let until = Instant::now() + 4 * TIME;
    while Instant::now() < until {
        assert!(!expires(&manager, 10 * TIME), "no beat:\n{}", daemon.log());
    }
    assert_eq!(ann.next_event("error").await["code"], "unavailable");
    assert!(!daemon.log().contains("do not go on"), "{}", daemon.log());
    mongod.go_on();
    manager.told("WATCHDOG=1");
}
