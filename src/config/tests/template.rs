//! `config/confab.toml` is the defaults, and says of every key what it is.

use std::path::Path;

use proptest::prelude::*;

use super::support::{Setup, manifests};
use crate::config::{Config, Origin, effective, template};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/confab.toml");

#[test]
fn the_file_is_what_the_tables_say() {
    let text = template::render();
    if std::env::var_os("CONFAB_BLESS").is_some() {
        std::fs::write(FILE, &text).unwrap();
    }
    let file = std::fs::read_to_string(FILE).unwrap();
    let hint = "run CONFAB_BLESS=1 cargo test --lib config to write config/confab.toml anew";
    assert!(file == text, "{hint}");
}

#[test]
fn the_file_is_the_defaults() {
    let mut setup = Setup::empty();
    setup.flags.config = Some(FILE.into());
    let loaded = setup.load().unwrap();
    assert_eq!(loaded.config, Config::default());
    assert_eq!(loaded.files, [Path::new(FILE)]);
    assert_eq!(loaded.warnings, []);
    assert_eq!(Setup::empty().load().unwrap().config, Config::default());
}

#[test]
fn the_effective_configuration_is_a_configuration() {
    let text = "
[server]
listen = \"0.0.0.0:80\"
allowed_origins = [\"https://a.example\"]
[auth]
secret_key = \"Zk3vQ8#mW1!pL6$xR9@tN4%bJ7^cH2&dF5\"
[[plugins]]
use = \"filter\"
mode = \"shadow\"
[plugins.options]
deny = [\"a\\nb\", \"c\"]
part = { type = \"tail\", offset = 1, webhook_token = \"hunter2\" }
";
    let setup = Setup::file(text)
        .variable("CONFAB_LIMITS__PAGE", "7")
        .variable("CONFAB_BUS__REDIS__BATCH", "9");
    let loaded = setup.load().unwrap();
    let file = setup.path("confab.toml").display().to_string();
    let shown = effective::render(&loaded, &manifests());
    for line in [
        format!("listen = \"0.0.0.0:80\"  # {file}:3"),
        "admin_listen = \"127.0.0.1:9090\"  # default".to_owned(),
        format!("allowed_origins = [\"https://a.example\"]  # {file}:4"),
        format!("secret_key = \"[redacted]\"  # {file}:6"),
        "# secret_key_file is not set".to_owned(),
        "page = 7  # variable CONFAB_LIMITS__PAGE".to_owned(),
        format!("use = \"filter\"  # {file}:8"),
        "name = \"filter\"  # the plugin's name".to_owned(),
        "on = [\"message\"]  # the plugin's choice".to_owned(),
        format!("mode = \"shadow\"  # {file}:9"),
        "on_error = \"deny\"  # default".to_owned(),
        "[bus.redis]".to_owned(),
        "batch = 9  # variable CONFAB_BUS__REDIS__BATCH".to_owned(),
        "# url is not set".to_owned(),
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} in\n{shown}");
    }
    assert!(!shown.contains("Zk3v") && !shown.contains("hunter2"), "{shown}");
    let redacted = shown.replace("secret_key = \"[redacted]\"", "#");
    let again = Setup::file(&redacted).load().unwrap().config;
    assert_eq!(again.limits, loaded.config.limits);
    assert_eq!(again.plugins[0].options["deny"], loaded.config.plugins[0].options["deny"]);
    assert_eq!(loaded.origins.of("limits.page"), &Origin::Variable("CONFAB_LIMITS__PAGE".into()));
}

/// The lines of the file that set something.
fn settings() -> Vec<usize> {
    let text = template::render();
    let set = |line: &str| !line.starts_with('#') && line.contains(" = ");
    let lines = text.lines().enumerate();
    lines.filter(|(_, line)| set(line)).map(|(n, _)| n).collect()
}

/// What configuration files are made of.
const PARTS: [&str; 40] = [
    "[",
    "]",
    "{",
    "}",
    "=",
    " = ",
    "\"",
    "'",
    "'''",
    "\"\"\"",
    ".",
    ",",
    "\n",
    "\n",
    "\r\n",
    "\t",
    " ",
    "#",
    "server",
    "auth",
    "[auth]\n",
    "auth = {",
    "plugins",
    "options",
    "use",
    "secret_key",
    "listen",
    "page",
    "[limits]\npage = ",
    "1",
    "-1e9",
    "1979-05-27",
    "true",
    "nan",
    "é",
    "日本",
    "\u{feff}",
    "[[plugins]]\n",
    "filter",
    "\\u",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_taken_or_refused_without_a_panic(text in "(?s).{0,200}") {
        let _ = Setup::file(text).load();
    }

    #[test]
    fn any_likely_text_is_taken_or_refused_without_a_panic_and_shows_no_secret(
        before in prop::collection::vec(prop::sample::select(PARTS.to_vec()), 0..30),
        after in prop::collection::vec(prop::sample::select(PARTS.to_vec()), 0..30),
    ) {
        let (before, after) = (before.concat(), after.concat());
        let text = format!("{before}\nsecret_key = \"hunter2hunter2\"{after}");
        if let Err(errors) = Setup::file(&text).load() {
            prop_assert!(!errors.to_string().contains("hunter2"), "{text}\n{errors}");
        }
    }

    #[test]
    fn any_bytes_are_taken_or_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Setup::file(bytes).load();
    }

    #[test]
    fn one_changed_value_is_taken_or_told_of_at_its_place(
        line in prop::sample::select(settings()),
        value in prop::sample::select(vec![
            "-1", "0", "1", "99999999999", "1.5", "true", "\"\"", "\"x\"", "\"1s\"", "\"99h\"",
            "\"1B\"", "\"9GiB\"", "[]", "[1]", "[\"x\"]", "{}", "{ a = 1 }", "1979-05-27", "nan",
            "99999999999999999999", "\"HS512\"", "\"127.0.0.1:0\"", "\"filter\"",
        ]),
    ) {
        let text = template::render();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let (key, _) = lines[line].split_once(" = ").unwrap();
        let key = key.to_owned();
        lines[line] = format!("{key} = {value}");
        let setup = Setup::file(lines.join("\n"));
        if let Err(errors) = setup.load() {
            let place = format!("{}:{}:", setup.path("confab.toml").display(), line + 1);
            let first = errors.iter().next().unwrap();
            // A rule between two keys is told of at the first of them.
            let told = errors.iter().any(|error| error.place().starts_with(&place))
                || first.message().contains(&key);
            prop_assert!(told, "{errors}");
        }
    }

    #[test]
    fn one_changed_key_is_told_of_at_its_place(
        line in prop::sample::select(settings()),
        key in "[a-z]{1,3}_x",
    ) {
        let text = template::render();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let (_, value) = lines[line].split_once(" = ").unwrap();
        lines[line] = format!("{key} = {value}");
        let setup = Setup::file(lines.join("\n"));
        let errors = setup.load().unwrap_err();
        let place = format!("{}:{}:1", setup.path("confab.toml").display(), line + 1);
        prop_assert!(errors.iter().any(|error| error.place() == place), "{errors}");
    }
}
