//! The commands that plugins add to the command line, in the real program.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use confab_audit::Audit;
use confab_plugin::testkit::{Kit, decisions, message};
use serde_json::json;

/// Runs the program where any configuration it loaded would be an error.
fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_confab"))
        .args(arguments)
        .env_clear()
        .env("CONFAB_CONFIG", "missing.toml")
        .current_dir(folder)
        .output()
        .unwrap()
}

fn told(output: &Output) -> (Option<i32>, String) {
    let bytes = [&*output.stdout, &*output.stderr].concat();
    (output.status.code(), String::from_utf8(bytes).unwrap())
}

/// A log of four lines.
async fn write_log(folder: &Path) {
    let kit = Kit::<Audit>::new(json!({"path": folder.join("audit.jsonl")})).ok().unwrap();
    kit.start().await.unwrap();
    for _ in 0..3 {
        kit.after(&message("hello"), decisions()[0].clone());
    }
    while let Some(done) = kit.run_job(1).await {
        done.unwrap_or_else(|error| panic!("{error:?}"));
    }
    kit.stop().await;
}

#[tokio::test]
async fn an_audit_log_is_verified_without_a_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let verify = |options: &[&str]| {
        let all: Vec<_> = ["audit", "verify"].iter().chain(options).copied().collect();
        told(&run(folder.path(), &all))
    };
    write_log(folder.path()).await;
    let (status, whole) = verify(&["audit.jsonl"]);
    assert_eq!(status, Some(0), "{whole}");
    assert!(whole.starts_with("ok: 4 lines in 1 file, 1 to 4\nhead 4:"), "{whole}");
    let head = whole.trim().rsplit(' ').next().unwrap();
    assert_eq!(verify(&["--head", head, "audit.jsonl"]), (Some(0), whole.clone()));

    let log = folder.path().join("audit.jsonl");
    let text = fs::read_to_string(&log).unwrap();
    fs::write(&log, text.replacen("\"size\":5", "\"size\":6", 1)).unwrap();
    let (status, fault) = verify(&["audit.jsonl"]);
    assert_eq!(status, Some(1));
    assert!(fault.starts_with("error: audit.jsonl:2: changed: "), "{fault}");

    let (status, usage) = verify(&["--help"]);
    assert_eq!(status, Some(0));
    assert!(usage.contains("--head N:HASH"), "{usage}");
    assert_eq!(verify(&[]).0, Some(1));
}

#[test]
fn help_lists_the_commands_and_a_slip_gets_a_suggestion() {
    let folder = tempfile::tempdir().unwrap();
    let told = |arguments: &[&str]| told(&run(folder.path(), arguments));
    let (status, help) = told(&["--help"]);
    assert_eq!(status, Some(0));
    assert!(help.contains("audit"), "{help}");
    for (arguments, expected) in [(&["audit"][..], Some(2)), (&["audit", "--help"], Some(0))] {
        let (status, help) = told(arguments);
        assert_eq!(status, expected);
        assert!(help.contains("verify  Check the hash chain"), "{help}");
    }
    for (arguments, meant) in [(&["adit"][..], "'audit'"), (&["audit", "verfiy"], "'verify'")] {
        let (status, error) = told(arguments);
        assert_eq!(status, Some(2));
        assert!(error.contains("unrecognized subcommand") && error.contains(meant), "{error}");
    }
}
