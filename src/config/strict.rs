//! Another TOML file, such as the fixtures of `confab test`, read as strictly as the
//! configuration: unknown keys, wrong types and unknown words are errors with a place.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use confab_plugin::{Manifest, Problem, Segment};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    document::{Finding, Parsed},
    error::{ConfigError, ConfigErrors, Place},
    files::{Unread, read_document},
    layers::{Giver, Layer},
    load::check_layer,
};

/// A file that was read, to find the places of its values again.
pub struct StrictFile {
    layer: Layer,
    path: PathBuf,
    what: &'static str,
}

impl StrictFile {
    /// Reads the file and checks it against the schema of `T`. A `[[plugins]]` in it is a chain,
    /// checked like that of a configuration. `what` names the file in messages, as in "the
    /// fixtures".
    ///
    /// # Errors
    /// All that is wrong, each with its place.
    pub fn read<T: DeserializeOwned + JsonSchema>(
        path: &Path,
        what: &'static str,
        manifests: &[Manifest],
    ) -> Result<(Self, T), ConfigErrors> {
        let parsed = read_document(path.to_owned(), what, None);
        let Parsed { document, tree, wrong } = parsed.map_err(|unread| match unread {
            Unread::NoFile(error) => ConfigErrors::of(what, vec![error]),
            Unread::NotToml(errors) => ConfigErrors::of(what, errors),
        })?;
        let mut layer = Layer { giver: Giver::File(document), rank: 0, tree };
        let schema = schemars::schema_for!(T).to_value();
        let mut findings = check_layer(&mut layer, wrong, &schema, manifests);
        findings.extend(repeated_labels(&layer));
        let file = Self { layer, path: path.to_owned(), what };
        if !findings.is_empty() {
            return Err(file.located(&findings));
        }
        let tree = Value::Object(file.layer.tree.clone());
        match serde_json::from_value(tree) {
            Ok(value) => Ok((file, value)),
            Err(error) => {
                let place = Place::File(path.to_owned());
                let error = ConfigError::new(error.to_string(), place);
                Err(ConfigErrors::of(what, vec![error]))
            }
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The line, counted from 1, on which a key or an item stands.
    pub fn line(&self, path: &[Segment]) -> usize {
        match &self.layer.giver {
            Giver::File(document) => document.line(path),
            _ => 1,
        }
    }

    /// The errors that these problems with values of the file are. `problems` must not be empty.
    pub fn errors(&self, problems: Vec<Problem>) -> ConfigErrors {
        let finding = |problem: Problem| Finding::at(&problem.path, problem.message);
        let findings: Vec<_> = problems.into_iter().map(finding).collect();
        self.located(&findings)
    }

    fn located(&self, findings: &[Finding]) -> ConfigErrors {
        let mut errors: Vec<_> = findings.iter().map(|found| self.layer.error(found)).collect();
        errors.sort_by_key(ConfigError::order);
        ConfigErrors::of(self.what, errors)
    }
}

/// Entries of one chain are told apart by their labels.
fn repeated_labels(layer: &Layer) -> Vec<Finding> {
    let mut seen = BTreeSet::new();
    let mut findings = Vec::new();
    for (index, entry) in layer.entries().into_iter().flatten().enumerate() {
        let key = if entry.get("name").is_some() { "name" } else { "use" };
        let label = entry.get(key).and_then(Value::as_str).unwrap_or_default();
        if !label.is_empty() && !seen.insert(label) {
            let path = ["plugins".into(), index.into(), key.into()];
            let message = format!("a second entry of the chain is called \"{label}\"");
            findings.push(Finding::at(&path, message).help("give it a name of its own"));
        }
    }
    findings
}
