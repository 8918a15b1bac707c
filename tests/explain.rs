//! `confab explain` as an operator meets it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    io::Write as _,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

const CHAIN: &str = r#"
[[plugins]]
use = "filter"
timeout = "10s"
name = "no-links"
[plugins.options]
deny = ["https?://"]
code = "no_links"

[[plugins]]
use = "filter"
timeout = "10s"
name = "mild"
[plugins.options]
mask_words = ["darn"]

[[plugins]]
use = "filter"
timeout = "10s"
name = "trial"
mode = "shadow"
[plugins.options]
mask_words = ["monday"]

[[plugins]]
use = "spam"
timeout = "10s"
on = ["message", "connect"]
"#;

struct Operator(TempDir);

impl Operator {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("confab.toml"), CHAIN).unwrap();
        Self(folder)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_confab"));
        command.args(["explain", "--config", "confab.toml"]).args(arguments);
        command.env_clear().current_dir(self.0.path());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn says(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), errors.as_str()), (Some(0), ""), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.says(&[arguments, &["--json"]].concat())).unwrap()
    }

    fn fails(&self, arguments: &[&str], status: i32, why: &str) {
        let output = self.run(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{said}");
        assert!(said.contains(why), "{why} in\n{said}");
    }
}

const MESSAGE: &str = r#"{"event":"message","to":"@bob","content":"darn, on monday","id":"m1"}"#;

#[test]
fn each_entry_says_what_it_does_and_why() {
    let said = Operator::new().says(&[MESSAGE]);
    for part in [
        "message of ann (",
        ") to @bob (",
        "  no-links  filter  enforce  pass",
        "  mild      filter  enforce  change",
        "      content \"darn, on monday\"\n               ^^^^\n           -> \"****, on monday\"\n",
        "  trial     filter  shadow   would_change",
        "-> \"****, on ******\"",
        "  spam      spam    enforce  pass",
        "      score 0 of 5\n",
        "\nit passes, changed by mild\n",
        "\"content\":\"****, on monday\"",
        "\"changed_by\":[\"mild\"]",
    ] {
        assert!(said.contains(part), "{part} in\n{said}");
    }
}

#[test]
fn programs_get_json() {
    let told = Operator::new().json(&[MESSAGE, "--skip", "mild", "--address", "192.0.2.7"]);
    assert_eq!(told["address"], "192.0.2.7");
    let verdicts: Vec<_> =
        told["entries"].as_array().unwrap().iter().map(|entry| &entry["verdict"]).collect();
    assert_eq!(verdicts, ["pass", "not_asked", "would_change", "pass"]);
    assert_eq!(told["entries"][1]["why"], "skipped");
    let change = json!({ "content": { "before": "darn, on monday", "after": "darn, on ******" } });
    assert_eq!(told["entries"][2]["changes"], change);
    assert!(told["entries"][0]["took_us"].as_f64().unwrap() > 0.0);
    assert_eq!(told["outcome"], json!({ "verdict": "pass" }));
    assert_eq!(told["client"]["body"]["content"], "darn, on monday");
}

#[test]
fn a_refusal_is_shown_as_the_client_sees_it() {
    let operator = Operator::new();
    let frame = r#"{"event":"message","to":"@bob","content":"http://x","id":"m2"}"#;
    let body = json!({"event":"error","code":"no_links","message":"This message is not allowed here.",
        "plugin":"no-links","id":"m2"});
    let told = operator.json(&[frame]);
    assert_eq!(told["client"]["body"], body);
    assert_eq!(told["outcome"]["by"], "no-links");
    assert_eq!(told["entries"][1]["verdict"], "not_reached");
    // The daemon's own refusals, before the chain.
    for (frame, code) in [
        (r#"{"event":"message","to":"@bob","content":" "}"#, "invalid_content"),
        (r#"{"event":"message","to":"bob","content":"hi"}"#, "unknown_user"),
        (r#"{"event":"message","to":"@bob"}"#, "malformed"),
    ] {
        assert_eq!(operator.json(&[frame])["client"]["body"]["code"], code, "{frame}");
    }
    let said = operator.says(&[r#"{"event":"register","username":"cat"}"#]);
    assert!(said.contains("not asked: not its kind of event"), "{said}");
    assert!(said.contains("it passes as it is\nthe client gets a token, if the name is free\n"));
}

#[test]
fn the_event_may_stand_in_a_file_or_come_from_a_pipe() {
    let operator = Operator::new();
    fs::write(operator.0.path().join("event.json"), MESSAGE).unwrap();
    assert_eq!(operator.json(&["@event.json"])["fields"]["id"], "m1");
    let mut piped = operator.command(&["-", "--json"]);
    let mut child = piped.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(MESSAGE.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["fields"]["id"], "m1");
}

#[test]
fn what_is_wrong_is_told() {
    let operator = Operator::new();
    operator.fails(&[MESSAGE, "--skip", "mid"], 2, "did you mean \"mild\"?");
    operator.fails(&["hello"], 1, "the event is not a JSON object");
    operator.fails(&[r#"{"event":"sync","have":{}}"#], 1, "passes no chain");
    operator.fails(&[MESSAGE, "--from", "a b"], 1, "from: not the name of a user");
    operator.fails(&["@none.json"], 1, "cannot read none.json");
    fs::write(operator.0.path().join("confab.toml"), "[servr]").unwrap();
    operator.fails(&[MESSAGE], 78, "unknown key \"servr\"");
}

#[test]
fn nothing_is_left_behind() {
    let operator = Operator::new();
    operator.says(&[MESSAGE]);
    let files: Vec<_> = fs::read_dir(operator.0.path()).unwrap().collect();
    assert_eq!(files.len(), 1, "{files:?}");
}
