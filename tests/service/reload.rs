//! `confab reload`, which is what `systemctl reload` runs.

use std::process::Output;

use crate::{
    manager::Manager,
    support::{self, Daemon},
    told::start,
};

fn reload(manager: &Manager) -> Output {
    let runtime = manager.variables()[1].1.clone();
    support::daemon::confab().arg("reload").env("RUNTIME_DIRECTORY", runtime).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn a_bad_file_fails_the_reload_with_its_places_and_the_chat_goes_on() {
    let manager = Manager::new();
    let daemon = start(&manager, "", &[]);
    let mut ann = daemon.client("ann").await;
    let good = reload(&manager);
    assert!(good.status.success(), "{good:?}");
    assert_eq!(text(&good.stdout), "reloaded: generation 2\n");

    daemon.configure("[server]\nlisen = \"127.0.0.1:1\"\n[limits]\ncontent = \"lots\"\n");
    let bad = reload(&manager);
    assert_eq!(bad.status.code(), Some(78), "{bad:?}");
    let told = text(&bad.stderr);
    let file = daemon.folder().join("confab.toml");
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(lines.len(), 3, "{told}");
    assert!(lines[0].starts_with(&format!("error: {}:2:1: unknown key", file.display())), "{told}");
    assert!(lines[1].starts_with(&format!("error: {}:4:11: ", file.display())), "{told}");
    assert!(lines[2].starts_with("error: not reloaded: "), "{told}");
    ann.say("@ann", "still here").await;
    assert_eq!(ann.next().await["seq"], 1);

    daemon.configure("[server]\nlisten = \"127.0.0.1:1\"\nweb = false\n");
    let good = reload(&manager);
    assert!(good.status.success(), "{good:?}");
    assert!(text(&good.stderr).starts_with("warning: needs a restart: "), "{good:?}");
}

#[tokio::test]
async fn a_daemon_that_was_killed_leaves_its_socket_to_the_next() {
    let manager = Manager::new();
    let mut daemon = start(&manager, "", &[]);
    daemon.kill();
    let gone = reload(&manager);
    assert_eq!(gone.status.code(), Some(1));
    assert!(text(&gone.stderr).contains("no daemon can be reached there"), "{gone:?}");
    daemon.start_again();
    assert!(reload(&manager).status.success());
}

#[tokio::test]
async fn only_the_daemons_user_may_ask() {
    use std::os::unix::fs::PermissionsExt;
    let manager = Manager::new();
    let _daemon: Daemon = start(&manager, "", &[]);
    let mode = std::fs::metadata(manager.path("control.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
