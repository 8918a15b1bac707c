//! A run of `confab bench --verify` as a process.

use std::{
    io::Read as _,
    process::{Child, Stdio},
};

use serde_json::Value;

use crate::support::daemon::confab;

/// A run; killed when dropped.
pub struct Run {
    child: Child,
}

impl Run {
    /// Against these servers. Two pairs, unless `options` say otherwise.
    pub fn start(urls: &[String], options: &[&str]) -> Self {
        let mut command = confab();
        command.args(["bench", "--verify", "--json"]).args(options);
        if !options.contains(&"--pairs") {
            command.args(["--pairs", "2"]);
        }
        let command = command.args(urls).stdin(Stdio::null()).stdout(Stdio::piped());
        Self { child: command.spawn().expect("it starts") }
    }

    /// Lets it stop sending, and waits for its exit status and what it found.
    pub fn end(mut self) -> (i32, Value) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::INT).expect("sent");
        let (mut out, mut text) = (self.child.stdout.take().expect("its output"), String::new());
        out.read_to_string(&mut text).expect("a text");
        let status = self.child.wait().expect("it ended").code().expect("a status");
        let mut found: Value =
            serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        (status, found["verify"].take())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
