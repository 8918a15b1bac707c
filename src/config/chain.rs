//! Checks the entries of `[[plugins]]`: the plugin exists, the entry makes sense, and the
//! plugin itself agrees with its options.

use std::panic::{AssertUnwindSafe, catch_unwind};

use confab_plugin::{Manifest, Segment};
use serde_json::{Map, Value};

use super::{
    bounds,
    document::{Finding, Path},
    schema,
    suggest::did_you_mean,
};

/// The longest label of an entry.
pub(super) const MAX_LABEL: usize = 64;

/// Checks the entries of one layer. `wrong` are the entries' values that are known to be wrong,
/// and are gone from `entries`.
pub(super) fn check(entries: &[Value], wrong: &[Finding], manifests: &[Manifest]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let Some(entry) = entry.as_object() else {
            continue;
        };
        let path = vec![Segment::from("plugins"), index.into()];
        own_keys(entry, &path, &mut findings);
        let Some(plugin) = entry.get("use").and_then(Value::as_str) else {
            continue;
        };
        let Some(manifest) = manifests.iter().find(|manifest| manifest.name == plugin) else {
            findings.push(unknown_plugin(plugin, manifests, &path));
            continue;
        };
        let path = below(&path, "options");
        if wrong.iter().all(|finding| !finding.path.starts_with(&path)) {
            let label = entry.get("name").and_then(Value::as_str).unwrap_or(plugin);
            let options = entry.get("options").cloned();
            let options = options.unwrap_or_else(|| Value::Object(Map::new()));
            findings.extend(check_options(manifest, label, options, &path));
        }
    }
    findings
}

/// Checks the options of one entry, first against the plugin's schema, then by building it.
fn check_options(
    manifest: &Manifest,
    label: &str,
    mut options: Value,
    path: &[Segment],
) -> Vec<Finding> {
    let root = (manifest.schema)().to_value();
    let mut findings = schema::check(&root, &root, &options, path);
    let partial = !findings.is_empty();
    // What is left may be wrong in ways that only the plugin knows: tell them at once.
    if let Some(options) = options.as_object_mut() {
        for finding in &findings {
            if let Some(Segment::Key(key)) = finding.path.get(path.len()) {
                options.remove(key);
            }
        }
    }
    let given = options.clone();
    // Building is pure; a plugin that panics over its options must not hide the other errors.
    let built = catch_unwind(AssertUnwindSafe(|| (manifest.build)(label, options)));
    let problems = match built {
        Ok(Ok(_)) => return findings,
        Ok(Err(problems)) => problems,
        Err(_) => {
            let message = format!("the plugin {} panicked over its options", manifest.name);
            findings.push(Finding::at(path, message));
            return findings;
        }
    };
    // Of an incomplete table, only what is said of a value that is there can be believed.
    let believed = |problem: &confab_plugin::Problem| match problem.path.first() {
        Some(Segment::Key(key)) => !partial || given.get(key).is_some(),
        _ => !partial,
    };
    let locate = |problem: confab_plugin::Problem| {
        let path: Path = path.iter().cloned().chain(problem.path).collect();
        Finding::at(&path, problem.message)
    };
    findings.extend(problems.into_iter().filter(believed).map(locate));
    findings
}

fn own_keys(entry: &Map<String, Value>, path: &[Segment], findings: &mut Vec<Finding>) {
    if let Some(name) = entry.get("name").and_then(Value::as_str)
        && !is_label(name)
    {
        let name = schema::quoted(name);
        let message = format!("{name} is no name: take 1 to {MAX_LABEL} of a-z 0-9 . _ -");
        findings.push(Finding::at(&below(path, "name"), message));
    }
    if let Some(kinds) = entry.get("on").and_then(Value::as_array) {
        let path = below(path, "on");
        if kinds.is_empty() {
            let message = "an entry for no kind of event does nothing: name one, or leave the key \
                           out";
            findings.push(Finding::at(&path, message));
        }
        for (index, kind) in kinds.iter().enumerate() {
            if kinds.iter().take(index).any(|earlier| earlier == kind) {
                let path: Path = path.iter().cloned().chain([index.into()]).collect();
                findings.push(Finding::at(&path, format!("{kind} is named twice")));
            }
        }
    }
    for (_, key, least, most) in bounds::BOUNDS.iter().filter(|bound| bound.0 == "plugins") {
        let outside = entry.get(*key).and_then(|value| bounds::outside(value, least, most));
        findings.extend(outside.map(|message| Finding::at(&below(path, key), message)));
    }
}

fn unknown_plugin(plugin: &str, manifests: &[Manifest], path: &[Segment]) -> Finding {
    let names: Vec<&str> = manifests.iter().map(|manifest| manifest.name).collect();
    let hint = did_you_mean(plugin, names.iter().copied());
    let message = format!("unknown plugin {}{hint}", schema::quoted(plugin));
    Finding::at(&below(path, "use"), message).help(match names.as_slice() {
        [] => "no plugin is compiled in".to_owned(),
        names => format!("compiled in are {}", names.join(", ")),
    })
}

/// Whether this may be the label of an entry.
pub(crate) fn is_label(name: &str) -> bool {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    (1..=MAX_LABEL).contains(&name.len()) && name.chars().all(good)
}

fn below(path: &[Segment], key: &str) -> Path {
    path.iter().cloned().chain([key.into()]).collect()
}
