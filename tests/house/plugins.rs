//! A plugin is one folder, one dependency line and one registry line, and sees the API alone.

use toml::{Table, Value};

use crate::{
    paths::Paths,
    source::{self, files},
};

/// The folder that is no plugin, but what they are all written against.
const API: &str = "api";

/// The plugins: the folders beside the API's.
fn plugins() -> Vec<String> {
    let mut names = source::folders("plugins");
    names.retain(|name| name != API);
    assert!(!names.is_empty());
    names
}

fn manifest(path: &str) -> Table {
    source::read(path).parse().unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The packages of all tables of dependencies, those of one platform or of tests too.
fn dependencies(manifest: &Table) -> Vec<String> {
    let mut packages = Vec::new();
    for (key, value) in manifest {
        let Some(table) = value.as_table() else { continue };
        if key.ends_with("dependencies") {
            for (name, how) in table {
                let package = how.get("package").and_then(Value::as_str);
                packages.push(package.unwrap_or(name).to_owned());
            }
        } else if key == "target" {
            packages.extend(table.values().filter_map(Value::as_table).flat_map(dependencies));
        }
    }
    packages
}

#[test]
fn a_plugin_depends_on_the_api_and_never_on_the_daemon() {
    for name in plugins() {
        let needs = dependencies(&manifest(&format!("plugins/{name}/Cargo.toml")));
        assert!(needs.iter().any(|package| package == "confab-plugin"), "{name}: {needs:?}");
        let ours: Vec<_> =
            needs.iter().filter(|p| p.starts_with("confab") && *p != "confab-plugin").collect();
        assert!(ours.is_empty(), "{name} depends on {ours:?}");
        for file in files(&format!("plugins/{name}"), &[".rs"]) {
            let paths = Paths::of(&file.text);
            let daemon = paths.all().find(|path| path.first().is_some_and(|n| n == "confab"));
            assert_eq!(daemon, None, "{}", file.path);
        }
    }
    let needs = dependencies(&manifest("plugins/api/Cargo.toml"));
    assert!(!needs.iter().any(|package| package.starts_with("confab")), "api: {needs:?}");
}

#[test]
fn every_kind_of_dependency_is_seen() {
    let manifest = "
        [dependencies]
        a = '1'
        b.workspace = true
        [dev-dependencies]
        c = { path = '../..', package = 'confab' }
        [target.'cfg(unix)'.build-dependencies]
        d = '1'
        [features]
        e = []
    ";
    let mut seen = dependencies(&manifest.parse().unwrap());
    seen.sort();
    assert_eq!(seen, ["a", "b", "confab", "d"]);
}

#[test]
fn folders_dependency_lines_and_the_registry_agree() {
    let folders = plugins();

    let mut registered: Vec<_> =
        confab::registry::manifests().iter().map(|manifest| manifest.name.to_owned()).collect();
    registered.sort();
    assert_eq!(registered, folders, "src/registry.rs, and the folders in plugins");

    let root = manifest("Cargo.toml");
    let lines = root["dependencies"].as_table().unwrap().iter().filter_map(|(name, how)| {
        let path = how.get("path")?.as_str()?;
        Some((name.clone(), path.to_owned()))
    });
    let mut lines: Vec<_> = lines.collect();
    lines.sort();
    let expected: Vec<_> =
        folders.iter().map(|name| (format!("confab-{name}"), format!("plugins/{name}"))).collect();
    assert_eq!(lines, expected, "the dependencies in Cargo.toml, and the folders in plugins");
}

#[test]
fn every_plugin_has_a_manual_that_names_it() {
    for name in plugins() {
        let manual = source::read(&format!("plugins/{name}/README.md"));
        let title = format!("# {name}\n");
        assert!(manual.starts_with(&title), "plugins/{name}/README.md does not begin {title:?}");
        let line = format!("\n{name} - ");
        assert!(manual.contains(&line), "plugins/{name}/README.md has no line {line:?}");

        let manifests = confab::registry::manifests();
        let manifest = manifests.iter().find(|manifest| manifest.name == name).unwrap();
        assert_eq!(manifest.manual, manual, "the manual of {name} is its README.md");
    }
}
