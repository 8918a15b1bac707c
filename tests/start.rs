//! What keeps the daemon from starting is told in one line that says what to do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod support;

use std::{fs, net::TcpListener, path::Path, process::Output};

use support::{Daemon, daemon::confab};

fn start(data: &Path, listen: &str) -> Output {
    confab()
        .args(["--listen", listen, "--admin-listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .output()
        .expect("it runs")
}

/// The one line on standard error that is not a log line.
fn error(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(lines.len(), 1, "one line: {text}");
    lines[0].to_owned()
}

#[test]
fn a_port_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let line = error(&start(folder.path(), &address));
    for part in ["server.listen", &address, "another program uses it"] {
        assert!(line.contains(part), "{line}");
    }
}

#[test]
fn a_data_folder_that_cannot_be() {
    let folder = tempfile::tempdir().expect("a folder");
    // Below a file, where not even root can make a folder.
    let file = folder.path().join("file");
    fs::write(&file, "x").expect("written");
    let line = error(&start(&file.join("data"), "127.0.0.1:0"));
    assert!(line.contains("file/data"), "{line}");
    let line = error(&start(&file, "127.0.0.1:0"));
    assert!(line.contains(&file.display().to_string()), "{line}");
}

#[test]
fn a_database_that_is_none_or_newer_or_taken() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("confab.db"), "this is no database at all, but text")
        .expect("written");
    let line = error(&start(folder.path(), "127.0.0.1:0"));
    assert!(line.contains("confab.db"), "{line}");
    assert_eq!(
        fs::read_to_string(folder.path().join("confab.db")).expect("read"),
        "this is no database at all, but text",
        "and it is left as it was"
    );

    let mut daemon = Daemon::start("");
    let data = daemon.folder().join("data");
    let line = error(&start(&data, "127.0.0.1:0"));
    assert!(line.contains("another confab"), "{line}");

    assert!(daemon.stop().success());
    let db = rusqlite::Connection::open(data.join("confab.db")).expect("opened");
    db.pragma_update(None, "user_version", 1000).expect("set");
    drop(db);
    let line = error(&start(&data, "127.0.0.1:0"));
    assert!(line.contains("1000") && line.contains("newer"), "{line}");
}

#[test]
fn a_key_that_others_can_read() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("secret_key");
    fs::write(&key, "x".repeat(64)).expect("written");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("set");
    let line = error(&start(folder.path(), "127.0.0.1:0"));
    assert!(line.contains("chmod"), "{line}");
}
