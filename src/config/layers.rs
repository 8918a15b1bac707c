//! The layers of the configuration: what each gives, how they are merged, and which of them a
//! value came from.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use confab_plugin::Segment;
use figment::{Figment, Metadata, Profile, Provider, value};
use serde_json::{Map, Value};

use super::{
    document::{Document, Finding, Target},
    error::{ConfigError, Place},
    sections::Config,
    tables,
};

/// Where the value of a key came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// Nothing says otherwise.
    #[default]
    Default,
    /// A systemd credential of this name.
    Credential(&'static str),
    /// A line of a file, counted from 1.
    File(PathBuf, usize),
    /// All that a file contains.
    Contents(PathBuf),
    /// A variable of the environment.
    Variable(String),
    /// An option of the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::Credential(name) => write!(f, "credential {name}"),
            Origin::File(path, line) => write!(f, "{}:{line}", path.display()),
            Origin::Contents(path) => write!(f, "contents of {}", path.display()),
            Origin::Variable(name) => write!(f, "variable {name}"),
            Origin::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// What gives a layer's values.
pub(super) enum Giver {
    Defaults,
    File(Document),
    Variable(String),
    Flag(&'static str),
}

/// One layer. Later ones win.
pub(super) struct Layer {
    pub giver: Giver,
    /// Layers of one rank can't say of each other which wins.
    pub rank: usize,
    pub tree: Map<String, Value>,
}

impl Layer {
    /// A layer that gives one key.
    pub fn of_key(giver: Giver, rank: usize, table: &str, key: &str, value: Value) -> Self {
        Self { giver, rank, tree: tables::tree(table, key, value) }
    }

    /// The value at a key of a table.
    pub fn get(&self, table: &str, key: &str) -> Option<&Value> {
        tables::find(&self.tree, table, key)
    }

    /// The entries of the chain that it gives.
    pub fn entries(&self) -> Option<&Vec<Value>> {
        self.tree.get("plugins")?.as_array()
    }

    pub fn place(&self, path: &[Segment], target: Target) -> Place {
        match &self.giver {
            Giver::Defaults => Place::Default,
            Giver::File(document) => document.place(path, target),
            Giver::Variable(name) => Place::Variable(name.clone()),
            Giver::Flag(name) => Place::Flag(name),
        }
    }

    pub fn origin(&self, path: &[Segment]) -> Origin {
        match &self.giver {
            Giver::Defaults => Origin::Default,
            Giver::File(document) => Origin::File(document.path().to_owned(), document.line(path)),
            Giver::Variable(name) => Origin::Variable(name.clone()),
            Giver::Flag(name) => Origin::Flag(name),
        }
    }

    /// A finding with its place.
    pub fn error(&self, finding: &Finding) -> ConfigError {
        let place = self.place(&finding.path, finding.target);
        let error = ConfigError::new(finding.message.clone(), place);
        match &finding.help {
            Some(help) => error.help(help.clone()),
            None => error,
        }
    }

    /// Takes a wrong value away, so that what is right can still be checked.
    pub fn prune(&mut self, path: &[Segment]) {
        // An array with a wrong item goes as a whole: items keep their places.
        let last = path.iter().rposition(|step| matches!(step, Segment::Key(_)));
        let way = last.and_then(|last| path.get(..=last)?.split_last());
        let Some((Segment::Key(key), above)) = way else {
            return;
        };
        let Some((Segment::Key(first), rest)) = above.split_first() else {
            self.tree.remove(key);
            return;
        };
        let mut value = self.tree.get_mut(first);
        for step in rest {
            value = value.and_then(|value| match step {
                Segment::Key(key) => value.get_mut(key),
                Segment::Index(index) => value.get_mut(index),
            });
        }
        if let Some(table) = value.and_then(Value::as_object_mut) {
            table.remove(key);
        }
    }
}

/// The layers as one configuration.
pub(super) struct Merged {
    pub config: Config,
    /// By table and key, the number of the layer that gave it.
    givers: BTreeMap<(String, String), usize>,
    /// For each entry of the chain, its layer and its number there.
    pub entries: Vec<(usize, usize)>,
}

impl Merged {
    /// Lays the layers over each other. A key that a later one gives replaces that of an earlier
    /// one; the entries of the chain follow each other.
    ///
    /// # Errors
    /// The typed configuration does not take the values, which the checks should have found.
    pub fn of(layers: &[Layer]) -> Result<Self, String> {
        let mut figment = Figment::new();
        let mut entries = Vec::new();
        for (number, layer) in layers.iter().enumerate() {
            let part = |chain| Part { layer, number, chain };
            figment = figment.merge(part(false)).admerge(part(true));
            let count = layer.entries().map_or(0, Vec::len);
            entries.extend((0..count).map(|index| (number, index)));
        }
        let config = figment.extract().map_err(|error| error.to_string())?;
        let whole = figment.find_value("").map_err(|error| error.to_string())?;
        let mut givers = BTreeMap::new();
        for (name, table) in whole.as_dict().into_iter().flatten() {
            givers_of(&figment, name, table, &mut givers);
        }
        Ok(Self { config, givers, entries })
    }

    /// The number of the layer that gave a key; 0, the defaults, if none did.
    pub fn giver(&self, table: &str, key: &str) -> usize {
        let path = (table.to_owned(), key.to_owned());
        self.givers.get(&path).copied().unwrap_or(0)
    }
}

/// Adds which layers gave the keys of a table, and of those within it.
fn givers_of(
    figment: &Figment,
    name: &str,
    table: &value::Value,
    givers: &mut BTreeMap<(String, String), usize>,
) {
    for (key, value) in table.as_dict().into_iter().flatten() {
        if value.as_dict().is_some() {
            givers_of(figment, &format!("{name}.{key}"), value, givers);
            continue;
        }
        let metadata = figment.get_metadata(value.tag());
        if let Some(Ok(number)) = metadata.map(|metadata| metadata.name.parse()) {
            givers.insert((name.to_owned(), key.clone()), number);
        }
    }
}

/// A layer as figment takes it: its chain apart from all else, because only chains add up.
struct Part<'a> {
    layer: &'a Layer,
    number: usize,
    chain: bool,
}

impl Provider for Part<'_> {
    /// The layer's number, by which it is found again.
    fn metadata(&self) -> Metadata {
        Metadata::named(self.number.to_string())
    }

    fn data(&self) -> Result<value::Map<Profile, value::Dict>, figment::Error> {
        let tree = &self.layer.tree;
        let part = tree.iter().filter(|(key, _)| (*key == "plugins") == self.chain);
        let mut values = value::Dict::new();
        for (key, value) in part {
            values.insert(key.clone(), value::Value::serialize(value)?);
        }
        Ok(value::Map::from([(Profile::Default, values)]))
    }
}

