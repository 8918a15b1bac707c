//! A log that nobody reads costs lines, which are counted, and the log says so itself afterwards.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    process::Command,
    sync::mpsc,
    thread,
    time::Instant,
};

use crate::support::{Daemon, wait::DEADLINE};

const DROPPED: &str = "confab_log_lines_dropped_total";

#[test]
fn lines_that_nobody_takes_are_counted_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let (script, pipe) = (folder.path().join("piped"), folder.path().join("pipe"));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Open for both ends, it is there without a reader, and almost full: a pipe holds 64 KiB.
    let (program, pipe_path) = (env!("CARGO_BIN_EXE_confab"), pipe.display());
    let lines =
        format!("#!/bin/sh\nexec 2<>'{pipe_path}'\nyes | head -c 65000 >&2\nexec '{program}'\n");
    fs::write(&script, lines).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
    let daemon = Daemon::start_program(&script, &format!("{}queue = 128\n", super::VERBOSE));

    let (began, http) = (Instant::now(), daemon.http());
    assert_eq!(daemon.metric(DROPPED), 0.0);
    while daemon.metric(DROPPED) < 10.0 {
        assert!(began.elapsed() < DEADLINE, "{} dropped", daemon.metric(DROPPED));
        for _ in 0..20 {
            assert_eq!(http.get("/users/me", None).0, 401, "nothing waits for the log");
        }
    }
    let (found, told) = mpsc::channel();
    thread::spawn(move || {
        let mut log = BufReader::new(File::open(&pipe).unwrap()).lines().map(Result::unwrap);
        found.send(log.find(|line| line.contains("has a gap")).unwrap())
    });
    let told = told.recv_timeout(DEADLINE).expect("the log says where it has a gap");
    let lines: f64 = told.rsplit_once("lines=").unwrap().1.parse().unwrap();
    // Nothing was dropped since, for there is room.
    assert!(told.contains(" WARN ") && lines == daemon.metric(DROPPED), "{told}");
}
