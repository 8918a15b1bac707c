//! Seen from outside: two people chat in real browsers, and a client that is not ours speaks the
//! seed's protocol. `tests/run` installs what this needs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod support;

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use support::Daemon;

fn script(name: &str) -> Command {
    let python = std::env::var("CONFAB_TEST_PYTHON")
        .expect("CONFAB_TEST_PYTHON names a Python with tests/requirements.txt: run tests/run");
    let mut command = Command::new(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser").join(name));
    command
}

#[test]
fn the_seeds_client_works_unchanged() {
    let daemon = Daemon::start("");
    let status = script("seed_client.py").args(["--url", &daemon.url("")]).status();
    assert!(status.expect("python runs").success());
}

#[test]
fn two_people_chat_in_their_browsers() {
    let mut daemon = Daemon::start("");
    let shots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser");
    std::fs::create_dir_all(&shots).expect("a folder for the screenshots");
    let shots: PathBuf = shots.canonicalize().expect("a path");
    let mut browser = script("chat.py")
        .args(["--url", &daemon.url(""), "--shots"])
        .arg(&shots)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python runs");
    let mut answers = browser.stdin.take().expect("its input");
    let mut restarts = 0;
    for line in BufReader::new(browser.stdout.take().expect("its output")).lines() {
        let line = line.expect("text");
        println!("{line}");
        if line.trim() == "RESTART NOW" {
            daemon.restart(false);
            restarts += 1;
            answers.write_all(b"RESTARTED\n").expect("told");
        }
    }
    let status = browser.wait().expect("it ends");
    assert!(status.success(), "see the screenshots in {}", shots.display());
    assert_eq!(restarts, 1, "the reconnect was tried");
}
