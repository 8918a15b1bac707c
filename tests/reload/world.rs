//! A daemon with witnesses, and the ways to reload it.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Daemon, wait::until};

/// The program with the witness.
pub fn program() -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_confab")).parent().expect("a folder");
    let program = folder.join("examples/witness_daemon");
    assert!(program.exists(), "run `cargo test`, or `cargo build --examples` before a single test");
    program
}

/// The entries of three witnesses: two with this mark around one that never changes.
pub fn entries(mark: &str) -> [String; 3] {
    let entry = |name: &str, options: &str| {
        format!("[[plugins]]\nuse = \"witness\"\nname = \"{name}\"\ntimeout = \"1m\"\n{options}")
    };
    let marked = format!("options = {{ mark = \"{mark}\" }}\n");
    [entry("first", &marked), entry("steady", ""), entry("last", &marked)]
}

/// These entries, for sessions that may send as much as they can.
pub fn configuration(mark: &str) -> String {
    with(&entries(mark).concat())
}

/// Any chain, for such sessions.
pub fn with(chain: &str) -> String {
    format!("[limits]\nframe_rate = 0\nauth_rate = 0\n{chain}")
}

/// A daemon with that configuration.
pub fn daemon(mark: &str) -> Daemon {
    Daemon::start_program(&program(), &configuration(mark))
}

/// Reloads by the admin call: status and answer.
pub fn reload(daemon: &Daemon) -> (u16, Value) {
    let (status, _, answer) = daemon.admin().post("/reload", "application/json", "");
    (status, answer)
}

/// How many reloads have ended, well or not.
pub fn reloads(daemon: &Daemon) -> f64 {
    let of = |result| daemon.metric(&format!("confab_config_reloads_total{{result=\"{result}\"}}"));
    of("success") + of("failure")
}

/// Reloads by SIGHUP, and waits until that has ended: whether it succeeded.
pub async fn hang_up(daemon: &Daemon) -> bool {
    let before = reloads(daemon);
    daemon.signal("HUP");
    until("the reload has ended", async || (reloads(daemon) > before).then_some(())).await;
    daemon.metric("confab_config_last_reload_successful") == 1.0
}

/// Waits until the log holds a text.
pub async fn logged(daemon: &Daemon, text: &str) {
    let what = format!("the log says {text}");
    until(&what, async || daemon.log().contains(text).then_some(())).await;
}
