//! What the Debian package is made of: manual pages, completions, the service's configuration, and
//! the list of its files. tests/package/booted tries the package itself, in a machine that boots, and
//! tests/package/static the archive with the static daemon.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod completions;
mod metadata;
mod pages;

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// A file of the repository.
fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

fn read(file: &str) -> String {
    std::fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Runs the program without any configuration of this machine.
fn confab<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_confab"));
    command.args(arguments).env_clear().env("CONFAB_CONFIG", "missing.toml").output().unwrap()
}

/// Runs a program of this machine, which must succeed, and gives all that it said.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8([&*output.stdout, &*output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    said
}
