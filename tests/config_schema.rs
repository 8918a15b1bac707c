//! The JSON Schema that editors and checkers use, as taplo applies it: it passes what is shipped,
//! and says the same as the daemon.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use confab::{
    config::{ConfigErrors, Environment, Flags, load},
    registry::manifests,
};
use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What taplo says of the TOML files in a folder: the files that it refuses, and all it wrote.
struct Checked {
    passed: bool,
    refused: BTreeSet<PathBuf>,
    said: String,
}

/// Runs `taplo check` in a folder. It comes with tests/requirements.txt, and could reach no
/// network if it tried.
///
/// It often ends before it has written its last lines, of which the very last one tells whether
/// they are all there; then it has to say it again.
fn taplo(folder: &Path) -> Checked {
    let complete = |checked: &Checked| {
        let last = if checked.passed { "found files total=" } else { "ERROR operation failed" };
        checked.said.contains(last)
    };
    let said = std::iter::repeat_with(|| taplo_once(folder)).take(50).find(complete);
    let checked = said.expect("taplo never said all of it");
    assert_eq!(checked.passed, checked.refused.is_empty(), "{}", checked.said);
    checked
}

fn taplo_once(folder: &Path) -> Checked {
    let python = std::env::var("CONFAB_TEST_PYTHON")
        .expect("CONFAB_TEST_PYTHON names a Python with tests/requirements.txt: run tests/run");
    let program = Path::new(&python).with_file_name("taplo");
    let output = Command::new(&program)
        .args(["check", "--colors", "never"])
        .env_clear()
        .envs(["http_proxy", "https_proxy", "all_proxy"].map(|name| (name, "http://127.0.0.1:9")))
        .current_dir(folder)
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}: run tests/run", program.display()));
    let said = String::from_utf8(output.stderr).unwrap();
    let path = |line: &str| {
        let (_, path) = line.split_once("invalid file ")?.1.split_once("path=\"")?;
        Some(PathBuf::from(path.strip_suffix('"')?))
    };
    let refused = said.lines().filter_map(path).collect();
    Checked { passed: output.status.success(), refused, said }
}

/// A folder with the shipped configuration in it.
fn shipped() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(format!("{ROOT}/config")).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
        }
    }
    folder
}

/// The TOML files below a folder that taplo is to check.
fn tomls(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let count = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        match entry.file_type().unwrap().is_dir() {
            true if name == "target" || name == "confab-data" || name == ".git" => 0,
            true => tomls(&entry.path()),
            false => usize::from(name.ends_with(".toml")),
        }
    };
    entries.map(count).sum()
}

#[test]
fn every_shipped_file_passes() {
    let checked = taplo(Path::new(ROOT));
    assert!(checked.passed, "{}", checked.said);
    // What other tests left below target/ is found, and left out.
    let number = |name: &str| -> Option<usize> {
        checked.said.split_once(name)?.1.split(' ').next()?.parse().ok()
    };
    let looked_at = number("total=").zip(number("excluded=")).map(|(all, out)| all - out);
    assert_eq!(looked_at, Some(tomls(Path::new(ROOT))), "{}", checked.said);
}

#[test]
fn every_shipped_configuration_names_its_schema() {
    let folder = shipped();
    let mut seen = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap().map(Result::unwrap) {
        if entry.path().extension().is_some_and(|end| end == "toml") {
            let text = std::fs::read_to_string(entry.path()).unwrap();
            assert!(text.starts_with("#:schema ./confab.schema.json\n"), "{:?}", entry.path());
            seen += 1;
        }
    }
    assert!(seen >= 2);
}

#[test]
fn what_is_misspelt_or_of_a_wrong_type_fails() {
    for (from, to, said) in [
        ("\n[limits]\n", "\n[limit]\n", "'limit' was unexpected"),
        ("\nlisten = ", "\nlisen = ", "'lisen' was unexpected"),
        ("\ndeny = [", "\ndney = [", "'dney' was unexpected"),
        ("\nconnections = 50000", "\nconnections = \"many\"", "not of type \"integer\""),
        (
            "\nformat = \"json\"",
            "\nformat = \"jsno\"",
            "not one of [\"text\",\"json\",\"journald\",\"auto\"]",
        ),
        ("\nuse = \"filter\"", "\nuse = \"fitler\"", "\"fitler\" is not one of"),
        ("\nmode = \"shadow\"", "\nmode = \"shadwo\"", "\"shadwo\" is not one of"),
        ("\ndrain_grace = \"20s\"", "\ndrain_grace = \"20 parsecs\"", "does not match"),
        ("\nuse = \"metrics\"", "\nname = \"metrics\"", "\"use\" is a required property"),
    ] {
        let folder = shipped();
        let file = folder.path().join("production.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{from:?}");
        assert!(taplo(folder.path()).passed, "before {to:?}");
        std::fs::write(&file, text.replacen(from, to, 1)).unwrap();
        let checked = taplo(folder.path());
        assert_eq!(checked.refused.len(), 1, "{to:?}\n{}", checked.said);
        assert!(checked.said.contains(said), "{said:?} in\n{}", checked.said);
    }
}

