//! The two commands, as an operator runs them.

use std::{
    ffi::OsStr,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use crate::support::{Daemon, daemon::confab};

/// No rates, and cheap passwords: tests are impatient.
pub const CONFIG: &str =
    "[limits]\nframe_rate = 0\nauth_rate = 0\nconnect_rate = 0\n[log]\nlevel = \"warn\"\n";

/// A daemon on the embedded store in this folder, whatever else the tests run on.
pub fn daemon(data: &Path) -> Daemon {
    Daemon::start_with(CONFIG, Some(data), &[])
}

/// A command on the embedded store in this folder.
pub fn command<A: AsRef<OsStr>>(data: &Path, arguments: &[A]) -> Command {
    let mut command = confab();
    command.arg("--data").arg(data).args(arguments).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// How a command ended.
pub struct Ended(pub Output);

impl Ended {
    /// What it said, in either stream.
    pub fn text(&self) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        text(&self.0.stdout) + &text(&self.0.stderr)
    }

    /// Holds that it failed, and said this.
    pub fn refused(self, parts: &[&str]) {
        let text = self.text();
        assert_eq!(self.0.status.code(), Some(1), "{text}");
        for part in parts {
            assert!(text.contains(part), "{part}:\n{text}");
        }
    }

    /// Holds that it was done, and what it told as JSON.
    pub fn done(self) -> Value {
        assert!(self.0.status.success(), "{}", self.text());
        serde_json::from_slice(&self.0.stdout).expect("JSON")
    }
}

fn run(data: &Path, arguments: &[&OsStr]) -> Ended {
    Ended(command(data, arguments).output().expect("it runs"))
}

/// `confab backup`.
pub fn backup(data: &Path, file: &Path, more: &[&str]) -> Ended {
    let mut arguments = vec![OsStr::new("backup"), OsStr::new("--json"), file.as_os_str()];
    arguments.extend(more.iter().map(OsStr::new));
    run(data, &arguments)
}

/// `confab restore`.
pub fn restore(data: &Path, file: &Path, more: &[&str]) -> Ended {
    let mut arguments = vec![OsStr::new("restore"), OsStr::new("--json"), file.as_os_str()];
    arguments.extend(more.iter().map(OsStr::new));
    run(data, &arguments)
}

/// The names of the files in a folder.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
