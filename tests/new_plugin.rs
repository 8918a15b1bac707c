//! The guide docs/write-a-plugin.md, followed on a copy of this tree: `confab new-plugin`, the
//! files of the guide, its commands, and the daemon with both plugins.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::json;
use support::Daemon;

/// What a build of the daemon reads; benches, examples and tests are named in `Cargo.toml`.
const COPIED: [&str; 7] =
    ["Cargo.toml", "Cargo.lock", "plugins", "src", "benches", "tests", "docs"];

/// A copy whose path is always the same, so that cargo knows it again.
struct Checkout {
    root: PathBuf,
}

impl Checkout {
    fn new() -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("checkout");
        fs::create_dir_all(&root).unwrap();
        for name in COPIED {
            mirror(&Path::new(env!("CARGO_MANIFEST_DIR")).join(name), &root.join(name));
        }
        Self { root }
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).unwrap()
    }

    fn new_plugin(&self, folder: &str, name: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_confab"));
        let command = command.args(["new-plugin", name]).env_clear();
        command.current_dir(self.root.join(folder)).output().unwrap()
    }

    /// Where its programs are built.
    fn built(&self) -> PathBuf {
        self.root.with_extension("built")
    }

    /// Runs a command line of the guide on the copy, with what is built already for this tree.
    fn run(&self, line: &str) -> String {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let mut shell = Command::new("sh");
        // What tests/run sets is for tests; to the daemon it would be its configuration.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CONFAB_") {
                shell.env_remove(name);
            }
        }
        let output = shell
            .args(["-euc", line])
            .env("CARGO_BUILD_BUILD_DIR", target)
            .env("CARGO_TARGET_DIR", self.built())
            .env("CARGO_NET_OFFLINE", "true")
            .current_dir(&self.root)
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{line}\n{}\n{printed}", said(&output));
        printed
    }
}

/// Makes `to` equal to `from`; what is equal already keeps its time.
fn mirror(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        let names = |folder| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        for name in names(to).filter(|name| !from.join(name).exists()) {
            let gone = to.join(name);
            if gone.is_dir() {
                fs::remove_dir_all(gone).unwrap();
            } else {
                fs::remove_file(gone).unwrap();
            }
        }
        names(from).for_each(|name| mirror(&from.join(&name), &to.join(&name)));
    } else if fs::read(to).ok() != Some(fs::read(from).unwrap()) {
        fs::copy(from, to).unwrap();
    }
}

fn said(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// A file of the guide: the block after a line that ends in "`path`:".
struct GuideFile {
    path: String,
    text: String,
}

fn blocks(guide: &str) -> (Vec<GuideFile>, Vec<String>) {
    let (mut files, mut commands) = (Vec::new(), Vec::new());
    let mut lines = guide.lines();
    let mut path = None;
    while let Some(line) = lines.next() {
        if let Some(fence) =
            line.strip_prefix("```").map(|_| line.trim_end_matches(char::is_alphabetic))
        {
            let text = lines.by_ref().take_while(|line| *line != fence);
            let text: String = text.flat_map(|line| [line, "\n"]).collect();
            match path.take() {
                Some(path) => files.push(GuideFile { path, text }),
                None if line == "```sh" => commands.push(text),
                None => {}
            }
        } else if let Some(named) = line.strip_suffix("`:") {
            path = named.rsplit('`').next().map(str::to_owned);
        }
    }
    (files, commands)
}

#[tokio::test]
async fn the_guide_leads_to_a_plugin_in_the_daemon() {
    let checkout = Checkout::new();
    let (files, commands) = blocks(&checkout.read("docs/write-a-plugin.md"));
    let has = |command: &str| assert!(commands.contains(&format!("{command}\n")), "{command}");

    // Beside that of the guide, one that is left as it was written.
    for name in ["quiet", "loud-hours"] {
        let output = checkout.new_plugin("src/cli", name);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let next = String::from_utf8(output.stdout).unwrap();
        for part in [&format!("cargo test -p confab-{name}"), &format!("use = \"{name}\"")] {
            assert!(next.contains(part), "{part} in\n{next}");
        }
    }
    has("cargo run -- new-plugin quiet");
    let cargo = checkout.read("Cargo.toml");
    let line = "confab-loud-hours = { path = \"plugins/loud-hours\" }";
    let lines: Vec<_> = cargo.lines().collect();
    let at = lines.iter().position(|other| *other == line).expect("its dependency");
    assert!(lines[at - 1].starts_with("confab-log ="), "{}", lines[at - 1]);
    let registry = checkout.read("src/registry.rs");
    assert!(registry.contains("        Manifest::of::<confab_loud_hours::LoudHours>(),\n"));
    let again = checkout.new_plugin(".", "quiet");
    assert_eq!(again.status.code(), Some(1));
    assert!(said(&again).contains("already"), "{}", said(&again));
    assert_eq!(checkout.read("Cargo.toml"), cargo);

    let paths: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
    let own = ["src/lib.rs", "src/tests.rs", "README.md", "fixtures.toml"];
    let own = own.map(|path| format!("plugins/quiet/{path}"));
    assert_eq!(paths, [own.each_ref().map(String::as_str).as_slice(), &["quiet.toml"]].concat());
    for file in &files {
        fs::write(checkout.root.join(&file.path), &file.text).unwrap();
    }
    has("cargo test -p confab-quiet");
    checkout.run("cargo test --quiet -p confab-quiet -p confab-loud-hours");
    checkout.run("cargo fmt --check -p confab-quiet -p confab-loud-hours -p confab");

    checkout.run("cargo build --quiet -p confab");
    let program = checkout.built().join("debug/confab");
    let fixtures = "cargo run -- test plugins/quiet/fixtures.toml";
    has(fixtures);
    let confab = |line: &str| {
        let own = format!("{} ", program.display());
        checkout.run(&line.replace("cargo run -- ", &own))
    };
    assert!(confab(fixtures).ends_with("\n2 passed\n"));
    assert!(confab("cargo run -- test plugins/loud-hours/fixtures.toml").ends_with("2 passed\n"));
    let explain = commands.iter().find(|command| command.contains("-- explain")).unwrap();
    let explained = confab(explain);
    for part in [
        "deny",
        "too_loud \"Please do not shout.\"\n      11 of 11 letters are capitals\n",
        "it is refused by quiet, with the code too_loud\n",
    ] {
        assert!(explained.contains(part), "{part} in\n{explained}");
    }

    has("cargo run -- --config quiet.toml");
    let daemon = Daemon::start_program(&program, &checkout.read("quiet.toml"));
    let mut cat = daemon.client("cat").await;
    let frame = json!({"event":"message","to":"@cat","content":"GOOD MORNING","id":"m1"});
    cat.send(frame).await;
    let refused = json!({"event":"error","code":"too_loud","message":"Please do not shout.",
        "plugin":"quiet","id":"m1"});
    assert_eq!(cat.next().await, refused);
    let labels = "{plugin=\"quiet\",verdict=\"deny\"}";
    assert_eq!(daemon.metric(&format!("confab_plugin_verdicts_total{labels}")), 1.0);
}

#[test]
fn outside_of_a_checkout_it_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_confab"));
    let command = command.args(["new-plugin", "brief"]).env_clear().current_dir(folder.path());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("not in a checkout of confab"), "{}", said(&output));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
