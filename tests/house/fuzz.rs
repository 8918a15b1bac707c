//! The crate in fuzz/ is built by hand only: it must not fall behind meanwhile.

use std::collections::BTreeSet;

use toml::{Table, Value};

use crate::source::{self, files};

fn manifest(path: &str) -> Table {
    source::read(path).parse().unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The targets, as tests/fuzz names them in its list `NAME: ROUNDS,`.
fn targets() -> BTreeSet<String> {
    let list = source::read("tests/fuzz/targets/mod.rs");
    let list = list.split("\ntargets! {\n").nth(1).unwrap().split("\n}").next().unwrap();
    list.lines().map(|line| line.trim().split(':').next().unwrap().to_owned()).collect()
}

#[test]
fn libfuzzer_runs_every_target() {
    let targets = targets();
    assert!(!targets.is_empty());
    let manifest = manifest("fuzz/Cargo.toml");
    let binaries = manifest["bin"].as_array().unwrap();
    let names: Vec<_> = binaries.iter().map(|binary| binary["name"].as_str().unwrap()).collect();
    assert_eq!(names, targets.iter().collect::<Vec<_>>(), "in the order of the alphabet");
    for (name, binary) in names.iter().zip(binaries) {
        let path = format!("fuzz_targets/{name}.rs");
        assert_eq!(binary["path"].as_str(), Some(&*path));
        let expected = format!(
            "//! The target `{name}` under libFuzzer.\n#![no_main]\n\n\
             libfuzzer_sys::fuzz_target!(|data: &[u8]| confab_fuzz::run(\"{name}\", data));\n"
        );
        assert_eq!(source::read(&format!("fuzz/{path}")), expected, "{path}");
    }
    assert_eq!(files("fuzz/fuzz_targets", &[]).len(), names.len());
    assert_eq!(source::folders("tests/fuzz/corpus"), names, "each has a corpus, and no other");
}

/// A dependency's version and features, wherever they are written.
fn wanted(name: &str, line: &Value, workspace: &Value) -> (String, BTreeSet<String>) {
    let inherits = line.get("workspace").is_some();
    let full = if inherits { &workspace[name] } else { line };
    let version = full.as_str().or_else(|| full.get("version")?.as_str()).unwrap_or_default();
    let lists = [full.get("features"), line.get("features").filter(|_| inherits)];
    let features = lists.into_iter().flatten().filter_map(Value::as_array).flatten();
    let features = features.map(|feature| feature.as_str().unwrap().to_owned()).collect();
    (version.to_owned(), features)
}

#[test]
fn libfuzzer_builds_with_what_the_tests_build_with() {
    let (ours, root) = (manifest("fuzz/Cargo.toml"), manifest("Cargo.toml"));
    let shared = &root["workspace"]["dependencies"];
    for (name, line) in ours["dependencies"].as_table().unwrap() {
        if ["confab", "libfuzzer-sys"].contains(&&**name) {
            continue;
        }
        let tables = [&root["dev-dependencies"], &root["dependencies"]];
        let theirs = tables.into_iter().find_map(|table| table.get(name));
        let theirs = theirs.unwrap_or_else(|| panic!("the tests do without {name}"));
        assert_eq!(wanted(name, line, shared), wanted(name, theirs, shared), "{name}");
    }
}
