//! The configuration as an operator meets it: the real program, its output, its exit status.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    path::PathBuf,
    process::{Command, Output},
};

use tempfile::TempDir;

/// A folder to run the program in, with nothing in its environment.
struct Operator {
    folder: TempDir,
    variables: Vec<(&'static str, String)>,
}

impl Operator {
    /// Whose configuration file has this text.
    fn with(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("confab.toml"), text).unwrap();
        Self { folder, variables: Vec::new() }
    }

    fn variable(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs the program in the folder with that file.
    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_confab"))
            .args(arguments)
            .env_clear()
            .env("CONFAB_CONFIG", "confab.toml")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(self.folder.path())
            .output()
            .unwrap()
    }
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn four_errors_in_one_run() {
    let operator = Operator::with(
        "\
[server]
lisen = \"127.0.0.1:8080\"

[limits]
page = \"many\"

[[plugins]]
use = \"filter\"
[plugins.options]
dney = [\"x\"]
",
    )
    .variable("CONFAB_LIMITS__FRAME_RATES", "5");
    let output = operator.run(&["check"]);
    assert_eq!(output.status.code(), Some(78));
    assert_eq!(stdout(&output), "");
    let said = stderr(&output);
    for part in [
        "error: unknown key \"lisen\" in [server], did you mean \"listen\"?\n --> confab.toml:2:1\n",
        "error: expected a whole number, found \"many\"\n --> confab.toml:5:8\n",
        "error: unknown key \"dney\" in [plugins.options]",
        "\n  --> confab.toml:10:1\n",
        "did you mean \"CONFAB_LIMITS__FRAME_RATE\"?\n --> variable CONFAB_LIMITS__FRAME_RATES\n",
        "\n4 errors in the configuration\n",
    ] {
        assert!(said.contains(part), "{part} in\n{said}");
    }
    assert!(!said.contains('\x1b'), "no colours where there is no terminal");
    // Serving says the same, and does not begin.
    let served = operator.run(&[]);
    assert_eq!(served.status.code(), Some(78));
    assert_eq!(stderr(&served), said);
}

#[test]
fn a_good_configuration_is_said_to_be_good() {
    let operator = Operator::with("plugins = []");
    let output = operator.run(&["check"]);
    assert_eq!(stderr(&output), "");
    assert_eq!(stdout(&output), "ok: confab.toml (0 plugins)\n");
    assert_eq!(output.status.code(), Some(0));

    std::fs::create_dir(operator.path("conf.d")).unwrap();
    std::fs::write(operator.path("conf.d/10.toml"), "limits.page = 5").unwrap();
    let output = operator.run(&["check"]);
    assert_eq!(stdout(&output), "ok: confab.toml and 1 file of its conf.d (0 plugins)\n");
}

#[test]
fn the_shipped_file_is_good() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/config/confab.toml");
    let output = Operator::with("nonsense").run(&["check", "--config", file]);
    assert_eq!(stderr(&output), "");
    assert_eq!(stdout(&output), format!("ok: {file} (2 plugins)\n"));
}

#[test]
fn the_effective_configuration_is_toml_and_says_where_from() {
    let key = "Zk3vQ8#mW1!pL6$xR9@tN4%bJ7^cH2&dF5";
    let operator = Operator::with("plugins = []\n[limits]\npage = 5\n")
        .variable("CONFAB_LIMITS__UNREAD", "7")
        .variable("SECRET_KEY", key);
    let output = operator.run(&["config", "--listen", "127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let shown = stdout(&output);
    assert!(!shown.contains(key));
    for line in [
        "listen = \"127.0.0.1:1\"  # flag --listen",
        "page = 5  # confab.toml:3",
        "unread = 7  # variable CONFAB_LIMITS__UNREAD",
        "secret_key = \"[redacted]\"  # variable SECRET_KEY",
        "web = true  # default",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} in\n{shown}");
    }
    let table: toml::Table = toml::from_str(shown).unwrap();
    assert_eq!(table["limits"]["page"].as_integer(), Some(5));
}

#[test]
fn wrong_flags_are_told_as_all_else() {
    let operator = Operator::with("plugins = []");
    let output = operator.run(&["--listen", "localhost", "--log-level", "loud", "check"]);
    assert_eq!(output.status.code(), Some(78));
    let said = stderr(&output);
    for part in [" --> flag --listen\n", " --> flag --log-level\n", "\n2 errors"] {
        assert!(said.contains(part), "{part} in\n{said}");
    }
    assert_eq!(operator.run(&["check", "--no-such"]).status.code(), Some(2));
    assert_eq!(operator.run(&["no-such"]).status.code(), Some(2));
}

#[test]
fn a_check_needs_no_secrets_if_told_so() {
    let operator = Operator::with("plugins = []").variable("SECRET_KEY_FILE", "/nowhere/key");
    let output = operator.run(&["check"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(stderr(&output).contains(" --> variable SECRET_KEY_FILE\n"));
    assert_eq!(operator.run(&["check", "--no-secrets"]).status.code(), Some(0));
}

#[test]
fn the_production_file_is_good_and_wants_its_secrets() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/config/production.toml");
    let secrets = [
        ("SECRET_KEY", "Zk3vQ8#mW1!pL6$xR9@tN4%bJ7^cH2&dF5"),
        ("MONGO_URI", "mongodb://confab:hunter2@a.example,b.example/?replicaSet=rs0&tls=true"),
        ("REDIS_URL", "rediss://confab:hunter2@redis.example"),
    ];
    let none = Operator::with("");
    let good = |operator: &Operator, arguments: &[&str]| {
        let output = operator.run(&[&["--config", file], arguments].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(stderr(&output), "", "it warns");
        stdout(&output).to_owned()
    };
    let all =
        secrets.iter().fold(Operator::with(""), |all, (name, text)| all.variable(name, *text));
    assert!(good(&all, &["check", "--no-secrets"]).contains("4 plugins"));
    good(&all, &["check"]);
    let shown = good(&all, &["config"]);
    for line in ["uri = \"[redacted]\"  # variable MONGO_URI", "url = \"[redacted]\"  # variable"] {
        assert!(shown.contains(line), "{line} in\n{shown}");
    }
    // The files that it names are not here, and nothing else takes their place.
    good(&none, &["check", "--no-secrets"]);
    let output = none.run(&["--config", file, "check"]);
    assert_eq!(output.status.code(), Some(78));
    for secret in ["secret_key", "mongo_uri", "redis_url"] {
        assert!(stderr(&output).contains(&format!("from /etc/confab/{secret}")), "{secret}");
    }
}

#[test]
fn the_help_says_what_an_operator_needs() {
    let output = Operator::with("nonsense").run(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let help = stdout(&output);
    for part in [
        "serve",
        "check",
        "config",
        "--config",
        "--data",
        "CONFAB_CONFIG",
        "CONFAB_SECTION__KEY",
        "SECRET_KEY_FILE",
        "78",
    ] {
        assert!(help.contains(part), "{part} in\n{help}");
    }
}

#[test]
fn what_is_compiled_in_is_shown() {
    let operator = Operator::with("nonsense");
    let output = operator.run(&["plugins"]);
    assert_eq!(output.status.code(), Some(0));
    for name in confab::registry::manifests().iter().map(|manifest| manifest.name) {
        assert!(stdout(&output).lines().any(|line| line.starts_with(name)), "{name}");
        let page = operator.run(&["plugins", name]);
        assert!(stdout(&page).contains(&format!("\n# {name}\n")), "{name}: its manual");
        let json = operator.run(&["plugins", name, "--json"]);
        let json: serde_json::Value = serde_json::from_str(stdout(&json)).unwrap();
        assert_eq!(json["name"], name);
        let version = operator.run(&["--version"]);
        assert!(stdout(&version).contains(&format!(" {name}")), "{name}");
    }
    let output = operator.run(&["plugins", "fliter"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "");
    assert!(stderr(&output).contains("did you mean \"filter\"?"), "{}", stderr(&output));
}

#[test]
fn the_schema_is_the_shipped_one() {
    let output = Operator::with("nonsense").run(&["schema"]);
    assert_eq!(output.status.code(), Some(0));
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/config/confab.schema.json");
    assert!(stdout(&output) == std::fs::read_to_string(file).unwrap());
}
