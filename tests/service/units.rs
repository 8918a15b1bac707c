//! The shipped units: nothing in them is misspelt, and the sandbox is closed.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

/// The highest exposure that the service may have, times ten.
const EXPOSURE: &str = "12";

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd").join(name)
}

/// What a program says, and whether it was content.
fn run(command: &mut Command) -> (bool, String) {
    let output = command.output().expect("systemd's programs: run tests/run");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// Checks the units in a file system of their own, as a package installs them, after `change`.
fn verify(change: impl Fn(&str, String) -> String) -> (bool, String) {
    let root = tempfile::tempdir().unwrap();
    let units = root.path().join("usr/lib/systemd/system");
    let programs = root.path().join("usr/bin");
    fs::create_dir_all(&units).unwrap();
    fs::create_dir_all(&programs).unwrap();
    let program = programs.join("confab");
    fs::write(&program, "").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["confab.service", "confab.socket"] {
        let text = fs::read_to_string(shipped(name)).unwrap();
        fs::write(units.join(name), change(name, text)).unwrap();
    }
    // What they refer to, and nothing else.
    for name in [
        "basic.target",
        "multi-user.target",
        "network-online.target",
        "shutdown.target",
        "sockets.target",
        "sysinit.target",
    ] {
        fs::write(units.join(name), "[Unit]\nDefaultDependencies=no\n").unwrap();
    }
    run(Command::new("systemd-analyze").arg(format!("--root={}", root.path().display())).args([
        "--man=no",
        "--recursive-errors=no",
        "verify",
        "confab.service",
        "confab.socket",
    ]))
}

#[test]
fn the_units_are_clean() {
    let (content, said) = verify(|_, text| text);
    assert!(content && said.trim().is_empty(), "{said}");
}

#[test]
fn a_misspelt_key_is_found() {
    let (_, said) = verify(|_, text| text.replace("WatchdogSec", "WatchdogSek"));
    assert!(said.contains("WatchdogSek"), "{said}");
}

fn is_closed(file: &Path) -> (bool, String) {
    run(Command::new("systemd-analyze")
        .args(["security", "--no-pager", "--offline=yes"])
        .arg(format!("--threshold={EXPOSURE}"))
        .arg(file))
}

#[test]
fn the_sandbox_is_closed() {
    let (closed, said) = is_closed(&shipped("confab.service"));
    assert!(closed, "{said}");
    println!("{}", said.lines().last().unwrap_or_default());
}

#[test]
fn an_open_sandbox_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("confab.service");
    let text = fs::read_to_string(shipped("confab.service")).unwrap();
    fs::write(&file, text.replace("CapabilityBoundingSet=\n", "")).unwrap();
    assert!(!is_closed(&file).0);
}

/// What a package puts into /usr/lib/sysusers.d and tmpfiles.d.
#[test]
fn the_users_and_folders_can_be_made() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("etc")).unwrap();
    let root_is = format!("--root={}", root.path().display());
    let (made, said) =
        run(Command::new("systemd-sysusers").arg(&root_is).arg(shipped("confab.sysusers")));
    assert!(made, "{said}");
    let users = fs::read_to_string(root.path().join("etc/passwd")).unwrap();
    assert!(users.contains(":/var/lib/confab:/usr/sbin/nologin"), "{users}");
    let (made, said) = run(Command::new("systemd-tmpfiles")
        .args(["--create", &root_is])
        .arg(shipped("confab.tmpfiles")));
    assert!(made, "{said}");
    assert!(root.path().join("etc/credstore").is_dir());
}
