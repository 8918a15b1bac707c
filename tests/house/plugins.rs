//! A plugin is one folder, one dependency line and one registry line, with a feature if it can be
//! left out, and sees the API alone.

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

/// How a plugin comes into the daemon, as the files say.
#[derive(Debug, Default, PartialEq)]
struct Lines {
    /// Its dependency is optional.
    optional: bool,
    /// A feature of its name brings it.
    feature: bool,
    /// That feature is a default.
    default: bool,
    /// Its registry line stands behind that feature.
    conditional: bool,
}

/// The lines of the plugin in this folder: the dependency's path and the registry's name of it
/// must be there.
fn lines(name: &str, root: &Table, registry: &str) -> Lines {
    let package = format!("confab-{name}");
    let dependency = root["dependencies"].get(&package).and_then(Value::as_table);
    let dependency = dependency.unwrap_or_else(|| panic!("Cargo.toml has no line of {package}"));
    let path = dependency.get("path").and_then(Value::as_str);
    assert_eq!(path, Some(&*format!("plugins/{name}")), "the dependency line of {package}");

    let entry = format!("Manifest::of::<{}::", package.replace('-', "_"));
    let mut before = "";
    let found = registry.lines().map(str::trim).find(|line| {
        let found = line.starts_with(&entry);
        if !found {
            before = line;
        }
        found
    });
    assert!(found.is_some(), "src/registry.rs has no line {entry}");

    let features = &root["features"];
    let brings = features.get(name).and_then(Value::as_array);
    let dep = Value::from(format!("dep:{package}"));
    Lines {
        optional: dependency.get("optional") == Some(&Value::Boolean(true)),
        feature: brings.is_some_and(|brings| brings.contains(&dep)),
        default: features["default"].as_array().unwrap().contains(&name.into()),
        conditional: before == format!("#[cfg(feature = \"{name}\")]"),
    }
}

/// One that can be left out has all four; one of a stranger's own, which is always there, none.
const FEATURE: Lines = Lines { optional: true, feature: true, default: true, conditional: true };
const ALWAYS: Lines = Lines { optional: false, feature: false, default: false, conditional: false };

#[test]
fn folders_dependency_lines_features_and_the_registry_agree() {
    let folders = plugins();
    let mut registered: Vec<_> =
        confab::registry::manifests().iter().map(|manifest| manifest.name.to_owned()).collect();
    registered.sort();
    assert_eq!(registered, folders, "src/registry.rs, and the folders in plugins");

    let root = manifest("Cargo.toml");
    let registry = source::read("src/registry.rs");
    for name in &folders {
        let lines = lines(name, &root, &registry);
        assert!(lines == FEATURE || lines == ALWAYS, "{name} is half a feature: {lines:?}");
    }
    let paths = root["dependencies"].as_table().unwrap().values();
    let paths = paths.filter_map(|how| how.get("path")?.as_str()).count();
    assert_eq!(paths, folders.len(), "the dependencies in Cargo.toml, and the folders in plugins");
}

#[test]
fn half_a_feature_is_found() {
    let root = "
        [features]
        default = ['one']
        one = ['dep:confab-one']
        [dependencies]
        confab-one = { path = 'plugins/one', optional = true }
        confab-my-own = { path = 'plugins/my-own' }
    ";
    let root: Table = root.parse().unwrap();
    let registry = "
        Manifest::of::<confab_my_own::Own>(),
        #[cfg(feature = \"one\")]
        Manifest::of::<confab_one::One>(),
    ";
    assert_eq!(lines("one", &root, registry), FEATURE);
    assert_eq!(lines("my-own", &root, registry), ALWAYS);
    let without = registry.replace("#[cfg(feature = \"one\")]", "");
    assert_eq!(lines("one", &root, &without), Lines { conditional: false, ..FEATURE });
}

#[test]
fn every_option_says_its_default() {
    for plugin in confab::registry::manifests() {
        let schema = (plugin.schema)().to_value();
        let required = schema.get("required").and_then(|keys| keys.as_array());
        for (key, option) in schema["properties"].as_object().into_iter().flatten() {
            let required = required.is_some_and(|keys| keys.contains(&key.as_str().into()));
            // A secret has no default, and no way to be written down.
            let secret = option.get("writeOnly") == Some(&true.into());
            let told = required || secret || option.get("default").is_some();
            let name = plugin.name;
            assert!(
                told,
                "{name}: {key} has no default in the schema: derive Serialize on its type"
            );
        }
    }
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