/// For each key of the effective configuration, where its value came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(BTreeMap<String, Origin>);

impl Origins {
    pub(super) fn set(&mut self, path: &str, origin: Origin) {
        self.0.insert(path.to_owned(), origin);
    }

    /// The origin of a key: `server.listen`, `plugins[0].use`, `plugins[0].options.words`.
    pub fn of(&self, path: &str) -> &Origin {
        const DEFAULT: &Origin = &Origin::Default;
        self.0.get(path).unwrap_or(DEFAULT)
    }

    pub(super) fn collect(merged: &Merged, layers: &[Layer]) -> Self {
        let mut origins = Self::default();
        for ((table, key), number) in &merged.givers {
            if let Some(layer) = layers.get(*number) {
                let path = tables::path(table, key);
                origins.set(&format!("{table}.{key}"), layer.origin(&path));
            }
        }
        for (number, (layer, index)) in merged.entries.iter().enumerate() {
            let Some(layer) = layers.get(*layer) else {
                continue;
            };
            let entry = layer.entries().and_then(|entries| entries.get(*index));
            let mut path = vec!["plugins".into(), (*index).into()];
            let name = format!("plugins[{number}]");
            for (key, value) in entry.and_then(Value::as_object).into_iter().flatten() {
                path.push(key.as_str().into());
                origins.set(&format!("{name}.{key}"), layer.origin(&path));
                for (option, _) in value.as_object().into_iter().flatten() {
                    path.push(option.as_str().into());
                    origins.set(&format!("{name}.{key}.{option}"), layer.origin(&path));
                    path.pop();
                }
                path.pop();
            }
        }
        origins
    }
}