/// A value of every sort: good for some keys, wrong for most. `1.0` is not among them, which the
/// daemon refuses and JSON Schema takes for a whole number.
const VALUES: [&str; 36] = [
    "-1",
    "0",
    "1",
    "5",
    "100",
    "101",
    "70000",
    "99999999999",
    "1.5",
    "true",
    "\"\"",
    "\"x\"",
    "\"X y\"",
    "\"1s\"",
    "\"1h 30m\"",
    "\"1.5 hours\"",
    "\"5 parsecs\"",
    "\"1B\"",
    "\"64kib\"",
    "\"1 MB\"",
    "\"9TB\"",
    "\"127.0.0.1:0\"",
    "\"[::1]:80\"",
    "\"localhost:80\"",
    "\"HS512\"",
    "\"hs512\"",
    "\"single\"",
    "\"off\"",
    "[]",
    "[\"message\"]",
    "[\"message\", \"message\"]",
    "[\"denied\"]",
    "[1]",
    "{}",
    "{ a = 1 }",
    "1979-05-27",
];

/// What the daemon says of the shape of a value, which the schema must say too. What else it says
/// (bounds of durations and sizes, rules between keys, what patterns mean) the schema can't.
const SHAPE: [&str; 11] = [
    "unknown key",
    "unknown value",
    "unknown plugin",
    "expected ",
    " is missing",
    "is not a duration",
    "is not a size",
    "is not an address",
    "is no name",
    "is named twice",
    "for no kind of event",
];

fn is_shape(message: &str) -> bool {
    let bound = message.strip_prefix("must be from ").and_then(|rest| rest.split(' ').next());
    let number = |word: &str| word.parse::<i64>().is_ok();
    bound.is_some_and(number) || SHAPE.iter().any(|part| message.contains(part))
}

/// The keys of every table, with what stands before the key in a file.
fn keys() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(format!("{ROOT}/config/confab.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    let mut keys = Vec::new();
    let mut tables = vec![(String::new(), &schema)];
    while let Some((name, table)) = tables.pop() {
        for (key, value) in table["properties"].as_object().into_iter().flatten() {
            let header = if name.is_empty() { String::new() } else { format!("[{name}]\n") };
            keys.push((header, key.clone()));
            tables.push((format!("{name}.{key}").trim_start_matches('.').to_owned(), value));
        }
    }
    let entry = &schema["properties"]["plugins"]["items"]["allOf"][0]["properties"];
    let entry_keys = entry.as_object().unwrap().keys();
    let other = |key: &String| if key == "use" { "" } else { "use = \"metrics\"\n" };
    keys.extend(entry_keys.map(|key| (format!("[[plugins]]\n{}", other(key)), key.clone())));
    for plugin in manifests() {
        let name = plugin.name;
        let options = schema["definitions"][name]["properties"].as_object().unwrap();
        let header = format!("[[plugins]]\nuse = \"{name}\"\n[plugins.options]\n");
        keys.extend(options.keys().map(|key| (header.clone(), key.clone())));
    }
    keys
}

#[test]
fn the_schema_and_the_daemon_agree() {
    let folder = shipped();
    let mut documents = Vec::new();
    for (header, key) in keys() {
        documents.push(format!("{header}{key}_x = 1\n"));
        documents.extend(VALUES.iter().map(|value| format!("{header}{key} = {value}\n")));
    }
    for name in manifests().iter().map(|manifest| manifest.name) {
        documents.push(format!("[[plugins]]\nuse = \"{name}\"\n"));
        documents.push(format!("[[plugins]]\nuse = \"{name}x\"\n"));
        documents.push(format!("[[plugins]]\nname = \"{name}\"\n"));
    }
    let file = |number: usize| folder.path().join(format!("{number}.toml"));
    for (number, text) in documents.iter().enumerate() {
        let text = format!("#:schema ./confab.schema.json\n{text}");
        std::fs::write(file(number), text).unwrap();
    }
    let checked = taplo(folder.path());
    let environment = Environment::new(Vec::<(String, String)>::new(), folder.path().join("none"));
    let mut wrong = String::new();
    let (mut good, mut bad) = (0, 0);
    for (number, text) in documents.iter().enumerate() {
        let flags = Flags { config: Some(file(number)), no_secrets: true, ..Flags::default() };
        let errors = load(&environment, &flags, &manifests()).err();
        let errors = errors.iter().flat_map(ConfigErrors::iter);
        let messages: Vec<String> = errors.map(|error| error.message().to_owned()).collect();
        let valid = !checked.refused.contains(&file(number));
        match (messages.is_empty(), valid) {
            (true, true) => good += 1,
            (true, false) => writeln!(wrong, "the schema alone refuses\n{text}").unwrap(),
            (false, true) if messages.iter().any(|message| is_shape(message)) => {
                writeln!(wrong, "the daemon alone refuses\n{text}{messages:?}\n").unwrap();
            }
            (false, true) => {}
            (false, false) => bad += 1,
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(good > 200 && bad > 1000, "{good} good, {bad} bad of {}", documents.len());
}
