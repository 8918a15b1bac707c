//! `confab test` as an operator meets it: the shipped fixtures, what a failure says, and what is
//! said of a file that is wrong.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

/// The shipped fixtures.
const SHIPPED: [&str; 4] = ["filter", "production", "ratelimit", "spam"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_confab"))
}

/// Runs `confab test` in `folder`, with nothing in its environment.
fn test(program: &Path, folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.arg("test").args(arguments).env_clear().current_dir(folder).output().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// What is said of these fixtures, which are wrong.
fn wrong(text: &str) -> String {
    let folder = folder(&[("f.toml", text)]);
    let output = test(program(), folder.path(), &["f.toml"]);
    assert_eq!(output.status.code(), Some(78), "{}{}", stdout(&output), stderr(&output));
    assert_eq!(stdout(&output), "", "nothing runs");
    stderr(&output).to_owned()
}

const CHAIN: &str = "\
[[plugins]]
use = \"filter\"
name = \"no-links\"
[plugins.options]
deny = [\"https?://\"]
mask_words = [\"darn\"]
";

#[test]
fn the_shipped_fixtures_pass() {
    let files = SHIPPED.map(|name| format!("config/tests/{name}.toml"));
    let there: Vec<PathBuf> = fs::read_dir(root().join("config/tests"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(there.len(), files.len(), "{there:?}");
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let output = test(program(), root(), &files);
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    assert_eq!(stderr(&output), "");
    let lines: Vec<_> = stdout(&output).lines().collect();
    let (tests, summary) = lines.split_at(lines.len() - 2);
    assert!(tests.iter().all(|line| line.starts_with("ok      config/tests/")), "{tests:?}");
    assert_eq!(summary[1], format!("{} passed", tests.len()));
}

#[test]
fn the_fixtures_of_filter_are_its_manual_s_examples() {
    let entries = |text: &str| {
        let table: toml::Table = text.parse().unwrap();
        table.get("plugins").and_then(toml::Value::as_array).cloned().unwrap_or_default()
    };
    let manual = fs::read_to_string(root().join("plugins/filter/README.md")).unwrap();
    let blocks = manual.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let examples: Vec<_> = blocks.flat_map(entries).collect();
    for entry in entries(&fs::read_to_string(root().join("config/tests/filter.toml")).unwrap()) {
        assert!(examples.contains(&entry), "{entry} is not in the manual");
    }
}

#[test]
fn a_broken_expectation_fails_with_a_diff() {
    let shipped = fs::read_to_string(root().join("config/tests/filter.toml")).unwrap();
    let broken = shipped.replace("oh [bleep], [bleep]!\"", "oh [bleep], daaarn!\"");
    assert_ne!(broken, shipped);
    let folder = folder(&[("filter.toml", &broken)]);
    let output = test(program(), folder.path(), &["filter.toml"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let said = stdout(&output);
    let line = 1 + broken.lines().position(|line| line.contains("name = \"mild words")).unwrap();
    let expected = format!(
        "\
FAILED  filter.toml: mild words are masked, alone and drawn out
  --> filter.toml:{}
  content
    expected \"oh [bleep], daaarn!\"
                          ^^^^^^
    got      \"oh [bleep], [bleep]!\"
                          ^^^^^^^
  what the entries did
    no-links pass
    mild change
    cards pass
    names pass
",
        line - 1
    );
    assert!(said.contains(&expected), "{said}");
    assert!(said.ends_with("\n3 passed, 1 failed\n"), "{said}");
    assert!(!said.contains('\x1b'), "no colours where there is no terminal");
}

#[test]
fn every_sort_of_expectation_can_fail() {
    let text = format!(
        "{CHAIN}{}",
        r#"
[[tests]]
name = "verdict"
event = { kind = "message", content = "hello" }
expect = { verdict = "deny", by = "no-links" }
[[tests]]
name = "refusal"
event = { kind = "message", content = "http://x" }
expect = { verdict = "deny", code = "links", message = "No.", retry_after = "5s" }
[[tests]]
name = "change"
event = { kind = "message", content = "darn" }
expect = { verdict = "pass", changed_by = [], entries = { no-links = "pass" } }
[[tests]]
name = "the daemon itself"
event = { kind = "message", content = " " }
expect = { verdict = "deny", by = "no-links", code = "invalid_content" }
[[tests]]
name = "third"
[[tests.steps]]
event = { kind = "message", content = "hello" }
expect = { verdict = "pass" }
[[tests.steps]]
event = { kind = "message", content = "hello" }
repeat = 3
expect = { verdict = "drop" }
"#
    );
    let folder = folder(&[("f.toml", &text)]);
    let output = test(program(), folder.path(), &["f.toml", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let told: serde_json::Value = serde_json::from_str(stdout(&output)).unwrap();
    let differences: Vec<String> = told["tests"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|test| test["failure"]["differences"].as_array().unwrap())
        .map(|d| format!("{} {} {}", d["what"], d["expected"], d["got"]).replace('"', ""))
        .collect();
    let expected = [
        "verdict deny pass",
        "code links content_denied",
        "message No. This message is not allowed here.",
        "retry_after 5s nothing",
        "changed_by nobody no-links",
        "entries.no-links pass change",
        "by no-links the daemon itself",
        "verdict drop pass",
    ];
    assert_eq!(differences, expected);
    let last = &told["tests"][4]["failure"];
    assert_eq!((&last["step"], &last["time"]), (&2.into(), &1.into()));
    let header = text.lines().collect::<Vec<_>>();
    let header = header.iter().rposition(|line| *line == "[[tests.steps]]").unwrap();
    assert_eq!(last["line"], header + 1);
}

#[test]
fn what_is_misspelt_is_told_with_its_place() {
    let test = |more: &str| format!("{CHAIN}[[tests]]\nname = \"x\"\n{more}\n");
    let event = "event = { kind = \"message\", content = \"x\" }\n";
    for (text, message, place) in [
        (test("evnt = 1"), "unknown key \"evnt\" in [[tests]], did you mean \"event\"?", "9:1"),
        (
            test("event = { kind = \"mesage\" }\nexpect = { verdict = \"pass\" }"),
            "unknown value \"mesage\", did you mean \"message\"?",
            "9:18",
        ),
        (
            test(&format!("{event}expect = {{ verdict = \"denny\" }}")),
            "unknown value \"denny\", did you mean \"deny\"?",
            "10:22",
        ),
        (
            test(&format!("{event}expect = {{ verdict = \"deny\", by = \"no-lnks\" }}")),
            "no entry of the chain is called \"no-lnks\", did you mean \"no-links\"?",
            "10:35",
        ),
        (
            test(&format!(
                "{event}expect = {{ verdict = \"pass\", entries = {{ no-link = \"pass\" }} }}"
            )),
            "no entry of the chain is called \"no-link\", did you mean \"no-links\"?",
            "10:52",
        ),
        (
            test(&format!("skip = [\"log\"]\n{event}expect = {{ verdict = \"pass\" }}")),
            "no entry of the chain is called \"log\": the entries are no-links",
            "9:9",
        ),
        (
            test("event = { kind = \"typing\", content = \"x\" }\nexpect = { verdict = \"pass\" }"),
            "\"content\" says nothing in a typing: it takes from, to, on, address",
            "9:38",
        ),
        (
            test(&format!("{event}expect = {{ verdict = \"pass\", code = \"x\" }}")),
            "\"code\" says nothing of the verdict pass",
            "10:37",
        ),
        (test(event), "the test expects nothing", "7:1"),
        (test(""), "the test has no event: give it an \"event\" or [[tests.steps]]", "7:1"),
        (CHAIN.replace("deny", "denny"), "unknown key \"denny\" in [plugins.options]", "5:1"),
        (CHAIN.to_owned(), "\"tests\" is missing at the top level", "f.toml"),
        ("tests = [".to_owned(), "", "1:10"),
    ] {
        let said = wrong(&text);
        assert!(said.contains(message), "{message} in\n{said}");
        assert!(
            said.contains(&format!("f.toml:{place}\n")) || place == "f.toml",
            "{place} in\n{said}"
        );
        assert!(said.contains("in the fixtures"), "{said}");
    }
    let folder = folder(&[]);
    let output = self::test(program(), folder.path(), &["none.toml"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(stderr(&output).contains("cannot read the fixtures none.toml"), "{}", stderr(&output));
}

#[test]
fn the_chain_is_that_of_the_named_configuration_or_the_usual_one() {
    let fixture = "[[tests]]\nname = \"x\"\nevent = { kind = \"message\", content = \"http://x\" }\n\
        expect = { verdict = \"deny\" }\n";
    let named = format!("config = \"sub.toml\"\n{fixture}");
    let secret = "[store.mongo]\nuri_file = \"/nowhere\"\n";
    let folder = folder(&[
        ("links.toml", CHAIN),
        ("sub.toml", &format!("{secret}{CHAIN}")),
        ("empty.toml", "plugins = []"),
        ("bad.toml", "[servr]"),
        ("usual.toml", fixture),
        ("named.toml", &named),
    ]);
    let status = |arguments: &[&str]| test(program(), folder.path(), arguments).status.code();
    assert_eq!(status(&["named.toml"]), Some(0), "no secret is asked for");
    assert_eq!(status(&["usual.toml"]), Some(1), "the default chain refuses nothing");
    assert_eq!(status(&["usual.toml", "--config", "links.toml"]), Some(0));
    assert_eq!(status(&["named.toml", "--config", "empty.toml"]), Some(1), "flags win");
    assert_eq!(status(&["usual.toml", "--config", "bad.toml"]), Some(78));
    assert_eq!(status(&["named.toml", "--filter", "y"]), Some(1), "nothing was run");
    assert_eq!(status(&[]), Some(2));
}

#[test]
fn a_configuration_that_is_not_there_is_told_where_it_is_named() {
    let told = wrong(
        "# Which is missing.\nconfig = \"gone.toml\"\n[[tests]]\nname = \"x\"\nevent = { kind = \"typing\" }\nexpect = { verdict = \"pass\" }\n",
    );
    assert!(told.contains("cannot read gone.toml") && told.contains("f.toml:2:"), "{told}");
}

#[test]
fn a_hook_that_hangs_or_panics_is_a_failed_entry() {
    let program = program().parent().unwrap().join("examples/misbehaving_daemon");
    assert!(program.exists(), "run `cargo test`, or `cargo build --examples` before a single test");
    let fixture = r#"
[[plugins]]
use = "clown"
timeout = "50ms"
options = { word = "act" }
[[tests]]
name = "it sleeps for an hour"
event = { kind = "message", content = "act sleep" }
expect = { verdict = "deny", by = "clown", code = "plugin_failed", entries = { clown = "failed" } }
[[tests]]
name = "it panics"
event = { kind = "message", content = "act panic" }
expect = { verdict = "deny", code = "plugin_failed" }
[[tests]]
name = "it makes an empty text"
event = { kind = "message", content = "act empty" }
expect = { verdict = "deny", code = "plugin_failed", entries = { clown = "change" } }
[[tests]]
name = "it drops"
event = { kind = "message", content = "act drop" }
expect = { verdict = "drop", by = "clown" }
"#;
    let folder = folder(&[("f.toml", fixture)]);
    let output = test(&program, folder.path(), &["f.toml"]);
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
}
